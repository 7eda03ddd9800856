//! A house as the registry wants it, made ready for the planner and for the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::Worker;
use super::failure::Failure;
use super::secrets::Secrets;
use crate::config::Config;
use crate::database::{DATABASE, roles};
use crate::engine::{ContainerSpec, Mount, NetworkMode, SecretFile, names};
use crate::model::desired::{Desired, DesiredService, DesiredVolume, SpecHash};
use crate::model::ids::InstallationId;
use crate::model::plan::Plan;
use crate::model::stack::{Secret, Service, ServiceName, Stack};
use crate::model::tenant::DesiredState;
use crate::render::stack::{StackContext, TenantContext, parse};
use crate::store::Scope;
use crate::store::houses::{self, HouseRecord};
use crate::store::leases::Claim;
use crate::store::volumes::{self, VolumeRecord, VolumeRole};

/// What the worker knows of a house when it sees to it.
pub(super) struct House {
    pub claim: Claim,
    pub record: HouseRecord,
    pub stack: Stack,
    pub secrets: Secrets,
    pub desired: Desired,
    /// What each service's container is made from.
    pub specs: BTreeMap<ServiceName, ContainerSpec>,
}

impl House {
    /// Reads the registry and works out what the house must be.
    pub(super) async fn resolve(worker: &Worker, claim: &Claim) -> Result<Self, Failure> {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        let mut record = houses::load(&mut tx, &claim.house).await?;
        tx.commit().await?;
        let config = &worker.deps.config;
        let plan = *config.plans.get(&record.tenant.plan).ok_or_else(|| {
            Failure::fatal(format!("plan {} is not in the configuration any more", record.tenant.plan))
        })?;
        let stack = stack(config, &record, &plan)?;
        record.volumes = volumes_of(worker, claim, &record, &stack).await?;
        let secrets = Secrets::of(worker, record.tenant.id).await?;
        if record.tenant.desired != DesiredState::Deleted {
            secrets.tell_the_api(worker, record.tenant.id, &stack.sign_in).await?;
        }
        let installation = &worker.deps.installation;
        let specs = stack
            .services
            .iter()
            .map(|(name, service)| {
                let build = Build {
                    installation,
                    record: &record,
                    stack: &stack,
                    secrets: &secrets,
                    platform: worker.deps.platform_address,
                };
                Ok((name.clone(), build.spec(name, service)?))
            })
            .collect::<Result<BTreeMap<_, _>, Failure>>()?;
        let desired = desired(&record, &stack, &specs, &plan);
        Ok(Self { claim: claim.clone(), record, stack, secrets, desired, specs })
    }

    /// Whether nothing of a deleted tenant must be kept any more.
    pub(super) fn may_be_forgotten(&self) -> bool {
        self.record.tenant.desired == DesiredState::Deleted
            && self.record.tenant.purge_at.is_some_and(|end| end <= chrono::Utc::now())
            && self.record.volumes.iter().all(|volume| volume.droppable)
    }

    /// The path by which the web face is asked whether it answers.
    pub(super) fn health_path(&self) -> &str {
        match self.stack.services.get(&self.stack.web).map(|service| &service.health) {
            Some(crate::model::stack::Health::Http(path)) => path,
            _ => "/",
        }
    }
}

fn stack(config: &Config, record: &HouseRecord, plan: &Plan) -> Result<Stack, Failure> {
    let primary = record.hosts.first().map(|host| config.url_of(host.as_str())).unwrap_or_default();
    let back_door = config.url_of("platform.internal");
    let context = StackContext {
        tenant: TenantContext {
            id: record.tenant.id,
            slug: record.tenant.slug.clone(),
            name: record.tenant.name.clone(),
            settings: serde_json::json!(record.tenant.settings),
        },
        plan: record.tenant.plan.clone(),
        limits: plan.limits(),
        hosts: record.hosts.clone(),
        url: primary,
        domain: config.domain.clone(),
        images: record.release.content.images.clone(),
        jwks_url: format!("{back_door}/.well-known/jwks.json"),
        discovery_url: format!("{back_door}/.well-known/openid-configuration"),
        platform_url: back_door,
        issuer: config.public_url(),
    };
    let file = format!("stack of release {}", record.release.version);
    parse(&record.release.content.stack, &file)
        .and_then(|stack| stack.render(&context))
        .map_err(|error| Failure::fatal(error.to_string()))
}

/// Makes a row for every volume that the stack asks for and that has none. A tenant that goes gets no new ones.
async fn volumes_of(
    worker: &Worker,
    claim: &Claim,
    record: &HouseRecord,
    stack: &Stack,
) -> Result<Vec<VolumeRecord>, Failure> {
    let mut all = record.volumes.clone();
    for (name, service) in &stack.services {
        let known = all.iter().any(|volume| volume.service == *name && volume.role == VolumeRole::Current);
        if service.volume.is_none() || known || record.tenant.desired != DesiredState::Running {
            continue;
        }
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        let made = volumes::ensure(&mut tx, claim, &worker.deps.installation, name).await?;
        tx.commit().await?;
        all.push(made.ok_or_else(|| Failure::away("the lease was lost"))?);
    }
    Ok(all)
}

fn current<'a>(record: &'a HouseRecord, service: &ServiceName) -> Option<&'a VolumeRecord> {
    record.volumes.iter().find(|volume| volume.service == *service && volume.role == VolumeRole::Current)
}

fn desired(
    record: &HouseRecord,
    stack: &Stack,
    specs: &BTreeMap<ServiceName, ContainerSpec>,
    plan: &Plan,
) -> Desired {
    let service = |(name, service): (&ServiceName, &Service)| {
        let hash = specs.get(name).and_then(|spec| spec.labels.get(names::SPEC)).cloned().unwrap_or_default();
        let volume = current(record, name).filter(|_| service.volume.is_some());
        let wanted = DesiredService {
            hash: SpecHash(hash),
            limits: service.limits,
            volume: volume.map(|volume| DesiredVolume { name: volume.name.clone(), made: volume.made }),
            after: service.after.clone(),
            patient: service.patient,
        };
        (name.clone(), wanted)
    };
    Desired {
        state: record.tenant.desired,
        services: stack.services.iter().map(service).collect(),
        database: stack.database.clone(),
        web: stack.web.clone(),
        hosts: record.hosts.iter().cloned().collect(),
        preparation: roles::PREPARATION,
        connections: plan.connections,
        schema: record.release.content.schema_version(),
        read_only: record.read_only_wanted,
        droppable: record.droppable().map(str::to_owned).collect(),
    }
}

/// What a container's spec is made of.
struct Build<'a> {
    installation: &'a InstallationId,
    record: &'a HouseRecord,
    stack: &'a Stack,
    secrets: &'a Secrets,
    platform: IpAddr,
}

impl Build<'_> {
    fn spec(&self, name: &ServiceName, service: &Service) -> Result<ContainerSpec, Failure> {
        let house = &self.record.house;
        let image = self.image(name, &service.image)?;
        let mut spec = ContainerSpec::new("", image);
        spec.command.clone_from(&service.command);
        spec.environment =
            service.environment.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        spec.network = NetworkMode::Network {
            name: names::network(self.installation, house),
            aliases: vec![name.to_string()],
        };
        spec.extra_hosts = vec![("platform.internal".to_owned(), self.platform)];
        if let (Some(target), Some(volume)) = (&service.volume, current(self.record, name)) {
            spec.mounts.push(Mount::Volume { name: volume.name.clone(), target: target.clone() });
        }
        spec.tmpfs.clone_from(&service.tmpfs);
        spec.read_only = service.read_only;
        spec.stop_signal = Some(service.stop_signal.clone()).filter(|signal| !signal.is_empty());
        spec.stop_grace = Duration::from_secs(u64::from(service.stop_seconds));
        spec.files = service
            .secrets
            .iter()
            .map(|(file, secret)| SecretFile::new(file.clone(), self.secret(*secret)))
            .collect();
        let hash = spec_hash(&spec);
        spec.name = names::container(self.installation, house, name, &hash);
        spec.labels = names::container_labels(self.installation, house, name, &hash);
        // limits are set on a running container too, so they are no part of what it is made from
        spec.limits = Some(service.limits);
        Ok(spec)
    }

    /// The immutable image that the release was registered with for this name.
    fn image(&self, service: &ServiceName, name: &str) -> Result<String, Failure> {
        if name.starts_with("sha256:") {
            return Ok(name.to_owned());
        }
        self.record.release.content.images.get(name).cloned().ok_or_else(|| {
            Failure::fatal(format!(
                "services.{service}.image: {name} is not among the images of release {}",
                self.record.release.version
            ))
        })
    }

    fn secret(&self, secret: Secret) -> SecretString {
        match secret {
            Secret::DatabaseSuperuserPassword => self.secrets.superuser.clone(),
            Secret::AppKey => self.secrets.app_key.clone(),
            Secret::ClientSecret => self.secrets.client.clone(),
            Secret::DatabaseUrl => {
                let database = &self.stack.database;
                let port = self.stack.services.get(database).and_then(|service| service.port).unwrap_or(5432);
                let password = self.secrets.app.expose_secret();
                format!("postgres://{}:{password}@{database}:{port}/{DATABASE}", roles::APP).into()
            }
        }
    }
}

/// Hashes everything a container is made from. Secrets are random and long, so a part of a hash over them and all
/// the rest tells nobody anything.
fn spec_hash(spec: &ContainerSpec) -> SpecHash {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    part(&format!(
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {} {:?} {:?}",
        spec.image,
        spec.command,
        spec.environment,
        spec.network,
        spec.extra_hosts,
        spec.mounts,
        spec.tmpfs,
        spec.read_only,
        spec.stop_signal,
        spec.stop_grace,
    ));
    for file in &spec.files {
        part(&file.name);
        part(file.content.expose_secret());
    }
    SpecHash(hex::encode(&hash.finalize()[..6]))
}
