//! How many requests wait, and how much one visitor may wake: bounded, so that no one takes all.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::GatewaySettings;
use crate::model::ids::TenantId;

const MINUTE: Duration = Duration::from_secs(60);
/// Visitors that wakes are remembered of. Past it the oldest minutes are forgotten first.
const REMEMBERED: usize = 65_536;

/// Who asks, as far as bounds go: an address, or the network that one IPv6 customer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Visitor(IpAddr);

impl From<IpAddr> for Visitor {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
            v4 => v4,
        })
    }
}

#[derive(Debug, Default)]
struct Waiting {
    all: u32,
    visitors: HashMap<Visitor, u32>,
    tenants: HashMap<TenantId, u32>,
}

#[derive(Debug)]
struct Woken {
    since: Instant,
    times: u32,
}

/// The bounds and what is used of them.
#[derive(Debug)]
pub(super) struct Holds {
    settings: GatewaySettings,
    waiting: Mutex<Waiting>,
    woken: Mutex<HashMap<Visitor, Woken>>,
}

/// One request's right to wait, given back when dropped.
#[derive(Debug)]
pub(super) struct Hold {
    holds: Arc<Holds>,
    visitor: Visitor,
    tenant: TenantId,
}

impl Holds {
    pub(super) fn new(settings: GatewaySettings) -> Self {
        Self { settings, waiting: Mutex::default(), woken: Mutex::default() }
    }

    /// The right to wait, unless this visitor, this tenant or all together wait too much already.
    pub(super) fn take(self: &Arc<Self>, visitor: Visitor, tenant: TenantId) -> Option<Hold> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |used: Option<&u32>| used.copied().unwrap_or(0);
        if waiting.all >= self.settings.holds
            || of(waiting.visitors.get(&visitor)) >= self.settings.holds_per_address
            || of(waiting.tenants.get(&tenant)) >= self.settings.holds_per_tenant
        {
            return None;
        }
        waiting.all += 1;
        *waiting.visitors.entry(visitor).or_default() += 1;
        *waiting.tenants.entry(tenant).or_default() += 1;
        Some(Hold { holds: Arc::clone(self), visitor, tenant })
    }

    /// Whether this visitor may wake one more tenant now; counted if so.
    pub(super) fn may_wake(&self, visitor: Visitor) -> bool {
        self.may_wake_at(visitor, Instant::now())
    }

    fn may_wake_at(&self, visitor: Visitor, now: Instant) -> bool {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if woken.len() >= REMEMBERED && !woken.contains_key(&visitor) {
            woken.retain(|_, woken| now.duration_since(woken.since) < MINUTE);
            if woken.len() >= REMEMBERED {
                return false;
            }
        }
        let entry = woken.entry(visitor).or_insert(Woken { since: now, times: 0 });
        if now.duration_since(entry.since) >= MINUTE {
            *entry = Woken { since: now, times: 0 };
        }
        let may = entry.times < self.settings.wakes_per_minute;
        entry.times += u32::from(may);
        may
    }

    fn give_back(&self, visitor: Visitor, tenant: TenantId) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all = waiting.all.saturating_sub(1);
        one_less(&mut waiting.visitors, &visitor);
        one_less(&mut waiting.tenants, &tenant);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.give_back(self.visitor, self.tenant);
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(per_address: u32, per_tenant: u32, all: u32) -> Arc<Holds> {
        Arc::new(Holds::new(GatewaySettings {
            holds_per_address: per_address,
            holds_per_tenant: per_tenant,
            holds: all,
            wakes_per_minute: 2,
            ..GatewaySettings::default()
        }))
    }

    fn visitor(address: &str) -> Visitor {
        Visitor::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn each_bound_is_kept_and_given_back() {
        let (one, two) = (TenantId::random(), TenantId::random());
        let holds = holds(2, 3, 4);
        let first = [holds.take(visitor("10.0.0.1"), one), holds.take(visitor("10.0.0.1"), two)];
        assert!(first.iter().all(Option::is_some));
        assert!(holds.take(visitor("10.0.0.1"), two).is_none(), "one visitor's bound");
        let second = [holds.take(visitor("10.0.0.2"), one), holds.take(visitor("10.0.0.2"), one)];
        assert!(second.iter().all(Option::is_some));
        assert!(holds.take(visitor("10.0.0.3"), two).is_none(), "the bound of all");
        drop(first);
        let third = holds.take(visitor("10.0.0.3"), one);
        assert!(third.is_some());
        assert!(holds.take(visitor("10.0.0.4"), one).is_none(), "one tenant's bound");
        drop((second, third));
        let waiting = holds.waiting.lock().unwrap();
        assert!(waiting.all == 0 && waiting.visitors.is_empty() && waiting.tenants.is_empty());
    }

    #[test]
    fn a_visitor_wakes_so_many_tenants_in_a_minute() {
        let holds = holds(1, 1, 1);
        let now = Instant::now();
        let woken = (0..4).filter(|_| holds.may_wake_at(visitor("2001:db8::1"), now)).count();
        assert_eq!(woken, 2);
        assert!(!holds.may_wake_at(visitor("2001:db8::2"), now), "another address of the same customer");
        assert!(holds.may_wake_at(visitor("2001:db8:0:1::1"), now));
        assert!(holds.may_wake_at(visitor("2001:db8::1"), now + MINUTE));
    }
}
