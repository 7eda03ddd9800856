//! Changes of what is desired. Each is one transaction: the tenant's row with its next generation, the operation
//! that people follow, the house that becomes due, and the word to whoever waits.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;

use crate::model::ids::{OperationId, ReleaseId, TenantId};
use crate::model::operation::{OperationKind, OperationState};
use crate::model::plan::PlanName;
use crate::model::tenant::DesiredState;

use super::records::Settings;
use super::{Conflict, Notice, Result, Tx, seconds};

/// A tenant's row, locked until the transaction ends.
#[derive(FromRow)]
struct Locked {
    name: String,
    plan: PlanName,
    #[sqlx(json)]
    settings: Settings,
    release_id: ReleaseId,
    desired_state: DesiredState,
    generation: i64,
    /// Whether nothing of it can be brought back, or will not be by the time this is committed.
    purged: bool,
    erase: bool,
    /// All that is desired, as [`Snapshot`] reads it.
    snapshot: serde_json::Value,
}

/// Locks the tenant against other changes. The lock leaves the rows that refer to it alone: a plain `for update`
/// would stand against every operation that is being written elsewhere.
async fn lock(tx: &mut Tx, id: TenantId) -> Result<Locked> {
    Ok(sqlx::query_as(
        "select t.name, t.plan, t.settings, t.release_id, t.desired_state, t.generation, t.erase,
                coalesce(t.purge_at <= clock_timestamp() + interval '5 seconds', false) as purged,
                freehold.snapshot(t) as snapshot
           from freehold.tenants t where t.id = $1 for no key update of t",
    )
    .bind(id)
    .fetch_one(tx.sql())
    .await?)
}

/// Keeps others from changing the tenant until the transaction ends, for a decision that needs it to hold still.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn hold(tx: &mut Tx, id: TenantId) -> Result<()> {
    lock(tx, id).await.map(drop)
}

async fn announce(
    tx: &mut Tx,
    id: TenantId,
    kind: OperationKind,
    requested_by: &str,
    previous: &serde_json::Value,
) -> Result<OperationId> {
    let operation = OperationId::random();
    sqlx::query("select freehold.changed($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(operation)
        .bind(kind)
        .bind(requested_by)
        .bind(Json(previous))
        .execute(tx.sql())
        .await?;
    Ok(operation)
}

/// What to change of a tenant; `None` leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct TenantChange {
    pub name: Option<String>,
    pub plan: Option<PlanName>,
    /// In place of all settings.
    pub settings: Option<Settings>,
    pub release: Option<ReleaseId>,
}

/// Changes a tenant's name, plan, settings or release. `None`: it is so already, and nothing was changed.
///
/// # Errors
/// [`super::Error::NotFound`]; [`Conflict::Deleted`]; [`Conflict::UnknownRelease`].
pub async fn update(
    tx: &mut Tx,
    id: TenantId,
    change: TenantChange,
    requested_by: &str,
) -> Result<Option<OperationId>> {
    let before = lock(tx, id).await?;
    if before.desired_state == DesiredState::Deleted {
        return Err(Conflict::Deleted.into());
    }
    let name = change.name.unwrap_or_else(|| before.name.clone());
    let plan = change.plan.unwrap_or_else(|| before.plan.clone());
    let settings = change.settings.unwrap_or_else(|| before.settings.clone());
    let release = change.release.unwrap_or(before.release_id);
    if (&name, &plan, &settings, release) == (&before.name, &before.plan, &before.settings, before.release_id)
    {
        return Ok(None);
    }
    sqlx::query(
        "update freehold.tenants
            set name = $2, plan = $3, settings = $4, release_id = $5, generation = generation + 1,
                updated_at = now()
          where id = $1",
    )
    .bind(id)
    .bind(name)
    .bind(plan)
    .bind(Json(settings))
    .bind(release)
    .execute(tx.sql())
    .await?;
    announce(tx, id, OperationKind::Update, requested_by, &before.snapshot).await.map(Some)
}

/// Takes every tenant that is not deleted to a release. Those already there are left alone.
///
/// # Errors
/// [`Conflict::UnknownRelease`], or when the database cannot be reached.
pub async fn move_to_release(
    tx: &mut Tx,
    release: ReleaseId,
    requested_by: &str,
) -> Result<Vec<(TenantId, OperationId)>> {
    let tenants: Vec<TenantId> = sqlx::query_scalar(
        "select t.id from freehold.tenants t
          where t.release_id <> $1 and t.desired_state <> 'deleted' order by t.id for no key update of t",
    )
    .bind(release)
    .fetch_all(tx.sql())
    .await?;
    let mut moved = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let change = TenantChange { release: Some(release), ..TenantChange::default() };
        if let Some(operation) = update(tx, tenant, change, requested_by).await? {
            moved.push((tenant, operation));
        }
    }
    Ok(moved)
}

/// Says where a tenant is to be: running, asleep or suspended. `None`: it is wanted there already.
///
/// # Errors
/// [`super::Error::NotFound`]; [`Conflict::Deleted`] when it is deleted or `desired` would delete it, which is
/// [`delete`]'s to do.
pub async fn set_desired(
    tx: &mut Tx,
    id: TenantId,
    desired: DesiredState,
    requested_by: &str,
) -> Result<Option<OperationId>> {
    let before = lock(tx, id).await?;
    if before.desired_state == DesiredState::Deleted || desired == DesiredState::Deleted {
        return Err(Conflict::Deleted.into());
    }
    let kind = match (before.desired_state, desired) {
        (from, to) if from == to => return Ok(None),
        (DesiredState::Suspended, _) => OperationKind::Resume,
        (_, DesiredState::Asleep) => OperationKind::Sleep,
        (_, DesiredState::Suspended) => OperationKind::Suspend,
        (_, DesiredState::Running | DesiredState::Deleted) => OperationKind::Wake,
    };
    sqlx::query(
        "update freehold.tenants set desired_state = $2, generation = generation + 1, updated_at = now()
          where id = $1",
    )
    .bind(id)
    .bind(desired)
    .execute(tx.sql())
    .await?;
    announce(tx, id, kind, requested_by, &before.snapshot).await.map(Some)
}

/// How long a deleted tenant's data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It can be restored for so long.
    Keep(Duration),
    /// Not at all: the caller named what is to be erased.
    Erase,
}

/// Deletes a tenant: it is served no longer, its containers go, and its volumes follow when their time has come. A
/// deleted tenant can still be erased.
///
/// # Errors
/// [`super::Error::NotFound`]; [`Conflict::Deleted`] when it is deleted and not to be erased, or is being erased.
pub async fn delete(
    tx: &mut Tx,
    id: TenantId,
    deletion: Deletion,
    requested_by: &str,
) -> Result<OperationId> {
    let before = lock(tx, id).await?;
    let erase = deletion == Deletion::Erase;
    if before.desired_state == DesiredState::Deleted && (!erase || before.erase) {
        return Err(Conflict::Deleted.into());
    }
    let keep = match deletion {
        Deletion::Keep(time) => time,
        Deletion::Erase => Duration::ZERO,
    };
    sqlx::query(
        "update freehold.tenants
            set desired_state = 'deleted', deleted_at = coalesce(deleted_at, now()),
                purge_at = now() + make_interval(secs => $2), erase = $3, generation = generation + 1,
                updated_at = now()
          where id = $1",
    )
    .bind(id)
    .bind(seconds(keep))
    .bind(erase)
    .execute(tx.sql())
    .await?;
    let kind = if erase { OperationKind::Erase } else { OperationKind::Delete };
    let operation = announce(tx, id, kind, requested_by, &before.snapshot).await?;
    drop_volumes_with_tenant(tx, id).await?;
    tx.tell(Notice::Belonging(id));
    Ok(operation)
}

/// Volumes go when the tenant's retention ends, and stay as long as it is not deleted. A time that one had for
/// itself is lost by that, which can only keep it longer.
async fn drop_volumes_with_tenant(tx: &mut Tx, id: TenantId) -> Result<()> {
    sqlx::query(
        "update freehold.volumes v set drop_after = t.purge_at
           from freehold.tenants t
          where t.id = $1 and v.tenant_id = t.id",
    )
    .bind(id)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Brings a deleted tenant back, running.
///
/// # Errors
/// [`super::Error::NotFound`]; [`Conflict::NotDeleted`]; [`Conflict::Purged`] when the retention has passed.
pub async fn restore(tx: &mut Tx, id: TenantId, requested_by: &str) -> Result<OperationId> {
    let before = lock(tx, id).await?;
    if before.desired_state != DesiredState::Deleted {
        return Err(Conflict::NotDeleted.into());
    }
    if before.purged {
        return Err(Conflict::Purged.into());
    }
    sqlx::query(
        "update freehold.tenants
            set desired_state = 'running', deleted_at = null, purge_at = null, erase = false,
                generation = generation + 1, updated_at = now()
          where id = $1",
    )
    .bind(id)
    .execute(tx.sql())
    .await?;
    let operation = announce(tx, id, OperationKind::Restore, requested_by, &before.snapshot).await?;
    drop_volumes_with_tenant(tx, id).await?;
    tx.tell(Notice::Belonging(id));
    Ok(operation)
}

/// Has a stuck tenant tried again, after a person has looked.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn retry(tx: &mut Tx, id: TenantId, requested_by: &str) -> Result<OperationId> {
    let before = lock(tx, id).await?;
    sqlx::query("update freehold.tenants set generation = generation + 1, updated_at = now() where id = $1")
        .bind(id)
        .execute(tx.sql())
        .await?;
    announce(tx, id, OperationKind::Repair, requested_by, &before.snapshot).await
}

/// What was desired before a change, as its operation keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    name: String,
    plan: PlanName,
    settings: Settings,
    release: ReleaseId,
    desired_state: DesiredState,
    deleted_at: Option<DateTime<Utc>>,
    purge_at: Option<DateTime<Utc>>,
    erase: bool,
}

/// Withdraws an operation that nobody has begun, together with the change it stands for.
///
/// # Errors
/// [`super::Error::NotFound`]; [`Conflict::OperationBegun`] when it was begun, is over, was followed by another change,
/// or made the tenant, which can only be deleted then.
pub async fn cancel(tx: &mut Tx, operation: OperationId) -> Result<()> {
    let tenant: Option<TenantId> =
        sqlx::query_scalar("select tenant_id from freehold.operations where id = $1")
            .bind(operation)
            .fetch_one(tx.sql())
            .await?;
    let tenant = tenant.ok_or(Conflict::OperationBegun)?;
    let now = lock(tx, tenant).await?;
    // Claiming the house begins its operations, so whoever holds its row knows whether this one has begun.
    sqlx::query("select h.id from freehold.houses h where h.tenant_id = $1 for no key update of h")
        .bind(tenant)
        .execute(tx.sql())
        .await?;
    let (state, generation, previous): (OperationState, i64, Option<Json<Snapshot>>) =
        sqlx::query_as("select state, generation, previous from freehold.operations where id = $1")
            .bind(operation)
            .fetch_one(tx.sql())
            .await?;
    let Some(Json(previous)) = previous else { return Err(Conflict::OperationBegun.into()) };
    if state != OperationState::Pending || generation != now.generation {
        return Err(Conflict::OperationBegun.into());
    }
    sqlx::query(
        "update freehold.tenants
            set name = $2, plan = $3, settings = $4, release_id = $5, desired_state = $6, deleted_at = $7,
                purge_at = $8, erase = $9, generation = generation + 1, updated_at = now()
          where id = $1",
    )
    .bind(tenant)
    .bind(previous.name)
    .bind(previous.plan)
    .bind(Json(previous.settings))
    .bind(previous.release)
    .bind(previous.desired_state)
    .bind(previous.deleted_at)
    .bind(previous.purge_at)
    .bind(previous.erase)
    .execute(tx.sql())
    .await?;
    drop_volumes_with_tenant(tx, tenant).await?;
    tx.tell(Notice::Belonging(tenant));
    // The house may have been in the middle of anything before, so it is looked at once more.
    sqlx::query(
        "with due as (
             update freehold.houses set due_at = now(), due_reason = 'withdrawn', attempts = 0
              where tenant_id = $1 returning id
         )
         select pg_notify('house_due', id) from due",
    )
    .bind(tenant)
    .execute(tx.sql())
    .await?;
    sqlx::query(
        "with ended as (
             update freehold.operations set state = 'cancelled', reason = 'withdrawn', finished_at = now()
              where id = $1 returning id
         )
         select pg_notify('operation', id::text) from ended",
    )
    .bind(operation)
    .execute(tx.sql())
    .await?;
    sqlx::query("select freehold.tell_doors($1)").bind(tenant).execute(tx.sql()).await?;
    Ok(())
}
