//! What is remembered of providers: of the platform's apart from tenants', and of each tenant's no more than it may have,
//! so that whoever names one issuer after the other makes us forget none but their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

use super::discovery::Discovery;
use super::jwks::KeySet;
use super::kept::Kept;
use super::settings::Pace;
use crate::model::ids::TenantId;
use crate::model::provider::{IssuerUrl, Trust};

/// The platform's providers that are remembered.
const PLATFORMS: usize = 256;
/// Tenants' providers that are remembered; each takes about 64 KiB at the most, whatever it says.
const TENANTS: usize = 1_024;
/// Those of one tenant: as many as it may have.
const OF_ONE: usize = 10;
/// Codes of one provider that are redeemed at a time.
const CODES: usize = 8;
/// The same of a tenant's: fewer than its questions that are on their way at a time, for its other providers.
const CODES_OF_TENANTS: usize = 4;

/// One provider, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) discovery: Arc<Kept<Discovery>>,
    pub(super) keys: Arc<Kept<KeySet>>,
    /// Places for codes that are redeemed.
    pub(super) codes: Arc<Semaphore>,
    used: Instant,
}

impl Known {
    fn new(pace: Pace, codes: usize) -> Self {
        Self {
            discovery: Kept::new(pace),
            keys: Kept::new(pace),
            codes: Arc::new(Semaphore::new(codes)),
            used: Instant::now(),
        }
    }
}

/// The providers that are remembered. One that several name is another for each.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    platforms: HashMap<String, Known>,
    tenants: HashMap<(TenantId, String), Known>,
}

impl Shelf {
    /// What is known of a provider, if anything is.
    pub(super) fn find(&self, issuer: &IssuerUrl, trust: Trust) -> Option<Known> {
        let issuer = issuer.as_str();
        match trust {
            Trust::Platform => self.platforms.get(issuer).cloned(),
            Trust::Tenant(tenant) => self.tenants.get(&(tenant, issuer.to_owned())).cloned(),
        }
    }

    /// What is known of a provider, from now on.
    pub(super) fn known(&mut self, issuer: &IssuerUrl, trust: Trust, pace: Pace) -> Known {
        let issuer = issuer.as_str().to_owned();
        let one = match trust {
            Trust::Platform => {
                if !self.platforms.contains_key(&issuer) {
                    make_room(&mut self.platforms, PLATFORMS, |_| true);
                }
                self.platforms.entry(issuer).or_insert_with(|| Known::new(pace, CODES))
            }
            Trust::Tenant(tenant) => {
                let name = (tenant, issuer);
                if !self.tenants.contains_key(&name) {
                    make_room(&mut self.tenants, OF_ONE, |(other, _)| *other == tenant);
                    make_room(&mut self.tenants, TENANTS, |_| true);
                }
                self.tenants.entry(name).or_insert_with(|| Known::new(pace, CODES_OF_TENANTS))
            }
        };
        one.used = Instant::now();
        one.clone()
    }
}

/// Forgets the one of these that was not asked for the longest, if there are as many already.
fn make_room<N: Clone + Eq + std::hash::Hash>(
    all: &mut HashMap<N, Known>,
    most: usize,
    of_these: impl Fn(&N) -> bool,
) {
    if all.keys().filter(|name| of_these(name)).count() < most {
        return;
    }
    let these = all.iter().filter(|(name, _)| of_these(name));
    if let Some(oldest) = these.min_by_key(|(_, one)| one.used).map(|(name, _)| name.clone()) {
        all.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_make_us_forget_none_but_tenants_and_one_tenant_none_but_its_own() {
        let mut shelf = Shelf::default();
        let issuer =
            |number: usize| -> IssuerUrl { format!("https://{number}.example").parse().expect("an issuer") };
        let tenants = [(); 2].map(|()| Trust::Tenant(TenantId::random()));
        for trust in [Trust::Platform, tenants[0]] {
            shelf.known(&issuer(0), trust, Pace::default());
        }
        for number in 0..50 {
            shelf.known(&issuer(number), tenants[1], Pace::default());
        }
        assert!(shelf.find(&issuer(0), tenants[0]).is_some() && shelf.find(&issuer(0), tenants[1]).is_none());
        assert!(
            shelf.find(&issuer(49), tenants[1]).is_some() && shelf.find(&issuer(39), tenants[1]).is_none()
        );
        assert_eq!(shelf.tenants.len(), 1 + OF_ONE);
        for _ in 0..TENANTS {
            shelf.known(&issuer(0), Trust::Tenant(TenantId::random()), Pace::default());
        }
        assert_eq!(shelf.tenants.len(), TENANTS);
        assert!(
            shelf.find(&issuer(0), Trust::Platform).is_some() && shelf.find(&issuer(0), tenants[0]).is_none()
        );
        for number in 1..=PLATFORMS {
            shelf.known(&issuer(number), Trust::Platform, Pace::default());
        }
        assert!(shelf.platforms.len() == PLATFORMS && shelf.find(&issuer(0), Trust::Platform).is_none());
    }
}
