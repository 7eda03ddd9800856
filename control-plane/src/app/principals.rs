//! Who is signed in, remembered for a moment so that a request need not ask the registry.
//!
//! What is remembered is forgotten as soon as anything about it changes: by the end of the commit where it was changed,
//! and by the registry's announcement everywhere else. While announcements cannot be heard nothing is remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio_util::task::AbortOnDropHandle;

use super::caller::Principal;
use super::news::Ear;
use crate::model::ids::SessionId;
use crate::store::Notice;

/// How long somebody is remembered, even if nothing was heard of them.
const MOMENT: Duration = Duration::from_secs(10);
/// People remembered at the same time.
const MOST: usize = 20_000;

#[derive(Debug)]
struct Entry {
    principal: Principal,
    until: Instant,
    /// When the session ends.
    expires_at: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct Memory {
    entries: HashMap<SessionId, Entry>,
    /// Whether announcements are heard.
    hearing: bool,
    /// Counts what was forgotten: who was looked up before that may be as they were before.
    forgotten: u64,
}

/// The people who asked for something lately.
#[derive(Debug)]
pub(super) struct Principals {
    memory: Arc<Mutex<Memory>>,
    _task: AbortOnDropHandle<()>,
}

/// A moment before somebody is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before(u64);

fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    fn forget(&mut self, concerns: impl Fn(&Principal) -> bool) {
        self.forgotten += 1;
        self.entries.retain(|_, entry| !concerns(&entry.principal));
    }

    fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::Person(user) => self.forget(|principal| principal.user == *user),
            Notice::Belonging(tenant) => {
                self.forget(|principal| principal.memberships.iter().any(|one| one.tenant == *tenant));
            }
            Notice::Lost => {
                self.hearing = false;
                self.forget(|_| true);
            }
            Notice::Reconnected => {
                self.forget(|_| true);
                self.hearing = true;
            }
            Notice::HouseDue(_) | Notice::Operation(_) | Notice::Door(_) => {}
        }
    }

    fn recall(&self, session: SessionId, now: Instant) -> Option<Principal> {
        let entry = self.entries.get(&session).filter(|_| self.hearing)?;
        (now < entry.until && Utc::now() < entry.expires_at).then(|| entry.principal.clone())
    }

    fn keep(&mut self, before: Before, principal: Principal, expires_at: DateTime<Utc>, now: Instant) {
        if !self.hearing || before.0 != self.forgotten {
            return;
        }
        if self.entries.len() >= MOST {
            self.entries.retain(|_, entry| now < entry.until);
        }
        if self.entries.len() < MOST {
            self.entries.insert(principal.session, Entry { principal, until: now + MOMENT, expires_at });
        }
    }
}

impl Principals {
    /// Must be called inside a runtime. Hears of changes through `ear`.
    pub(super) fn new(mut ear: Ear) -> Self {
        let memory = Arc::new(Mutex::new(Memory::default()));
        let heard = Arc::clone(&memory);
        let task = tokio::spawn(async move {
            loop {
                let notice = ear.next().await;
                locked(&heard).hear(&notice);
            }
        });
        Self { memory, _task: AbortOnDropHandle::new(task) }
    }

    /// Whose session it is, if that is remembered.
    pub(super) fn recall(&self, session: SessionId) -> Option<Principal> {
        locked(&self.memory).recall(session, Instant::now())
    }

    /// To be taken before somebody is looked up who shall be remembered.
    pub(super) fn before(&self) -> Before {
        Before(locked(&self.memory).forgotten)
    }

    /// Remembers somebody who was looked up, unless anything changed since.
    pub(super) fn keep(&self, before: Before, principal: Principal, expires_at: DateTime<Utc>) {
        locked(&self.memory).keep(before, principal, expires_at, Instant::now());
    }

    /// What is to be told of changes that this process makes itself.
    pub(super) fn listener(&self) -> impl Fn(&Notice) + Send + Sync + 'static {
        let memory = Arc::clone(&self.memory);
        move |notice| locked(&memory).hear(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::caller::Membership;
    use crate::model::ids::{TenantId, UserId};
    use crate::model::role::Role;

    fn somebody(tenant: TenantId) -> Principal {
        let membership = Membership {
            tenant,
            slug: "acme".parse().expect("a slug"),
            role: Role::Member,
            suspended: false,
            second_factor_required: false,
        };
        Principal {
            user: UserId::random(),
            email: "ada@example.com".parse().expect("an address"),
            name: "Ada".into(),
            session: SessionId::random(),
            second_factor: false,
            has_second_factor: false,
            memberships: Arc::new([membership]),
        }
    }

    fn hearing() -> Memory {
        let mut memory = Memory::default();
        memory.hear(&Notice::Reconnected);
        memory
    }

    fn kept(memory: &mut Memory, principal: &Principal) {
        let end = Utc::now() + Duration::from_secs(3600);
        memory.keep(Before(memory.forgotten), principal.clone(), end, Instant::now());
    }

    #[test]
    fn who_is_remembered_is_forgotten_when_anything_about_them_changes_and_after_a_moment() {
        let tenant = TenantId::random();
        let (ada, eve) = (somebody(tenant), somebody(TenantId::random()));
        let knows = |memory: &Memory, who: &Principal| memory.recall(who.session, Instant::now()).is_some();
        for notice in [Notice::Person(ada.user), Notice::Belonging(tenant)] {
            let mut memory = hearing();
            kept(&mut memory, &ada);
            kept(&mut memory, &eve);
            assert!(knows(&memory, &ada) && knows(&memory, &eve));
            memory.hear(&notice);
            assert!(!knows(&memory, &ada) && knows(&memory, &eve), "{notice:?}");
        }
        let mut memory = hearing();
        kept(&mut memory, &ada);
        assert!(memory.recall(ada.session, Instant::now() + MOMENT).is_none());
        memory.keep(Before(memory.forgotten), ada.clone(), Utc::now(), Instant::now());
        assert!(!knows(&memory, &ada), "the session is over");
    }

    #[test]
    fn nobody_is_remembered_while_nothing_is_heard() {
        let ada = somebody(TenantId::random());
        let mut memory = Memory::default();
        kept(&mut memory, &ada);
        assert!(memory.entries.is_empty());
        memory.hear(&Notice::Reconnected);
        kept(&mut memory, &ada);
        memory.hear(&Notice::Lost);
        assert!(memory.recall(ada.session, Instant::now()).is_none());
        memory.hear(&Notice::Reconnected);
        assert!(memory.recall(ada.session, Instant::now()).is_none(), "something may have been missed");
    }

    #[test]
    fn who_was_looked_up_before_a_change_is_not_remembered_after_it() {
        let ada = somebody(TenantId::random());
        let mut memory = hearing();
        let before = Before(memory.forgotten);
        memory.hear(&Notice::Person(ada.user));
        memory.keep(before, ada.clone(), Utc::now() + Duration::from_secs(60), Instant::now());
        assert!(memory.recall(ada.session, Instant::now()).is_none());
    }
}
