//! What every request passes through, in this order: it is written down, given security headers and (for
//! people) a page in place of a problem; it must be for this tenant, and the app must be ready. Whose it is
//! comes after that, in [`super::who`].

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::problem::{Error, Problem};
use super::state::Shared;
use super::who::Known;

/// The path the platform asks; it names no tenant and needs none.
pub const HEALTH: &str = "/healthz";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Writes one line per request, without query and headers: they may hold what is not for a log.
pub async fn written_down(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let id = request_id(request.headers());
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if path == HEALTH && status == 200 {
        tracing::debug!(%method, path, status, milliseconds, request = id, "answered");
    } else {
        tracing::info!(%method, path, status, milliseconds, request = id, "answered");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The edge's id of this request, or one of our own.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok());
    let fits = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    given.filter(fits).map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
}

/// Headers that tell browsers to be careful, on every answer.
pub async fn careful(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // Browsers hold a form's whole way to `form-action`, and signing out leads over the platform.
    let platform = app.guests.as_ref().map_or("", |guests| guests.settings.issuer_origin.as_str());
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {platform}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert("content-security-policy", policy);
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not `no-referrer`: forms would then come without an origin that can be checked.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if app.tenant.public_url.starts_with("https://") {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Shows people a page where programs get a problem.
pub async fn faces(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_program = path == HEALTH || path == "/api" || path.starts_with("/api/");
    let takes_pages = request
        .headers()
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let response = next.run(request).await;
    if is_program || !takes_pages {
        return response;
    }
    let Some(problem) = response.extensions().get::<Problem>() else { return response };
    if response.status() == StatusCode::MISDIRECTED_REQUEST {
        // Who asked for another tenant learns nothing of this one, its name included.
        return response;
    }
    let person = response.extensions().get::<Known>().map(|known| known.person.as_ref());
    match app.templates.problem(problem, person) {
        Ok(page) => {
            let mut page = (response.status(), page).into_response();
            for (name, value) in response.headers() {
                page.headers_mut().entry(name).or_insert(value.clone());
            }
            page
        }
        Err(error) => {
            tracing::error!(%error, "the problem's page could not be made");
            response
        }
    }
}

/// Tenant and readiness, for all but the health check.
pub async fn for_this_tenant(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    if request.uri().path() == HEALTH {
        return Ok(next.run(request).await);
    }
    app.tenant.names.check(request.headers()).map_err(|_| Error::Misdirected)?;
    app.database.gate().await?;
    Ok(next.run(request).await)
}
