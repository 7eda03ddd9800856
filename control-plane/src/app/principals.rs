//! Who is signed in, remembered for a moment so that a request need not ask the registry.
//!
//! What is remembered is forgotten as soon as anything about it changes: by the end of the commit where it was changed,
//! and by the registry's announcement everywhere else. While announcements cannot be heard nothing is remembered.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio_util::task::AbortOnDropHandle;

use super::api_keys::Known;
use super::caller::Principal;
use super::news::Ear;
use crate::model::ids::{SessionId, UserId};
use crate::store::Notice;

/// How long somebody is remembered, even if nothing was heard of them.
const MOMENT: Duration = Duration::from_secs(10);
/// People remembered at the same time, and keys.
const MOST: usize = 20_000;

/// Somebody who can be remembered: what they come with, and whose changes concern them.
pub(super) trait Remembered: Clone {
    type Id: fmt::Debug + Eq + Hash;
    fn id(&self) -> Self::Id;
    fn user(&self) -> UserId;
}

impl Remembered for Principal {
    type Id = SessionId;

    fn id(&self) -> SessionId {
        self.session
    }

    fn user(&self) -> UserId {
        self.user
    }
}

#[derive(Debug)]
struct Entry<R> {
    principal: R,
    until: Instant,
    /// When the session or the key ends.
    expires_at: DateTime<Utc>,
}

#[derive(Debug)]
struct Memory<R: Remembered> {
    entries: HashMap<R::Id, Entry<R>>,
    /// Whether announcements are heard.
    hearing: bool,
    /// Counts what was forgotten: who was looked up before that may be as they were before.
    forgotten: u64,
}

/// Those of one kind who asked for something lately.
#[derive(Debug)]
pub(super) struct Shared<R: Remembered>(Arc<Mutex<Memory<R>>>);

/// All who asked for something lately.
#[derive(Debug)]
pub(super) struct Principals {
    pub(super) people: Shared<Principal>,
    pub(super) keys: Shared<Known>,
    _task: AbortOnDropHandle<()>,
}

/// A moment before somebody is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before(u64);

fn locked<R: Remembered>(memory: &Mutex<Memory<R>>) -> MutexGuard<'_, Memory<R>> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Remembered> Default for Memory<R> {
    fn default() -> Self {
        Self { entries: HashMap::new(), hearing: false, forgotten: 0 }
    }
}

impl<R: Remembered> Memory<R> {
    fn forget(&mut self, concerns: impl Fn(&R) -> bool) {
        self.forgotten += 1;
        self.entries.retain(|_, entry| !concerns(&entry.principal));
    }

    fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::Person(user) => self.forget(|principal| principal.user() == *user),
            // Whoever is remembered without a tenant that was deleted has it again when it is restored, and nothing
            // remembered says who that is.
            Notice::Belonging(_) => self.forget(|_| true),
            Notice::Lost => {
                self.hearing = false;
                self.forget(|_| true);
            }
            Notice::Reconnected => {
                self.forget(|_| true);
                self.hearing = true;
            }
            Notice::HouseDue(_) | Notice::Operation(_) | Notice::Door(_) | Notice::SigningKeys => {}
        }
    }

    fn recall(&self, id: &R::Id, now: Instant) -> Option<R> {
        let entry = self.entries.get(id).filter(|_| self.hearing)?;
        (now < entry.until && Utc::now() < entry.expires_at).then(|| entry.principal.clone())
    }

    fn keep(&mut self, before: Before, principal: R, expires_at: DateTime<Utc>, now: Instant) {
        if !self.hearing || before.0 != self.forgotten {
            return;
        }
        if self.entries.len() >= MOST {
            self.entries.retain(|_, entry| now < entry.until);
        }
        if self.entries.len() < MOST {
            self.entries.insert(principal.id(), Entry { principal, until: now + MOMENT, expires_at });
        }
    }
}

impl<R: Remembered> Shared<R> {
    /// Who comes with this, if that is remembered.
    pub(super) fn recall(&self, id: &R::Id) -> Option<R> {
        locked(&self.0).recall(id, Instant::now())
    }

    /// To be taken before somebody is looked up who shall be remembered.
    pub(super) fn before(&self) -> Before {
        Before(locked(&self.0).forgotten)
    }

    /// Remembers somebody who was looked up, unless anything changed since.
    pub(super) fn keep(&self, before: Before, principal: R, expires_at: DateTime<Utc>) {
        locked(&self.0).keep(before, principal, expires_at, Instant::now());
    }
}

impl<R: Remembered> Default for Shared<R> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<R: Remembered> Clone for Shared<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Principals {
    /// Must be called inside a runtime. Hears of changes through `ear`.
    pub(super) fn new(mut ear: Ear) -> Self {
        let (people, keys) = (Shared::default(), Shared::default());
        let hear = heard_by(&people, &keys);
        let task = tokio::spawn(async move {
            loop {
                let notice = ear.next().await;
                hear(&notice);
            }
        });
        Self { people, keys, _task: AbortOnDropHandle::new(task) }
    }

    /// What is to be told of changes that this process makes itself.
    pub(super) fn listener(&self) -> impl Fn(&Notice) + Send + Sync + 'static {
        heard_by(&self.people, &self.keys)
    }
}

/// Has both hear what is said.
fn heard_by(
    people: &Shared<Principal>,
    keys: &Shared<Known>,
) -> impl Fn(&Notice) + Send + Sync + 'static + use<> {
    let (people, keys) = (people.clone(), keys.clone());
    move |notice| {
        locked(&people.0).hear(notice);
        locked(&keys.0).hear(notice);
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
            required_provider: None,
        };
        Principal {
            user: UserId::random(),
            email: "ada@example.com".parse().expect("an address"),
            name: "Ada".into(),
            session: SessionId::random(),
            second_factor: false,
            has_second_factor: false,
            verified: true,
            provider: None,
            only_tenant: None,
            memberships: Arc::new([membership]),
        }
    }

    fn hearing() -> Memory<Principal> {
        let mut memory = Memory::default();
        memory.hear(&Notice::Reconnected);
        memory
    }

    fn kept(memory: &mut Memory<Principal>, principal: &Principal) {
        let end = Utc::now() + Duration::from_secs(3600);
        memory.keep(Before(memory.forgotten), principal.clone(), end, Instant::now());
    }

    #[test]
    fn who_is_remembered_is_forgotten_when_anything_about_them_changes_and_after_a_moment() {
        let tenant = TenantId::random();
        let (ada, eve) = (somebody(tenant), somebody(TenantId::random()));
        let knows = |memory: &Memory<Principal>, who: &Principal| {
            memory.recall(&who.session, Instant::now()).is_some()
        };
        for (notice, eve_too) in [(Notice::Person(ada.user), false), (Notice::Belonging(tenant), true)] {
            let mut memory = hearing();
            kept(&mut memory, &ada);
            kept(&mut memory, &eve);
            assert!(knows(&memory, &ada) && knows(&memory, &eve));
            memory.hear(&notice);
            assert!(!knows(&memory, &ada), "{notice:?}");
            assert_ne!(knows(&memory, &eve), eve_too, "{notice:?}");
        }
        let mut memory = hearing();
        kept(&mut memory, &ada);
        assert!(memory.recall(&ada.session, Instant::now() + MOMENT).is_none());
        memory.keep(Before(memory.forgotten), ada.clone(), Utc::now(), Instant::now());
        assert!(!knows(&memory, &ada), "the session is over");
    }

    #[test]
    fn nobody_is_remembered_while_nothing_is_heard() {
        let ada = somebody(TenantId::random());
        let mut memory = Memory::<Principal>::default();
        kept(&mut memory, &ada);
        assert!(memory.entries.is_empty());
        memory.hear(&Notice::Reconnected);
        kept(&mut memory, &ada);
        memory.hear(&Notice::Lost);
        assert!(memory.recall(&ada.session, Instant::now()).is_none());
        memory.hear(&Notice::Reconnected);
        assert!(memory.recall(&ada.session, Instant::now()).is_none(), "something may have been missed");
    }

    #[test]
    fn who_was_looked_up_before_a_change_is_not_remembered_after_it() {
        let ada = somebody(TenantId::random());
        let mut memory = hearing();
        let before = Before(memory.forgotten);
        memory.hear(&Notice::Person(ada.user));
        memory.keep(before, ada.clone(), Utc::now() + Duration::from_secs(60), Instant::now());
        assert!(memory.recall(&ada.session, Instant::now()).is_none());
    }
}
