//! Tokens that a provider gave somebody for our API. One is a session like any other, begun when it is first seen: it is
//! listed, revoked and audited as they are, and costs no more than one once it is known.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Origin, Principal, Who};
use super::super::error::Error;
use super::super::people::{acting, describe};
use super::super::{App, Result};
use super::arrive::Arrived;
use super::check::tells_of_a_network;
use crate::identity::checked::{Fingerprint, Memory};
use crate::identity::outside::{Claims, OutsideError, SignedBy, Unchecked, arrival};
use crate::identity::people_key::Use;
use crate::identity::random_bytes;
use crate::model::ids::SessionId;
use crate::store::providers::{self, ProviderRecord};
use crate::store::sessions::{self, NewSession};

/// A token that was found good, and whose session was begun.
#[derive(Debug, Clone)]
struct Known {
    session: SessionId,
    by: SignedBy,
}

/// Tokens that were found good lately.
#[derive(Debug, Default)]
pub(in super::super) struct KnownTokens(Mutex<Memory<Known>>);

impl KnownTokens {
    fn memory(&self) -> MutexGuard<'_, Memory<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const AWAY: &str = "the provider of the token cannot be asked";

fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token.as_bytes()).into()
}

/// What a token that is not good is answered. A provider that is away says nothing of its tokens, and neither does one
/// that may not be reached: a tenant would learn by it what is inside.
fn refused(error: &OutsideError) -> Error {
    tracing::debug!(%error, "a provider's token was not taken");
    if error.passes() || tells_of_a_network(error) { Error::Busy(AWAY) } else { Error::Unauthenticated }
}

impl App {
    /// Whose token this is, if it was found good lately.
    ///
    /// # Errors
    /// `Unauthenticated` when its session was revoked since or its key taken back; `Busy` while that cannot be told.
    pub(in super::super) async fn known_foreign(&self, token: &str) -> Result<Option<Principal>> {
        let Some(known) = self.foreign.memory().recall(&fingerprint(token)) else { return Ok(None) };
        // Its hour is that of its session.
        self.outside.still(&known.by).await.map_err(|error| refused(&error))?;
        self.principal(known.session).await.map(Some)
    }

    /// Who sent a token that was not seen lately, if a provider gave it to somebody for our API. Its session begins, and
    /// who is refused is written down: whoever sends such tokens is to be counted before.
    ///
    /// # Errors
    /// `Unauthenticated` for every token that is not good, and for one whose session was revoked; `Busy` while the
    /// provider's keys cannot be had; otherwise as [`App::arrive`].
    pub async fn who_has_foreign(&self, token: &str, origin: Origin) -> Result<Caller> {
        let fingerprint = fingerprint(token);
        let (provider, claims, by) = self.check_foreign(token).await?;
        let session = self.begin_foreign(&provider, &claims, &fingerprint, &origin).await?;
        let principal = self.principal(session).await?;
        self.foreign.memory().keep(fingerprint, Known { session, by });
        Ok(Caller { who: Who::User(principal), origin })
    }

    /// Which provider gave it, and what it says. No transaction is open while the provider may be asked.
    async fn check_foreign(&self, token: &str) -> Result<(ProviderRecord, Claims, SignedBy)> {
        let Unchecked { issuer, audiences } = Unchecked::of(token).ok_or(Error::Unauthenticated)?;
        if issuer == self.issuer.name() {
            return Err(Error::Unauthenticated);
        }
        let mut tx = self.begin_as_system().await?;
        let mut providers = providers::for_bearer(&mut tx, &issuer).await?;
        tx.commit().await?;
        providers.retain(|one| one.bearer_audience.as_ref().is_some_and(|own| audiences.contains(own)));
        // One that is for several of them says not for which it is meant.
        let ([provider], true) = (providers.as_slice(), providers.len() == 1) else {
            return Err(Error::Unauthenticated);
        };
        let audience = provider.bearer_audience.as_deref().unwrap_or_default();
        let checked = self.outside.check_bearer(&provider.issuer, provider.trust(), audience, token).await;
        let (claims, by) = checked.map_err(|error| refused(&error))?;
        Ok((provider.clone(), claims, by))
    }

    /// The session of a token: its id follows from the token, so that it begins once, and what was revoked stays so.
    async fn begin_foreign(
        &self,
        provider: &ProviderRecord,
        claims: &Claims,
        fingerprint: &Fingerprint,
        origin: &Origin,
    ) -> Result<SessionId> {
        let code = self.key.code(Use::ForeignToken, &[provider.id.0.as_bytes(), fingerprint]);
        let session = SessionId(Uuid::from_slice(&code[..16]).map_err(|_| Error::Unauthenticated)?);
        let arrival = arrival(claims, &provider.claims);
        let arrived = self.arrive(provider, &arrival, origin).await;
        let Arrived { mut tx, user, provider: now, first } = arrived.map_err(|error| match error {
            // It was disabled, or is another one by now.
            Error::NotFound(_) => Error::Unauthenticated,
            error => error,
        })?;
        // What it was checked by was changed at this moment.
        if now != *provider {
            return Err(Error::Busy("the provider of the token was changed just now"));
        }
        let new = NewSession {
            id: session,
            user: user.id,
            device: describe(&origin.user_agent),
            address: origin.address.clone(),
            remembered: false,
            second_factor: arrival.mfa,
            // Nobody has what it is the hash of: it is not refreshed here.
            refresh_hash: random_bytes::<32>().to_vec(),
            browser_hash: None,
            provider: Some(now.id),
            only_tenant: now.tenant,
            expires_at: claims.expires_at,
        };
        let begun = sessions::create(&mut tx, &new).await?;
        let holder = sessions::holder(&mut tx, session).await?;
        let holder = holder.filter(|holder| holder.user_id == user.id).ok_or(Error::Unauthenticated)?;
        if holder.has_second_factor && (first.is_some() || !holder.second_factor) {
            // Nothing of what it said is done.
            drop(tx);
            let title = &now.title;
            let because = match first {
                Some(_) => format!(
                    "your account has a second factor: sign in by {title} in a browser once and give it there; \
                     from then on tokens of {title} count"
                ),
                None => format!(
                    "your account has a second factor, and {title} does not say that you gave one (`amr`)"
                ),
            };
            self.refused(now.id, &arrival, &because, origin).await?;
            return Err(Error::Forbidden(because));
        }
        if begun {
            let told = json!({ "provider": now.name, "by": "token" });
            let entry = Entry::done(Action::UserSignIn, now.tenant, &user.email).diff(&Value::Null, &told);
            self.auditor.write(&mut tx, &acting(&user, session, origin), entry).await?;
        }
        tx.commit().await?;
        Ok(session)
    }
}
