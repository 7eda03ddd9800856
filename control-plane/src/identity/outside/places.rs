//! Places for questions that are on their way: the platform's apart from tenants', and of tenants' no more than a share
//! for each, so that whoever has providers asked that never answer waits for themselves alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::ids::TenantId;
use crate::model::provider::Trust;

/// Places for one kind of question.
#[derive(Debug)]
pub(super) struct Places {
    platform: Arc<Semaphore>,
    tenants: Arc<Semaphore>,
    share: usize,
    /// Of each tenant that has a place or waits for one.
    shares: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _common: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// So many for the platform's providers, as many for all tenants' together, and of these a share for one tenant.
    pub(super) fn new(places: usize, share: usize) -> Self {
        let all = || Arc::new(Semaphore::new(places));
        Self { platform: all(), tenants: all(), share, shares: Mutex::default() }
    }

    /// Waits for a place.
    pub(super) async fn take(&self, trust: Trust) -> Place {
        let (common, own) = self.of(trust);
        // Its own first: who waits for that keeps no place from others.
        let own = match own {
            Some(own) => Some(permit(own).await),
            None => None,
        };
        Place { _common: permit(common).await, _own: own }
    }

    /// A place, if there is one now.
    pub(super) fn try_take(&self, trust: Trust) -> Option<Place> {
        let (common, own) = self.of(trust);
        let own = own.map(Semaphore::try_acquire_owned).transpose().ok()?;
        Some(Place { _common: common.try_acquire_owned().ok()?, _own: own })
    }

    /// Those for all, and those for a tenant alone.
    fn of(&self, trust: Trust) -> (Arc<Semaphore>, Option<Arc<Semaphore>>) {
        match trust {
            Trust::Platform => (Arc::clone(&self.platform), None),
            Trust::Tenant(tenant) => (Arc::clone(&self.tenants), Some(self.share_of(tenant))),
        }
    }

    fn share_of(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&tenant).and_then(Weak::upgrade) {
            return share;
        }
        // Whoever neither has a place nor waits for one has all of theirs.
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(tenant, Arc::downgrade(&share));
        share
    }
}

async fn permit(places: Arc<Semaphore>) -> OwnedSemaphorePermit {
    places.acquire_owned().await.expect("it is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_its_share_and_nobody_elses_place() {
        let places = Places::new(5, 2);
        let tenants = [(); 3].map(|()| Trust::Tenant(TenantId::random()));
        let take = |trust| places.try_take(trust);
        let mut held: Vec<Place> = Vec::new();
        for trust in [tenants[0], tenants[0], tenants[1], tenants[1]] {
            held.push(take(trust).expect("a place"));
        }
        assert!(take(tenants[0]).is_none() && take(tenants[1]).is_none());
        held.push(take(tenants[2]).expect("the last one"));
        assert!(take(tenants[2]).is_none(), "there are no more for tenants");
        for _ in 0..5 {
            held.push(take(Trust::Platform).expect("a place"));
        }
        assert!(take(Trust::Platform).is_none());
        drop(held.remove(0));
        assert!(take(tenants[0]).is_some());
    }

    #[test]
    fn what_nobody_has_is_not_kept() {
        let places = Places::new(5, 2);
        let held = places.try_take(Trust::Tenant(TenantId::random()));
        for _ in 0..100 {
            assert!(places.try_take(Trust::Tenant(TenantId::random())).is_some());
        }
        assert!(held.is_some() && places.shares.lock().expect("no panic").len() <= 2);
    }
}
