//! The engine: what runs containers. One trait, its implementation over Docker, and a stateful fake for tests.
//!
//! Every call is idempotent: what is already so is success, and whoever lost an answer asks again. Every call has
//! a deadline of its own. An engine belongs to one installation: it labels what it makes with it, lists nothing
//! else, and refuses to touch what does not carry that label.

pub mod docker;
mod error;
pub mod fake;
pub mod names;
mod spec;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use ipnet::Ipv4Net;

use crate::model::observed::ContainerState;
use crate::model::plan::Limits;

pub use error::{Error, Result};
pub use names::Labels;
pub use spec::{
    BuildSpec, Capability, ContainerSpec, Content, ContextFile, Mount, NetworkMode, NetworkSpec, Restart,
    SecretFile, VolumeSpec,
};

/// What the engine says of itself and its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    pub version: String,
    pub api_version: String,
    /// Control groups: "1" or "2".
    pub cgroup_version: String,
    pub architecture: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    /// Where it keeps images and volumes; empty when it does not say.
    pub data_directory: String,
    /// Whether limits for memory, processor time and processes are enforced.
    pub enforces_limits: bool,
}

/// A network as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    pub id: String,
    pub name: String,
    pub labels: Labels,
    pub subnet: Option<Ipv4Net>,
}

/// A volume as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    pub name: String,
    pub labels: Labels,
}

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub network_id: String,
    /// Present while it runs.
    pub address: Option<Ipv4Addr>,
}

/// A container as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInfo {
    pub id: String,
    pub name: String,
    pub labels: Labels,
    pub state: ContainerState,
    pub image_id: String,
    /// By the network's name.
    pub networks: BTreeMap<String, Attachment>,
    /// Seconds since 1970.
    pub created: i64,
    /// The engine's words for people, such as "Exited (1) 3 minutes ago".
    pub status: String,
}

/// One container, asked for by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub id: String,
    pub name: String,
    pub labels: Labels,
    pub image_id: String,
    pub state: ContainerState,
    /// Of the last end; 0 while it never ended.
    pub exit_code: i64,
    /// Whether it ended because it used up its memory.
    pub oom_killed: bool,
    /// RFC 3339; empty when it never started.
    pub started_at: String,
    /// The engine's reason for not having started it; empty when there is none.
    pub error: String,
    /// By the network's name, while it runs.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// What it may use now; a part that is not limited is 0.
    pub limits: Limits,
    /// How long it has from being asked to stop until it is killed.
    pub stop_grace: Duration,
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Immutable: the same id is the same content.
    pub id: String,
    /// The user it runs as: a name, `uid` or `uid:gid`; empty is root.
    pub user: String,
    pub labels: Labels,
}

impl ImageInfo {
    /// Whether a container of it would run as root unless another user is named.
    #[must_use]
    pub fn runs_as_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default();
        matches!(user, "" | "0" | "root")
    }
}

/// Takes the lines that a build prints.
pub type BuildLog<'a> = dyn Fn(&str) + Send + Sync + 'a;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    Container,
    Network,
    Volume,
}

/// Something happened to an object of this installation. Events are lost when nobody listens: they only wake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    pub kind: EventKind,
    pub id: String,
    /// The house it belongs to, where the engine said so.
    pub house: Option<String>,
    /// The engine's word, such as "die", "start", "destroy" or "disconnect".
    pub action: String,
}

/// Runs containers, networks and volumes of one installation.
///
/// All calls fail with [`Error::Unreachable`] or [`Error::Timeout`] when the engine does not answer; then nothing
/// is known about whether the effect took place.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What the engine says of itself.
    async fn info(&self) -> Result<EngineInfo>;

    /// Networks of this installation that carry all of these labels.
    async fn networks(&self, filter: &Labels) -> Result<Vec<NetworkInfo>>;

    /// Volumes of this installation that carry all of these labels. Those that hold secrets are not among them:
    /// they come and go with their container.
    async fn volumes(&self, filter: &Labels) -> Result<Vec<VolumeInfo>>;

    /// Containers of this installation that carry all of these labels, in whatever state.
    async fn containers(&self, filter: &Labels) -> Result<Vec<ContainerInfo>>;

    /// Makes the network, or finds it by its name; answers its id.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is another's or the subnet is in use.
    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<String>;

    /// Makes the volume, or finds it by its name.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is another's.
    async fn ensure_volume(&self, spec: &VolumeSpec) -> Result<()>;

    /// Makes the container with its secret files, without starting it; answers its id. One of this name that was
    /// never started gets its files again; one that was started is left as it is.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is another's, or its container was made from another spec;
    /// [`Error::NotFound`] when image, network or volume are missing.
    async fn ensure_container(&self, spec: &ContainerSpec) -> Result<String>;

    /// Starts a container; one that runs already is left alone.
    async fn start(&self, id: &str) -> Result<()>;

    /// Asks a container to stop and kills it when it did not within `grace`, or else within the time that it was
    /// made with. One that is stopped or gone is success.
    async fn stop(&self, id: &str, grace: Option<Duration>) -> Result<()>;

    /// Sends a signal (such as `SIGHUP`) to a running container.
    async fn kill(&self, id: &str, signal: &str) -> Result<()>;

    /// Removes a container, killed if it runs, together with its secrets. One that is gone is success.
    async fn remove_container(&self, id: &str) -> Result<()>;

    /// Removes a network after disconnecting what of this installation is left in it. One that is gone is success.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody else's container hangs in it.
    async fn remove_network(&self, id: &str) -> Result<()>;

    /// Removes a volume and what is in it, for good. One that is gone is success.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a container uses it.
    async fn remove_volume(&self, name: &str) -> Result<()>;

    /// Removes secrets whose container somebody removed without them; answers how many.
    async fn remove_stray_secrets(&self) -> Result<usize>;

    /// Gives a container other limits, whether it runs or not.
    async fn set_limits(&self, id: &str, limits: Limits) -> Result<()>;

    /// The last lines that a container wrote to standard output and standard error.
    async fn logs(&self, id: &str, lines: usize) -> Result<String>;

    /// Everything about one container.
    async fn inspect(&self, id: &str) -> Result<Inspection>;

    /// Waits until a started container has ended; answers its exit code.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it still runs after `within`.
    async fn wait_exit(&self, id: &str, within: Duration) -> Result<i64>;

    /// Where a port of a running container can be dialled from here.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it does not run in that network.
    async fn endpoint(&self, id: &str, network: &str, port: u16) -> Result<SocketAddr>;

    /// The image of this name or id; `None` when the engine does not have it.
    async fn image(&self, name: &str) -> Result<Option<ImageInfo>>;

    /// The immutable id of the image of this name; `None` when the engine does not have it.
    async fn image_id(&self, name: &str) -> Result<Option<String>> {
        Ok(self.image(name).await?.map(|image| image.id))
    }

    /// Fetches an image from its registry, within the given time.
    async fn pull(&self, name: &str, within: Duration) -> Result<()>;

    /// Builds an image; each line that the build prints goes to `log`. Answers its id.
    async fn build(&self, spec: &BuildSpec, log: &BuildLog<'_>) -> Result<String>;

    /// Makes an image of one layer out of a tar file of a root file system; answers its id.
    async fn import(&self, tar: &Path, tag: &str) -> Result<String>;

    /// Takes a name from an image, and removes the image with its last name. One that is gone is success.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a container uses it.
    async fn remove_image(&self, name: &str) -> Result<()>;

    /// What happens to objects of this installation from now on. The stream ends with an error when the
    /// connection to the engine is lost.
    async fn events(&self) -> Result<BoxStream<'static, Result<EngineEvent>>>;
}
