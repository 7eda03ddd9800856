//! Operations: what people see of a change.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::model::ids::{OperationId, TenantId};
use crate::model::operation::{EventState, OperationKind, OperationState};
use crate::model::slug::Slug;

use super::leases::Claim;
use super::pages::{self, Cursor, Page};
use super::{Result, Tx};

pub use super::changes::cancel;

/// One change that somebody asked for, and its end.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OperationRecord {
    pub id: OperationId,
    /// `None` once the tenant is gone.
    pub tenant_id: Option<TenantId>,
    pub slug: Slug,
    pub kind: OperationKind,
    pub state: OperationState,
    /// The generation of what is desired that it is done with.
    pub generation: i64,
    pub requested_by: String,
    /// Why it is stuck or cancelled, or what it waits for.
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// Something that happened under an operation.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct EventRecord {
    /// Counts from 1 within its operation, without gaps.
    pub number: i64,
    pub at: DateTime<Utc>,
    pub step: String,
    pub state: EventState,
    pub message: String,
}

macro_rules! operation_select {
    () => {
        "select o.id, o.tenant_id, o.slug, o.kind, o.state, o.generation, o.requested_by, o.reason, o.created_at, \
                o.started_at, o.finished_at \
           from freehold.operations o "
    };
}

/// The operation with this id.
///
/// # Errors
/// [`super::Error::NotFound`] when there is none.
pub async fn get(tx: &mut Tx, id: OperationId) -> Result<OperationRecord> {
    Ok(sqlx::query_as(concat!(operation_select!(), "where o.id = $1")).bind(id).fetch_one(tx.sql()).await?)
}

/// Which operations to list; always the latest first.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    pub tenant: Option<TenantId>,
    /// Finds those of a tenant that is gone as well.
    pub slug: Option<Slug>,
    /// Empty: all.
    pub states: Vec<OperationState>,
    /// Empty: all.
    pub kinds: Vec<OperationKind>,
    pub cursor: Option<Cursor>,
    /// Rows of a page, between 1 and [`pages::MAX_LIMIT`].
    pub limit: u32,
}

const ORDER: &str = "operations-";

/// A page of operations.
///
/// # Errors
/// [`super::Error::InvalidCursor`] when the cursor was not made by this list.
pub async fn list(tx: &mut Tx, filter: &OperationFilter) -> Result<Page<OperationRecord>> {
    let (before, before_id) = pages::behind(filter.cursor.as_ref(), ORDER)?;
    let limit = pages::clamp(filter.limit);
    let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
    let rows: Vec<OperationRecord> = sqlx::query_as(concat!(
        operation_select!(),
        "where ($1::uuid is null or o.tenant_id = $1)
           and ($2::text is null or o.slug = $2)
           and (cardinality($3::text[]) = 0 or o.state = any ($3))
           and (cardinality($4::text[]) = 0 or o.kind = any ($4))
           and ($5::timestamptz is null or (o.created_at, o.id) < ($5, $6))
         order by o.created_at desc, o.id desc
         limit $7"
    ))
    .bind(filter.tenant)
    .bind(&filter.slug)
    .bind(states)
    .bind(kinds)
    .bind(before)
    .bind(before_id)
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |last| Cursor::of_time(ORDER, last.created_at, last.id.0)))
}

/// How many operations there are of each state.
///
/// # Errors
/// When the database cannot be reached.
pub async fn count_by_state(tx: &mut Tx) -> Result<Vec<(OperationState, i64)>> {
    Ok(sqlx::query_as("select state, count(*) from freehold.operations group by 1 order by 1")
        .fetch_all(tx.sql())
        .await?)
}

/// The tenant's operation that is open, the latest of several.
///
/// # Errors
/// When the database cannot be reached.
pub async fn current_of(tx: &mut Tx, tenant: TenantId) -> Result<Option<OperationId>> {
    Ok(sqlx::query_scalar(
        "select id from freehold.operations
          where tenant_id = $1 and state in ('pending', 'running', 'stuck')
          order by generation desc, created_at desc, id desc limit 1",
    )
    .bind(tenant)
    .fetch_optional(tx.sql())
    .await?)
}

/// Tells of what happened at a step of an operation, and when. A step that begins ends the waiting. Events are numbered
/// in the order of their commits, since each holds its operation's row until then.
///
/// # Errors
/// [`super::Error::NotFound`] when there is no such operation.
pub async fn event(
    tx: &mut Tx,
    operation: OperationId,
    at: DateTime<Utc>,
    step: &str,
    state: EventState,
    message: &str,
) -> Result<i64> {
    let number: i64 = sqlx::query_scalar(
        "update freehold.operations
            set last_event = last_event + 1,
                reason = case when $2 = 'started' and state = 'running' then null else reason end
          where id = $1 returning last_event",
    )
    .bind(operation)
    .bind(state)
    .fetch_one(tx.sql())
    .await?;
    sqlx::query(
        "with told as (
             insert into freehold.operation_events (operation_id, number, at, step, state, message)
             values ($1, $2, $3, $4, $5, $6)
             returning operation_id
         )
         select pg_notify('operation', operation_id::text) from told",
    )
    .bind(operation)
    .bind(number)
    .bind(at)
    .bind(step)
    .bind(state)
    .bind(message.replace('\0', ""))
    .execute(tx.sql())
    .await?;
    Ok(number)
}

/// Events after the one with this number, in order, 500 at most.
///
/// # Errors
/// When the database cannot be reached.
pub async fn events_after(tx: &mut Tx, id: OperationId, last_event: i64) -> Result<Vec<EventRecord>> {
    Ok(sqlx::query_as(
        "select number, at, step, state, message from freehold.operation_events
          where operation_id = $1 and number > $2 order by number limit 500",
    )
    .bind(id)
    .bind(last_event)
    .fetch_all(tx.sql())
    .await?)
}

/// Opens an operation for a repair that the platform makes of itself, unless one is open for the tenant. It ends
/// as every other, when the generation is reached. `None`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn open_repair(
    tx: &mut Tx,
    claim: &Claim,
    generation: i64,
    why: &str,
) -> Result<Option<OperationId>> {
    let held: Option<bool> = sqlx::query_scalar(
        "select true from freehold.houses h where h.id = $1 and h.lease_token = $2 for no key update of h",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .fetch_optional(tx.sql())
    .await?;
    if held.is_none() {
        return Ok(None);
    }
    if let Some(open) = current_of(tx, claim.tenant).await? {
        return Ok(Some(open));
    }
    let id: Option<OperationId> = sqlx::query_scalar(
        "insert into freehold.operations (id, tenant_id, slug, kind, state, generation, requested_by, started_at)
         select $1, t.id, t.slug, 'repair', 'running', $3, 'platform', now()
           from freehold.tenants t where t.id = $2
         returning id",
    )
    .bind(OperationId::random())
    .bind(claim.tenant)
    .bind(generation)
    .fetch_optional(tx.sql())
    .await?;
    if let Some(id) = id {
        event(tx, id, Utc::now(), "observe", EventState::Note, why).await?;
    }
    Ok(id)
}
