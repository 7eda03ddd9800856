//! How OpenID providers outside are reached.

use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// What providers may be at, and who vouches for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvidersConfig {
    /// Networks that the platform's own providers may be in besides the public internet, there also without
    /// encryption. Tenants' providers are at public addresses whatever is said here.
    pub reachable: Vec<IpNet>,
    /// A file of certificates in PEM that providers' may be signed by, besides those that the image trusts. It is read
    /// by `up`.
    pub ca_file: Option<PathBuf>,
}

impl ProvidersConfig {
    /// The first thing that cannot work: its key and why.
    pub(super) fn check(&self, pool: Ipv4Net) -> Result<(), (String, String)> {
        let wrong = |message: String| Err(("providers.reachable".to_owned(), message));
        for net in &self.reachable {
            if net.trunc() != *net {
                return wrong(format!("{net} does not begin at a block; {} does", net.trunc()));
            }
            if net.prefix_len() == 0 {
                return wrong(format!("{net} is everything: name the networks that providers are in"));
            }
            if matches!(net, IpNet::V4(net) if net.contains(&pool) || pool.contains(net)) {
                return wrong(format!("{net} holds houses of tenants: network.pool is {pool}"));
            }
        }
        Ok(())
    }
}
