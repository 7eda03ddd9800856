//! What holds for every request: which host names are ours, and the headers that every answer carries.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{AppState, oauth};
use crate::model::hostname::HostName;

/// The name under which tenants' apps reach the platform by its back door. It leads to public keys and to what apps ask
/// by themselves when they sign people in.
pub(super) const BACK_DOOR: &str = "platform.internal";
/// What an answer may do in a browser unless it says otherwise: nothing.
const CLOSED: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What a page may use of the machine it is shown on.
const NOTHING: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
                       microphone=(), midi=(), payment=(), usb=()";
/// Two years, for every host below, as browsers want it who keep a list.
const TLS_ONLY: &str = "max-age=63072000; includeSubDomains";

/// Whether a request was meant for this server. What was not is answered 421, so that no tenant's host name ever shows
/// the platform.
pub(super) fn is_ours(state: &AppState, request: &Request) -> bool {
    let path = request.uri().path();
    let settings = state.app.settings();
    match host_of(request) {
        _ if matches!(path, "/healthz" | "/readyz") => true,
        Some(host) if host.as_str() == BACK_DOOR => {
            path == "/.well-known/jwks.json" || oauth::is_for_apps(path)
        }
        // People are signed in at the apex alone: their cookie is its own.
        Some(host) if oauth::is_ours(path) => host == settings.domain,
        Some(host) => host == settings.domain || host.as_str() == settings.admin_host(),
        None => false,
    }
}

/// Whether a request came by the back door.
pub(super) fn is_back_door(request: &Request) -> bool {
    host_of(request).is_some_and(|host| host.as_str() == BACK_DOOR)
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
pub(super) fn secure(headers: &mut HeaderMap, public_url: &str) {
    let always: [(HeaderName, &'static str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), NOTHING),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CLOSED));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if public_url.starts_with("https://") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ONLY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_by_tls_shall_come_by_nothing_else() {
        for (url, promised) in [("https://freehold.example", true), ("http://freehold.example", false)] {
            let mut headers = HeaderMap::new();
            secure(&mut headers, url);
            assert_eq!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY), promised, "{url}");
            assert!(headers["permissions-policy"].to_str().expect("text").contains("camera=()"));
        }
    }
}
