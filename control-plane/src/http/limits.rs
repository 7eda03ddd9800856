//! How often the API and people's pages may be asked, by address, by whoever is signed in, and in each tenant.
//!
//! Whoever is not signed in is counted by the address that the edge tells; whoever is, by who they are, and with everybody
//! else of the tenant that the path names, if they belong there: a stranger uses up nobody's share. What comes from this
//! machine, past the edge or through it, is counted by no address: it is the operator's own commands, or a proxy that
//! stands for everybody.
//!
//! Answers tell how it stands in the fields of `draft-ietf-httpapi-ratelimit-headers-10`: `RateLimit-Policy` with quota
//! and window, `RateLimit` with what remains and the seconds until all of it is there again. The counts are this
//! process's own; while one api takes over from another, both count.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{OriginalUri, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::caller::{bearer, origin};
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

/// The counts of one kind of caller.
#[derive(Debug)]
struct Class<K: Clone + Hash + Eq> {
    name: &'static str,
    quota: NonZeroU32,
    counts: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>,
}

/// The counts of API keys, by how many requests each may send: its maker may have said fewer than others have.
#[derive(Debug, Default)]
struct Keys(Mutex<HashMap<NonZeroU32, Class<Uuid>>>);

impl Keys {
    fn count(&self, key: Uuid, per_minute: NonZeroU32) -> Standing {
        let mut classes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        classes.entry(per_minute).or_insert_with(|| Class::new("key", per_minute.get())).count(&key)
    }

    fn tidy(&self) {
        let mut classes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        classes.values().for_each(Class::tidy);
        classes.retain(|_, class| !class.counts.is_empty());
    }
}

/// An IPv4 address, or the /64 that a whole IPv6 network has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Network(u64, bool);

/// How one count stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    name: &'static str,
    quota: u32,
    remaining: u32,
    /// How long to wait, if it is used up.
    wait: Option<Duration>,
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

impl<K: Clone + Hash + Eq> Class<K> {
    fn new(name: &'static str, per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let counts = RateLimiter::keyed(Quota::per_minute(quota)).with_middleware();
        Self { name, quota, counts }
    }

    fn count(&self, key: &K) -> Standing {
        let quota = self.quota.get();
        match self.counts.check_key(key) {
            Ok(state) => {
                Standing { name: self.name, quota, remaining: state.remaining_burst_capacity(), wait: None }
            }
            Err(not_yet) => {
                let wait = not_yet.wait_time_from(self.counts.clock().now());
                Standing { name: self.name, quota, remaining: 0, wait: Some(wait) }
            }
        }
    }

    fn tidy(&self) {
        self.counts.retain_recent();
        self.counts.shrink_to_fit();
    }
}

impl Network {
    fn of(address: &str) -> Option<Self> {
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        (!address.is_loopback()).then_some(match address {
            IpAddr::V4(address) => Self(u64::from(address.to_bits()), true),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64, false),
        })
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

/// Counts a request whose token was not recognised, as one of nobody's.
///
/// # Errors
/// 429 when the count of its address is used up.
pub(super) fn count_stranger(limits: &Limits, parts: &axum::http::request::Parts) -> Result<(), TooMany> {
    match Network::of(&origin(&parts.headers).address) {
        Some(network) => note(parts.extensions.get::<Counted>(), limits.address.count(&network)),
        None => Ok(()),
    }
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

/// Counts what asks for the API by its address, unless a token says who it is, and tells with every answer how the
/// counts stand that it was counted by.
pub(super) async fn limit(state: &AppState, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let page = pages::of_people(method, path);
    let sign_in = match page {
        Some(sign_in) => sign_in,
        None if path.starts_with("/api/v1/") => is_sign_in(method, path),
        None if oauth::is_for_browsers(path) => false,
        None => return next.run(request).await,
    };
    let counted = Counted::default();
    let class = if sign_in {
        Some(&state.limits.sign_in)
    } else if bearer(request.headers()).is_none() && !is_signed(request.headers()) {
        Some(&state.limits.address)
    } else {
        None
    };
    let first = class
        .and_then(|class| Some((class, Network::of(&origin(request.headers()).address)?)))
        .map_or(Ok(()), |(class, network)| note(Some(&counted), class.count(&network)));
    let mut response = match first {
        Ok(()) => {
            request.extensions_mut().insert(counted.clone());
            signed::check(request, next).await
        }
        Err(too_many) if page.is_some() => Trouble::from(Problem::from(too_many)).into_response(),
        Err(too_many) => Problem::from(too_many).into_response(),
    };
    let standings = counted.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    tell(&standings, &mut response);
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
    fn a_quota_is_there_at_once_and_comes_back_by_and_by() {
        let class = Class::new("address", 3);
        let network = |text| Network::of(text).expect("an address");
        let first: Vec<u32> = (0..3).map(|_| class.count(&network("192.0.2.7")).remaining).collect();
        assert_eq!(first, [2, 1, 0]);
        let refused = class.count(&network("192.0.2.7"));
        let wait = refused.wait.expect("a refusal");
        assert!(wait > Duration::from_secs(15) && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(class.count(&network("192.0.2.8")).wait, None, "another is not held up");
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let same = |one: &str, other: &str| Network::of(one) == Network::of(other);
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.7", "192.0.2.7"));
        assert!(!same("192.0.2.7", "192.0.2.8"));
        for here in ["local", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(Network::of(here), None, "{here}");
        }
    }

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
