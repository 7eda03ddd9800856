//! Settings by section, from built-in values, a file, the environment and flags, in rising order.
//!
//! No setting is a secret: keys and passwords are files of their own in the installation's directory, so what
//! is printed here can be shown to anybody who may run the command.

mod api_keys;
mod error;
mod keys;
mod limits;
mod load;
mod mail;
mod providers;
mod signing_keys;
mod validate;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::model::hostname::HostName;
use crate::model::ids::InstallationId;
use crate::model::plan::{Plan, PlanName};

pub use api_keys::ApiKeysConfig;
pub use error::Error;
pub use limits::LimitsConfig;
pub use load::{Flag, Origin, Origins, Sources};
pub use mail::{MailConfig, SmtpConfig, SmtpTls};
pub use providers::ProvidersConfig;
pub use signing_keys::SigningKeysConfig;

/// All settings of one installation, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The installation's directory: keys, secrets, sockets. Absolute.
    pub home: PathBuf,
    /// Which installation this is; otherwise the file `installation` in `home` says, once `up` has run.
    pub installation: Option<InstallationId>,
    /// The apex: landing page and API; `admin.<domain>` is the console.
    pub domain: HostName,
    /// Tenants are `<slug>.<this>`; the apex itself unless set.
    pub tenants_domain: Option<HostName>,
    pub edge: EdgeConfig,
    pub engine: EngineConfig,
    pub network: NetworkConfig,
    pub images: ImagesConfig,
    pub plans: BTreeMap<PlanName, Plan>,
    /// The plan of a tenant whose creation names none.
    pub default_plan: PlanName,
    pub stack: StackConfig,
    pub worker: WorkerConfig,
    pub gateway: GatewayConfig,
    pub admin: AdminConfig,
    pub people: PeopleConfig,
    pub api_keys: ApiKeysConfig,
    pub signing_keys: SigningKeysConfig,
    pub mail: MailConfig,
    pub providers: ProvidersConfig,
    pub limits: LimitsConfig,
    /// How long a platform admin's token is valid, in minutes.
    pub token_minutes: u32,
    pub log: LogConfig,
}

/// Where people reach the platform, and what one host may use of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeConfig {
    pub listen: IpAddr,
    pub port: u16,
    /// The largest request body, in MiB.
    pub body_mib: u32,
    /// Requests and upgraded connections of one host at a time.
    pub connections_per_host: u32,
    /// Requests of one host in a second.
    pub requests_per_second: u32,
    /// The longest silence of an app, a stream or an upgraded connection.
    pub silence_seconds: u32,
}

/// The engine that runs containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    pub socket: PathBuf,
}

/// The address plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The private block that all networks are cut from, a /28 each; the first is the platform's.
    pub pool: Ipv4Net,
}

/// What images are built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagesConfig {
    pub base: String,
}

/// What new releases are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackConfig {
    /// The stack file; the built-in one unless set.
    pub file: Option<PathBuf>,
    /// The folder of tenant migrations; the built-in ones unless set.
    pub migrations: Option<PathBuf>,
}

/// The worker's pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// Houses worked on at the same time.
    pub concurrency: u16,
    /// How long a lease holds unless it is extended.
    pub lease_seconds: u32,
    /// How often everything is looked at for drift and orphans.
    pub sweep_seconds: u32,
    /// How long a deleted tenant can be restored.
    pub retention_days: u32,
    /// How often a tenant's storage is measured.
    pub storage_seconds: u32,
}

/// Bounds on what visitors may hold and wake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// How long a request to a sleeping tenant is held before a page answers that retries by itself.
    pub hold_seconds: u32,
    pub holds_per_address: u32,
    pub holds_per_tenant: u32,
    /// Held requests in all.
    pub holds: u32,
    /// Tenants that one address may wake in a minute.
    pub wakes_per_minute: u32,
}

/// The first platform admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// `admin@<domain>` unless set.
    pub email: String,
    /// Whether platform admins may do nothing without a second factor but set one up.
    pub require_second_factor: bool,
}

/// How people sign in, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleConfig {
    pub argon2: Argon2Config,
    /// How hard a new password must be to guess, as zxcvbn scores it: 0 for anything, 4 for the hardest.
    pub password_strength: u8,
    /// How long a user's access token is valid.
    pub access_minutes: u32,
    /// How long a session lasts that is not used.
    pub session_days: u32,
    /// The same for one on a device that shall be remembered.
    pub remembered_days: u32,
    /// How long a session lasts at the most that came by a provider outside, however it is used.
    pub provider_session_hours: u32,
    /// Whether every tenant asks for a second factor, whatever it says itself.
    pub require_second_factor: bool,
    /// Tenants that there may be before nobody opens another by signing up.
    pub tenants_max: u32,
    /// Tenants that one person may own before they open no other by signing up.
    pub tenants_per_person: u32,
}

/// What hashing one password costs, us and whoever guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argon2Config {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

impl Argon2Config {
    /// The least that OWASP recommends, as memory in KiB and passes over it: each as good as any other of them
    /// (Password Storage Cheat Sheet, Argon2id, with one lane).
    pub const LEAST: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

    /// Whether it is no less than one of those.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        Self::LEAST.iter().any(|(memory, passes)| self.memory_kib >= *memory && self.iterations >= *passes)
    }
}

impl Default for Argon2Config {
    /// Of the least that OWASP recommends, what takes the least time of ours.
    fn default() -> Self {
        Self { memory_kib: 7_168, iterations: 5, parallelism: 1 }
    }
}

/// What the processes write about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Directives of `tracing-subscriber`, such as `info,control_plane::worker=debug`.
    pub filter: String,
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// The domain that tenants' own names are under.
    #[must_use]
    pub fn tenants_domain(&self) -> &HostName {
        self.tenants_domain.as_ref().unwrap_or(&self.domain)
    }

    /// `admin.<domain>`, the console and the API.
    #[must_use]
    pub fn admin_host(&self) -> String {
        format!("admin.{}", self.domain)
    }

    /// The public address of a host name: scheme, name, and the port unless it is the scheme's own.
    #[must_use]
    pub fn url_of(&self, host: &str) -> String {
        match self.edge.port {
            80 => format!("http://{host}"),
            port => format!("http://{host}:{port}"),
        }
    }

    /// The public address of the apex, which is also the issuer of tokens.
    #[must_use]
    pub fn public_url(&self) -> String {
        self.url_of(self.domain.as_str())
    }

    /// The settings as a file that loads to the same again.
    ///
    /// # Errors
    /// When a path is not text.
    pub fn to_yaml(&self) -> Result<String, Error> {
        serde_yaml::to_string(self).map_err(|error| Error::Write(error.to_string()))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            home: PathBuf::from(".freehold"),
            installation: None,
            domain: load::built_in_domain(),
            tenants_domain: None,
            edge: EdgeConfig {
                listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
                port: 8080,
                body_mib: 64,
                connections_per_host: 2_000,
                requests_per_second: 10_000,
                silence_seconds: 300,
            },
            engine: EngineConfig { socket: PathBuf::from("/var/run/docker.sock") },
            network: NetworkConfig { pool: Ipv4Net::new_assert(Ipv4Addr::new(10, 201, 0, 0), 16) },
            images: ImagesConfig { base: "debian:trixie-slim".to_owned() },
            plans: load::built_in_plans(),
            default_plan: load::built_in_plan(),
            stack: StackConfig { file: None, migrations: None },
            worker: WorkerConfig {
                concurrency: 8,
                lease_seconds: 20,
                sweep_seconds: 15,
                retention_days: 30,
                storage_seconds: 60,
            },
            gateway: GatewayConfig {
                hold_seconds: 30,
                holds_per_address: 16,
                holds_per_tenant: 64,
                holds: 1024,
                wakes_per_minute: 30,
            },
            admin: AdminConfig { email: "admin@freehold.localhost".to_owned(), require_second_factor: false },
            people: PeopleConfig {
                argon2: Argon2Config::default(),
                password_strength: 3,
                access_minutes: 15,
                session_days: 7,
                remembered_days: 30,
                provider_session_hours: 12,
                require_second_factor: false,
                tenants_max: 1_000,
                tenants_per_person: 3,
            },
            api_keys: ApiKeysConfig::default(),
            signing_keys: SigningKeysConfig::default(),
            mail: MailConfig::default(),
            providers: ProvidersConfig::default(),
            limits: LimitsConfig::default(),
            token_minutes: 720,
            log: LogConfig {
                filter: "info,refinery_core=warn,sqlx=warn".to_owned(),
                format: LogFormat::Text,
            },
        }
    }
}

#[cfg(test)]
mod tests;
