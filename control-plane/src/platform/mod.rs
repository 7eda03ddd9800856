//! Freehold's own bring-up: checks of the host, keys, images, the platform's containers, the firewall, and the way
//! back down. Everything here can be repeated: what is right stays, what is not is set right.

mod base_configuration;
mod bring_up;
pub mod checks;
mod containers;
mod doctor;
mod down;
pub mod firewall;
mod helper;
pub mod home;
pub mod images;
pub mod keys;
pub mod network;
mod probe;
mod registry;
mod release;
pub mod services;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use bring_up::{Options, Summary};
pub use containers::Change;
pub use status::{ServiceState, Status};

use crate::config::Config;
use crate::engine::{self, Engine, docker::Docker};
use crate::model::ids::{InstallationId, InvalidId};
use crate::{database, edge, render, store};
use checks::Finding;
use home::Home;
use services::Service;

/// Why the platform could not be brought up, taken down or looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host does not offer what is needed; the findings say what to do.
    #[error("this host is not ready: {}", summary(.0))]
    NotReady(Vec<Finding>),
    #[error("there is no installation in {}", .0.display())]
    NotInstalled(PathBuf),
    #[error("{} says another installation than the configuration does", .0.display())]
    OtherInstallation(PathBuf),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Installation { path: PathBuf, source: InvalidId },
    #[error("{0}")]
    Keys(std::io::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("images: {0}")]
    Images(#[from] images::Error),
    #[error("firewall: {0}")]
    Firewall(#[from] firewall::Error),
    #[error("registry: {0}")]
    Store(#[from] store::Error),
    #[error("registry: {0}")]
    Migrate(#[from] database::migrate::MigrateError),
    #[error("the admin's password cannot be stored: {0}")]
    Password(String),
    #[error("release: {0}")]
    Release(String),
    #[error("edge: {0}")]
    Render(#[from] render::Error),
    /// The edge cannot serve by its next base configuration.
    #[error("edge: the new configuration is not in force, the one before is; {0}")]
    Configuration(String),
    #[error("edge: {0}")]
    Edge(#[from] edge::Error),
    #[error(transparent)]
    Config(#[from] crate::config::Error),
    /// A service could not be replaced; the one that was to be runs on.
    #[error("{0}\nThe one before runs again.")]
    TakenBack(Box<Error>),
    /// A service runs, or should, and does not answer.
    #[error("{service} did not answer within {} s: {reason}{}", within.as_secs(), last_lines(.logs))]
    Unhealthy { service: Service, within: Duration, reason: String, logs: String },
}

impl Error {
    /// What a person can do about it, where that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::NotInstalled(_) => Some("`freehold up` makes one; `--home DIR` names another".into()),
            Self::OtherInstallation(path) => {
                Some(format!("take `installation` out of the configuration, or remove {}", path.display()))
            }
            Self::Engine(engine::Error::Unreachable(_)) => {
                Some("start Docker; `freehold doctor` checks everything that is needed".into())
            }
            Self::Unhealthy { .. } | Self::Firewall(_) => Some(
                "`freehold doctor` checks everything that is needed; `freehold up` may be repeated".into(),
            ),
            Self::TakenBack(cause) => cause.remedy(),
            _ => None,
        }
    }
}

fn summary(findings: &[Finding]) -> String {
    let problems: Vec<&str> =
        findings.iter().filter(|finding| finding.is_problem()).map(|finding| finding.check).collect();
    problems.join(", ")
}

fn last_lines(logs: &str) -> String {
    if logs.is_empty() { String::new() } else { format!("\nits last lines:\n{logs}") }
}

/// The answer of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Hears how far a bring-up is.
pub trait Report: Send + Sync {
    /// A part is begun.
    fn begin(&self, part: &str);
    /// The part that was begun last is done, with what came of it.
    fn done(&self, outcome: &str, took: Duration);
    /// A line of something lengthy, such as a build.
    fn line(&self, text: &str);
    /// Something somebody should know.
    fn warn(&self, text: &str);
}

/// One installation: its configuration, its directory and its engine.
#[derive(Clone)]
pub struct Platform {
    pub config: Config,
    pub home: Home,
    pub id: InstallationId,
    pub engine: Arc<dyn Engine>,
}

impl Platform {
    /// The installation in the configured directory.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] when there is none.
    pub fn open(config: Config) -> Result<Self> {
        let home = Home::new(&config.home);
        let path = home.installation();
        let stored = stored_id(&path)?;
        match (stored, &config.installation) {
            (Some(stored), Some(given)) if stored != *given => Err(Error::OtherInstallation(path)),
            (Some(id), _) => Self::with(config, home, id),
            (None, Some(given)) => {
                let id = given.clone();
                Self::with(config, home, id)
            }
            (None, None) => Err(Error::NotInstalled(home.root().to_owned())),
        }
    }

    /// The installation in the configured directory, which becomes one if it is none yet. Only the directory is
    /// made here.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn create(config: Config) -> Result<Self> {
        let home = Home::new(&config.home);
        let file = |source| Error::File { path: home.root().to_owned(), source };
        home.prepare().map_err(file)?;
        let path = home.installation();
        let fresh = config.installation.clone().unwrap_or_else(InstallationId::random);
        home::write_once(&path, || format!("{fresh}\n"), 0o600)
            .map_err(|source| Error::File { path, source })?;
        Self::open(config)
    }

    /// An installation that is none yet, to check a host with. Nothing is written.
    ///
    /// # Errors
    /// When the engine's socket cannot be used.
    pub fn unborn(config: Config) -> Result<Self> {
        let home = Home::new(&config.home);
        Self::with(config, home, InstallationId::random())
    }

    fn with(config: Config, home: Home, id: InstallationId) -> Result<Self> {
        let engine: Arc<dyn Engine> = Arc::new(Docker::connect(&config.engine.socket, id.clone())?);
        Ok(Self { config, home, id, engine })
    }
}

fn stored_id(path: &Path) -> Result<Option<InstallationId>> {
    match std::fs::read_to_string(path) {
        Ok(text) => text
            .trim()
            .parse()
            .map(Some)
            .map_err(|source| Error::Installation { path: path.to_owned(), source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { path: path.to_owned(), source }),
    }
}
