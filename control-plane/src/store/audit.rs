//! The audit log: written once, read by those it concerns, chained after the commit.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::pages::{Cursor, Page, behind, clamp, contains};
use super::{Result, Tx};
use crate::model::ids::{AuditId, TenantId};

/// An entry as it is written and read.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AuditRecord {
    pub id: AuditId,
    pub at: DateTime<Utc>,
    pub tenant_id: Option<TenantId>,
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub outcome: String,
    pub address: String,
    pub user_agent: String,
    pub request_id: String,
    /// JSON, to the letter.
    pub diff: Option<String>,
    pub seal: Vec<u8>,
    /// Its place in the chain, once it has one.
    pub position: Option<i64>,
    pub link: Option<Vec<u8>>,
}

const COLUMNS: &str = "id, at, tenant_id, actor_kind, actor_id, actor, action, target, outcome, address, user_agent, \
                       request_id, diff::text as diff, seal, position, link";

/// Which entries to read. What is not given is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub tenant: Option<TenantId>,
    /// Part of the actor's name, of the target or of the address.
    pub search: Option<String>,
    /// An action, or the part of one before a dot.
    pub action: Option<String>,
    pub outcome: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// Writes an entry, in the transaction of what it tells of. Nobody is notified: a commit that notifies waits for all
/// others that do.
///
/// # Errors
/// When the database cannot be reached.
pub async fn write(tx: &mut Tx, entry: &AuditRecord) -> Result<()> {
    sqlx::query(
        "insert into freehold.audit (id, at, tenant_id, actor_kind, actor_id, actor, action, target, outcome, address,
                                     user_agent, request_id, diff, seal)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::json, $14)",
    )
    .bind(entry.id)
    .bind(entry.at)
    .bind(entry.tenant_id)
    .bind(&entry.actor_kind)
    .bind(entry.actor_id)
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.target)
    .bind(&entry.outcome)
    .bind(&entry.address)
    .bind(&entry.user_agent)
    .bind(&entry.request_id)
    .bind(&entry.diff)
    .bind(&entry.seal)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// A page of entries, the latest first.
///
/// # Errors
/// [`super::Error::InvalidCursor`], or when the database cannot be reached.
pub async fn list(
    tx: &mut Tx,
    filter: &AuditFilter,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Page<AuditRecord>> {
    let limit = clamp(limit);
    let (before, before_id) = behind(after, ORDER)?;
    let rows: Vec<AuditRecord> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.audit
          where ($1::uuid is null or tenant_id = $1)
            and ($2::text is null or actor ilike $2 or target ilike $2 or address ilike $2)
            and ($3::text is null or action = $3 or starts_with(action, $3 || '.'))
            and ($4::text is null or outcome = $4)
            and ($5::timestamptz is null or at >= $5)
            and ($6::timestamptz is null or at < $6)
            and ($7::timestamptz is null or (at, id) < ($7, $8))
          order by at desc, id desc limit $9"
    )))
    .bind(filter.tenant)
    .bind(filter.search.as_deref().map(contains))
    .bind(&filter.action)
    .bind(&filter.outcome)
    .bind(filter.from)
    .bind(filter.until)
    .bind(before)
    .bind(before_id)
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |row| Cursor::of_time(ORDER, row.at, row.id.0)))
}

const ORDER: &str = "audit";

/// Makes this transaction the only one that gives entries their places, until its end. False when another is at it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn begin_linking(tx: &mut Tx) -> Result<bool> {
    Ok(sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(tx.sql()).await?)
}

const LOCK: i64 = 0x6672_6565_6175_6474;

/// The last entry that has its place.
///
/// # Errors
/// When the database cannot be reached.
pub async fn last_linked(tx: &mut Tx) -> Result<Option<AuditRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.audit where position is not null order by position desc limit 1"
    )))
    .fetch_optional(tx.sql())
    .await?)
}

/// Entries without a place, the oldest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn unlinked(tx: &mut Tx, limit: u32) -> Result<Vec<AuditRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.audit where position is null order by id limit $1"
    )))
    .bind(i64::from(limit))
    .fetch_all(tx.sql())
    .await?)
}

/// Entries from this place on, in their order.
///
/// # Errors
/// When the database cannot be reached.
pub async fn linked_from(tx: &mut Tx, position: i64, limit: u32) -> Result<Vec<AuditRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.audit where position >= $1 order by position limit $2"
    )))
    .bind(position)
    .bind(i64::from(limit))
    .fetch_all(tx.sql())
    .await?)
}

/// Gives entries their places.
///
/// # Errors
/// When the database cannot be reached, or a place is taken.
pub async fn link(tx: &mut Tx, places: &[(AuditId, i64, [u8; 32])]) -> Result<()> {
    let ids: Vec<Uuid> = places.iter().map(|(id, _, _)| id.0).collect();
    let positions: Vec<i64> = places.iter().map(|(_, position, _)| *position).collect();
    let links: Vec<&[u8]> = places.iter().map(|(_, _, link)| link.as_slice()).collect();
    sqlx::query(
        "update freehold.audit a set position = p.position, link = p.link
           from unnest($1::uuid[], $2::bigint[], $3::bytea[]) p (id, position, link)
          where a.id = p.id and a.position is null",
    )
    .bind(ids)
    .bind(positions)
    .bind(links)
    .execute(tx.sql())
    .await?;
    Ok(())
}
