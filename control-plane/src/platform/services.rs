//! The platform's own containers: what each is made from, and which secrets and sockets it gets. Nobody gets more
//! than it needs: whoever breaks into one finds neither the engine nor another's key.

use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::home::{GROUP, Home, INSIDE};
use super::images::Images;
use super::keys::{self, Keys};
use crate::config::{self, Config, LogFormat};
use crate::engine::{ContainerSpec, Mount, NetworkMode, Restart, SecretFile, names};
use crate::model::ids::InstallationId;
use crate::model::plan::Limits;
use crate::store;

/// The engine's socket inside the worker's container.
const ENGINE_SOCKET: &str = "/var/run/docker.sock";

/// One of the platform's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    Postgres,
    Api,
    Gateway,
    Worker,
    Edge,
}

impl Service {
    /// All of them, in the order they are started.
    pub const ALL: &[Self] = &[Self::Postgres, Self::Api, Self::Gateway, Self::Worker, Self::Edge];

    /// The word that names it in labels, container names and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Api => "api",
            Self::Gateway => "gateway",
            Self::Worker => "worker",
            Self::Edge => "edge",
        }
    }

    /// Whether an old and a new one can run side by side. The others own a data directory or a TCP port.
    #[must_use]
    pub fn overlaps(self) -> bool {
        matches!(self, Self::Api | Self::Gateway | Self::Worker)
    }

    /// How long it may take from its start to its first answer.
    pub(super) fn ready_within(self) -> Duration {
        Duration::from_secs(match self {
            // Nobody is answered meanwhile, and it has nothing to recover.
            Self::Edge => 20,
            Self::Postgres | Self::Api | Self::Gateway | Self::Worker => 90,
        })
    }

    /// How long it may take to finish what it is at.
    #[must_use]
    pub fn stop_grace(self) -> Duration {
        Duration::from_secs(match self {
            Self::Postgres => 60,
            Self::Api | Self::Worker => 30,
            Self::Gateway => 45,
            Self::Edge => 20,
        })
    }

    fn memory_mib(self) -> u32 {
        match self {
            Self::Postgres | Self::Worker | Self::Edge => 1024,
            Self::Api | Self::Gateway => 512,
        }
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the specs are made from.
pub struct Context<'a> {
    pub config: &'a Config,
    pub home: &'a Home,
    pub installation: &'a InstallationId,
    pub images: &'a Images,
    pub keys: &'a Keys,
    /// The group that may use the engine's socket.
    pub engine_group: u32,
    /// Processors of the machine.
    pub cpus: u32,
}

impl Context<'_> {
    /// The container of a service, named and labelled by the hash of everything it is made from.
    ///
    /// # Errors
    /// When the configuration cannot be written down.
    pub fn spec(&self, service: Service) -> Result<ContainerSpec, config::Error> {
        let mut spec = match service {
            Service::Postgres => self.postgres(),
            Service::Api => self.api()?,
            Service::Gateway => self.gateway()?,
            Service::Worker => self.worker()?,
            Service::Edge => self.edge(),
        };
        spec.restart = Restart::Always;
        spec.stop_grace = service.stop_grace();
        spec.limits =
            Some(Limits { memory_mib: service.memory_mib(), cpu_millis: self.cpus.max(1) * 1000, pids: 512 });
        let hash = fingerprint(&spec);
        spec.labels = names::platform_labels(self.installation, service.as_str());
        spec.labels.insert(names::SPEC.to_owned(), hash.clone());
        spec.name = format!("{}-{}", names::platform(self.installation, service.as_str()), &hash[..8]);
        Ok(spec)
    }

    /// The configuration as a role in a container sees it.
    fn inside(&self) -> Config {
        let mut config = self.config.clone();
        config.home = INSIDE.into();
        config.installation = Some(self.installation.clone());
        config.engine.socket = ENGINE_SOCKET.into();
        // What a release is made of was read by `up`; no role looks at the operator's files.
        config.stack.file = None;
        config.stack.migrations = None;
        config.mail.smtp.password_file =
            config.mail.smtp.password_file.map(|_| Path::new(keys::SECRETS).join(keys::SMTP_PASSWORD));
        config.mail.smtp.ca_file =
            config.mail.smtp.ca_file.map(|_| Path::new(keys::SECRETS).join(keys::SMTP_CA));
        config.providers.ca_file =
            config.providers.ca_file.map(|_| Path::new(keys::SECRETS).join(keys::PROVIDERS_CA));
        config.log.format = LogFormat::Json;
        config
    }

    fn bind(&self, below: &str, read_only: bool) -> Mount {
        bind(self.home, below, read_only)
    }

    fn role(&self, role: &str, uid: u32) -> Result<ContainerSpec, config::Error> {
        let config = SecretFile::new(keys::CONFIG_FILE, SecretString::from(self.inside().to_yaml()?));
        let command = ["--config", &format!("{}/{}", keys::SECRETS, keys::CONFIG_FILE), "role", role];
        Ok(ContainerSpec {
            entrypoint: Some(vec!["/usr/local/bin/freehold".to_owned()]),
            command: command.iter().map(ToString::to_string).collect(),
            user: Some(format!("{uid}:{GROUP}")),
            tmpfs: [("/tmp".to_owned(), 16)].into(),
            files: vec![config],
            mounts: vec![self.bind("run/postgres", true)],
            ..ContainerSpec::new("", &self.images.control_plane)
        })
    }

    fn api(&self) -> Result<ContainerSpec, config::Error> {
        let mut spec = self.role("api", 64100)?;
        spec.mounts.push(self.bind("run/api", false));
        spec.files.push(self.keys.file_of_role(store::API_ROLE));
        spec.files.push(SecretFile::new(keys::PEOPLE_KEY, self.keys.people.clone()));
        spec.files.extend(self.keys.providers_ca.clone().map(|pem| SecretFile::new(keys::PROVIDERS_CA, pem)));
        // The one way out: to OpenID providers. It is dialled at nothing, and what it may dial the firewall says too.
        spec.network =
            NetworkMode::Network { name: names::platform_network(self.installation), aliases: Vec::new() };
        Ok(spec)
    }

    fn gateway(&self) -> Result<ContainerSpec, config::Error> {
        let mut spec = self.role("gateway", 64101)?;
        spec.network = NetworkMode::Host;
        spec.mounts.push(self.bind("run/gateway", false));
        spec.files.push(self.keys.file_of_role(store::GATEWAY_ROLE));
        Ok(spec)
    }

    fn worker(&self) -> Result<ContainerSpec, config::Error> {
        let mut spec = self.role("worker", 64102)?;
        spec.network = NetworkMode::Host;
        spec.groups.push(self.engine_group);
        spec.mounts.push(self.bind("run/edge", true));
        spec.mounts.push(self.bind("edge", false));
        spec.mounts.push(Mount::Bind {
            source: self.config.engine.socket.clone(),
            target: ENGINE_SOCKET.to_owned(),
            read_only: false,
        });
        // Helpers of the firewall are started from the image the worker itself runs.
        spec.command.extend(["--image".to_owned(), self.images.control_plane.clone()]);
        spec.files.push(self.keys.file_of_role(store::WORKER_ROLE));
        spec.files.push(SecretFile::new(keys::MASTER_KEY, self.keys.master.clone()));
        spec.files.push(SecretFile::new(keys::PROBER_SECRET, self.keys.prober.clone()));
        let smtp = [(keys::SMTP_PASSWORD, &self.keys.smtp), (keys::SMTP_CA, &self.keys.smtp_ca)];
        let smtp = smtp.into_iter().filter_map(|(name, kept)| Some(SecretFile::new(name, kept.clone()?)));
        spec.files.extend(smtp);
        Ok(spec)
    }

    fn postgres(&self) -> ContainerSpec {
        let settings =
            ["listen_addresses=", "unix_socket_directories=/var/run/postgresql", "max_connections=100"];
        let mut command = vec!["postgres".to_owned()];
        command.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]));
        ContainerSpec {
            command,
            environment: vec![(
                "POSTGRES_PASSWORD_FILE".to_owned(),
                format!("{}/{}", keys::SECRETS, keys::SUPERUSER),
            )],
            mounts: vec![
                Mount::Volume {
                    name: names::platform(self.installation, "postgres"),
                    target: "/var/lib/postgresql/data".to_owned(),
                },
                Mount::Bind {
                    source: self.home.postgres(),
                    target: "/var/run/postgresql".to_owned(),
                    read_only: false,
                },
            ],
            groups: vec![GROUP],
            tmpfs: [("/tmp".to_owned(), 64)].into(),
            files: vec![SecretFile::new(keys::SUPERUSER, self.keys.superuser.clone())],
            shm_mib: 128,
            ..ContainerSpec::new("", &self.images.postgres)
        }
    }

    fn edge(&self) -> ContainerSpec {
        let prober = SecretFile::new(keys::PROBER_SECRET, self.keys.prober.clone());
        ContainerSpec { files: vec![prober], ..nginx(self.home, &self.images.edge) }
    }
}

fn bind(home: &Home, below: &str, read_only: bool) -> Mount {
    Mount::Bind { source: home.root().join(below), target: format!("{INSIDE}/{below}"), read_only }
}

/// nginx as the edge runs it, from this image, without its secret.
pub(super) fn nginx(home: &Home, image: &str) -> ContainerSpec {
    ContainerSpec {
        network: NetworkMode::Host,
        user: Some(format!("64103:{GROUP}")),
        // Where `freehold serve` runs the roles, their sockets are in its user's group.
        groups: home.group().into_iter().collect(),
        tmpfs: [("/tmp".to_owned(), 64)].into(),
        mounts: vec![
            bind(home, "edge", true),
            bind(home, "run/edge", false),
            bind(home, "run/api", true),
            bind(home, "run/gateway", true),
        ],
        ..ContainerSpec::new("", image)
    }
}

/// Twelve hex digits over everything a container is made from, secrets included; its name and labels are not.
fn fingerprint(spec: &ContainerSpec) -> String {
    let mut parts = vec![
        spec.image.clone(),
        format!("{:?}", spec.command),
        format!("{:?}", spec.entrypoint),
        format!("{:?}", spec.environment),
        format!("{:?}", spec.network),
        format!("{:?}", spec.extra_hosts),
        format!("{:?}", spec.mounts),
        format!("{:?}", spec.tmpfs),
        format!("{:?}", (spec.read_only, spec.limits, &spec.user, &spec.groups, &spec.capabilities)),
        format!("{:?}", (&spec.stop_signal, spec.stop_grace, spec.restart, spec.shm_mib)),
    ];
    for file in &spec.files {
        parts.push(format!("{}:{:o}", file.name, file.mode));
        parts.push(file.content.expose_secret().to_owned());
    }
    digest(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize()).chars().take(12).collect()
}

/// The group that a socket belongs to.
///
/// # Errors
/// When it is not there.
pub fn group_of(socket: &Path) -> std::io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(socket)?.gid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_context(check: impl Fn(&Context<'_>)) {
        let config = Config { home: "/srv/freehold".into(), ..Config::default() };
        let home = Home::new(&config.home);
        let installation = "abc234".parse().expect("id");
        let images = Images {
            postgres: "sha256:1".into(),
            edge: "sha256:2".into(),
            tenant_app: "sha256:3".into(),
            control_plane: "sha256:4".into(),
        };
        let keys = Keys::sample();
        check(&Context {
            config: &config,
            home: &home,
            installation: &installation,
            images: &images,
            keys: &keys,
            engine_group: 990,
            cpus: 2,
        });
    }

    fn targets(spec: &ContainerSpec) -> Vec<String> {
        spec.mounts
            .iter()
            .map(|mount| match mount {
                Mount::Bind { target, .. } | Mount::Volume { target, .. } => target.clone(),
            })
            .collect()
    }

    #[test]
    fn only_the_worker_has_the_engine_and_only_the_edge_listens() {
        with_context(|context| {
            for service in Service::ALL {
                let spec = context.spec(*service).expect("spec");
                let engine = targets(&spec).contains(&ENGINE_SOCKET.to_owned());
                assert_eq!(engine, *service == Service::Worker, "{service}");
                let host = spec.network == NetworkMode::Host;
                assert_eq!(host, !matches!(service, Service::Postgres | Service::Api), "{service}");
                // In a network of its own are houses; the platform's own has the api alone.
                let outward = matches!(&spec.network, NetworkMode::Network { name, .. } if name == "fh-abc234-platform");
                assert_eq!(outward, *service == Service::Api, "{service}: {:?}", spec.network);
                assert!(spec.capabilities.is_empty() && spec.read_only, "{service}");
                assert!(spec.user.as_deref().is_none_or(|user| !user.starts_with('0')), "{service}");
            }
        });
    }

    #[test]
    fn everyone_gets_its_own_secrets_only() {
        with_context(|context| {
            let files = |service| -> Vec<String> {
                let spec = context.spec(service).expect("spec");
                let mut files: Vec<String> = spec.files.into_iter().map(|file| file.name).collect();
                files.sort();
                files
            };
            assert_eq!(files(Service::Postgres), ["database_superuser"]);
            assert_eq!(
                files(Service::Api),
                ["config.yaml", "database_api", "people.key", "providers_ca.pem"]
            );
            assert_eq!(files(Service::Gateway), ["config.yaml", "database_gateway"]);
            assert_eq!(
                files(Service::Worker),
                [
                    "config.yaml",
                    "database_worker",
                    "master.key",
                    "prober.secret",
                    "smtp_ca.pem",
                    "smtp_password"
                ]
            );
            assert_eq!(files(Service::Edge), ["prober.secret"]);
        });
    }

    #[test]
    fn a_change_is_another_container_and_nothing_else_is() {
        with_context(|context| {
            let before = context.spec(Service::Api).expect("spec");
            assert_eq!(before.name, context.spec(Service::Api).expect("spec").name);
            assert!(before.name.starts_with("fh-abc234-api-"));
            let mut images = context.images.clone();
            images.control_plane = "sha256:5".into();
            let newer = Context { images: &images, ..*context };
            assert_ne!(before.name, newer.spec(Service::Api).expect("spec").name);
            let same = |service| {
                context.spec(service).expect("spec").name == newer.spec(service).expect("spec").name
            };
            assert!(same(Service::Postgres) && same(Service::Edge) && !same(Service::Worker));
        });
    }

    #[test]
    fn no_secret_is_in_arguments_environment_or_labels() {
        with_context(|context| {
            for service in Service::ALL {
                let spec = context.spec(*service).expect("spec");
                let open =
                    format!("{:?} {:?} {:?} {:?}", spec.command, spec.environment, spec.labels, spec.name);
                for secret in context.keys.all() {
                    assert!(!open.contains(secret.expose_secret()), "{service}");
                }
            }
        });
    }
}
