//! The ring of this process, kept as the registry has it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::super::news::Ear;
use super::{generated, known, opened, record};
use crate::app::{Error, Result};
use crate::identity::people_key::PeopleKey;
use crate::identity::ring::{Keyring, Ring};
use crate::identity::tokens::Issuer;
use crate::model::signing_key::{Upkeep, missing};
use crate::store::signing_keys::{self, SigningKeyRecord};
use crate::store::{Notice, Scope, Store};

/// How long a change may go unseen that was announced while nobody heard.
const LOOK: Duration = Duration::from_secs(10);
/// Before the registry is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an ID token says who is meant, as a hint, after its key is gone: longer than anybody stays signed in.
const HINTS: TimeDelta = TimeDelta::days(100);

/// Opens the keys that tokens are signed with. The first who finds none makes them; of two at once one does.
///
/// # Errors
/// When the registry cannot be reached.
pub async fn open(store: &Store, key: &PeopleKey, issuer: impl Into<String>) -> Result<Issuer> {
    let absent = missing(&known(&read(store).await?, key), Utc::now());
    if !absent.is_empty() {
        let made = generated(absent, key).await?;
        let mut tx = store.begin(Scope::System).await?;
        signing_keys::hold(&mut tx).await?;
        let kept = signing_keys::since(&mut tx, Utc::now() - HINTS).await?;
        let now = Utc::now().trunc_subsecs(6);
        let absent = missing(&known(&kept, key), now);
        for new in made.into_iter().filter(|new| absent.contains(&new.algorithm)) {
            tracing::info!(kid = %new.kid, algorithm = %new.algorithm, "a key that signs tokens was made");
            signing_keys::add(&mut tx, &record(new, now)).await?;
        }
        tx.commit().await?;
    }
    let keys = Keyring::default();
    keys.replace(ring(&read(store).await?, &keys.ring(), key));
    Ok(Issuer::new(keys, issuer))
}

async fn read(store: &Store) -> Result<Vec<SigningKeyRecord>> {
    let mut tx = store.begin(Scope::System).await?;
    let kept = signing_keys::since(&mut tx, Utc::now() - HINTS).await?;
    tx.commit().await?;
    Ok(kept)
}

/// A ring of what is kept. What was opened before is not opened again; what is none of ours is left out.
fn ring(kept: &[SigningKeyRecord], before: &Ring, key: &PeopleKey) -> Ring {
    let in_ring = |record: &SigningKeyRecord| {
        let has_secret = record.sealed.is_some();
        if let Some(old) = before.get(&record.kid).filter(|old| old.can_sign() || !has_secret) {
            return Some((record.kid.clone(), old.at(record.times, has_secret)));
        }
        match opened(record, key) {
            Ok(opened) => Some((record.kid.clone(), opened)),
            Err(error) => {
                tracing::error!(kid = %record.kid, %error, "a key in the registry is none of ours");
                None
            }
        }
    };
    kept.iter().filter_map(in_ring).collect()
}

/// Keeps a ring as the registry has it, until it is dropped.
#[derive(Debug)]
pub(in super::super) struct Follower {
    store: Store,
    key: PeopleKey,
    keys: Keyring,
    /// What tokens are good for at most.
    longest: TimeDelta,
    /// Told when a look failed that cannot wait.
    again: Arc<Notify>,
}

/// Follows what the registry announces, and looks now and then besides. Must be called inside a runtime.
pub(in super::super) fn follow(
    store: Store,
    key: PeopleKey,
    keys: Keyring,
    longest: TimeDelta,
    mut ear: Ear,
) -> (Arc<Follower>, AbortOnDropHandle<()>) {
    let again = Arc::new(Notify::new());
    let follower = Arc::new(Follower { store, key, keys, longest, again });
    let follows = Arc::clone(&follower);
    let task = tokio::spawn(async move {
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                () = ear.heard(|notice| *notice == Notice::SigningKeys, Instant::now() + wait) => {}
                () = follows.again.notified() => {}
            }
            wait = match follows.look().await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::warn!(%error, "the keys that sign tokens cannot be looked at");
                    PAUSE
                }
            };
        }
    });
    (follower, AbortOnDropHandle::new(task))
}

impl Follower {
    /// Has what was changed just now count in this process before anybody is answered.
    pub(in super::super) async fn look_now(&self) {
        if let Err(error) = self.look().await {
            tracing::warn!(%error, "the keys that sign tokens cannot be looked at");
            self.again.notify_one();
        }
    }

    async fn look(&self) -> Result<(), Error> {
        let kept = read(&self.store).await?;
        self.keys.replace(ring(&kept, &self.keys.ring(), &self.key));
        let upkeep = |kept: &[SigningKeyRecord]| {
            let known: Vec<_> = kept.iter().map(SigningKeyRecord::known).collect();
            Upkeep::of(&known, Utc::now(), self.longest)
        };
        if upkeep(&kept).is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin(Scope::System).await?;
        signing_keys::hold(&mut tx).await?;
        let upkeep = upkeep(&signing_keys::since(&mut tx, Utc::now() - HINTS).await?);
        signing_keys::change(&mut tx, &upkeep.changed).await?;
        if !upkeep.erase.is_empty() {
            signing_keys::erase(&mut tx, &upkeep.erase).await?;
        }
        Ok(tx.commit().await?)
    }
}
