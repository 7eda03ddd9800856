//! The edge's base configuration: staged beside the one in force, tried by nginx itself, put in force by a reload,
//! verified, and taken back when the edge does not serve by it. Nobody is turned away meanwhile.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::containers::{Change, poll};
use super::helper;
use super::services::{self, Context, Service};
use super::{Error, Platform, Result, home, network, probe};
use crate::engine::{ContainerInfo, ContainerSpec, names};
use crate::model::observed::ContainerState;
use crate::model::plan::Limits;
use crate::render::nginx::BaseConfiguration;

/// The role label of the helper that tries a configuration.
pub(super) const TRIAL: &str = "trial";
/// How long the edge may take until it serves by another configuration.
const IN_FORCE: Duration = Duration::from_secs(10);
/// How long the edge ends connections with their next answer before a reload ends those that are left.
const CLOSING: Duration = Duration::from_secs(2);
/// By then all of nginx's processes know that they are to end connections.
const KNOWN: Duration = Duration::from_millis(500);
/// How long an edge that was told to stop may go on listening; one that hangs does until it is killed.
const DEAF: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How far back what nginx says of its configuration may be, among the requests that it writes down.
const LINES: usize = 3000;

impl Platform {
    /// Makes the edge run from its spec and by this configuration. Only another spec is another container.
    pub(super) async fn ensure_edge(
        &self,
        context: &Context<'_>,
        wanted: &BaseConfiguration,
    ) -> Result<Change> {
        let spec = context.spec(Service::Edge)?;
        let running = self.running_edge().await?;
        let same =
            running.as_ref().is_some_and(|edge| edge.labels.get(names::SPEC) == spec.labels.get(names::SPEC));
        if same {
            let reconfigured = self.reconfigure_edge(wanted).await?;
            return match self.ensure(Service::Edge, context).await? {
                Change::None => Ok(reconfigured),
                other => Ok(other),
            };
        }
        match &running {
            // The next container starts from it: what it would not start from must not cost the one that runs.
            Some(_) => self.staged(wanted, &context.images.edge).await?,
            None => self.stage(wanted)?,
        }
        let promoted = self.promote()?;
        match self.ensure(Service::Edge, context).await {
            Err(error) if running.is_some() => {
                if promoted {
                    self.take_back()?;
                }
                Err(self.bring_back(Service::Edge, context, error).await)
            }
            ensured => ensured,
        }
    }

    /// Brings the edge that runs to this configuration, by a reload; one that has it already is left alone.
    ///
    /// # Errors
    /// [`Error::Configuration`] when nginx refuses it or does not serve by it. The one before is in force then.
    pub async fn reconfigure_edge(&self, wanted: &BaseConfiguration) -> Result<Change> {
        let Some(edge) = self.running_edge().await? else { return Ok(Change::None) };
        let Ok(health) = self.edge().healthy().await else {
            // It is made anew, from this configuration if it is any good.
            self.staged(wanted, &edge.image_id).await?;
            self.promote()?;
            return Ok(Change::None);
        };
        if health.configuration == wanted.fingerprint {
            self.stage(wanted)?;
            self.promote()?;
            return Ok(Change::None);
        }
        self.staged(wanted, &edge.image_id).await?;
        self.promote()?;
        let Err(reason) = self.reload(&edge.id, wanted).await else { return Ok(Change::Reloaded) };
        let said = self.complaints(&edge.id).await;
        self.take_back()?;
        // One that nginx did not take needs no more. One that it serves by, and badly, goes.
        let refused = self.edge().healthy().await.is_ok_and(|now| now.configuration == health.configuration);
        if !refused {
            self.let_connections_end().await;
            self.engine.kill(&edge.id, "SIGHUP").await?;
        }
        Err(Error::Configuration(format!("{reason}{said}")))
    }

    async fn running_edge(&self) -> Result<Option<ContainerInfo>> {
        let all = self.containers_of(Service::Edge).await?;
        Ok(all.into_iter().find(|edge| edge.state == ContainerState::Running))
    }

    fn stage(&self, wanted: &BaseConfiguration) -> Result<()> {
        let path = self.home.nginx_conf_next();
        home::write_whole(&path, &wanted.text, 0o644).map(drop).map_err(|source| Error::File { path, source })
    }

    /// Stages it, and has nginx of this image say whether it would start from it.
    async fn staged(&self, wanted: &BaseConfiguration, image: &str) -> Result<()> {
        self.stage(wanted)?;
        let path = format!("{}/edge/nginx.conf.next", home::INSIDE);
        let nginx = services::nginx(&self.home, image);
        let spec = ContainerSpec {
            entrypoint: Some(vec!["/usr/sbin/nginx".to_owned()]),
            command: ["-e", "stderr", "-q", "-t", "-c", &path].map(str::to_owned).to_vec(),
            limits: Some(Limits { memory_mib: 256, cpu_millis: 1000, pids: 32 }),
            ..nginx
        };
        match helper::run(self.engine.as_ref(), &self.id, TRIAL, spec).await? {
            (0, _) => Ok(()),
            (_, output) => Err(Error::Configuration(format!("nginx refuses it: {output}"))),
        }
    }

    /// Makes what is staged the file that the edge starts from, and keeps the one before. Whether there was a change.
    fn promote(&self) -> Result<bool> {
        let (next, now, previous) =
            (self.home.nginx_conf_next(), self.home.nginx_conf(), self.home.nginx_conf_previous());
        let promoted = || {
            if same(&next, &now)? {
                return std::fs::remove_file(&next).map(|()| false);
            }
            // An edge that starts meanwhile finds one of the two.
            if now.exists() {
                home::absent_is_fine(std::fs::remove_file(&previous))?;
                std::fs::hard_link(&now, &previous)?;
            }
            std::fs::rename(&next, &now).map(|()| true)
        };
        promoted().map_err(|source| Error::File { path: now.clone(), source })
    }

    fn take_back(&self) -> Result<()> {
        let (now, previous) = (self.home.nginx_conf(), self.home.nginx_conf_previous());
        std::fs::rename(&previous, &now).map_err(|source| Error::File { path: previous, source })
    }

    /// Has nginx read its configuration anew, and waits until it serves by this one.
    async fn reload(&self, container: &str, wanted: &BaseConfiguration) -> std::result::Result<(), String> {
        self.let_connections_end().await;
        self.engine.kill(container, "SIGHUP").await.map_err(|error| error.to_string())?;
        let (address, host) = (network::public_address(&self.config), self.config.domain.to_string());
        poll(IN_FORCE, || async {
            let health = self.edge().healthy().await.map_err(|error| error.to_string())?;
            if health.configuration != wanted.fingerprint {
                return Err(format!("the edge does not serve by it within {} s", IN_FORCE.as_secs()));
            }
            // Whatever the answer, it came in at the door for visitors.
            probe::tcp(address, &host, "/healthz").await.map(drop)
        })
        .await
    }

    /// A connection that is kept is closed by a reload. So that nobody asks on one just then, each is ended with
    /// its next answer first; those that nobody asks anything on are left after a while.
    pub(super) async fn let_connections_end(&self) {
        let begun = Instant::now();
        while begun.elapsed() < CLOSING {
            match self.edge().close_connections().await {
                Ok(waiting) if waiting > 0 || begun.elapsed() < KNOWN => tokio::time::sleep(LOOK).await,
                _ => return,
            }
        }
    }

    /// Waits until an edge that was told to stop has closed its door, and with it all that it listens on.
    pub(super) async fn edge_is_deaf(&self) {
        let begun = Instant::now();
        while self.home.door_socket().exists() && begun.elapsed() < DEAF {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What nginx said last that was wrong, each thing once.
    async fn complaints(&self, container: &str) -> String {
        let logs = self.engine.logs(container, LINES).await.unwrap_or_default();
        let mut said: Vec<&str> =
            logs.lines().filter_map(|line| line.split_once("[emerg] ")).map(|(_, said)| said).collect();
        said.dedup();
        let said = said.split_off(said.len().saturating_sub(2));
        if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) }
    }
}

/// Whether both files are there and hold the same.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    match std::fs::read(other) {
        Ok(now) => Ok(now == std::fs::read(one)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
