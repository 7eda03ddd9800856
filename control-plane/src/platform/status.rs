//! `status`: what of an installation is there and how it is. It asks the engine and the registry, so it also works
//! while the API does not.

use serde::Serialize;

use super::keys::{self, Source};
use super::services::Service;
use super::{Platform, Result, network, probe};
use crate::engine::{Labels, names};
use crate::model::observed::ContainerState;
use crate::store::{self, Scope, Store, releases, tenants};

/// One container of the platform.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceState {
    pub service: String,
    /// Absent when the service has no container.
    pub container: Option<String>,
    pub running: bool,
    /// The engine's words, such as "Up 3 minutes".
    pub status: String,
    /// The beginning of the image's id: another build is another image.
    pub image: String,
}

/// How an installation is.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub installation: String,
    pub home: String,
    pub url: String,
    /// Of the command that asks; roles may still run an older one.
    pub version: String,
    /// What the engine is, or why it does not answer.
    pub engine: String,
    pub services: Vec<ServiceState>,
    /// What a request through the edge came to.
    pub edge: String,
    /// Whether the platform answers as it should.
    pub answers: bool,
    /// The release that new tenants get.
    pub release: Option<String>,
    /// Tenants by status; absent when the registry does not answer.
    pub tenants: Option<Vec<(String, i64)>>,
    /// Running containers of houses; absent when the engine does not answer.
    pub house_containers: Option<usize>,
}

impl Platform {
    /// Looks at everything; what does not answer is told as such.
    pub async fn status(&self) -> Status {
        let mut services = Vec::new();
        let mut house_containers = None;
        let engine = match self.engine.info().await {
            Ok(info) => {
                for service in Service::ALL {
                    services.extend(self.states_of(*service).await);
                }
                house_containers = self.running_house_containers().await;
                format!("Docker {} (API {})", info.version, info.api_version)
            }
            // an engine that does not say how it is would keep every other question waiting as well
            Err(error) => {
                services.extend(Service::ALL.iter().map(|service| without_container(*service, "unknown")));
                error.to_string()
            }
        };
        let answer =
            probe::tcp(network::public_address(&self.config), self.config.domain.as_str(), "/healthz").await;
        let (release, tenants) = self.registry_facts().await.unwrap_or((None, None));
        Status {
            installation: self.id.to_string(),
            home: self.home.root().display().to_string(),
            url: self.config.public_url(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine,
            services,
            answers: answer.as_ref().is_ok_and(http::StatusCode::is_success),
            edge: match answer {
                Ok(status) => format!("{} answers {status}", self.config.public_url()),
                Err(reason) => format!("no answer: {reason}"),
            },
            release,
            tenants,
            house_containers,
        }
    }

    async fn states_of(&self, service: Service) -> Vec<ServiceState> {
        match self.containers_of(service).await {
            Err(_) => vec![without_container(service, "unknown")],
            Ok(containers) if containers.is_empty() => vec![without_container(service, "absent")],
            Ok(containers) => containers
                .into_iter()
                .map(|container| ServiceState {
                    service: service.to_string(),
                    running: container.state == ContainerState::Running,
                    image: container.image_id.trim_start_matches("sha256:").chars().take(12).collect(),
                    container: Some(container.name),
                    status: container.status,
                })
                .collect(),
        }
    }

    async fn registry_facts(&self) -> Result<(Option<String>, Option<Vec<(String, i64)>>)> {
        let Ok(password) = Source::Home(self.home.clone()).read(&keys::password_file(store::OWNER_ROLE))
        else {
            return Ok((None, None));
        };
        let store =
            Store::connect(&self.home.postgres(), store::DATABASE, store::OWNER_ROLE, &password).await?;
        let mut tx = store.begin(Scope::System).await?;
        let release = releases::latest(&mut tx).await?.map(|release| release.version);
        let counts = tenants::count_by_status(&mut tx).await?;
        drop(tx);
        store.close().await;
        let counts = counts.into_iter().map(|(status, count)| (status.to_string(), count)).collect();
        Ok((release, Some(counts)))
    }

    async fn running_house_containers(&self) -> Option<usize> {
        let all = self.engine.containers(&Labels::new()).await.ok()?;
        let of_houses = all.iter().filter(|container| container.labels.contains_key(names::HOUSE));
        Some(of_houses.filter(|container| container.state == ContainerState::Running).count())
    }
}

fn without_container(service: Service, status: &str) -> ServiceState {
    ServiceState {
        service: service.to_string(),
        container: None,
        running: false,
        status: status.to_owned(),
        image: String::new(),
    }
}
