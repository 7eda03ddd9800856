//! Routes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Scene, held};
use crate::edge::{Route, Way};
use crate::engine::names;
use crate::model::hostname::HostName;
use crate::model::tenant::DesiredState;
use crate::store::{Scope, houses};
use crate::worker::failure::Failure;

/// How long requests that are under way may take to end before their services stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Between two looks at the requests that are under way.
const LOOK: Duration = Duration::from_millis(50);
/// How often a route is proven before the step has failed.
const PROOFS: u32 = 5;

impl Scene<'_> {
    /// Sets the routes, then sends a request through the edge for each name: only what answered that way is live.
    pub(super) async fn set_routes(&self) -> Result<(), Failure> {
        let (deps, house) = (&self.worker.deps, &self.house.record.house);
        let address = self.address().await?;
        self.record_address(Some(address)).await?;
        let route = |host: &HostName| Route { host: host.clone(), house: house.clone(), address };
        let routes: Vec<Route> = self.house.desired.hosts.iter().map(route).collect();
        deps.edge.set(&routes).await?;
        self.worker.routes_changed.notify_one();
        for route in &routes {
            self.prove(route).await?;
        }
        Ok(())
    }

    async fn prove(&self, route: &Route) -> Result<(), Failure> {
        let path = self.house.health_path();
        let mut last = String::new();
        for attempt in 0..PROOFS {
            let proof = self.worker.deps.edge.prove(&route.host, path).await?;
            let there = Way::Direct { house: route.house.clone(), address: route.address };
            if proof.way == there && (200..300).contains(&proof.status) {
                return Ok(());
            }
            last = format!(
                "a request for {} went by {} and was answered {}",
                route.host, proof.way, proof.status
            );
            tokio::time::sleep(LOOK * (attempt + 1)).await;
        }
        Err(Failure::retry(last))
    }

    pub(super) async fn withdraw_routes(&self, hosts: &BTreeSet<HostName>) -> Result<(), Failure> {
        if hosts.iter().any(|host| self.house.desired.hosts.contains(host)) {
            self.record_address(None).await?;
        }
        let hosts: Vec<HostName> = hosts.iter().cloned().collect();
        self.worker.deps.edge.withdraw(&hosts).await?;
        self.worker.routes_changed.notify_one();
        Ok(())
    }

    /// Gives the requests that are under way a bounded time to end; those of a house that moves within itself, from
    /// one container to another, are not waited for where they may stay.
    pub(super) async fn drain(&self) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + DRAIN;
        let stays = match self.house.desired.state {
            DesiredState::Running => self.address().await.ok(),
            _ => None,
        };
        loop {
            let mut open = 0;
            for host in &self.house.desired.hosts {
                // an edge that does not tell has no requests that it could still bring
                open += self.worker.deps.edge.open_requests(host, stays).await.unwrap_or(0);
            }
            if open == 0 || tokio::time::Instant::now() >= until {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Where the container that shall serve answers.
    async fn address(&self) -> Result<SocketAddr, Failure> {
        let (deps, web) = (&self.worker.deps, &self.house.stack.web);
        let port = self.service(web)?.port.ok_or_else(|| Failure::fatal("the web face has no port"))?;
        let network = names::network(&deps.installation, &self.house.record.house);
        Ok(deps.engine.endpoint(&self.container(web)?, &network, port).await?)
    }

    /// Tells the gateway where the house answers, or that it does not.
    async fn record_address(&self, address: Option<SocketAddr>) -> Result<(), Failure> {
        let mut tx = self.worker.deps.store.begin(Scope::System).await?;
        held(houses::record_address(&mut tx, &self.house.claim, address).await?)?;
        tx.commit().await?;
        Ok(())
    }
}
