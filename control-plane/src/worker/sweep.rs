//! Looks at everything now and then: houses that are not what they were when they were settled, and objects that
//! belong to no house.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Worker;
use super::failure::Failure;
use super::gather::{self, Everything, Print};
use crate::engine::names;
use crate::model::hostname::HostName;
use crate::store::houses::LiveHouse;
use crate::store::{Scope, houses, subnets};

/// How often the firewall is looked at.
const FIREWALL: Duration = Duration::from_secs(60);

pub(super) async fn run(worker: Arc<Worker>, shutdown: CancellationToken) {
    let every = Duration::from_secs(u64::from(worker.deps.config.worker.sweep_seconds.max(1)));
    let mut reported = BTreeSet::new();
    let mut firewall = tokio::time::Instant::now();
    loop {
        let looked = sweep(&worker, &mut reported).await;
        if let Err(failure) = &looked {
            tracing::warn!(reason = failure.reason, "the sweep was not finished");
        }
        if let Some(keep) = &worker.deps.firewall
            && tokio::time::Instant::now() >= firewall
        {
            firewall = tokio::time::Instant::now() + FIREWALL;
            if let Err(reason) = keep().await {
                tracing::error!(reason, "the firewall could not be kept in force");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn sweep(worker: &Arc<Worker>, reported: &mut BTreeSet<String>) -> Result<(), Failure> {
    // objects first: one that is there before its house is read can only be newer in the registry, never older
    let all = gather::everything(worker).await?;
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    houses::expired(&mut tx).await?;
    let live = houses::live(&mut tx).await?;
    tx.commit().await?;
    drift(worker, &live, &all).await?;
    routes(worker, &live, &all).await?;
    orphans(worker, &live, &all, reported).await?;
    worker.deps.engine.remove_stray_secrets().await?;
    free_subnets(worker, &all).await?;
    worker.routes_changed.notify_one();
    worker.due.notify_one();
    Ok(())
}

/// Makes every house due that should rest and does not look as it did when it was settled.
async fn drift(worker: &Worker, live: &[LiveHouse], all: &Everything) -> Result<(), Failure> {
    // what the edge does not tell is not taken for gone
    if all.routes.is_none() {
        return Ok(());
    }
    for house in live.iter().filter(|house| house.converged && !house.stuck && !house.leased && !house.due) {
        let now = Print::of(house.house.as_str(), house.generation, all);
        let settled = worker.settled().get(&house.house).cloned();
        if settled.as_ref() != Some(&now) && !worker.held().contains_key(&house.house) {
            let why = if settled.is_some() { "it changed" } else { "first look" };
            let mut tx = worker.deps.store.begin(Scope::System).await?;
            houses::due_now(&mut tx, &house.house, why).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Withdraws routes that no house claims.
async fn routes(worker: &Worker, live: &[LiveHouse], all: &Everything) -> Result<(), Failure> {
    let claimed: BTreeMap<&HostName, &LiveHouse> =
        live.iter().flat_map(|house| house.hosts.iter().map(move |host| (host, house))).collect();
    let stray: Vec<HostName> = all
        .routes
        .iter()
        .flatten()
        .filter(|route| claimed.get(&route.host).is_none_or(|house| house.house != route.house))
        .map(|route| route.host.clone())
        .collect();
    if !stray.is_empty() {
        tracing::warn!(?stray, "routes that belong to nobody are withdrawn");
        worker.deps.edge.withdraw(&stray).await?;
    }
    Ok(())
}

/// Removes containers and networks of houses that are not there any more. Volumes are reported, never removed: only
/// a deletion drops data.
async fn orphans(
    worker: &Worker,
    live: &[LiveHouse],
    all: &Everything,
    reported: &mut BTreeSet<String>,
) -> Result<(), Failure> {
    let known: BTreeSet<&str> = live.iter().map(|house| house.house.as_str()).collect();
    let orphan = |labels: &names::Labels| {
        labels.get(names::HOUSE).is_some_and(|house| !known.contains(house.as_str()))
    };
    for container in all.containers.iter().filter(|container| orphan(&container.labels)) {
        tracing::warn!(name = container.name, "a container of no house is removed");
        worker.deps.engine.remove_container(&container.id).await?;
    }
    for network in all.networks.iter().filter(|network| orphan(&network.labels)) {
        tracing::warn!(name = network.name, "a network of no house is removed");
        worker.deps.engine.remove_network(&network.id).await?;
    }
    for volume in all.volumes.iter().filter(|volume| orphan(&volume.labels)) {
        if reported.insert(volume.name.clone()) {
            tracing::warn!(
                name = volume.name,
                "a volume of no house is left alone; remove it by hand if nobody needs it"
            );
        }
    }
    Ok(())
}

/// Gives subnets of houses that are gone back, once the edge has no route into them.
async fn free_subnets(worker: &Worker, all: &Everything) -> Result<(), Failure> {
    let Some(routes) = &all.routes else { return Ok(()) };
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    for retired in subnets::retired(&mut tx).await? {
        let used = routes.iter().any(|route| match route.address.ip() {
            std::net::IpAddr::V4(address) => retired.subnet.contains(&address),
            std::net::IpAddr::V6(_) => false,
        });
        if !used && !all.networks.iter().any(|network| network.subnet == Some(retired.subnet)) {
            subnets::release(&mut tx, retired.subnet).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
