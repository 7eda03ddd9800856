//! What holds for every request: which host names are ours, and the headers that every answer carries.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::error::Problem;
use crate::model::hostname::HostName;

/// The name under which tenants' apps reach the platform by its back door. It leads to public keys alone.
const BACK_DOOR: &str = "platform.internal";
/// What an answer may do in a browser unless it says otherwise: nothing.
const CLOSED: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Answers 421 to what was not meant for this server, so that no tenant's host name ever shows the platform.
pub(super) async fn host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let settings = state.app.settings();
    let ours = match host_of(&request) {
        _ if matches!(path, "/healthz" | "/readyz") => true,
        Some(host) if host.as_str() == BACK_DOOR => path == "/.well-known/jwks.json",
        Some(host) => host == settings.domain || host.as_str() == settings.admin_host(),
        None => false,
    };
    if ours {
        next.run(request).await
    } else {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "Not a host name of the platform")
            .into_response()
    }
}

/// The host name that a request is for.
pub(super) fn host_of(request: &Request) -> Option<HostName> {
    let value = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(header::HOST)?.to_str().ok()?,
    };
    HostName::from_header(value).ok()
}

/// Security headers; those that a page has set for itself are kept.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let always: [(HeaderName, &'static str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CLOSED));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
