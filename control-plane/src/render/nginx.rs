//! The edge's base configuration. It names no tenant: those are data, not configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Error, page};
use crate::model::hostname::HostName;

/// What nginx is started with.
#[derive(Debug, Clone, Serialize)]
pub struct NginxContext {
    /// Where visitors connect.
    pub public: SocketAddr,
    /// The platform's address that every tenant network reaches under `platform.internal`, if there is one.
    pub back_door: Option<SocketAddr>,
    /// The apex; the console is `admin.` before it.
    pub domain: HostName,
    /// The installation's directory as nginx sees it: sockets, start file and the prober's secret are in it.
    pub home: PathBuf,
    pub limits: EdgeLimits,
}

/// What one host may use of the edge. Generous: they keep one tenant from taking all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EdgeLimits {
    /// Worker processes.
    pub workers: u16,
    /// The largest request body, in MiB.
    pub body_mib: u32,
    /// Requests and upgraded connections of one host at a time.
    pub connections_per_host: u32,
    /// Requests of one host in a second, averaged over a burst of two seconds.
    pub requests_per_second: u32,
    /// Longest silence of an app, a stream or an upgraded connection, in seconds. Longer than the gateway holds.
    pub silence_seconds: u32,
    /// Memory for live routes, in MiB. Ten thousand take about three.
    pub routes_mib: u32,
    /// Connections to houses that a worker keeps while nobody uses them.
    pub kept_connections: u32,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            workers: 2,
            body_mib: 64,
            connections_per_host: 2_000,
            requests_per_second: 10_000,
            silence_seconds: 300,
            routes_mib: 16,
            kept_connections: 1_024,
        }
    }
}

/// The whole `nginx.conf`, and what it is known by: nginx tells at its door which one is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseConfiguration {
    pub text: String,
    /// Twelve hex digits; another text has others.
    pub fingerprint: String,
}

/// The configuration for this context.
///
/// # Errors
/// A mistake in the template.
pub fn conf(context: &NginxContext) -> Result<BaseConfiguration, Error> {
    let burst = context.limits.requests_per_second.saturating_mul(2);
    let text = |fingerprint: &str| page("nginx/nginx.conf", &Whole { context, burst, fingerprint });
    let fingerprint = hex::encode(&Sha256::digest(text("")?)[..6]);
    Ok(BaseConfiguration { text: text(&fingerprint)?, fingerprint })
}

/// The context with what follows from it.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    context: &'a NginxContext,
    burst: u32,
    fingerprint: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> NginxContext {
        NginxContext {
            public: "127.0.0.1:8080".parse().unwrap(),
            back_door: Some("10.201.0.1:8080".parse().unwrap()),
            domain: "freehold.localhost".parse().unwrap(),
            home: PathBuf::from("/var/lib/freehold"),
            limits: EdgeLimits::default(),
        }
    }

    /// Run with `FREEHOLD_GOLDEN=write` to accept a change, and read the difference.
    #[test]
    fn the_configuration_is_the_golden_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/nginx.conf");
        let conf = conf(&sample()).expect("the template renders");
        let text = conf.text.replace(&conf.fingerprint, "known-by");
        if std::env::var_os("FREEHOLD_GOLDEN").is_some() {
            std::fs::write(path, &text).expect("the golden file is written");
        }
        let golden = std::fs::read_to_string(path).expect("the golden file");
        assert!(text == golden, "differs from {path}:\n{text}");
    }

    #[test]
    fn without_a_back_door_there_is_none() {
        let text = conf(&NginxContext { back_door: None, ..sample() }).expect("the template renders").text;
        assert!(!text.contains("platform.internal") && !text.contains("10.201.0.1"), "{text}");
    }

    #[test]
    fn another_text_is_known_by_another_fingerprint() {
        let limits = EdgeLimits { body_mib: 1, ..EdgeLimits::default() };
        let (one, same) = (conf(&sample()).expect("rendered"), conf(&sample()).expect("rendered"));
        let other = conf(&NginxContext { limits, ..sample() }).expect("rendered");
        assert_eq!(one, same);
        assert_ne!(one.fingerprint, other.fingerprint);
        assert!(one.text.contains(&one.fingerprint));
    }
}
