//! The stack: what a house is made of. Typed and closed: it has no words for privilege, host mounts, host
//! namespaces, devices or capabilities, so no file and no tenant can ask for them.
//!
//! How the text of a stack file becomes this type is `render::stack`'s job; here is what the result means.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image;
use super::plan::Limits;

/// Why a text is not a service's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a service's name: 1 to 20 of a-z, 0-9 and '-', beginning with a letter")]
pub struct InvalidServiceName(String);

/// The name of a service in its stack, and its host name in the house's network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

impl ServiceName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServiceName {
    type Err = InvalidServiceName;

    fn from_str(text: &str) -> Result<Self, InvalidServiceName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=20).contains(&text.len())
            && text.bytes().all(allowed)
            && text.as_bytes()[0].is_ascii_lowercase()
            && !text.ends_with('-')
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidServiceName(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for ServiceName {
    type Error = InvalidServiceName;

    fn try_from(text: String) -> Result<Self, InvalidServiceName> {
        text.parse()
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

/// How it is known that a service answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// `GET` of this path answers 2xx.
    Http(String),
    /// The port takes a connection.
    Tcp,
    /// It runs; the service listens nowhere.
    None,
}

/// A secret that a service finds as a file under `/run/secrets/<file>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// Password of the database's superuser; for the database service alone.
    DatabaseSuperuserPassword,
    /// Connection URL of the app's row-only role.
    DatabaseUrl,
    /// A random value of the tenant's own, the same for all its services, for sessions and the like.
    AppKey,
    /// By which the web face shows the platform's sign-in who it is.
    ClientSecret,
}

/// One service of a rendered stack: every value is final.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The image by name, as written in the stack file.
    pub image: String,
    /// Arguments in place of the image's own; empty keeps those.
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Secrets by the name of the file that holds them.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// The port it listens on.
    #[serde(default)]
    pub port: Option<u16>,
    pub health: Health,
    /// Where its one volume is mounted.
    #[serde(default)]
    pub volume: Option<String>,
    /// Writable paths in memory, by their size in MiB.
    #[serde(default)]
    pub tmpfs: BTreeMap<String, u32>,
    /// Whether its root file system is read-only.
    #[serde(default)]
    pub read_only: bool,
    /// Services that must be healthy before this one is started.
    #[serde(default)]
    pub after: Vec<ServiceName>,
    /// Whether it bears that those are not ready yet: it is started beside them, and awaited after them.
    #[serde(default)]
    pub patient: bool,
    /// What one container of it may use.
    pub limits: Limits,
    /// How long it may take to stop after SIGTERM, in seconds, before it is killed.
    pub stop_seconds: u32,
    /// The signal that asks it to stop; empty keeps the image's own.
    #[serde(default)]
    pub stop_signal: String,
}

/// Where people are sent by the platform's sign-in, on any host name of the tenant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The path that takes the answer of a sign-in.
    pub callback: String,
    /// The path for whoever has signed out.
    pub signed_out: String,
}

impl Default for SignIn {
    fn default() -> Self {
        Self { callback: "/auth/callback".to_owned(), signed_out: "/".to_owned() }
    }
}

/// A rendered and validated stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// The service that is the tenant's PostgreSQL.
    pub database: ServiceName,
    /// The service that the edge sends requests to.
    pub web: ServiceName,
    #[serde(default)]
    pub sign_in: SignIn,
    pub services: BTreeMap<ServiceName, Service>,
}

/// What is wrong with a stack as a whole, with the field it is wrong in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidStack {
    /// Dotted path from the file's root, e.g. `services.app.port`.
    pub field: String,
    pub message: String,
}

/// The most services a stack may have: a house's subnet is a /28 with 13 usable addresses, and a replacement
/// stands beside what it replaces.
pub const MAX_SERVICES: usize = 6;

impl Stack {
    /// Checks what no single field can say.
    ///
    /// # Errors
    /// The first thing that is wrong, by field.
    pub fn validate(&self) -> Result<(), InvalidStack> {
        let wrong = |field: String, message: &str| Err(InvalidStack { field, message: message.to_owned() });
        if self.services.len() > MAX_SERVICES {
            return wrong("services".into(), "a stack has at most 6 services");
        }
        let Some(database) = self.services.get(&self.database) else {
            return wrong("database".into(), "names no service of this stack");
        };
        let Some(web) = self.services.get(&self.web) else {
            return wrong("web".into(), "names no service of this stack");
        };
        if self.database == self.web {
            return wrong("web".into(), "the database cannot be the web face as well");
        }
        if database.port.is_none() {
            return wrong(format!("services.{}.port", self.database), "the database needs a port");
        }
        if database.volume.is_none() {
            return wrong(format!("services.{}.volume", self.database), "the database needs a volume");
        }
        if web.port.is_none() || !matches!(web.health, Health::Http(_)) {
            return wrong(
                format!("services.{}.health", self.web),
                "the web face needs a port and an HTTP health path",
            );
        }
        for (field, path) in [("callback", &self.sign_in.callback), ("signed_out", &self.sign_in.signed_out)]
        {
            if !is_own_path(path) {
                return wrong(
                    format!("sign_in.{field}"),
                    "a path is expected: it begins with one '/' and holds letters, digits and -._~/ alone",
                );
            }
        }
        for (name, service) in &self.services {
            self.validate_service(name, service)?;
        }
        self.validate_order()
    }

    fn validate_service(&self, name: &ServiceName, service: &Service) -> Result<(), InvalidStack> {
        let wrong = |field: &str, message: String| {
            Err(InvalidStack { field: format!("services.{name}.{field}"), message })
        };
        if !image::is_name(&service.image) {
            return wrong(
                "image",
                format!(
                    "{:?} is not an image's name, such as example/app, registry.example:5000/app:1.2 or one with \
                     @sha256: and its digest",
                    service.image
                ),
            );
        }
        if service.health != Health::None && service.port.is_none() {
            return wrong("port", "a service with a health check needs a port".into());
        }
        if let Health::Http(path) = &service.health
            && (!path.starts_with('/') || path.chars().any(|c| c.is_whitespace() || c.is_control()))
        {
            return wrong(
                "health",
                format!("{path:?} is not a path; it begins with '/' and holds no spaces"),
            );
        }
        if service.port == Some(0) {
            return wrong("port", "0 is not a port".into());
        }
        let paths = service.tmpfs.keys().chain(&service.volume);
        for path in paths {
            if !is_inner_path(path) {
                return wrong(
                    "volume",
                    format!("{path:?} is not a plain absolute path inside the container"),
                );
            }
        }
        for key in service.environment.keys() {
            if !is_variable(key) {
                return wrong("environment", format!("{key:?} is not a variable's name"));
            }
        }
        for (variable, value) in &service.environment {
            if value.contains('\0') {
                return wrong("environment", format!("the value of {variable} holds a NUL"));
            }
        }
        for (file, secret) in &service.secrets {
            let plain = file.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            if file.is_empty() || !plain {
                return wrong(
                    "secrets",
                    format!("{file:?} is not a file's name: letters, digits, '_' and '-'"),
                );
            }
            if *secret == Secret::ClientSecret && *name == self.database {
                return wrong(&format!("secrets.{file}"), "the database signs nobody in".into());
            }
            if *secret == Secret::DatabaseSuperuserPassword && *name != self.database {
                return wrong("secrets", "only the database gets its superuser's password".into());
            }
        }
        if service.limits.memory_mib < 16 || service.limits.cpu_millis < 50 || service.limits.pids < 8 {
            return wrong(
                "limits",
                "less than 16 MiB, 50 thousandths of a core or 8 processes cannot work".into(),
            );
        }
        if !(1..=120).contains(&service.stop_seconds) {
            return wrong("stop_seconds", "between 1 and 120".into());
        }
        Ok(())
    }

    fn validate_order(&self) -> Result<(), InvalidStack> {
        for (name, service) in &self.services {
            for other in &service.after {
                if !self.services.contains_key(other) {
                    return Err(InvalidStack {
                        field: format!("services.{name}.after"),
                        message: format!("{other} is no service of this stack"),
                    });
                }
            }
        }
        let mut started: Vec<&ServiceName> = Vec::new();
        while started.len() < self.services.len() {
            let ready = self.services.iter().find(|(name, service)| {
                !started.contains(name) && service.after.iter().all(|other| started.contains(&other))
            });
            match ready {
                Some((name, _)) => started.push(name),
                None => {
                    return Err(InvalidStack {
                        field: "services".into(),
                        message: "the services wait for each other in a circle".into(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Whether it is a path that has one spelling: what browsers would write in another way, or take for another host, is
/// none.
fn is_own_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    path.starts_with('/')
        && path.len() <= 200
        && path.bytes().all(plain)
        && !path.contains("//")
        && !path.split('/').any(|part| part == "." || part == "..")
}

fn is_inner_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() > 1
        && !path.chars().any(|c| c.is_control() || c == ':' || c == ',')
        && !path.split('/').any(|part| part == "..")
        && !["/run/secrets", "/proc", "/sys", "/dev"]
            .iter()
            .any(|own| path == *own || path.starts_with(&format!("{own}/")))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}
