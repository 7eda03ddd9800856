//! Places in a tenant that are offered by mail. Of their secrets only the hash is kept.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::pages::{self, Cursor, Page};
use super::{Result, Tx, seconds};
use crate::model::email::Email;
use crate::model::ids::{InvitationId, TenantId, UserId};
use crate::model::invitation::InvitationStatus;
use crate::model::role::Role;

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct InvitationRecord {
    pub id: InvitationId,
    pub tenant_id: TenantId,
    pub email: Email,
    pub role: Role,
    pub status: InvitationStatus,
    pub invited_by: String,
    pub sent_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// An invitation that is to be.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    pub tenant: TenantId,
    pub email: Email,
    pub role: Role,
    pub hash: [u8; 32],
    pub invited_by: String,
    pub good_for: Duration,
}

/// Which invitations to list.
#[derive(Debug, Clone, Default)]
pub struct InvitationFilter {
    /// Text that the address holds.
    pub search: Option<String>,
    /// Empty: all.
    pub statuses: Vec<InvitationStatus>,
    pub cursor: Option<Cursor>,
    /// Rows of a page, between 1 and [`pages::MAX_LIMIT`].
    pub limit: u32,
}

const ORDER: &str = "invitations";

macro_rules! status {
    () => {
        "case when accepted_at is not null then 'accepted' when revoked_at is not null then 'revoked'
              when expires_at <= now() then 'expired' else 'pending' end"
    };
}

macro_rules! columns {
    () => {
        concat!(
            "id, tenant_id, email, role, ",
            status!(),
            " as status, invited_by, sent_at, expires_at, created_at"
        )
    };
}

/// Offers a place. One that was offered to the address before and has expired makes room for it.
///
/// # Errors
/// [`super::Conflict::PendingAlready`].
pub async fn create(tx: &mut Tx, new: &NewInvitation) -> Result<InvitationRecord> {
    sqlx::query(
        "update freehold.invitations set revoked_at = now()
          where tenant_id = $1 and email = $2 and accepted_at is null and revoked_at is null
            and expires_at <= now()",
    )
    .bind(new.tenant)
    .bind(&new.email)
    .execute(tx.sql())
    .await?;
    Ok(sqlx::query_as(concat!(
        "insert into freehold.invitations (id, tenant_id, email, role, hash, invited_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7)) returning ",
        columns!()
    ))
    .bind(InvitationId::random())
    .bind(new.tenant)
    .bind(&new.email)
    .bind(new.role)
    .bind(new.hash.as_slice())
    .bind(&new.invited_by)
    .bind(seconds(new.good_for))
    .fetch_one(tx.sql())
    .await?)
}

/// Whether a place is offered to the address that can still be accepted.
///
/// # Errors
/// When the database cannot be reached.
pub async fn is_open(tx: &mut Tx, tenant: TenantId, email: &Email) -> Result<bool> {
    Ok(sqlx::query_scalar(concat!(
        "select exists (select 1 from freehold.invitations where tenant_id = $1 and email = $2 and ",
        status!(),
        " = 'pending')"
    ))
    .bind(tenant)
    .bind(email)
    .fetch_one(tx.sql())
    .await?)
}

/// A page of a tenant's invitations, the newest first.
///
/// # Errors
/// [`super::Error::InvalidCursor`] when the cursor was made for another list.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &InvitationFilter,
) -> Result<Page<InvitationRecord>> {
    let (before, before_id) = pages::behind(filter.cursor.as_ref(), ORDER)?;
    let limit = pages::clamp(filter.limit);
    let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
    let rows = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from freehold.invitations
          where tenant_id = $1 and ($2::text is null or email ilike $2) and ($3::text[] is null or ",
        status!(),
        " = any ($3)) and ($4::timestamptz is null or (created_at, id) < ($4::timestamptz, $5))
          order by created_at desc, id desc limit $6"
    ))
    .persistent(false)
    .bind(tenant)
    .bind(filter.search.as_deref().map(pages::contains))
    .bind(if statuses.is_empty() { None } else { Some(statuses) })
    .bind(before)
    .bind(before_id)
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |last: &InvitationRecord| Cursor::of_time(ORDER, last.created_at, last.id.0)))
}

/// An invitation of a tenant, which nobody else changes until the transaction ends.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn hold(tx: &mut Tx, tenant: TenantId, id: InvitationId) -> Result<InvitationRecord> {
    Ok(sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from freehold.invitations where tenant_id = $1 and id = $2 for update"
    ))
    .bind(tenant)
    .bind(id)
    .fetch_one(tx.sql())
    .await?)
}

/// The invitation that this is the hash of the secret of.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn by_hash(tx: &mut Tx, hash: &[u8; 32]) -> Result<InvitationRecord> {
    Ok(sqlx::query_as(concat!("select ", columns!(), " from freehold.invitations where hash = $1"))
        .bind(hash.as_slice())
        .fetch_one(tx.sql())
        .await?)
}

/// Offers it anew under another secret: the one before is good for nothing from then on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn renew(
    tx: &mut Tx,
    id: InvitationId,
    hash: &[u8; 32],
    good_for: Duration,
) -> Result<InvitationRecord> {
    Ok(sqlx::query_as(concat!(
        "update freehold.invitations
            set hash = $2, sent_at = now(), expires_at = now() + make_interval(secs => $3)
          where id = $1 returning ",
        columns!()
    ))
    .bind(id)
    .bind(hash.as_slice())
    .bind(seconds(good_for))
    .fetch_one(tx.sql())
    .await?)
}

/// Takes an offer back.
///
/// # Errors
/// When the database cannot be reached.
pub async fn revoke(tx: &mut Tx, id: InvitationId) -> Result<()> {
    sqlx::query("update freehold.invitations set revoked_at = now() where id = $1")
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Marks an offer as taken.
///
/// # Errors
/// When the database cannot be reached.
pub async fn accept(tx: &mut Tx, id: InvitationId, by: UserId) -> Result<()> {
    sqlx::query("update freehold.invitations set accepted_at = now(), accepted_by = $2 where id = $1")
        .bind(id)
        .bind(by)
        .execute(tx.sql())
        .await?;
    Ok(())
}
