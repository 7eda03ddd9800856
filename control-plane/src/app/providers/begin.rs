//! Signing in by a provider: somebody is sent there, and comes back.
//!
//! No transaction is open and no place in any line is held while the provider is talked to.

use chrono::{TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::audit::{Action, Entry};
use super::super::caller::Origin;
use super::super::error::{Error, OrNotFound};
use super::super::oauth::signed_in_after;
use super::super::people::{Step, nobody};
use super::super::{App, Result};
use super::check::{in_time, told};
use super::errand::{Errand, GOOD_FOR};
use crate::identity::outside::{Asked, Back, Claims, Client, OutsideError, TokenFault, arrival};
use crate::model::ids::{ProviderId, TenantId};
use crate::store::policies;
use crate::store::providers::{self, ProviderRecord};

/// Where providers send people back to, as a path of ours. Each has an address of its own behind it, so that the answer
/// of one is never taken for another's (RFC 9700, 4.4.2): not every provider says in its answer who it is.
pub const CALLBACK: &str = "/sign-in/callback/";
/// How long a browser keeps what it is sent there with.
pub const KEPT_FOR: TimeDelta = GOOD_FOR;

/// A provider that one may sign in by, as those see it who are at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    pub id: ProviderId,
    pub title: String,
}

/// The ways to sign in at a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doors {
    pub offered: Vec<Offered>,
    /// Whether all but owners come by one of them.
    pub required: bool,
}

/// Somebody who is to be sent to a provider.
#[derive(Debug)]
pub struct Sent {
    /// Where.
    pub url: String,
    /// What their browser keeps meanwhile.
    pub errand: SecretString,
}

/// Somebody who came back to where they were sent from.
#[derive(Debug, Clone)]
pub struct Returning {
    errand: Errand,
}

/// What they brought, unchecked.
#[derive(Debug, Clone, Default)]
pub struct Brought {
    /// The path of ours that they came back to.
    pub path: String,
    pub code: String,
    /// Why they have none.
    pub error: Option<String>,
    /// Who says that it is who answers (RFC 9207).
    pub iss: Option<String>,
}

impl Returning {
    /// Where they go on, as a path of ours; may be empty.
    #[must_use]
    pub fn way(&self) -> &str {
        &self.errand.way
    }
}

/// What somebody is told whom a provider could not vouch for. What it said is for the log.
fn away(provider: &ProviderRecord, error: &OutsideError) -> Error {
    tracing::warn!(provider = %provider.id, %error, "somebody could not sign in by it");
    let title = &provider.title;
    Error::NotNow(match error {
        OutsideError::Token(_) | OutsideError::Refused(_) => {
            format!("{title} answered in a way that does not count; sign in another way")
        }
        _ => format!("{title} does not answer; sign in another way, or try again in a moment"),
    })
}

/// What somebody is told who comes back without a code. What the provider says beside that is not shown.
fn declined(provider: &ProviderRecord, error: &str) -> Error {
    let title = &provider.title;
    match error {
        "access_denied" | "interaction_required" | "login_required" | "consent_required" => {
            Error::Forbidden(format!("{title} did not sign you in: it was cancelled there, or you may not"))
        }
        "server_error" | "temporarily_unavailable" => {
            Error::NotNow(format!("{title} cannot sign anybody in at the moment; sign in another way"))
        }
        _ => {
            Error::NotNow(format!("{title} did not understand that you want to sign in; sign in another way"))
        }
    }
}

/// Where a provider sends people back to, as a path of ours. A tenant's is under its id: two tenants may call theirs the
/// same.
fn callback(provider: &ProviderRecord) -> String {
    match provider.tenant {
        Some(tenant) => format!("{CALLBACK}{tenant}/{}", provider.name),
        None => format!("{CALLBACK}{}", provider.name),
    }
}

/// What a provider says of somebody, if they signed in there since, where that was asked for. Not every provider says
/// when it was.
fn recent(claims: Claims, since: Option<i64>) -> Result<Claims, OutsideError> {
    if since.is_none_or(|since| claims.is_since(since)) { Ok(claims) } else { Err(TokenFault::Older.into()) }
}

/// Who we are at a provider.
fn client<'a>(provider: &'a ProviderRecord, secret: Option<&'a SecretString>) -> Client<'a> {
    Client {
        provider: provider.id,
        issuer: &provider.issuer,
        trust: provider.trust(),
        id: &provider.client_id,
        secret,
        scopes: &provider.scopes,
    }
}

impl App {
    /// By what one may sign in at a tenant's place, or at the platform's own.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn ways_in(&self, tenant: Option<TenantId>) -> Result<Doors> {
        let mut tx = self.begin_as_system().await?;
        let offered = providers::offered(&mut tx, tenant).await?;
        let required = match tenant {
            Some(tenant) => policies::get(&mut tx, tenant).await?.required_provider,
            None => None,
        };
        tx.commit().await?;
        let offered = offered.into_iter().filter(|one| required.is_none_or(|only| only == one.id));
        Ok(Doors {
            offered: offered.map(|one| Offered { id: one.id, title: one.title }).collect(),
            required: required.is_some(),
        })
    }

    /// The provider, if one may sign in by it now.
    async fn open_provider(&self, id: ProviderId) -> Result<ProviderRecord> {
        let mut tx = self.begin_as_system().await?;
        let provider = providers::hold_enabled(&mut tx, id).await.or_not_found("provider")?;
        tx.commit().await?;
        Ok(provider)
    }

    /// The address that people come back to from a provider: the one to be registered there, to the letter.
    #[must_use]
    pub fn redirect_uri(&self, provider: &ProviderRecord) -> String {
        format!("{}{}", self.settings.url_of(self.settings.domain.as_str()), callback(provider))
    }

    /// Begins to sign somebody in by a provider, who goes on to `way` then.
    ///
    /// # Errors
    /// `NotFound` for a provider that is not there or not enabled; `NotNow` when it does not answer.
    pub async fn send_to_provider(&self, id: ProviderId, way: &str, hint: Option<&str>) -> Result<Sent> {
        let provider = self.open_provider(id).await?;
        let errand = Errand::new(id, way, Utc::now());
        let redirect_uri = self.redirect_uri(&provider);
        let (state, nonce, verifier) =
            (errand.state(&self.key), errand.nonce(&self.key), errand.verifier(&self.key));
        let asked = Asked {
            redirect_uri: &redirect_uri,
            state: state.expose_secret(),
            nonce: nonce.expose_secret(),
            verifier: verifier.expose_secret(),
            login_hint: hint,
            again: signed_in_after(way).is_some(),
        };
        let secret = self.secret_of(&provider)?;
        let begun = Instant::now();
        match self.outside.begin(&client(&provider, secret.as_ref()), &asked).await {
            Ok(url) => Ok(Sent { url, errand: errand.text(&self.key) }),
            Err(error) => {
                in_time(begun, &error, provider.trust()).await;
                Err(away(&provider, &error))
            }
        }
    }

    /// Who comes back with what their browser kept, if it is from there that this answer was asked for.
    #[must_use]
    pub fn returning(&self, errand: &SecretString, state: &str) -> Option<Returning> {
        let errand = Errand::read(errand, &self.key, Utc::now())?;
        errand.is_state(&self.key, state).then_some(Returning { errand })
    }

    /// Writes down that a provider did not vouch for somebody.
    async fn not_redeemed(
        &self,
        provider: &ProviderRecord,
        error: &OutsideError,
        origin: &Origin,
    ) -> Result<()> {
        let because = json!({ "provider": provider.name, "because": told(error, provider.trust()) });
        let entry =
            Entry::refused(Action::UserSignIn, provider.tenant, &provider.name).diff(&Value::Null, &because);
        let mut tx = self.begin_as_system().await?;
        self.auditor.write(&mut tx, &nobody(origin), entry).await?;
        Ok(tx.commit().await?)
    }

    /// Signs somebody in who came back from a provider. The session that the browser held `before` ends with it.
    ///
    /// # Errors
    /// As [`App::arrive`]; `NotNow` when the provider does not answer or not as it must; `Forbidden` when it declined;
    /// `Unauthenticated` when this was done before, and for what came to another provider's address.
    pub async fn sign_in_by_provider(
        &self,
        returning: &Returning,
        brought: Brought,
        before: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<Step> {
        let errand = &returning.errand;
        let provider = self.open_provider(errand.provider).await?;
        // Before anything of it is shown to anybody: the code may be another provider's.
        if brought.path != callback(&provider) {
            tracing::warn!(provider = %provider.id, path = %brought.path, "an answer came to another provider's address");
            return Err(Error::Unauthenticated);
        }
        if let Some(error) = &brought.error {
            return Err(declined(&provider, error));
        }
        let secret = self.secret_of(&provider)?;
        let redirect_uri = self.redirect_uri(&provider);
        let (nonce, verifier) = (errand.nonce(&self.key), errand.verifier(&self.key));
        let back = Back {
            code: &brought.code,
            issuer: brought.iss.as_deref(),
            redirect_uri: &redirect_uri,
            nonce: nonce.expose_secret(),
            verifier: verifier.expose_secret(),
        };
        let begun = Instant::now();
        let redeemed = self.outside.redeem(&client(&provider, secret.as_ref()), &back).await;
        let since = signed_in_after(&errand.way);
        let claims = match redeemed.and_then(|claims| recent(claims, since)) {
            Ok(claims) => claims,
            Err(error) => {
                self.not_redeemed(&provider, &error, origin).await?;
                in_time(begun, &error, provider.trust()).await;
                return Err(away(&provider, &error));
            }
        };
        let arrival = arrival(&claims, &provider.claims);
        let arrived = self.arrive(&provider, &arrival, origin).await?;
        self.let_in_by_provider(arrived, arrival.mfa, errand.session, before, origin).await
    }
}
