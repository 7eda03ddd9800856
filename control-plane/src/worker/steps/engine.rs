//! Networks, volumes and containers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Scene, held};
use crate::engine::{self, NetworkSpec, VolumeSpec, names};
use crate::model::observed::ContainerState;
use crate::model::stack::{Health, ServiceName};
use crate::store::{Scope, houses, subnets, volumes};
use crate::worker::failure::Failure;
use crate::worker::probe;

/// The first pause between two questions whether a service answers. It grows with the time that it takes: nobody
/// waits much more than a twentieth longer than need be, and who is slow is not asked all the time.
const PROBE_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PROBE_PAUSE: Duration = Duration::from_millis(200);
/// How long a service may take until it answers: less than the step itself may take, so that what it said last can
/// still be told.
const HEALTH: Duration = Duration::from_secs(45);
/// Between two looks at whether a service that does not answer still runs.
const LOOK: Duration = Duration::from_millis(500);
/// What every program says that meets a full disk: the system's own words for it.
const DISK_FULL: &str = "No space left on device";
/// How many of the last lines of a service that ended are told.
const LAST_WORDS: usize = 15;

impl Scene<'_> {
    pub(super) async fn ensure_network(&self) -> Result<(), Failure> {
        let (record, deps) = (&self.house.record, &self.worker.deps);
        let gateway =
            record.subnet.hosts().next().ok_or_else(|| Failure::fatal("the subnet holds no address"))?;
        let spec = NetworkSpec {
            name: names::network(&deps.installation, &record.house),
            labels: names::house_labels(&deps.installation, &record.house),
            subnet: record.subnet,
            gateway,
            bridge: names::bridge(&deps.installation, &record.house),
            internal: false,
        };
        match deps.engine.ensure_network(&spec).await {
            Ok(_) => Ok(()),
            // something on this host has the block that our plan gave out: take another
            Err(engine::Error::Conflict(reason)) => {
                let mut tx = deps.store.begin(Scope::System).await?;
                let next = subnets::replace(&mut tx, &self.house.claim, deps.config.network.pool).await?;
                tx.commit().await?;
                held(next.is_some())?;
                Err(Failure::retry(format!("{reason}; another block is taken")))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn ensure_volume(&self, service: &ServiceName) -> Result<(), Failure> {
        let deps = &self.worker.deps;
        let wanted = self.house.desired.services.get(service).and_then(|wanted| wanted.volume.as_ref());
        let name = wanted.ok_or_else(|| Failure::retry(format!("{service} has no volume")))?.name.clone();
        let labels = names::volume_labels(&deps.installation, &self.house.record.house, service);
        deps.engine.ensure_volume(&VolumeSpec { name: name.clone(), labels }).await?;
        let mut tx = deps.store.begin(Scope::System).await?;
        held(volumes::record_made(&mut tx, &self.house.claim, &name).await?)?;
        // a new volume is an empty database, whatever was recorded before
        if *service == self.house.stack.database {
            held(houses::forget_database(&mut tx, &self.house.claim).await?)?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn ensure_container(&self, service: &ServiceName) -> Result<(), Failure> {
        let spec = self.house.specs.get(service);
        let mut spec = spec.ok_or_else(|| Failure::retry(format!("{service} has no spec")))?.clone();
        if *service == self.house.stack.database {
            spec.user = self.database_user(&spec.image).await?;
        }
        let id = self.worker.deps.engine.ensure_container(&spec).await.map_err(|error| match error {
            engine::Error::NotFound(what) if what.contains(&spec.image) => Failure::fatal(format!(
                "the image {} is not on this engine any more; load it again, or give the tenant another release",
                self.image_name(service)
            )),
            engine::Error::NotFound(what) => {
                Failure::retry(format!("the engine does not have what {service} needs: {what}"))
            }
            other => other.into(),
        })?;
        if let Some(limits) = spec.limits {
            let mut tx = self.worker.deps.store.begin(Scope::System).await?;
            held(houses::record_limits(&mut tx, &self.house.claim, &id, limits).await?)?;
            tx.commit().await?;
        }
        self.found(service, id);
        Ok(())
    }

    /// What people call the image of a service: as its stack says, or as its release does.
    fn image_name(&self, service: &ServiceName) -> String {
        let id = self.house.stack.services.get(service).map_or("", |service| service.image.as_str());
        let images = &self.house.record.release.content.images;
        let known = images.iter().find(|(_, known)| known.as_str() == id).map(|(name, _)| name.as_str());
        match (images.get(id), known) {
            (Some(fixed), _) => format!("{id} ({fixed})"),
            (None, Some(name)) => format!("{name} of the release ({id})"),
            (None, None) => id.to_owned(),
        }
    }

    /// Official PostgreSQL images begin as root only to become this user, which they can be from the start.
    async fn database_user(&self, image: &str) -> Result<Option<String>, Failure> {
        let root = self.worker.deps.engine.image(image).await?.is_some_and(|image| image.runs_as_root());
        Ok(root.then(|| "postgres".to_owned()))
    }

    pub(super) async fn start_container(&self, service: &ServiceName) -> Result<(), Failure> {
        let id = self.container(service)?;
        Ok(self.worker.deps.engine.start(&id).await?)
    }

    /// Asks until the service answers. One that ends meanwhile has failed, and its last words say why.
    pub(super) async fn await_healthy(&self, service: &ServiceName) -> Result<(), Failure> {
        let (engine, id) = (&self.worker.deps.engine, self.container(service)?);
        let spec = self.service(service)?;
        let network = names::network(&self.worker.deps.installation, &self.house.record.house);
        let began = tokio::time::Instant::now();
        let mut endpoint = None;
        let mut looked = began;
        loop {
            if let (None, Some(port)) = (endpoint, spec.port) {
                endpoint = engine.endpoint(&id, &network, port).await.ok();
            }
            let answer = match (&spec.health, endpoint) {
                (Health::None, _) => Ok(()),
                (health, Some(address)) => probe::answers(health, address).await,
                (_, None) => Err("it has no address".to_owned()),
            };
            let Err(reason) = answer else { return Ok(()) };
            // the service is asked often, the engine now and then: whoever is gone does not even refuse
            if looked.elapsed() >= LOOK || endpoint.is_none() {
                looked = tokio::time::Instant::now();
                if let Some(how) = self.ended(&id).await? {
                    return Err(Failure::retry(format!("it ended{how}")));
                }
                for (other, id) in self.stands_on(service) {
                    if let Some(how) = self.ended(&id).await? {
                        return Err(Failure::retry(format!("{other}, which it needs, ended{how}")));
                    }
                }
            }
            if began.elapsed() >= HEALTH {
                let words = self.last_words(&id).await;
                return Err(Failure::retry(format!("{reason}{words}")));
            }
            tokio::time::sleep((began.elapsed() / 20).clamp(PROBE_PAUSE, LONGEST_PROBE_PAUSE)).await;
        }
    }

    /// The containers of those services that this one cannot do without.
    fn stands_on(&self, service: &ServiceName) -> Vec<(ServiceName, String)> {
        let stack = &self.house.stack;
        let after = stack.services.get(service).map(|service| service.after.as_slice()).unwrap_or_default();
        let database = (*service == stack.web).then_some(&stack.database);
        let others: BTreeSet<&ServiceName> = after.iter().chain(database).collect();
        others.into_iter().filter_map(|other| Some((other.clone(), self.container(other).ok()?))).collect()
    }

    /// How a container ended, and what it wrote last; `None` while it runs.
    async fn ended(&self, id: &str) -> Result<Option<String>, Failure> {
        let state = self.worker.deps.engine.inspect(id).await?;
        if !matches!(state.state, ContainerState::Exited | ContainerState::Broken) {
            return Ok(None);
        }
        let memory = if state.oom_killed { ", killed for using more memory than its plan gives" } else { "" };
        let words = self.last_words(id).await;
        Ok(Some(format!(" with status {}{memory}{words}", state.exit_code)))
    }

    /// What a service wrote last, for the person who must look.
    async fn last_words(&self, id: &str) -> String {
        match self.worker.deps.engine.logs(id, LAST_WORDS).await {
            Ok(words) if !words.trim().is_empty() => {
                let disk =
                    if words.contains(DISK_FULL) { "; the disk that its volume is on is full" } else { "" };
                format!("{disk}; its last words: {}", words.trim())
            }
            _ => String::new(),
        }
    }

    pub(super) async fn set_limits(&self, service: &ServiceName, container: &str) -> Result<(), Failure> {
        let limits = self.service(service)?.limits;
        let store = &self.worker.deps.store;
        // in doubt until it is done: whoever comes after a crash sets them again
        let mut tx = store.begin(Scope::System).await?;
        held(houses::forget_limits(&mut tx, &self.house.claim, container).await?)?;
        tx.commit().await?;
        self.worker.deps.engine.set_limits(container, limits).await?;
        let mut tx = store.begin(Scope::System).await?;
        held(houses::record_limits(&mut tx, &self.house.claim, container, limits).await?)?;
        tx.commit().await?;
        Ok(())
    }

    /// Whatever the stack file says now, the container stops as it was made to.
    pub(super) async fn stop_container(&self, container: &str) -> Result<(), Failure> {
        Ok(self.worker.deps.engine.stop(container, None).await?)
    }

    pub(super) async fn remove_container(&self, container: &str) -> Result<(), Failure> {
        self.worker.deps.engine.remove_container(container).await?;
        let mut tx = self.worker.deps.store.begin(Scope::System).await?;
        held(houses::forget_limits(&mut tx, &self.house.claim, container).await?)?;
        tx.commit().await?;
        Ok(())
    }

    /// The one place where data is dropped. The registry is asked once more whether it may be.
    pub(super) async fn drop_volume(&self, name: &str) -> Result<(), Failure> {
        let store = &self.worker.deps.store;
        let mut tx = store.begin(Scope::System).await?;
        let record = houses::load(&mut tx, &self.house.record.house).await?;
        tx.commit().await?;
        if !record.droppable().any(|droppable| droppable == name) {
            return Err(Failure::retry(format!("{name} is to be kept after all")));
        }
        self.worker.deps.engine.remove_volume(name).await?;
        let mut tx = store.begin(Scope::System).await?;
        held(volumes::drop_record(&mut tx, &self.house.claim, name).await?)?;
        tx.commit().await?;
        Ok(())
    }
}
