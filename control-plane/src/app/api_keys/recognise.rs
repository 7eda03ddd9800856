//! Who comes by a key: sent as it is, or by a signature that only whoever has it can make.

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::super::caller::{Caller, EXACT, Membership, Origin, Who};
use super::super::error::Error;
use super::super::principals::Remembered;
use super::super::{App, Result};
use super::Key;
use super::manage::SEALED_FOR;
use crate::identity::api_keys::ApiKey;
use crate::identity::signatures::{Message, Refusal, SKEW, Signed};
use crate::model::ids::{KeyId, KeyPrefix, UserId};
use crate::store::api_keys::{self, HolderRecord, Kept};
use crate::store::sessions;

/// How much longer a nonce is kept than its request would be taken: the clocks of two api differ.
const SPARE: TimeDelta = TimeDelta::minutes(1);

/// A request whose signature is right. It counts once its nonce is taken ([`App::take_nonce`]), before which nothing of
/// it is written down.
#[derive(Debug, Clone)]
pub struct SignedRequest {
    pub caller: Caller,
    key: KeyId,
    nonce: String,
    until: DateTime<Utc>,
    /// Whether the key's use is to be written down.
    touches: bool,
}

/// A key, and what tells that somebody has it.
#[derive(Debug, Clone)]
pub(in super::super) struct Known {
    key: Arc<Key>,
    proof: Proof,
}

#[derive(Debug, Clone)]
enum Proof {
    /// SHA-256 of what is sent.
    Hash([u8; 32]),
    /// What it signs with; it is never sent.
    Signs(SecretString),
}

impl Remembered for Known {
    type Id = KeyPrefix;

    fn id(&self) -> KeyPrefix {
        self.key.prefix.clone()
    }

    fn user(&self) -> UserId {
        self.key.user
    }
}

impl App {
    /// Who sent a key.
    ///
    /// # Errors
    /// `Unauthenticated` when it is none, is not good any more, or is one that signs.
    pub(in super::super) async fn who_has_key(&self, text: &str, origin: Origin) -> Result<Caller> {
        let sent = ApiKey::parse(text).ok_or(Error::Unauthenticated)?;
        let right = |proof: &Proof| match proof {
            Proof::Hash(hash) if sent.is_of(hash) => Ok(()),
            Proof::Hash(_) | Proof::Signs(_) => Err(Error::Unauthenticated),
        };
        let (key, touches) = self.recognised(&sent.prefix, right).await?;
        if touches {
            let mut tx = self.begin_as_system().await?;
            api_keys::touch(&mut tx, key.id, &origin.address).await?;
            tx.commit().await?;
        }
        Ok(Caller { who: Who::Key(key), origin })
    }

    /// Who signed a request.
    ///
    /// # Errors
    /// `Signature` says what is not right about it.
    pub async fn who_signed(
        &self,
        signed: &Signed,
        message: Message<'_>,
        origin: Origin,
    ) -> Result<SignedRequest> {
        let right = |proof: &Proof| match proof {
            Proof::Signs(key) => Ok(signed.verify(key, message)?),
            Proof::Hash(_) => Err(Refusal::Wrong.into()),
        };
        let (key, touches) = match self.recognised(&signed.key, right).await {
            // Whether there is such a key is not told.
            Err(Error::Unauthenticated) => return Err(Refusal::Wrong.into()),
            other => other?,
        };
        Ok(SignedRequest {
            key: key.id,
            caller: Caller { who: Who::Key(key), origin },
            nonce: signed.nonce.clone(),
            until: signed.created + SKEW + SPARE,
            touches,
        })
    }

    /// Takes the nonce of a request, by which it counts once, and says who sent it.
    ///
    /// # Errors
    /// `Signature` when it was taken before.
    pub async fn take_nonce(&self, request: SignedRequest) -> Result<Caller> {
        let SignedRequest { caller, key, nonce, until, touches } = request;
        let mut tx = self.begin_as_system().await?;
        if !api_keys::take_nonce(&mut tx, key, &nonce, until).await? {
            return Err(Refusal::Replay.into());
        }
        if touches {
            api_keys::touch(&mut tx, key, &caller.origin.address).await?;
        }
        tx.commit().await?;
        Ok(caller)
    }

    /// The key of this prefix, if whoever comes by it shows that they have it, and whether its use is to be written down.
    /// Only then is it remembered.
    async fn recognised(
        &self,
        prefix: &KeyPrefix,
        right: impl Fn(&Proof) -> Result<()>,
    ) -> Result<(Arc<Key>, bool)> {
        if let Some(known) = self.principals.keys.recall(prefix) {
            right(&known.proof)?;
            return Ok((known.key, false));
        }
        let before = self.principals.keys.before();
        let mut tx = self.begin_as_system().await?;
        let holder = api_keys::holder(&mut tx, prefix).await?.ok_or(Error::Unauthenticated)?;
        let proof = self.proof(&holder)?;
        right(&proof)?;
        let belongings = sessions::belongings(&mut tx, holder.user_id).await?;
        tx.commit().await?;
        let touches = holder.last_used_at.is_none_or(|last| Utc::now().signed_duration_since(last) > EXACT);
        let acts_in = |membership: &Membership| holder.tenant_id.is_none_or(|id| id == membership.tenant);
        let memberships = self.memberships(belongings).filter(acts_in).collect();
        let key = Arc::new(Key {
            id: holder.id,
            prefix: prefix.clone(),
            name: holder.name,
            user: holder.user_id,
            bound: holder.tenant_id.is_some(),
            email: holder.email,
            second_factor: holder.second_factor,
            // A word that is no permission any more allows nothing.
            scopes: holder.scopes.iter().filter_map(|word| word.parse().ok()).collect(),
            // The setting may be lower than it was when the key was made.
            per_minute: u32::try_from(holder.per_minute)
                .ok()
                .and_then(|most| NonZeroU32::new(most.min(self.settings.api_keys.per_minute)))
                .unwrap_or(NonZeroU32::MIN),
            memberships,
        });
        self.principals.keys.keep(before, Known { key: Arc::clone(&key), proof }, holder.expires_at);
        Ok((key, touches))
    }

    fn proof(&self, holder: &HolderRecord) -> Result<Proof> {
        match &holder.kept {
            Kept::Hash(hash) => Ok(Proof::Hash(*hash)),
            Kept::Sealed(sealed) => {
                let opened = self.key.vault().open(holder.id, SEALED_FOR, sealed);
                Ok(Proof::Signs(opened.map_err(Error::internal)?))
            }
        }
    }
}
