//! What a host must offer, asked before anything is made and again by `doctor`: each finding says what is wrong and
//! what to do about it.

pub mod host;
pub mod pool;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use serde::Serialize;

use super::network;
use super::services::Service;
use crate::config::Config;
use crate::engine::{Engine, names};
use crate::model::ids::InstallationId;
use crate::model::observed::ContainerState;

/// The oldest Docker API that has everything used here.
const OLDEST_API: (u32, u32) = (1, 41);
/// Images, volumes and logs of a first handful of tenants.
const LEAST_DISK: u64 = 5 << 30;
/// The platform itself and a first handful of tenants.
const LEAST_MEMORY: u64 = 1 << 30;

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Outcome {
    Fine {
        detail: String,
    },
    /// It works, but somebody should know.
    Warning {
        detail: String,
        remedy: String,
    },
    /// It does not work, or would not.
    Problem {
        detail: String,
        remedy: String,
    },
}

/// One check with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Finding {
    pub(super) fn fine(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Fine { detail: detail.into() } }
    }

    pub(super) fn warning(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Warning { detail: detail.into(), remedy: remedy.into() } }
    }

    pub(super) fn problem(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Problem { detail: detail.into(), remedy: remedy.into() } }
    }

    #[must_use]
    pub fn is_problem(&self) -> bool {
        matches!(self.outcome, Outcome::Problem { .. })
    }
}

/// Checks everything that can be checked without an image. Nothing is changed.
pub async fn run(config: &Config, installation: &InstallationId, engine: &dyn Engine) -> Vec<Finding> {
    let (mut findings, reachable) = check_engine(config, engine).await;
    findings.push(check_home(&config.home));
    findings.push(check_port(config, installation, reachable.then_some(engine)).await);
    findings.push(check_pool(config, installation));
    findings.push(check_disk(&config.home).await);
    findings.push(check_memory());
    findings
}

async fn check_engine(config: &Config, engine: &dyn Engine) -> (Vec<Finding>, bool) {
    let socket = config.engine.socket.display();
    let info = match engine.info().await {
        Ok(info) => info,
        Err(error) => {
            let remedy = format!(
                "install Docker Engine 20.10 or newer and start it (`systemctl start docker`), run as root or as a \
                 member of the group that owns {socket}, or name another socket with `--set engine.socket=PATH`"
            );
            return (vec![Finding::problem("engine", error.to_string(), remedy)], false);
        }
    };
    let described = format!("Docker {} (API {}) at {socket}", info.version, info.api_version);
    let mut findings = vec![if version(&info.api_version).is_some_and(|version| version >= OLDEST_API) {
        Finding::fine("engine", described)
    } else {
        Finding::problem("engine", described, "upgrade to Docker Engine 20.10 or newer (API 1.41)")
    }];
    findings.push(if info.enforces_limits {
        Finding::fine("limits", format!("memory, processor and processes, by cgroup v{}", info.cgroup_version))
    } else {
        Finding::problem(
            "limits",
            "the kernel does not let the engine limit memory, processor time or processes",
            "switch the memory, cpu and pids control groups on (on Debian: `cgroup_enable=memory` on the kernel's \
             command line) and restart Docker",
        )
    });
    (findings, true)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn check_home(home: &Path) -> Finding {
    let there = host::nearest(home);
    let probe = there.join(format!(".freehold-probe-{}", std::process::id()));
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Finding::fine("home", home.display().to_string()),
        Err(error) => Finding::problem(
            "home",
            format!("{} cannot be written: {error}", there.display()),
            "choose a directory of your own with `--home DIR`, or run as the user that this one belongs to",
        ),
    }
}

async fn check_port(config: &Config, installation: &InstallationId, engine: Option<&dyn Engine>) -> Finding {
    let address = SocketAddr::new(config.edge.listen, config.edge.port);
    let error = match TcpListener::bind(address) {
        Ok(_) => return Finding::fine("port", format!("{address} is free")),
        Err(error) => error,
    };
    if let Some(engine) = engine {
        let labels = names::platform_labels(installation, Service::Edge.as_str());
        let edges = engine.containers(&labels).await.unwrap_or_default();
        if edges.iter().any(|edge| edge.state == ContainerState::Running) {
            return Finding::fine("port", format!("{address} is our edge's"));
        }
    }
    Finding::problem(
        "port",
        format!("{address} cannot be listened on: {error}"),
        "stop what listens there (`ss -ltnp` shows it), or choose another port with `--port PORT`",
    )
}

fn check_pool(config: &Config, installation: &InstallationId) -> Finding {
    let pool = config.network.pool;
    let table = match std::fs::read_to_string("/proc/net/route") {
        Ok(table) => table,
        Err(error) => {
            return Finding::warning(
                "pool",
                format!("the host's routes cannot be read: {error}"),
                format!("make sure by hand that nothing uses {pool}"),
            );
        }
    };
    let taken = pool::routes(&table, &format!("fh{installation}"));
    let clashes = pool::clashes(pool, &taken);
    let Some(first) = clashes.first() else {
        let blocks = 1u64 << u32::from(network::BLOCK.saturating_sub(pool.prefix_len()));
        return Finding::fine(
            "pool",
            format!("{pool} is free: room for {} houses", blocks.saturating_sub(1)),
        );
    };
    let remedy = match pool::alternative(pool, &taken) {
        Some(other) => format!("choose another pool, such as `--set network.pool={other}`"),
        None => "choose a pool that nothing uses with `--set network.pool=ADDRESS/BITS`".to_owned(),
    };
    Finding::problem("pool", format!("{pool} overlaps {}, {}", first.range, first.by), remedy)
}

async fn check_disk(home: &Path) -> Finding {
    match host::free_disk(home).await {
        Ok(free) if free >= LEAST_DISK => Finding::fine("disk", format!("{} GiB free", free >> 30)),
        Ok(free) => Finding::problem(
            "disk",
            format!("{:.1} GiB free, at least {} are needed", gib(free), LEAST_DISK >> 30),
            "make room, for example with `docker image prune`",
        ),
        Err(error) => Finding::warning("disk", error, "look at the free space yourself"),
    }
}

fn check_memory() -> Finding {
    let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| host::available_memory(&text));
    match free {
        Some(free) if free >= LEAST_MEMORY => {
            Finding::fine("memory", format!("{:.1} GiB available", gib(free)))
        }
        Some(free) => Finding::problem(
            "memory",
            format!("{:.1} GiB available, at least {} is needed", gib(free), LEAST_MEMORY >> 30),
            "stop something large, or give the machine more memory",
        ),
        None => Finding::warning("memory", "the kernel does not tell", "look at the free memory yourself"),
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(version("1.41") >= Some(OLDEST_API));
        assert!(version("1.100") > version("1.41"));
        assert!(version("1.9") < version("1.41"));
        assert_eq!(version("new"), None);
    }

    #[test]
    fn a_home_that_cannot_be_written_says_what_to_do() {
        let finding = check_home(Path::new("/proc/freehold"));
        assert!(finding.is_problem());
        let dir = tempfile::tempdir().expect("dir");
        assert!(!check_home(&dir.path().join("a/b")).is_problem());
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 0);
    }
}
