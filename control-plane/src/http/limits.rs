//! How often the API and people's pages may be asked, by address, by whoever is signed in, and in each tenant.
//!
//! Whoever is not signed in is counted by the address that the edge tells; whoever is, by who they are, and with everybody
//! else of the tenant that the path names, if they belong there: a stranger uses up nobody's share. Whoever says that they
//! are signed in and is not is a stranger, once that is known. What comes from this machine, past the edge or through it,
//! is counted by no address: it is the operator's own commands, or a proxy that stands for everybody.
//!
//! Answers tell how it stands in the fields of `draft-ietf-httpapi-ratelimit-headers-10`: `RateLimit-Policy` with quota
//! and window, `RateLimit` with what remains and the seconds until all of it is there again. The counts are this
//! process's own; while one api takes over from another, both count.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{OriginalUri, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::caller::bearer;
use super::counts::{Class, Keys, Network, Standing};
use super::error::Problem;
use super::pages::answer::Trouble;
use super::signed::{self, is_signed};
use super::{AppState, oauth, pages};
use crate::app::caller::Membership;
use crate::app::{Caller, Who};
use crate::config::LimitsConfig;
use crate::model::ids::TenantId;

/// Every quota is for a minute.
const WINDOW: Duration = Duration::from_secs(60);
/// How often somebody may have a provider asked, in a minute: each time we go wherever they say.
const CHECKS: u32 = 10;
/// How often counts are forgotten that nothing remains of.
const TIDY: Duration = Duration::from_secs(60);

/// All counts.
#[derive(Debug)]
pub struct Limits {
    sign_in: Class<Network>,
    address: Class<Network>,
    user: Class<Uuid>,
    tenant: Class<String>,
    keys: Keys,
    client: Class<Uuid>,
    check: Class<Uuid>,
}

/// A count that is used up, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany {
    name: &'static str,
    wait: Duration,
}

/// How the counts stand that a request was counted by; carried by the request to wherever it is known who sent it.
#[derive(Debug, Clone, Default)]
struct Counted(Arc<Mutex<Vec<Standing>>>);

impl Counted {
    fn standings(&self) -> Vec<Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Limits {
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        Self {
            sign_in: Class::new("sign-in", config.sign_in_per_minute),
            address: Class::new("address", config.address_per_minute),
            user: Class::new("user", config.user_per_minute),
            tenant: Class::new("tenant", config.tenant_per_minute),
            keys: Keys::default(),
            client: Class::new("client", config.client_per_minute),
            check: Class::new("check", CHECKS),
        }
    }

    /// Forgets now and then what has no meaning any more, so that however many come, only those of the last minute are
    /// known. Must be called inside a runtime.
    pub(super) fn tidied(self: &Arc<Self>) -> AbortOnDropHandle<()> {
        let limits = Arc::downgrade(self);
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(TIDY).await;
                let Some(limits) = limits.upgrade() else { return };
                limits.sign_in.tidy();
                limits.address.tidy();
                limits.user.tidy();
                limits.tenant.tidy();
                limits.keys.tidy();
                limits.client.tidy();
                limits.check.tidy();
            }
        }))
    }
}

/// Counts a request whose sender was recognised, by who they are and by the tenant that its path names.
///
/// # Errors
/// 429 when one of the counts is used up.
pub(super) fn count_caller(
    limits: &Limits,
    parts: &axum::http::request::Parts,
    caller: &Caller,
) -> Result<(), TooMany> {
    let counted = parts.extensions.get::<Counted>();
    // The router takes off what leads to it.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let tenant = tenant_of(uri.path());
    let theirs = |memberships: &[Membership]| {
        let named = |one: &&Membership| {
            tenant.is_some_and(|tenant| one.slug.as_str() == tenant || one.tenant.to_string() == tenant)
        };
        memberships.iter().find(named).map(|one| one.slug.to_string())
    };
    let (own, tenant) = match &caller.who {
        Who::Nobody => return Ok(()),
        Who::Admin { id, .. } => (limits.user.count(&id.0), tenant.map(str::to_owned)),
        Who::User(user) => (limits.user.count(&user.user.0), theirs(&user.memberships)),
        Who::Key(key) => (limits.keys.count(key.id.0, key.per_minute), theirs(&key.memberships)),
    };
    note(counted, own)?;
    tenant.map_or(Ok(()), |tenant| note(counted, limits.tenant.count(&tenant)))
}

/// Counts what a tenant's app asks by itself, by which app it is.
///
/// # Errors
/// 429 when its count is used up.
pub(super) fn count_client(limits: &Limits, client: TenantId) -> Result<(), TooMany> {
    note(None, limits.client.count(&client.0))
}

/// Counts that somebody has a provider asked.
///
/// # Errors
/// 429 when their count is used up.
pub(super) fn count_check(limits: &Limits, caller: &Caller) -> Result<(), TooMany> {
    match &caller.who {
        Who::Admin { id, .. } => note(None, limits.check.count(&id.0)),
        Who::User(user) => note(None, limits.check.count(&user.user.0)),
        Who::Nobody | Who::Key(_) => Ok(()),
    }
}

/// Counts a request as nobody's.
///
/// # Errors
/// 429 when the count of its address is used up.
pub(super) fn count_stranger(limits: &Limits, parts: &axum::http::request::Parts) -> Result<(), TooMany> {
    count_network(&limits.address, Network::of_sender(&parts.headers), parts.extensions.get::<Counted>())
}

fn count_network(
    class: &Class<Network>,
    network: Option<Network>,
    counted: Option<&Counted>,
) -> Result<(), TooMany> {
    network.map_or(Ok(()), |network| note(counted, class.count(&network)))
}

fn note(counted: Option<&Counted>, standing: Standing) -> Result<(), TooMany> {
    if let Some(Counted(list)) = counted {
        list.lock().unwrap_or_else(PoisonError::into_inner).push(standing);
    }
    match standing.wait {
        None => Ok(()),
        Some(wait) => Err(TooMany { name: standing.name, wait }),
    }
}

impl From<TooMany> for Problem {
    fn from(TooMany { name, wait }: TooMany) -> Self {
        let seconds = whole_seconds(wait).max(1);
        let whose = match name {
            "key" => "with this key",
            "user" | "check" => "from you",
            "tenant" => "for this tenant",
            "client" => "from this client",
            _ => "from your address",
        };
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests")
            .detail(format!("too many requests {whose}; try again in {seconds} seconds"))
            .header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The tenant that a path names.
pub(super) fn tenant_of(path: &str) -> Option<&str> {
    path.strip_prefix("/api/v1/tenants/")?.split('/').next().filter(|tenant| !tenant.is_empty())
}

/// Whether it is here that passwords, and tokens out of mails, could be guessed, or mails be sent to others. Refreshing
/// a session is none of it: a whole office may do so from one address.
fn is_sign_in(method: &Method, path: &str) -> bool {
    let Some(path) = path.strip_prefix("/api/v1/") else { return false };
    method == Method::POST
        && match path {
            "auth/refresh" | "auth/logout" => false,
            "admin/sessions" | "invitations/preview" | "invitations/accept" | "signups" => true,
            _ => path.starts_with("auth/") || path.starts_with("tenants/") && path.ends_with("/signups"),
        }
}

/// Where a token or a signature says who it is, and whoever is known by it is counted so. Everywhere else they mean
/// nothing, and refreshing a session takes neither.
fn knows_callers(path: &str) -> bool {
    path.strip_prefix("/api/v1/").is_some_and(|path| path != "auth/refresh")
}

/// Counts what asks for the API, or for a page, by its address, unless it turns out who it is, and tells with every answer
/// how the counts stand that it was counted by.
pub(super) async fn limit(state: &AppState, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let page = pages::of_people(method, path);
    let sign_in = match page {
        Some(sign_in) => sign_in,
        None if path.starts_with("/api/v1/") => is_sign_in(method, path),
        None if oauth::is_for_browsers(path) => false,
        None => return next.run(request).await,
    };
    let is_seen = page.is_some() || oauth::is_for_browsers(path);
    let says_who =
        knows_callers(path) && (bearer(request.headers()).is_some() || is_signed(request.headers()));
    let (limits, network) = (&state.limits, Network::of_sender(request.headers()));
    let counted = Counted::default();
    let first = match (sign_in, says_who) {
        (true, _) => count_network(&limits.sign_in, network, Some(&counted)),
        (false, false) => count_network(&limits.address, network, Some(&counted)),
        (false, true) => Ok(()),
    };
    let answered = match first {
        Ok(()) => {
            request.extensions_mut().insert(counted.clone());
            let response = signed::check(request, next).await;
            // Nobody was known by what they sent: it was wrong, or nothing is there that would have looked at it.
            let last = match counted.standings().is_empty() {
                true => count_network(&limits.address, network, Some(&counted)),
                false => Ok(()),
            };
            last.map(|()| response)
        }
        Err(too_many) => Err(too_many),
    };
    let mut response = answered.unwrap_or_else(|too_many| match is_seen {
        true => Trouble::from(Problem::from(too_many)).into_response(),
        false => Problem::from(too_many).into_response(),
    });
    tell(&counted.standings(), &mut response);
    response
}

fn tell(standings: &[Standing], response: &mut Response) {
    if standings.is_empty() {
        return;
    }
    let list = |one: &dyn Fn(&Standing) -> String| standings.iter().map(one).collect::<Vec<_>>().join(", ");
    let policy = list(&|one| format!("\"{}\";q={};w={}", one.name, one.quota, WINDOW.as_secs()));
    let limit = list(&|one| {
        let used = f64::from(one.quota.saturating_sub(one.remaining)) / f64::from(one.quota);
        let until_full = whole_seconds(WINDOW.mul_f64(used.clamp(0.0, 1.0)));
        format!("\"{}\";r={};t={until_full}", one.name, one.remaining)
    });
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", limit)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_something_could_be_guessed_is_counted_apart() {
        for path in [
            "auth/login",
            "auth/forgot-password",
            "auth/register",
            "admin/sessions",
            "invitations/accept",
            "tenants/acme/signups",
            "signups",
        ] {
            assert!(is_sign_in(&Method::POST, &format!("/api/v1/{path}")), "{path}");
        }
        for path in ["auth/refresh", "auth/logout", "tenants", "tenants/acme", "me"] {
            assert!(!is_sign_in(&Method::POST, &format!("/api/v1/{path}")), "{path}");
        }
        assert!(!is_sign_in(&Method::GET, "/api/v1/tenants/acme/signups"));
        assert_eq!(tenant_of("/api/v1/tenants/acme/audit"), Some("acme"));
        assert_eq!((tenant_of("/api/v1/tenants"), tenant_of("/api/v1/tenants/")), (None, None));
    }

    #[test]
    fn answers_tell_how_it_stands() {
        let mut response = Response::default();
        let one = Standing { name: "user", quota: 1200, remaining: 1140, wait: None };
        let other =
            Standing { name: "tenant", quota: 6000, remaining: 0, wait: Some(Duration::from_millis(9)) };
        tell(&[one, other], &mut response);
        assert_eq!(response.headers()["ratelimit-policy"], "\"user\";q=1200;w=60, \"tenant\";q=6000;w=60");
        assert_eq!(response.headers()["ratelimit"], "\"user\";r=1140;t=3, \"tenant\";r=0;t=60");
        let refused = TooMany { name: "user", wait: Duration::from_millis(9) };
        let refused = Problem::from(refused).into_response();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (429, &HeaderValue::from(1))
        );
    }
}
