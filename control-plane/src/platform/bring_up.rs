//! `up`: from whatever is there to a platform that answers. Every part is idempotent, so a second run changes
//! nothing that is right and repairs what is not.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde::Serialize;

use super::containers::{Change, poll};
use super::firewall::Firewall;
use super::images::{self, Images};
use super::keys::Keys;
use super::services::{self, Context, Service};
use super::{Error, Platform, Report, Result, checks, home, network, probe};
use crate::edge::{self, Edge, EdgeSettings};
use crate::engine::{NetworkSpec, VolumeSpec, names};
use crate::model::release::ReleaseContent;
use crate::render::nginx::{self, EdgeLimits, NginxContext};
use crate::store::Store;

/// How long the whole chain may take to answer through the edge.
const ANSWER: Duration = Duration::from_secs(60);

/// What can be chosen about a bring-up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A file that names images made before; otherwise those of this build are made if need be.
    pub images: Option<PathBuf>,
    /// Everything but the three roles, which the caller runs itself; containers of theirs are removed.
    pub without_roles: bool,
}

/// What a bring-up came to.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub installation: String,
    /// Landing page and API.
    pub url: String,
    pub console: String,
    /// Where tenants are, with `<slug>` for the tenant's own part.
    pub tenants: String,
    pub admin_email: String,
    /// The first admin's password is in this file.
    pub admin_password_file: PathBuf,
    /// The release that new tenants get.
    pub release: String,
    /// Whether the first admin was made just now.
    pub first_time: bool,
    /// What was done about each service.
    pub services: Vec<(String, String)>,
    /// The image that the roles run from.
    pub control_plane: String,
    #[serde(skip)]
    pub admin_password: SecretString,
}

/// Times the parts of a bring-up for whoever reports them.
struct Parts<'a> {
    report: &'a dyn Report,
}

impl Parts<'_> {
    async fn run<T>(&self, part: &str, work: impl Future<Output = Result<(T, String)>>) -> Result<T> {
        let begun = Instant::now();
        self.report.begin(part);
        let (value, outcome) = work.await?;
        self.report.done(&outcome, begun.elapsed());
        Ok(value)
    }
}

impl Platform {
    /// Brings the platform up and waits until it answers through the edge.
    ///
    /// # Errors
    /// The first part that failed. What was done before it stays; the next run goes on from there.
    pub async fn up(&self, options: &Options, report: &dyn Report) -> Result<Summary> {
        let parts = Parts { report };
        parts.run("checking the host", self.check(report)).await?;
        let keys = parts.run("keys and secrets", async { self.keys() }).await?;
        let images = parts.run("images", self.images(options, report)).await?;
        // Before anything that runs is touched: a stack file that is wrong leaves all of it as it is.
        let content = parts.run("stack and migrations", self.content(&images)).await?;
        parts.run("network and firewall", self.fence(&images)).await?;

        let info = self.engine.info().await?;
        let socket = &self.config.engine.socket;
        let context = Context {
            config: &self.config,
            home: &self.home,
            installation: &self.id,
            images: &images,
            keys: &keys,
            engine_group: services::group_of(socket)
                .map_err(|source| Error::File { path: socket.clone(), source })?,
            cpus: info.cpus,
        };
        let volume = VolumeSpec {
            name: names::platform(&self.id, Service::Postgres.as_str()),
            labels: names::platform_labels(&self.id, Service::Postgres.as_str()),
        };
        self.engine.ensure_volume(&volume).await?;
        let mut changes = vec![self.start(&parts, Service::Postgres, &context).await?];
        let store = parts.run("registry", self.prepare_registry(&keys)).await?;
        let (release, first_time) = parts.run("release", self.contents(&store, &keys, &content)).await?;
        store.close().await;
        for service in [Service::Api, Service::Gateway, Service::Edge, Service::Worker] {
            if options.without_roles && service != Service::Edge {
                self.remove_service(service).await?;
            } else {
                changes.push(self.start(&parts, service, &context).await?);
            }
        }
        if !options.without_roles {
            parts.run("answer through the edge", self.answer()).await?;
        }
        self.sweep_helpers().await?;
        Ok(self.summarise(&keys, &images, release, first_time, changes))
    }

    async fn check(&self, report: &dyn Report) -> Result<((), String)> {
        let findings = checks::run(&self.config, &self.id, self.engine.as_ref()).await;
        if findings.iter().any(checks::Finding::is_problem) {
            return Err(Error::NotReady(findings));
        }
        for finding in &findings {
            if let checks::Outcome::Warning { detail, remedy } = &finding.outcome {
                report.warn(&format!("{}: {detail}; {remedy}", finding.check));
            }
        }
        Ok(((), format!("{} checks passed", findings.len())))
    }

    fn keys(&self) -> Result<(Keys, String)> {
        self.home.prepare().map_err(|source| Error::File { path: self.home.root().to_owned(), source })?;
        let keys =
            Keys::ensure(&self.home, &self.config.mail.smtp, &self.config.providers).map_err(Error::Keys)?;
        Ok((keys, format!("in {}", self.home.root().display())))
    }

    async fn images(&self, options: &Options, report: &dyn Report) -> Result<(Images, String)> {
        let images = match &options.images {
            Some(path) => Images::load(path)?,
            None => {
                let line = |text: &str| report.line(text);
                images::ensure(self.engine.as_ref(), &self.config.images.base, &line).await?
            }
        };
        let images = images.resolve(self.engine.as_ref()).await?;
        images.save(&self.home.images())?;
        Ok((images, "ready".to_owned()))
    }

    /// The platform's network, for its address, and the firewall, before anything of a tenant can start.
    async fn fence(&self, images: &Images) -> Result<((), String)> {
        let pool = self.config.network.pool;
        let spec = NetworkSpec {
            name: names::platform_network(&self.id),
            labels: names::platform_labels(&self.id, "network"),
            subnet: network::platform_block(pool),
            gateway: network::platform_address(pool),
            bridge: names::platform_bridge(&self.id),
            internal: false,
        };
        self.engine.ensure_network(&spec).await?;
        self.firewall(&images.control_plane).apply().await?;
        let address = network::platform_address(pool);
        Ok(((), format!("houses reach {address}:{} and public addresses", self.config.edge.port)))
    }

    /// The firewall, with helpers from this image.
    pub(super) fn firewall(&self, image: &str) -> Firewall {
        Firewall::new(self.engine.clone(), &self.id, &self.config, image)
    }

    fn nginx_context(&self) -> NginxContext {
        let (edge, back_door) =
            (&self.config.edge, network::platform_address(self.config.network.pool).into());
        NginxContext {
            public: SocketAddr::new(edge.listen, edge.port),
            back_door: Some(SocketAddr::new(back_door, edge.port)),
            domain: self.config.domain.clone(),
            home: home::INSIDE.into(),
            limits: EdgeLimits {
                body_mib: edge.body_mib,
                connections_per_host: edge.connections_per_host,
                requests_per_second: edge.requests_per_second,
                silence_seconds: edge.silence_seconds,
                ..EdgeLimits::default()
            },
        }
    }

    /// The edge as this host sees it.
    pub(super) fn edge(&self) -> Edge {
        let secret = super::keys::Source::Home(self.home.clone()).read(super::keys::PROBER_SECRET);
        Edge::new(EdgeSettings {
            door: self.home.door_socket(),
            routes_file: self.home.routes(),
            public: network::public_address(&self.config),
            prober_secret: secret.unwrap_or_default(),
        })
    }

    async fn start(
        &self,
        parts: &Parts<'_>,
        service: Service,
        context: &Context<'_>,
    ) -> Result<(Service, Change)> {
        parts
            .run(service.as_str(), async {
                let change = match service {
                    Service::Edge => Box::pin(self.start_edge(context)).await?,
                    Service::Postgres => Box::pin(self.start_postgres(context)).await?,
                    _ => Box::pin(self.ensure(service, context)).await?,
                };
                Ok(((service, change), change.as_str().to_owned()))
            })
            .await
    }

    async fn start_postgres(&self, context: &Context<'_>) -> Result<Change> {
        match self.ensure(Service::Postgres, context).await {
            Err(error) => Err(self.bring_back(Service::Postgres, context, error).await),
            ensured => ensured,
        }
    }

    async fn start_edge(&self, context: &Context<'_>) -> Result<Change> {
        if !self.home.routes().exists() {
            edge::write_start_file(&self.home.routes(), &[]).await?;
        }
        self.ensure_edge(context, &nginx::conf(&self.nginx_context())?).await
    }

    async fn prepare_registry(&self, keys: &Keys) -> Result<(Store, String)> {
        let version = self.migrate_registry(keys).await?;
        let store = self.registry(keys).await?;
        Ok((store, format!("schema version {version}")))
    }

    /// What the release is to be made of.
    async fn content(&self, images: &Images) -> Result<(ReleaseContent, String)> {
        let content = self.release(images).await?;
        let outcome = format!("{} images, {} migrations", content.images.len(), content.migrations.len());
        Ok((content, outcome))
    }

    async fn contents(
        &self,
        store: &Store,
        keys: &Keys,
        content: &ReleaseContent,
    ) -> Result<((String, bool), String)> {
        let first_time = self.first_admin(store, keys).await?;
        let (_, version) = self.register(store, content).await?;
        let outcome = format!("{version}, schema version {}", content.schema_version());
        Ok(((version, first_time), outcome))
    }

    /// Waits until a request that comes in as a visitor's would is answered by the platform.
    async fn answer(&self) -> Result<((), String)> {
        let (address, host) = (network::public_address(&self.config), self.config.domain.to_string());
        let begun = Instant::now();
        let outcome = poll(ANSWER, || async {
            let status = probe::tcp(address, &host, "/healthz").await?;
            if status.is_success() { Ok(()) } else { Err(format!("/healthz answers {status}")) }
        })
        .await;
        match outcome {
            Ok(()) => Ok(((), self.config.public_url())),
            Err(reason) => Err(Error::Unhealthy {
                service: Service::Edge,
                within: begun.elapsed(),
                reason,
                logs: String::new(),
            }),
        }
    }

    fn summarise(
        &self,
        keys: &Keys,
        images: &Images,
        release: String,
        first_time: bool,
        changes: Vec<(Service, Change)>,
    ) -> Summary {
        Summary {
            installation: self.id.to_string(),
            url: self.config.public_url(),
            console: self.config.url_of(&self.config.admin_host()),
            tenants: self.config.url_of(&format!("<slug>.{}", self.config.tenants_domain())),
            admin_email: self.config.admin.email.clone(),
            admin_password_file: self.home.secret(super::keys::ADMIN_PASSWORD),
            admin_password: keys.admin.clone(),
            control_plane: images.control_plane.clone(),
            release,
            first_time,
            services: changes
                .into_iter()
                .map(|(service, change)| (service.to_string(), change.as_str().to_owned()))
                .collect(),
        }
    }
}
