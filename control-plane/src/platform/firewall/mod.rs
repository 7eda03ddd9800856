//! The firewall: one nftables table of our own, kept in force by short-lived helper containers.
//!
//! Whoever changes the host's packet filter needs `NET_ADMIN` in the host's network. No lasting process of ours
//! has that: a helper is started for a moment, does one thing, and is removed.

pub mod local;
mod ruleset;

use std::sync::Arc;

pub use ruleset::{Ruleset, table_name};

use ipnet::IpNet;

use super::{helper, network};
use crate::config::Config;
use crate::engine::{self, Capability, ContainerSpec, Engine, NetworkMode};
use crate::model::ids::InstallationId;
use crate::model::plan::Limits;

/// The role label of helpers.
pub const ROLE: &str = "firewall";

/// The exit code by which a helper says that the table is not in force.
const NOT_IN_FORCE: i64 = 3;

/// What a helper prints when it has changed something.
pub const APPLIED: &str = "applied";

/// Why the firewall could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("the firewall's helper ended with {code}: {output}")]
    Helper { code: i64, output: String },
}

/// The firewall of one installation.
#[derive(Clone)]
pub struct Firewall {
    engine: Arc<dyn Engine>,
    installation: InstallationId,
    image: String,
    arguments: Vec<String>,
}

impl Firewall {
    /// The firewall for this configuration, with the control plane's image to run helpers from.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, installation: &InstallationId, config: &Config, image: &str) -> Self {
        let arguments = [
            ("--installation", installation.to_string()),
            ("--pool", config.network.pool.to_string()),
            ("--address", network::platform_address(config.network.pool).to_string()),
            ("--edge-port", config.edge.port.to_string()),
        ];
        // Of IPv6 there is none in our networks.
        let reachable = config.providers.reachable.iter().filter(|net| matches!(net, IpNet::V4(_)));
        let reachable = reachable.map(|net| ("--reachable", net.to_string()));
        Self {
            engine,
            installation: installation.clone(),
            image: image.to_owned(),
            arguments: arguments
                .into_iter()
                .chain(reachable)
                .flat_map(|(name, value)| [name.to_owned(), value])
                .collect(),
        }
    }

    /// Whether the table is there, whole and as it should be.
    ///
    /// # Errors
    /// When the helper could not run or tell.
    pub async fn in_force(&self) -> Result<bool, Error> {
        match self.help("check").await? {
            (0, _) => Ok(true),
            (code, _) if code == NOT_IN_FORCE => Ok(false),
            (code, output) => Err(Error::Helper { code, output }),
        }
    }

    /// Puts the table in force; one that is as it should be is left alone. Tells whether anything was changed.
    ///
    /// # Errors
    /// When the helper could not run, or the kernel refused the table.
    pub async fn apply(&self) -> Result<bool, Error> {
        Ok(self.must("apply").await?.contains(APPLIED))
    }

    /// Asks the kernel whether it would take the table, without changing anything.
    ///
    /// # Errors
    /// When the helper could not run, or the kernel would refuse the table.
    pub async fn usable(&self) -> Result<(), Error> {
        self.must("probe").await.map(drop)
    }

    /// Removes the installation's table; none is success.
    ///
    /// # Errors
    /// When the helper could not run.
    pub async fn remove(&self) -> Result<(), Error> {
        self.must("remove").await.map(drop)
    }

    async fn must(&self, action: &str) -> Result<String, Error> {
        match self.help(action).await? {
            (0, output) => Ok(output),
            (code, output) => Err(Error::Helper { code, output }),
        }
    }

    fn helper(&self, action: &str) -> ContainerSpec {
        let mut command = vec!["firewall".to_owned(), action.to_owned()];
        command.extend(self.arguments.iter().cloned());
        ContainerSpec {
            entrypoint: Some(vec!["/usr/local/bin/freehold".to_owned()]),
            command,
            network: NetworkMode::Host,
            user: Some("0:0".to_owned()),
            capabilities: vec![Capability::NetAdmin],
            limits: Some(Limits { memory_mib: 128, cpu_millis: 1000, pids: 32 }),
            ..ContainerSpec::new("", &self.image)
        }
    }

    async fn help(&self, action: &str) -> Result<(i64, String), Error> {
        Ok(helper::run(self.engine.as_ref(), &self.installation, ROLE, self.helper(action)).await?)
    }
}
