//! The HTTP face of Freehold: `/api/v1`, health, metrics and the platform's own pages, for the apex and `admin.`.
//!
//! Handlers are dropped when a client goes away, so whatever changes something runs in a task of its own
//! ([`detached`]): a change is then made whole or not at all, whether or not anybody still listens.

pub mod caller;
mod cors;
mod counts;
pub mod error;
pub mod extract;
mod guard;
mod health;
mod limits;
mod metrics;
mod oauth;
mod openapi;
pub(crate) mod pages;
mod serve;
mod signed;
pub mod v1;

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

pub use serve::serve;

use crate::app::{self, App};
use crate::config::LimitsConfig;
use cors::Hosts;
use error::Problem;
use limits::Limits;
use metrics::{Measured, Metrics};

/// What every handler can reach; one pointer, because it is copied several times for each request.
#[derive(Clone)]
pub struct AppState(Arc<Reached>);

pub struct Reached {
    pub app: Arc<App>,
    /// Cancelled when the process is about to end, so that streams without an end let go.
    pub closing: CancellationToken,
    /// How people reach us.
    public_url: String,
    limits: Arc<Limits>,
    hosts: Hosts,
    metrics: Metrics,
    _tidy: AbortOnDropHandle<()>,
}

impl Deref for AppState {
    type Target = Reached;

    fn deref(&self) -> &Reached {
        &self.0
    }
}

impl AppState {
    /// Must be called inside a runtime.
    #[must_use]
    pub fn new(app: Arc<App>, limits: &LimitsConfig, closing: CancellationToken) -> Self {
        let limits = Arc::new(Limits::new(limits));
        let settings = app.settings();
        Self(Arc::new(Reached {
            public_url: settings.url_of(settings.domain.as_str()),
            closing,
            _tidy: limits.tidied(),
            limits,
            hosts: Hosts::default(),
            metrics: Metrics::default(),
            app,
        }))
    }
}

/// Everything that is served on the platform's own host names.
pub fn router(state: AppState) -> Router {
    let (api, document) = openapi::router(&state).split_for_parts();
    Router::new()
        .merge(api)
        .merge(openapi::pages(document))
        .merge(pages::router(&state))
        .merge(oauth::router())
        .route("/.well-known/jwks.json", get(v1::admin::keys))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .fallback(async || Problem::not_found("nothing has this address"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), pass))
        .with_state(state)
}

/// What every request passes through, from the outside in: measured, given its headers, for one of our host names,
/// from a page that may ask, and not too often. It is one layer, because axum copies for each whatever is below it,
/// with every request.
async fn pass(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let measured = Measured::begin(&request);
    let mut response = if guard::is_ours(&state, &request) {
        // Also what is refused for being too much is read by the page that asked.
        cors::allow(&state, request, next).await
    } else {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "Not a host name of the platform")
            .into_response()
    };
    guard::secure(response.headers_mut(), &state.public_url);
    measured.end(&state.metrics, &response);
    response
}

fn panicked(what: Box<dyn std::any::Any + Send>) -> Response {
    let what = what
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| what.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = %what, "a handler panicked");
    Problem::internal().into_response()
}

/// Runs a change to its end, also when the client goes away meanwhile.
///
/// # Errors
/// What the change answers; a panic in it is a mistake of ours.
pub(crate) async fn detached<T, F>(change: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<T, app::Error>> + Send + 'static,
{
    run(change).await.map_err(Problem::from)
}

/// The same, with the error as the use case gave it.
async fn run<T, E, F>(change: F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<app::Error> + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let task = tokio::spawn(change.instrument(tracing::Span::current()));
    task.await.unwrap_or_else(|error| Err(app::Error::internal(error).into()))
}

/// The entity tag of a generation.
pub(crate) fn etag(generation: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{generation}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}
