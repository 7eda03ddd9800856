//! The three roles, put together from their rooms. Each gets the registry as its own database role, and no more.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::app::{self, App};
use crate::config::Config;
use crate::edge::{Edge, EdgeSettings};
use crate::engine::Engine;
use crate::engine::docker::Docker;
use crate::gateway::{self, GatewaySettings};
use crate::http;
use crate::identity::people_key::PeopleKey;
use crate::identity::vault::MasterKey;
use crate::model::ids::InstallationId;
use crate::platform::firewall::Firewall;
use crate::platform::home::Home;
use crate::platform::keys::{self, MASTER_KEY, PEOPLE_KEY, PROBER_SECRET, Source};
use crate::platform::network;
use crate::store::{self, Store};
use crate::worker::mail::{MailSettings, Post};
use crate::worker::{self, WorkerDeps};

/// How long nobody may answer at a socket of the engine that is mounted into a container.
const ENGINE_LOST: Duration = Duration::from_secs(10);
/// How long to wait before the registry is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A token that is cancelled when the process is asked to end.
pub(super) fn until_told() -> Result<CancellationToken, Error> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        told.cancel();
    });
    Ok(shutdown)
}

/// The registry as this role sees it. A server that does not answer yet is waited for: after a restart of the
/// machine, nobody says in which order things come up.
async fn registry(
    config: &Config,
    source: &Source,
    role: &str,
    shutdown: &CancellationToken,
) -> Result<Option<Store>, Error> {
    let password = source.password(role)?;
    let home = Home::new(&config.home);
    loop {
        match Store::connect(&home.postgres(), store::DATABASE, role, &password).await {
            Ok(store) => return Ok(Some(store)),
            Err(error) => tracing::warn!(%error, "the registry does not answer yet"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// `api`: the HTTP API and the platform's pages, on its socket.
pub(super) async fn api(config: &Config, source: &Source, shutdown: CancellationToken) -> Result<(), Error> {
    let Some(store) = registry(config, source, store::API_ROLE, &shutdown).await? else { return Ok(()) };
    let key =
        PeopleKey::from_file(&source.read(PEOPLE_KEY)?).map_err(|error| Error::failed(error.to_string()))?;
    let issuer = app::signing::open(&store, &key, config.public_url())
        .await
        .map_err(|error| Error::failed(error.to_string()))?;
    let mut settings = app::Settings::from(config);
    if let Some(file) = &config.providers.ca_file {
        let pem = keys::read(file)?;
        settings.providers = settings
            .providers
            .trusting(pem.expose_secret())
            .map_err(|error| Error::failed(error.to_string()))?;
    }
    let app = Arc::new(App::new(store.clone(), settings, issuer, key));
    let router = http::router(http::AppState::new(app, &config.limits, shutdown.clone()));
    http::serve(&Home::new(&config.home).api_socket(), router, shutdown)
        .await
        .map_err(|error| Error::failed(error.to_string()))?;
    store.close().await;
    Ok(())
}

/// `gateway`: answers for every tenant without a live route, on its socket.
pub(super) async fn gateway(
    config: &Config,
    source: &Source,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Some(store) = registry(config, source, store::GATEWAY_ROLE, &shutdown).await? else { return Ok(()) };
    let limits = &config.gateway;
    let settings = GatewaySettings {
        hold: Duration::from_secs(u64::from(limits.hold_seconds)),
        holds_per_address: limits.holds_per_address,
        holds_per_tenant: limits.holds_per_tenant,
        holds: limits.holds,
        wakes_per_minute: limits.wakes_per_minute,
        ..GatewaySettings::default()
    };
    let doors = Arc::new(app::doors::StoreDoors::new(store.clone()));
    gateway::serve(&Home::new(&config.home).gateway_socket(), doors, settings, shutdown)
        .await
        .map_err(|error| Error::failed(error.to_string()))?;
    store.close().await;
    Ok(())
}

/// `worker`: makes what is observed what is desired. It listens nowhere.
pub(super) async fn worker(
    config: &Config,
    installation: &InstallationId,
    image: &str,
    source: &Source,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Some(store) = registry(config, source, store::WORKER_ROLE, &shutdown).await? else { return Ok(()) };
    let failed = |error: &dyn std::error::Error| Error::failed(error.to_string());
    let docker =
        Docker::connect(&config.engine.socket, installation.clone()).map_err(|error| failed(&error))?;
    let engine: Arc<dyn Engine> = Arc::new(docker);
    let vault = MasterKey::from_file(&source.read(MASTER_KEY)?).map_err(|error| failed(&error))?;
    let home = Home::new(&config.home);
    let edge = Edge::new(EdgeSettings {
        door: home.door_socket(),
        routes_file: home.routes(),
        public: network::public_address(config),
        prober_secret: source.read(PROBER_SECRET)?,
    });
    let smtp = &config.mail.smtp;
    let password = smtp.password_file.as_deref().map(keys::read).transpose()?;
    let authorities = smtp.ca_file.as_deref().map(keys::read).transpose()?;
    let settings = MailSettings::new(config, password, authorities);
    let post = Post::new(store.clone(), settings).map_err(Error::failed)?;
    let firewall = Firewall::new(Arc::clone(&engine), installation, config, image);
    let deps = WorkerDeps {
        installation: installation.clone(),
        store: store.clone(),
        engine,
        edge,
        vault,
        config: config.clone(),
        platform_address: network::platform_address(config.network.pool).into(),
        firewall: Some(Arc::new(move || Box::pin(keep(firewall.clone())))),
        engine_lost: matches!(source, Source::Container).then_some(ENGINE_LOST),
    };
    // When the worker ends by itself, so does the post.
    let over = shutdown.child_token();
    let work = async {
        let outcome = Box::pin(worker::run(deps, shutdown)).await;
        over.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(work, post.run(over.clone()));
    store.close().await;
    outcome.map_err(|error| Error::failed(error.to_string()))
}

/// Puts the firewall back when somebody flushed it, as reloading the host's own rules may do.
async fn keep(firewall: Firewall) -> Result<(), String> {
    if firewall.apply().await.map_err(|error| error.to_string())? {
        tracing::warn!("the firewall was gone or changed; it is in force again");
    }
    Ok(())
}
