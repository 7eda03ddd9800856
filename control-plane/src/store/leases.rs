//! Leases: the right to work on one house.

use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use crate::model::ids::{HouseId, TenantId};

use super::{Listener, Result, Tx, seconds};

/// A lease that was given. Everything written under it is fenced by the token: once another worker has the house,
/// nothing of this one is written any more.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Claim {
    pub house: HouseId,
    pub tenant: TenantId,
    pub token: Uuid,
}

/// How the work on a house ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do for the generation.
    Converged,
    /// It failed in a way that may pass, for this reason; to be tried again after a while.
    Again { after: Duration, reason: String },
    /// Something that every house needs is away, the reason says what; to be tried again after a while, and not counted
    /// as a failure.
    Wait { after: Duration, reason: String },
    /// A person must look; the reason says at what.
    Stuck { reason: String },
    /// What is desired changed meanwhile; to be looked at again at once.
    Superseded,
}

/// Takes and keeps, on the listener's own session, the lock that says the worker lives. With the session it is
/// gone, and with it every lease of this worker.
///
/// # Errors
/// When the database cannot be reached.
pub async fn be_present(listener: &mut Listener, worker_key: i64) -> Result<()> {
    listener.be_present(worker_key).await
}

/// Whether the lease of a house `h` holds no longer: none, run out, or its worker's presence is gone.
macro_rules! lease_is_free {
    () => {
        "(h.lease_token is null or h.lease_expires <= now() or not exists (
             select from pg_locks l
              where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
                and l.database = (select d.oid from pg_database d where d.datname = current_database())
                and ((l.classid::bigint << 32) | l.objid::bigint) = h.lease_worker))"
    };
}

/// Leases up to `limit` houses that are due, not stuck and worked on by nobody who lives, the longest due first.
/// Their operations are running from now on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn claim(tx: &mut Tx, worker_key: i64, lease_seconds: u32, limit: i64) -> Result<Vec<Claim>> {
    let claims: Vec<Claim> = sqlx::query_as(concat!(
        "with free as (
             select h.id from freehold.houses h
              where h.due_at <= now() and h.stuck_reason is null and h.tenant_id is not null and ",
        lease_is_free!(),
        "     order by h.due_at
              limit $3
                for update of h skip locked
         )
         update freehold.houses h
            set lease_worker = $1, lease_token = gen_random_uuid(), lease_expires = now() + make_interval(secs => $2)
           from free
          where h.id = free.id
         returning h.id as house, h.tenant_id as tenant, h.lease_token as token"
    ))
    .bind(worker_key)
    .bind(f64::from(lease_seconds))
    .bind(limit)
    .fetch_all(tx.sql())
    .await?;
    for claim in &claims {
        operations_run(tx, claim.tenant).await?;
    }
    Ok(claims)
}

/// Leases one house whether it is due or not, unless somebody else who lives has it or it is stuck.
///
/// # Errors
/// When the database cannot be reached.
pub async fn claim_house(
    tx: &mut Tx,
    worker_key: i64,
    lease_seconds: u32,
    house: &HouseId,
) -> Result<Option<Claim>> {
    // It becomes due, so that somebody takes it over should this worker die.
    let claim: Option<Claim> = sqlx::query_as(concat!(
        "with free as (
             select h.id from freehold.houses h
              where h.id = $3 and h.stuck_reason is null and h.tenant_id is not null and ",
        lease_is_free!(),
        "       for update of h skip locked
         )
         update freehold.houses h
            set lease_worker = $1, lease_token = gen_random_uuid(), lease_expires = now() + make_interval(secs => $2),
                due_at = least(h.due_at, now())
           from free
          where h.id = free.id
         returning h.id as house, h.tenant_id as tenant, h.lease_token as token"
    ))
    .bind(worker_key)
    .bind(f64::from(lease_seconds))
    .bind(house)
    .fetch_optional(tx.sql())
    .await?;
    if let Some(claim) = &claim {
        operations_run(tx, claim.tenant).await?;
    }
    Ok(claim)
}

async fn operations_run(tx: &mut Tx, tenant: TenantId) -> Result<()> {
    sqlx::query(
        "with begun as (
             update freehold.operations set state = 'running', started_at = coalesce(started_at, now())
              where tenant_id = $1 and state = 'pending'
             returning id
         )
         select pg_notify('operation', id::text) from begun",
    )
    .bind(tenant)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Prolongs a lease from now on. `false`: it is lost, and whatever is being done must end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn extend(tx: &mut Tx, claim: &Claim, lease_seconds: u32) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.houses set lease_expires = now() + make_interval(secs => $3)
          where id = $1 and lease_token = $2",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .bind(f64::from(lease_seconds))
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends all leases of a worker but those of the houses that it still sees to; nothing came of them.
///
/// # Errors
/// When the database cannot be reached.
pub async fn abandon(tx: &mut Tx, worker_key: i64, but: &[HouseId]) -> Result<()> {
    sqlx::query(
        "update freehold.houses set lease_worker = null, lease_token = null, lease_expires = null
          where lease_worker = $1 and not (id = any ($2))",
    )
    .bind(worker_key)
    .bind(but)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Ends a lease with what came of the work for `generation`. `false`: it was lost before, or the house is gone,
/// and nothing was written.
///
/// A reached generation ends every open operation up to it. Failures are counted for their own generation only,
/// and a failure for one that is past stops nobody: the house is due at once for what is desired now.
///
/// # Errors
/// When the database cannot be reached.
pub async fn give_back(tx: &mut Tx, claim: &Claim, generation: i64, outcome: Outcome) -> Result<bool> {
    let current: Option<i64> = sqlx::query_scalar(
        "select generation from freehold.tenants t where t.id = $1 for no key update of t",
    )
    .bind(claim.tenant)
    .fetch_optional(tx.sql())
    .await?;
    let Some(current) = current else { return Ok(false) };
    let held: Option<HouseId> = sqlx::query_scalar(
        "update freehold.houses set lease_worker = null, lease_token = null, lease_expires = null
          where id = $1 and lease_token = $2 returning id",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .fetch_optional(tx.sql())
    .await?;
    if held.is_none() {
        return Ok(false);
    }
    let superseded = current > generation;
    match outcome {
        Outcome::Converged => converged(tx, claim, generation).await?,
        Outcome::Stuck { reason } if !superseded => stuck(tx, claim, generation, &reason).await?,
        Outcome::Again { after, reason } if !superseded => {
            operations_wait(tx, claim.tenant, generation, &reason).await?;
            sqlx::query(
                "update freehold.houses
                    set due_at = now() + make_interval(secs => $2), attempts_generation = $3,
                        attempts = case when attempts_generation = $3 then attempts + 1 else 1 end
                  where id = $1",
            )
            .bind(&claim.house)
            .bind(seconds(after))
            .bind(generation)
            .execute(tx.sql())
            .await?;
        }
        Outcome::Wait { after, reason } if !superseded => {
            operations_wait(tx, claim.tenant, generation, &reason).await?;
            sqlx::query(
                "update freehold.houses set due_at = now() + make_interval(secs => $2) where id = $1",
            )
            .bind(&claim.house)
            .bind(seconds(after))
            .execute(tx.sql())
            .await?;
        }
        Outcome::Superseded | Outcome::Stuck { .. } | Outcome::Again { .. } | Outcome::Wait { .. } => {
            due_at_once(tx, &claim.house).await?;
        }
    }
    Ok(true)
}

/// Says under the operations that are on their way why they are not there yet.
async fn operations_wait(tx: &mut Tx, tenant: TenantId, generation: i64, reason: &str) -> Result<()> {
    sqlx::query(
        "with told as (
             update freehold.operations set reason = $3
              where tenant_id = $1 and generation <= $2 and state in ('pending', 'running')
                and reason is distinct from $3
             returning id
         )
         select pg_notify('operation', id::text) from told",
    )
    .bind(tenant)
    .bind(generation)
    .bind(reason)
    .execute(tx.sql())
    .await?;
    Ok(())
}

async fn due_at_once(tx: &mut Tx, house: &HouseId) -> Result<()> {
    sqlx::query(
        "with due as (update freehold.houses set due_at = now() where id = $1 returning id)
         select pg_notify('house_due', id) from due",
    )
    .bind(house)
    .execute(tx.sql())
    .await?;
    Ok(())
}

async fn converged(tx: &mut Tx, claim: &Claim, generation: i64) -> Result<()> {
    // Whether it was to run at that generation is known by the tenant itself, or, if it moved on, by the change
    // that came next.
    sqlx::query(
        "update freehold.tenants t
            set converged_generation = greatest(t.converged_generation, $2),
                ever_ready = t.ever_ready or 'running' = case
                    when t.generation = $2 then t.desired_state
                    else (select o.previous ->> 'desired_state' from freehold.operations o
                           where o.tenant_id = t.id and o.generation = $2 + 1
                             and o.previous is not null limit 1)
                end
          where t.id = $1",
    )
    .bind(claim.tenant)
    .bind(generation)
    .execute(tx.sql())
    .await?;
    // A deleted tenant's house is due again when its retention has passed.
    let due_now: bool = sqlx::query_scalar(
        "update freehold.houses h
            set attempts = 0, stuck_reason = null, failed_generation = null, due_reason = null,
                due_at = case when t.generation > $2 then now() else t.purge_at end
           from freehold.tenants t
          where h.id = $1 and t.id = h.tenant_id
         returning t.generation > $2",
    )
    .bind(&claim.house)
    .bind(generation)
    .fetch_one(tx.sql())
    .await?;
    sqlx::query(
        "with ended as (
             update freehold.operations
                set state = 'succeeded', reason = null, finished_at = now(), started_at = coalesce(started_at, now())
              where tenant_id = $1 and generation <= $2 and state in ('pending', 'running', 'stuck')
             returning id
         )
         select pg_notify('operation', id::text) from ended",
    )
    .bind(claim.tenant)
    .bind(generation)
    .execute(tx.sql())
    .await?;
    sqlx::query("select freehold.tell_doors($1)").bind(claim.tenant).execute(tx.sql()).await?;
    if due_now {
        due_at_once(tx, &claim.house).await?;
    }
    Ok(())
}

async fn stuck(tx: &mut Tx, claim: &Claim, generation: i64, reason: &str) -> Result<()> {
    sqlx::query(
        "update freehold.houses set due_at = null, stuck_reason = $3, failed_generation = $2 where id = $1",
    )
    .bind(&claim.house)
    .bind(generation)
    .bind(reason)
    .execute(tx.sql())
    .await?;
    sqlx::query(
        "with ended as (
             update freehold.operations set state = 'stuck', reason = $3
              where tenant_id = $1 and generation <= $2 and state in ('pending', 'running')
             returning id
         )
         select pg_notify('operation', id::text) from ended",
    )
    .bind(claim.tenant)
    .bind(generation)
    .bind(reason)
    .execute(tx.sql())
    .await?;
    sqlx::query("select freehold.tell_doors($1)").bind(claim.tenant).execute(tx.sql()).await?;
    Ok(())
}

/// How long until a house is due that nobody works on now; zero when one is. `None`: none will be.
///
/// # Errors
/// When the database cannot be reached.
pub async fn next_due(tx: &mut Tx) -> Result<Option<Duration>> {
    let wait: Option<f64> = sqlx::query_scalar(concat!(
        "select extract(epoch from min(case when ",
        lease_is_free!(),
        " then h.due_at else greatest(h.due_at, h.lease_expires) end) - now())::float8
           from freehold.houses h
          where h.due_at is not null and h.stuck_reason is null and h.tenant_id is not null"
    ))
    .fetch_one(tx.sql())
    .await?;
    Ok(wait.map(|wait| Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or(Duration::ZERO)))
}
