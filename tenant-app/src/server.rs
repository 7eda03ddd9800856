//! Puts the app together, serves, and stops in order.

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::api;
use crate::database::{BadAddress, Database};
use crate::pages::{self, templates::Templates};
use crate::people::guests::Guests;
use crate::settings::Settings;
use crate::web::problem::Error as Problem;
use crate::web::state::{App, Shared};
use crate::web::{guards, health, who};

/// Requests that run when we are told to stop have this long to end.
pub const GRACE: Duration = Duration::from_secs(10);
/// Connections to the database have this long to close after that.
const CLOSE: Duration = Duration::from_secs(2);
/// No form and no record here is larger.
const LARGEST_BODY: usize = 64 * 1024;

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Database(#[from] BadAddress),
    #[error("the templates are broken: {0}")]
    Templates(#[from] tera::Error),
}

/// The whole app as a service, and what it shares.
///
/// # Errors
/// The database's address cannot be read, or the built-in templates are broken.
pub fn build(settings: Settings, stopping: watch::Receiver<bool>) -> Result<(Router, Shared), Error> {
    let tenant = settings.tenant;
    let application = format!("app/{}", tenant.slug);
    let database = Database::new(&settings.database_url, settings.database_pool, &application)?;
    let guests = settings.sign_in.map(|s| Guests::new(tenant.id, s, database.pool().clone()));
    if guests.is_none() {
        tracing::error!("nobody is let in: nothing was said of how people sign in (CLIENT_ID and the like)");
    }
    let templates = Templates::new(&tenant, settings.platform_url.as_deref())?;
    let app: Shared =
        Arc::new(App::new(tenant, settings.platform_url, database, guests, templates, stopping));
    Ok((router(&app), app))
}

fn router(app: &Shared) -> Router {
    Router::new()
        .route(guards::HEALTH, get(health::show))
        .nest("/api", api::routes())
        .merge(pages::routes())
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(Arc::clone(app), who::must_be_known))
        .layer(from_fn_with_state(Arc::clone(app), guards::for_this_tenant))
        .layer(from_fn_with_state(Arc::clone(app), guards::faces))
        .layer(from_fn_with_state(Arc::clone(app), guards::careful))
        .layer(from_fn(guards::written_down))
        .with_state(Arc::clone(app))
}

/// Serves until `stop` is done, then finishes what runs (for [`GRACE`] at the most) and closes the
/// database's connections.
///
/// # Errors
/// The app cannot be built, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let (said, stopping) = watch::channel(false);
    let (router, app) = build(settings, stopping.clone())?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    tokio::spawn(async move {
        stop.await;
        tracing::info!("told to stop");
        let _ = said.send(true);
    });
    let told = |mut stopping: watch::Receiver<bool>| async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(told(stopping.clone()));
    let outcome = tokio::select! {
        outcome = serving.into_future() => outcome,
        () = async { told(stopping).await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("requests that did not end in time are cut off");
            Ok(())
        }
    };
    if tokio::time::timeout(CLOSE, app.database.close()).await.is_err() {
        tracing::warn!("connections to the database did not close in time");
    }
    tracing::info!("stopped");
    Ok(outcome?)
}
