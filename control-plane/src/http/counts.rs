//! Counts of those who ask, of each kind apart: a quota is there at once, and comes back by and by.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use super::caller::origin;

/// The counts of one kind of caller.
#[derive(Debug)]
pub(super) struct Class<K: Clone + Hash + Eq> {
    name: &'static str,
    quota: NonZeroU32,
    counts: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>,
}

/// The counts of API keys, by how many requests each may send: its maker may have said fewer than others have.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<HashMap<NonZeroU32, Class<Uuid>>>);

impl Keys {
    pub(super) fn count(&self, key: Uuid, per_minute: NonZeroU32) -> Standing {
        let mut classes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        classes.entry(per_minute).or_insert_with(|| Class::new("key", per_minute.get())).count(&key)
    }

    pub(super) fn tidy(&self) {
        let mut classes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        classes.values().for_each(Class::tidy);
        classes.retain(|_, class| !class.counts.is_empty());
    }
}

/// An IPv4 address, or the /64 that a whole IPv6 network has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Network(u64, bool);

/// How one count stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) name: &'static str,
    pub(super) quota: u32,
    pub(super) remaining: u32,
    /// How long to wait, if it is used up.
    pub(super) wait: Option<Duration>,
}

impl<K: Clone + Hash + Eq> Class<K> {
    pub(super) fn new(name: &'static str, per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let counts = RateLimiter::keyed(Quota::per_minute(quota)).with_middleware();
        Self { name, quota, counts }
    }

    pub(super) fn count(&self, key: &K) -> Standing {
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

    pub(super) fn tidy(&self) {
        self.counts.retain_recent();
        self.counts.shrink_to_fit();
    }
}

impl Network {
    pub(super) fn of_sender(headers: &HeaderMap) -> Option<Self> {
        Self::of(&origin(headers).address)
    }

    pub(super) fn of(address: &str) -> Option<Self> {
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        (!address.is_loopback()).then_some(match address {
            IpAddr::V4(address) => Self(u64::from(address.to_bits()), true),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64, false),
        })
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
}
