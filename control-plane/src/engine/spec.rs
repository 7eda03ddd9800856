//! What the engine is asked to make. The types have no words for privileged containers, devices, host namespaces
//! other than the network's, or any capability but one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;
use secrecy::SecretString;

use super::names::Labels;
use crate::model::plan::Limits;

/// A bridge network with a subnet of our own address plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    pub name: String,
    pub labels: Labels,
    pub subnet: Ipv4Net,
    /// The host's address in it.
    pub gateway: Ipv4Addr,
    /// The name of the host's interface, 15 characters at most.
    pub bridge: String,
    /// Without a way to the outside.
    pub internal: bool,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSpec {
    pub name: String,
    pub labels: Labels,
}

/// Where a container hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// In one network, under these host names for its neighbours.
    Network { name: String, aliases: Vec<String> },
    /// In the host's own; for the platform's services only.
    Host,
    /// Without any but its own loopback.
    None,
}

/// What is mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A named volume; an empty one is filled with what the image has at the target.
    Volume { name: String, target: String },
    /// A path of the host; for the platform's services only.
    Bind { source: PathBuf, target: String, read_only: bool },
}

/// The only capability anything of ours is ever given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// For the helper that loads the firewall.
    NetAdmin,
}

/// Whether the engine starts a container again when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Restart {
    /// Never; tenants' containers are the worker's business alone.
    #[default]
    No,
    /// Always, until it is stopped by name; for the platform's services.
    Always,
}

/// A file under `/run/secrets`.
#[derive(Debug, Clone)]
pub struct SecretFile {
    /// Its plain name.
    pub name: String,
    pub content: SecretString,
    /// Permissions, such as `0o400`. It belongs to the user that the container runs as.
    pub mode: u32,
}

impl SecretFile {
    /// A file that only the container's own user may read.
    pub fn new(name: impl Into<String>, content: SecretString) -> Self {
        Self { name: name.into(), content, mode: 0o400 }
    }
}

/// A container. Capabilities are dropped, new privileges refused and logs bounded always.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    pub name: String,
    /// By the engine's immutable id, or by name.
    pub image: String,
    pub labels: Labels,
    /// Arguments in place of the image's own; empty keeps those.
    pub command: Vec<String>,
    /// In place of the image's own.
    pub entrypoint: Option<Vec<String>>,
    pub environment: Vec<(String, String)>,
    pub network: NetworkMode,
    /// Names it finds in its hosts file.
    pub extra_hosts: Vec<(String, IpAddr)>,
    pub mounts: Vec<Mount>,
    /// Writable paths in memory, by their size in MiB.
    pub tmpfs: BTreeMap<String, u32>,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// `None` only for the platform's own.
    pub limits: Option<Limits>,
    /// A name, `uid` or `uid:gid` in place of the image's own.
    pub user: Option<String>,
    /// Further groups of its processes.
    pub groups: Vec<u32>,
    pub capabilities: Vec<Capability>,
    pub files: Vec<SecretFile>,
    /// In place of the image's own.
    pub stop_signal: Option<String>,
    /// How long it may take to stop.
    pub stop_grace: Duration,
    pub restart: Restart,
    /// Size of `/dev/shm` in MiB.
    pub shm_mib: u32,
}

impl ContainerSpec {
    /// A container with nothing special about it, without network.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            labels: Labels::new(),
            command: Vec::new(),
            entrypoint: None,
            environment: Vec::new(),
            network: NetworkMode::None,
            extra_hosts: Vec::new(),
            mounts: Vec::new(),
            tmpfs: BTreeMap::new(),
            read_only: true,
            limits: None,
            user: None,
            groups: Vec::new(),
            capabilities: Vec::new(),
            files: Vec::new(),
            stop_signal: None,
            stop_grace: Duration::from_secs(10),
            restart: Restart::No,
            shm_mib: 64,
        }
    }
}

/// The content of one file of a build.
#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Cow<'static, [u8]>),
    /// Read while the build is sent.
    File(PathBuf),
}

/// One file of a build.
#[derive(Debug, Clone)]
pub struct ContextFile {
    /// Its path below the build's root.
    pub path: String,
    pub executable: bool,
    pub content: Content,
}

/// An image to build from a `Dockerfile` that is among its files.
#[derive(Debug, Clone)]
pub struct BuildSpec {
    pub tag: String,
    pub labels: Labels,
    pub files: Vec<ContextFile>,
    /// Build arguments.
    pub arguments: BTreeMap<String, String>,
    pub within: Duration,
}
