//! The layers: built-in, file, environment, flags. Each later one wins, key by key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Error;
use super::{Config, keys, validate};
use crate::model::hostname::HostName;
use crate::model::plan::{Plan, PlanName};

const PREFIX: &str = "FREEHOLD_";

/// Variables with our prefix that are no settings: they belong to single commands or to tests.
const OTHER_VARIABLES: [&str; 7] = [
    "FREEHOLD_CONFIG",
    "FREEHOLD_TOKEN",
    "FREEHOLD_URL",
    "FREEHOLD_EMAIL",
    "FREEHOLD_FAULT",
    "FREEHOLD_PASSWORD",
    "FREEHOLD_SECOND_FACTOR",
];

/// Settings that are paths; a relative one means the directory of the file it is written in, or the working
/// directory if it comes from elsewhere.
const PATHS: [&str; 7] = [
    "home",
    "engine.socket",
    "stack.file",
    "stack.migrations",
    "mail.smtp.password_file",
    "mail.smtp.ca_file",
    "providers.ca_file",
];

/// The largest settings file that is read, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    BuiltIn,
    /// Follows from other settings.
    Derived,
    File(PathBuf),
    /// The variable's name.
    Environment(String),
    /// The flag as it was typed, without its value.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::Derived => f.write_str("derived"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// As typed, for messages: `--port`.
    pub name: String,
    /// The dotted key: `edge.port`.
    pub key: String,
    pub value: String,
}

impl Flag {
    /// The flag of a `--set key=value`.
    ///
    /// # Errors
    /// When there is no `=`.
    pub fn set(pair: &str) -> Result<Self, Error> {
        let (key, value) = pair.split_once('=').ok_or_else(|| Error::NotAPair(pair.to_owned()))?;
        Ok(Self { name: format!("--set {key}"), key: key.trim().to_owned(), value: value.to_owned() })
    }
}

/// What settings are gathered from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The settings file; `config.yaml` in the installation's directory, if there is one, unless named.
    pub file: Option<PathBuf>,
    /// Variables; those without our prefix are passed over.
    pub environment: Vec<(String, String)>,
    pub flags: Vec<Flag>,
}

impl Sources {
    /// The process's own environment and the given flags.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, environment, flags }
    }
}

/// Where each setting comes from, by dotted key.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// The origin of a key, or of the section that was set as a whole.
    #[must_use]
    pub fn of(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.0.get(key) {
                return origin.clone();
            }
            match key.rsplit_once('.') {
                Some((section, _)) => key = section,
                None => return Origin::BuiltIn,
            }
        }
    }
}

impl Config {
    /// Gathers, merges and checks the settings.
    ///
    /// # Errors
    /// A file that cannot be read or is not YAML, a key that does not exist, a value that cannot be: always with
    /// the key and where it was set.
    pub fn load(sources: &Sources) -> Result<(Self, Origins), Error> {
        let mut layers = Layers::new()?;
        let mut early = layers.clone();
        if let Some(path) = &sources.file {
            early.file(path)?;
        }
        early.environment(&sources.environment)?;
        early.flags(&sources.flags)?;
        let home = early.home();

        let own = home.join("config.yaml");
        match &sources.file {
            Some(path) => layers.file(path)?,
            None if own.is_file() => {
                layers.file(&own)?;
                if layers.origins.0.contains_key("home") {
                    let message = "cannot be set in the file that is found through it".to_owned();
                    return Err(Error::Invalid { key: "home".into(), origin: Origin::File(own), message });
                }
            }
            None => {}
        }
        layers.environment(&sources.environment)?;
        layers.flags(&sources.flags)?;
        layers.derive(&home)?;
        layers.finish()
    }

    /// Every setting as text with its key and origin, in the order of the keys.
    #[must_use]
    pub fn list(&self, origins: &Origins) -> Vec<(String, String, Origin)> {
        let tree = serde_json::to_value(self).unwrap_or_default();
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        keys::leaves(&tree)
            .into_iter()
            .map(|(key, value)| {
                let origin = origins.of(&key);
                (key, text(value), origin)
            })
            .collect()
    }
}

#[derive(Clone)]
struct Layers {
    defaults: Value,
    tree: Value,
    origins: Origins,
}

impl Layers {
    fn new() -> Result<Self, Error> {
        let defaults =
            serde_json::to_value(Config::default()).map_err(|error| Error::Write(error.to_string()))?;
        Ok(Self { tree: defaults.clone(), defaults, origins: Origins::default() })
    }

    fn file(&mut self, path: &Path) -> Result<(), Error> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let read = |source| Error::Read { path: path.clone(), source };
        let size = std::fs::metadata(&path).map_err(read)?.len();
        let syntax = |line, message| Error::Syntax { path: path.clone(), line, message };
        if size > MAX_FILE {
            return Err(syntax(None, format!("longer than {MAX_FILE} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(read)?;
        let broken = |error: serde_yaml::Error| {
            syntax(error.location().map(|location| location.line()), error.to_string())
        };
        // By way of YAML's own value, which refuses a key that is given twice.
        let yaml: serde_yaml::Value = serde_yaml::from_str(&text).map_err(broken)?;
        let tree: Value = serde_yaml::from_value(yaml).map_err(broken)?;
        if tree.is_null() {
            return Ok(());
        }
        if !tree.is_object() {
            return Err(syntax(
                Some(1),
                "settings by name are expected, such as `domain: example.com`".into(),
            ));
        }
        let origin = Origin::File(path.clone());
        for (key, value) in keys::leaves(&tree) {
            // a section whose settings are all commented out
            let section = !key.contains('.') && keys::get(&self.defaults, &key).is_some_and(Value::is_object);
            if !(section && value.is_null()) {
                self.put(&key, value, &origin)?;
            }
        }
        Ok(())
    }

    fn environment(&mut self, variables: &[(String, String)]) -> Result<(), Error> {
        let mut ours: Vec<_> = variables.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        ours.sort();
        for (name, value) in ours {
            if OTHER_VARIABLES.contains(&name.as_str()) || name.starts_with("FREEHOLD_TEST_") {
                continue;
            }
            let key = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
            self.put_text(&key, value, &Origin::Environment(name.clone()))?;
        }
        Ok(())
    }

    fn flags(&mut self, flags: &[Flag]) -> Result<(), Error> {
        for flag in flags {
            self.put_text(&flag.key, &flag.value, &Origin::Flag(flag.name.clone()))?;
        }
        Ok(())
    }

    /// A value that came as text takes the type of the value it replaces; nothing at all unsets an optional one.
    fn put_text(&mut self, key: &str, text: &str, origin: &Origin) -> Result<(), Error> {
        let before = keys::get(&self.defaults, key);
        let number = key.starts_with("plans.") || before.is_some_and(Value::is_number);
        let optional = before.is_some_and(Value::is_null);
        let value = if number {
            text.trim().parse::<u64>().map(Value::from).unwrap_or_else(|_| Value::from(text))
        } else if optional && text.is_empty() {
            Value::Null
        } else {
            Value::from(text)
        };
        self.put(key, value, origin)
    }

    fn put(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), Error> {
        if let Err(nearest) = keys::known(&self.defaults, key) {
            return Err(Error::UnknownKey { key: key.to_owned(), origin: origin.clone(), nearest });
        }
        let mut value = value;
        if PATHS.contains(&key)
            && let Some(path) = value.as_str()
        {
            value = Value::from(resolve(path, origin));
        }
        // `plans.team: null` takes a built-in plan away.
        if key.starts_with("plans.") && value.is_null() {
            keys::remove(&mut self.tree, key);
        } else {
            keys::set(&mut self.tree, key, value);
        }
        self.origins.0.insert(key.to_owned(), origin.clone());
        Ok(())
    }

    fn home(&self) -> PathBuf {
        let home = keys::get(&self.tree, "home").and_then(Value::as_str).unwrap_or(".freehold");
        PathBuf::from(resolve(home, &Origin::BuiltIn))
    }

    /// What follows from other settings, or stands in the installation's directory.
    fn derive(&mut self, home: &Path) -> Result<(), Error> {
        keys::set(&mut self.tree, "home", Value::from(home.to_string_lossy().into_owned()));
        let file = home.join("installation");
        if keys::get(&self.tree, "installation").is_none_or(Value::is_null) && file.is_file() {
            let text = std::fs::read_to_string(&file)
                .map_err(|source| Error::Read { path: file.clone(), source })?;
            self.put("installation", Value::from(text.trim()), &Origin::File(file))?;
        }
        if !self.origins.0.contains_key("admin.email") && self.origins.0.contains_key("domain") {
            let domain = keys::get(&self.tree, "domain").and_then(Value::as_str).unwrap_or_default();
            let email = Value::from(format!("admin@{domain}"));
            self.put("admin.email", email, &Origin::Derived)?;
        }
        if !self.origins.0.contains_key("mail.from") && self.origins.0.contains_key("domain") {
            let domain = keys::get(&self.tree, "domain").and_then(Value::as_str).unwrap_or_default();
            let email = Value::from(format!("no-reply@{domain}"));
            self.put("mail.from", email, &Origin::Derived)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(Config, Origins), Error> {
        let config: Config = match serde_json::from_value(self.tree.clone()) {
            Ok(config) => config,
            Err(error) => return Err(self.blame(&error)),
        };
        validate::check(&config).map_err(|(key, message)| Error::Invalid {
            origin: self.origins.of(&key),
            key,
            message,
        })?;
        Ok((config, self.origins))
    }

    /// Finds the setting whose type is wrong: the one that alone spoils the built-in settings.
    fn blame(&self, error: &serde_json::Error) -> Error {
        for (key, origin) in &self.origins.0 {
            // A plan of the operator's own is whole or missing parts; either way it is judged as one.
            let unit = match key.split('.').collect::<Vec<_>>().as_slice() {
                ["plans", name, ..] => format!("plans.{name}"),
                _ => key.clone(),
            };
            let mut alone = self.defaults.clone();
            let Some(value) = keys::get(&self.tree, &unit) else { continue };
            keys::set(&mut alone, &unit, value.clone());
            if let Err(error) = serde_json::from_value::<Config>(alone) {
                return Error::Invalid { key: unit, origin: origin.clone(), message: in_words(&error) };
            }
        }
        Error::Invalid { key: "settings".into(), origin: Origin::BuiltIn, message: in_words(error) }
    }
}

/// What is wrong with a value, with the range of a number in place of the name of its type.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for (name, most) in [("u16", u64::from(u16::MAX)), ("u32", u64::from(u32::MAX)), ("u64", u64::MAX)] {
        if let Some(start) = text.strip_suffix(&format!("expected {name}")) {
            return format!("{start}expected a whole number from 0 to {most}");
        }
    }
    text
}

fn resolve(path: &str, origin: &Origin) -> String {
    let path = match origin {
        Origin::File(file) => file.parent().unwrap_or(Path::new("/")).join(path),
        _ => PathBuf::from(path),
    };
    std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
}

#[allow(clippy::expect_used, reason = "constants, proven by the tests of this file")]
pub(super) fn built_in_domain() -> HostName {
    "freehold.localhost".parse().expect("a host name")
}

#[allow(clippy::expect_used, reason = "constants, proven by the tests of this file")]
pub(super) fn built_in_plan() -> PlanName {
    "starter".parse().expect("a plan's name")
}

pub(super) fn built_in_plans() -> BTreeMap<PlanName, Plan> {
    let plan = |memory_mib, cpu_millis, pids, connections, storage_mib| Plan {
        memory_mib,
        cpu_millis,
        pids,
        connections,
        storage_mib,
        members: None,
        signups: None,
    };
    [
        ("starter", plan(256, 500, 128, 20, 1_024)),
        ("team", plan(512, 1_000, 256, 40, 10_240)),
        ("business", plan(1_024, 1_000, 512, 80, 51_200)),
    ]
    .into_iter()
    .filter_map(|(name, plan)| Some((name.parse().ok()?, plan)))
    .collect()
}
