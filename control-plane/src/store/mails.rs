//! Mail that is to be sent, and what became of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use sqlx::types::Json;

use super::pages::{Cursor, Page, behind, clamp, contains};
use super::{Result, Tx, seconds};
use crate::model::email::Email;
use crate::model::ids::{MailId, TenantId};
use crate::model::letter::{Letter, MailState};

/// Has a letter sent, once the transaction is committed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn queue(
    tx: &mut Tx,
    tenant: Option<TenantId>,
    recipient: &Email,
    letter: &Letter,
) -> Result<MailId> {
    let id = MailId::random();
    sqlx::query(
        "insert into freehold.mails (id, tenant_id, recipient, kind, letter) values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(tenant)
    .bind(recipient)
    .bind(letter.kind())
    .bind(Json(letter))
    .execute(tx.sql())
    .await?;
    Ok(id)
}

/// A mail that somebody is to send now.
#[derive(Debug, Clone, FromRow)]
pub struct DueMail {
    pub id: MailId,
    pub recipient: String,
    pub kind: String,
    /// As it was queued; read by whoever sends it, so that one that cannot be read harms no other.
    pub letter: Option<Json<serde_json::Value>>,
    /// Which attempt this is, from 1 on.
    pub attempts: i32,
}

/// Takes mails that are due. They are due again after `lease`, for whoever comes then, if nobody says what became of
/// them.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take(tx: &mut Tx, lease: Duration, limit: i64) -> Result<Vec<DueMail>> {
    Ok(sqlx::query_as(
        "with due as (
             select id from freehold.mails where state = 'queued' and due_at <= now()
              order by due_at limit $2 for no key update skip locked
         )
         update freehold.mails m set due_at = now() + make_interval(secs => $1), attempts = m.attempts + 1
           from due where m.id = due.id
         returning m.id, m.recipient, m.kind, m.letter, m.attempts",
    )
    .bind(seconds(lease))
    .bind(limit)
    .fetch_all(tx.sql())
    .await?)
}

/// What a mail said, where it is kept to be read.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
}

/// It was sent. The letter goes, because it may hold a secret; what it became stays where it is to be read. False when
/// the attempt was not the last one any more.
///
/// # Errors
/// When the database cannot be reached.
pub async fn sent(tx: &mut Tx, mail: &DueMail, kept: Option<Kept<'_>>) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.mails
            set state = 'sent', ended_at = now(), letter = null, last_error = null, subject = $3, body_text = $4,
                body_html = $5
          where id = $1 and attempts = $2 and state = 'queued'",
    )
    .bind(mail.id)
    .bind(mail.attempts)
    .bind(kept.map(|kept| kept.subject))
    .bind(kept.map(|kept| kept.text))
    .bind(kept.map(|kept| kept.html))
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It was not sent, and is tried again after a pause.
///
/// # Errors
/// When the database cannot be reached.
pub async fn put_off(tx: &mut Tx, mail: &DueMail, pause: Duration, why: &str) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.mails set due_at = now() + make_interval(secs => $3), last_error = $4
          where id = $1 and attempts = $2 and state = 'queued'",
    )
    .bind(mail.id)
    .bind(mail.attempts)
    .bind(seconds(pause))
    .bind(why)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// It is given up. The letter stays for a while, so that a person can have it tried again.
///
/// # Errors
/// When the database cannot be reached.
pub async fn give_up(tx: &mut Tx, mail: &DueMail, why: &str) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.mails set state = 'dead', ended_at = now(), last_error = $3
          where id = $1 and attempts = $2 and state = 'queued'",
    )
    .bind(mail.id)
    .bind(mail.attempts)
    .bind(why)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Empties what mails said that ended longer ago.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget(tx: &mut Tx, after: Duration) -> Result<u64> {
    let done = sqlx::query(
        "update freehold.mails set letter = null, subject = null, body_text = null, body_html = null
          where ended_at < now() - make_interval(secs => $1) and (letter is not null or body_text is not null)",
    )
    .bind(seconds(after))
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected())
}

/// A mail as platform admins see it in a list.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MailRecord {
    pub id: MailId,
    pub tenant_id: Option<TenantId>,
    pub recipient: String,
    pub kind: String,
    pub subject: Option<String>,
    pub state: MailState,
    pub attempts: i32,
    /// When it is tried next, if it waits.
    pub due_at: DateTime<Utc>,
    pub last_error: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Whether what it says is still there to be sent.
    pub letter_kept: bool,
}

macro_rules! mail_columns {
    () => {
        "id, tenant_id, recipient, kind, subject, state, attempts, due_at, last_error, ended_at, created_at, \
         letter is not null as letter_kept"
    };
}

/// What a mail said, if it was kept: as text and as a page.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MailBody {
    pub body_text: Option<String>,
    pub body_html: Option<String>,
}

/// Which mails to list. What is not given is not asked.
#[derive(Debug, Clone, Default)]
pub struct MailFilter {
    pub state: Option<MailState>,
    /// Part of the recipient's address.
    pub search: Option<String>,
}

const ORDER: &str = "mails";

/// A page of mails, the latest first.
///
/// # Errors
/// [`super::Error::InvalidCursor`], or when the database cannot be reached.
pub async fn list(
    tx: &mut Tx,
    filter: &MailFilter,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Page<MailRecord>> {
    let limit = clamp(limit);
    let (before, before_id) = behind(after, ORDER)?;
    let rows: Vec<MailRecord> = sqlx::query_as(concat!(
        "select ",
        mail_columns!(),
        " from freehold.mails
          where ($1::text is null or state = $1)
            and ($2::text is null or recipient ilike $2)
            and ($3::timestamptz is null or (created_at, id) < ($3, $4))
          order by created_at desc, id desc limit $5"
    ))
    .bind(filter.state)
    .bind(filter.search.as_deref().map(contains))
    .bind(before)
    .bind(before_id)
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |row| Cursor::of_time(ORDER, row.created_at, row.id.0)))
}

/// A mail, and what it said if that was kept.
///
/// # Errors
/// [`super::Error::NotFound`] when there is none.
pub async fn get(tx: &mut Tx, id: MailId) -> Result<(MailRecord, MailBody)> {
    let record =
        sqlx::query_as(concat!("select ", mail_columns!(), " from freehold.mails where id = $1")).bind(id);
    let record: MailRecord = record.fetch_one(tx.sql()).await?;
    let body = sqlx::query_as("select body_text, body_html from freehold.mails where id = $1").bind(id);
    Ok((record, body.fetch_one(tx.sql()).await?))
}

/// Has a mail that was given up tried again, from the beginning. False when it was not given up, or its letter is gone.
///
/// # Errors
/// When the database cannot be reached.
pub async fn retry(tx: &mut Tx, id: MailId) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.mails set state = 'queued', ended_at = null, attempts = 0, due_at = now()
          where id = $1 and state = 'dead' and letter is not null",
    )
    .bind(id)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}
