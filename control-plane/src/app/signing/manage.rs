//! What platform admins do about the keys that sign tokens.

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::super::audit::{Action, Entry};
use super::super::caller::Caller;
use super::{generated, known, record};
use crate::app::{App, Error, Result};
use crate::model::signing_key::{self, Known, Refused, Rotation, SigningAlgorithm};
use crate::store::Tx;
use crate::store::signing_keys::{self, SigningKeyRecord};

/// Keys that are shown, and those that are long over with them.
const SHOWN: u32 = 200;
/// What "at once" is: by then every process knows the new keys, and nobody is shown one that they cannot check.
const AT_ONCE: TimeDelta = TimeDelta::seconds(2);

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::NotNow(refused.to_string())
    }
}

impl App {
    /// The keys that sign tokens, or did: those that sign last first.
    ///
    /// # Errors
    /// `Forbidden` for all but platform admins.
    pub async fn signing_keys(&self, caller: &Caller) -> Result<Vec<SigningKeyRecord>> {
        let mut tx = self.begin_as_admin(caller).await?;
        let keys = signing_keys::list(&mut tx, SHOWN).await?;
        tx.commit().await?;
        Ok(keys)
    }

    /// Has others sign: after the time that everybody who checks tokens takes to learn of them, or `at_once`, which
    /// brings forward those that wait already. They are given back.
    ///
    /// # Errors
    /// `NotNow` while others wait, unless `at_once`, and when too many are published; `Forbidden` for all but platform
    /// admins.
    pub async fn rotate_signing_keys(&self, caller: &Caller, at_once: bool) -> Result<Vec<SigningKeyRecord>> {
        let mut tx = self.begin_as_admin(caller).await?;
        let (_, rotation) = self.rotation(&mut tx, at_once).await?;
        tx.commit().await?;
        let mut made = generated(rotation.new, &self.key).await?;

        let mut tx = self.begin_as_admin(caller).await?;
        signing_keys::hold(&mut tx).await?;
        let (kept, rotation) = self.rotation(&mut tx, at_once).await?;
        // What waited meanwhile may be gone: whoever asks again has it made.
        let lacking = |algorithm: &SigningAlgorithm| made.iter().all(|new| new.algorithm != *algorithm);
        if rotation.new.iter().any(lacking) {
            return Err(Error::NotNow("the keys were changed by somebody else just now".to_owned()));
        }
        made.retain(|new| rotation.new.contains(&new.algorithm));
        signing_keys::change(&mut tx, &rotation.changed).await?;
        let waiting = |key: &&SigningKeyRecord| key.times.signs_from > Utc::now();
        let mut next: Vec<String> = kept.iter().filter(waiting).map(|key| key.kid.clone()).collect();
        for new in made {
            next.push(new.kid.clone());
            signing_keys::add(&mut tx, &record(new, rotation.signs_from)).await?;
        }
        let diff = json!({ "signs_from": rotation.signs_from });
        let entry = Entry::done(Action::SigningKeysRotate, None, next.join(" ")).diff(&json!({}), &diff);
        self.auditor.write(&mut tx, caller, entry).await?;
        let mut keys = signing_keys::list(&mut tx, SHOWN).await?;
        tx.commit().await?;
        self.signing.look_now().await;
        keys.retain(|key| next.contains(&key.kid));
        Ok(keys)
    }

    async fn rotation(&self, tx: &mut Tx, at_once: bool) -> Result<(Vec<SigningKeyRecord>, Rotation)> {
        let now = Utc::now();
        let kept = signing_keys::since(tx, now).await?;
        let lead = if at_once { AT_ONCE } else { self.settings.signing_lead };
        let longest = self.settings.longest_token();
        let rotation = signing_key::rotation(&known(&kept, &self.key), now, lead, at_once, longest)?;
        Ok((kept, rotation))
    }

    /// Takes a key out of use, because somebody else may have it: whatever it signed is refused, here when this is
    /// answered, and everywhere else as soon as it is heard of.
    ///
    /// # Errors
    /// `NotFound`; `NotNow` for the only one that signs, and for one that is over; `Forbidden` for all but platform
    /// admins.
    pub async fn withdraw_signing_key(&self, caller: &Caller, kid: &str) -> Result<SigningKeyRecord> {
        let mut tx = self.begin_as_admin(caller).await?;
        signing_keys::hold(&mut tx).await?;
        let kept = signing_keys::list(&mut tx, SHOWN).await?;
        let key = kept.iter().find(|key| key.kid == kid).ok_or(Error::NotFound("signing key"))?.known();
        let now = Utc::now();
        let all: Vec<Known> = known(&kept, &self.key);
        let changed = signing_key::withdrawal(&all, &key, now)?;
        signing_keys::change(&mut tx, &changed).await?;
        signing_keys::withdraw(&mut tx, kid, now, &caller.label()).await?;
        self.auditor.write(&mut tx, caller, Entry::done(Action::SigningKeyWithdraw, None, kid)).await?;
        let after = signing_keys::list(&mut tx, SHOWN).await?;
        tx.commit().await?;
        self.signing.look_now().await;
        after.into_iter().find(|key| key.kid == kid).ok_or(Error::NotFound("signing key"))
    }
}
