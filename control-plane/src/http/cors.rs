//! Which pages of other hosts may call the API from a browser: those of tenants, each for itself.
//!
//! A page on a tenant's own host may call what names no tenant, and what names its own. Nobody else is allowed anything,
//! nobody is allowed everything, and no cookie is ever asked for: callers show a token that they hold.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::limits::{self, tenant_of};
use crate::app::cors::HostOfTenant;
use crate::model::hostname::HostName;

/// How long it is believed whose a host name is.
const BELIEVED: Duration = Duration::from_secs(60);
/// Host names that are remembered; when there are more, all are asked for again.
const REMEMBERED: usize = 4_096;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS: &str = "authorization, content-type, if-match, idempotency-key, last-event-id";
const ANSWER_HEADERS: &str = "etag, location, retry-after, ratelimit, ratelimit-policy, x-request-id";
/// How long a browser need not ask again.
const MAX_AGE: &str = "600";

/// Whose host names are, as it was a moment ago.
#[derive(Debug, Default)]
pub struct Hosts(Mutex<HashMap<HostName, (Instant, Option<HostOfTenant>)>>);

impl Hosts {
    fn known(&self, host: &HostName) -> Option<Option<HostOfTenant>> {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, tenant)| tenant.clone())
    }

    fn remember(&self, host: HostName, tenant: Option<HostOfTenant>) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= REMEMBERED {
            hosts.clear();
        }
        hosts.insert(host, (Instant::now(), tenant));
    }
}

/// Answers what browsers ask before they let a page of another host call, and allows such a page to read the answer.
pub(super) async fn allow(state: &AppState, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let Some(origin) =
        request.headers().get(header::ORIGIN).filter(|_| path.starts_with("/api/v1/")).cloned()
    else {
        return limits::limit(state, request, next).await;
    };
    let allowed = is_allowed(state, &origin, tenant_of(path)).await;
    let asks_before = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (asks_before, allowed) {
        (true, true) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
            response
        }
        // Whoever is not allowed is told nothing that would allow it; what was asked is answered as ever.
        _ => limits::limit(state, request, next).await,
    };
    tell(response.headers_mut(), allowed.then_some(origin));
    response
}

fn tell(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
    }
}

/// Whether this origin is a tenant's host, and the one of the tenant that is asked about.
async fn is_allowed(state: &AppState, origin: &HeaderValue, tenant: Option<&str>) -> bool {
    let Some(host) = origin.to_str().ok().and_then(|origin| host_of(state, origin)) else { return false };
    let known = match state.hosts.known(&host) {
        Some(known) => known,
        None => match state.app.tenant_of_host(&host).await {
            Ok(found) => {
                state.hosts.remember(host, found.clone());
                found
            }
            Err(_) => return false,
        },
    };
    known.is_some_and(|known| {
        tenant.is_none_or(|tenant| known.slug.as_str() == tenant || known.tenant.to_string() == tenant)
    })
}

/// The host of an origin under the tenants' domain, with the scheme and port that people reach us by.
fn host_of(state: &AppState, origin: &str) -> Option<HostName> {
    let settings = state.app.settings();
    let (_, rest) = origin.split_once("://")?;
    let host = HostName::from_header(rest).ok()?;
    let below = host.as_str().strip_suffix(settings.tenants_domain.as_str())?.strip_suffix('.')?;
    // To the letter: an origin has one spelling.
    (!below.is_empty() && settings.url_of(host.as_str()) == origin).then_some(host)
}
