//! Measures how much storage each tenant's database uses, and says when its app may write no more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Worker;
use super::failure::{Failure, chain};
use super::secrets::Secrets;
use crate::database::{Access, facts, roles};
use crate::engine::names;
use crate::model::ids::HouseId;
use crate::model::observed::ContainerState;
use crate::store::houses::{self, HouseRecord};
use crate::store::{Scope, volumes::VolumeRole};

/// Houses measured in one turn.
const TURN: i64 = 20;
/// A tenant must get this far under its limit, in percent, before it may write again: at the limit itself it would
/// go to and fro.
const BACK_UNDER: i64 = 95;

pub(super) async fn run(worker: Arc<Worker>, shutdown: CancellationToken) {
    let every = Duration::from_secs(u64::from(worker.deps.config.worker.storage_seconds.max(1)));
    let nap = (every / 10).clamp(Duration::from_millis(500), Duration::from_secs(5));
    loop {
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = shutdown.cancelled() => return,
        }
        let turn = async {
            let mut tx = worker.deps.store.begin(Scope::System).await?;
            let houses = houses::unmeasured(&mut tx, every, TURN).await?;
            tx.commit().await?;
            Ok::<_, crate::store::Error>(houses)
        };
        match turn.await {
            Ok(houses) => {
                for house in houses {
                    if let Err(failure) = measure(&worker, &house).await {
                        tracing::debug!(%house, reason = failure.reason, "not measured; its next turn comes");
                    }
                }
            }
            Err(error) => tracing::debug!(error = chain(&error), "storage is not measured"),
        }
    }
}

async fn measure(worker: &Worker, house: &HouseId) -> Result<(), Failure> {
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    let record = houses::load(&mut tx, house).await?;
    tx.commit().await?;
    let Some(plan) = worker.deps.config.plans.get(&record.tenant.plan) else { return Ok(()) };
    let Some(address) = database(worker, &record).await? else { return Ok(()) };
    let password = Secrets::of(worker, record.tenant.id).await?.monitor;
    let bytes = facts::size(&Access { address, role: roles::MONITOR, password: &password }).await?;
    let limit = i64::from(plan.storage_mib) * 1024 * 1024;
    let read_only = past(bytes, limit, record.read_only_wanted);
    if read_only != record.read_only_wanted {
        tracing::info!(%house, bytes, limit, read_only, "the tenant's storage crossed its limit");
    }
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    houses::record_storage(&mut tx, house, bytes, read_only).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether the app must be kept from writing.
fn past(bytes: i64, limit: i64, already: bool) -> bool {
    if already { bytes > limit / 100 * BACK_UNDER } else { bytes > limit }
}

/// Where the house's database listens; `None` while it does not run. The database is the service whose volume the
/// registry knows and whose container the engine shows on PostgreSQL's port.
async fn database(worker: &Worker, record: &HouseRecord) -> Result<Option<SocketAddr>, Failure> {
    let labels = names::house_labels(&worker.deps.installation, &record.house);
    let containers = worker.deps.engine.containers(&labels).await?;
    let network = names::network(&worker.deps.installation, &record.house);
    let file = crate::render::stack::parse(&record.release.content.stack, "stack")
        .map_err(|error| Failure::fatal(error.to_string()))?;
    let stack = file.check().map_err(|error| Failure::fatal(error.to_string()))?;
    let port = stack.services.get(&stack.database).and_then(|service| service.port).unwrap_or(5432);
    let known = record
        .volumes
        .iter()
        .any(|volume| volume.service == stack.database && volume.role == VolumeRole::Current && volume.made);
    let found = containers.iter().find(|container| {
        known
            && container.state == ContainerState::Running
            && container.labels.get(names::SERVICE).is_some_and(|service| *service == stack.database.as_str())
    });
    Ok(found
        .and_then(|container| container.networks.get(&network)?.address)
        .map(|address| SocketAddr::from((address, port))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_at_its_limit_does_not_go_to_and_fro() {
        assert!(!past(100, 100, false));
        assert!(past(101, 100, false));
        assert!(past(96, 100, true));
        assert!(!past(95, 100, true));
    }
}
