//! Who is let in: browsers with a session, programs with a token. Both are asked after at the platform
//! every few seconds, so that whom it no longer knows is out within that time.
//!
//! While the platform is away, its last word counts, but never longer than the access token would have.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use uuid::Uuid;

use super::back_door::BackDoor;
use super::digest;
use super::id_token::{self, Expected};
use super::person::{Person, Statement};
use super::provider::{NoTokens, Provider, Tokens};
use super::recent::Recent;
use super::seal::Seal;
use super::sessions::{Secrets, Session, SessionId, Sessions};
use super::trip::Trip;
use crate::settings::SignInSettings;
use crate::tenant::jwks::Keys;
use crate::tenant::token::{TokenError, Verifier};
use crate::web::problem::Error;

/// An access token that ends within this time is changed for another first.
const BEFORE_THE_END: TimeDelta = TimeDelta::seconds(60);
/// How exactly the last use of a session is known.
const USED: TimeDelta = TimeDelta::seconds(60);

/// What a request shows of itself.
#[derive(Clone)]
pub enum Credential {
    Session(SessionId),
    Token(SecretString),
}

/// Why a sign-in did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    #[error("the browser is not on its way back from the platform")]
    Lost,
    #[error("the answer is not the platform's")]
    AnotherIssuer,
    #[error("the platform refused")]
    Refused,
    #[error("the platform's word about the person was not good")]
    NotGood,
    #[error("the platform does not answer")]
    Away,
}

pub struct Guests {
    tenant: Uuid,
    pub settings: SignInSettings,
    pub provider: Provider,
    keys: Arc<Keys>,
    verifier: Verifier,
    sessions: Sessions,
    /// `None`: it has ended.
    by_session: Recent<SessionId, Option<Arc<Person>>>,
    by_token: Recent<[u8; 32], Option<Arc<Person>>>,
}

impl Guests {
    #[must_use]
    pub fn new(tenant: Uuid, settings: SignInSettings, pool: PgPool) -> Self {
        let door = BackDoor::default();
        let keys = Arc::new(Keys::at(door.clone(), settings.jwks_url.clone()));
        Self {
            tenant,
            provider: Provider::new(&settings, door),
            verifier: Verifier::new(tenant, &settings, Arc::clone(&keys)),
            keys,
            sessions: Sessions::new(pool, Seal::new(&settings.app_key)),
            by_session: Recent::new(settings.believed),
            by_token: Recent::new(settings.believed),
            settings,
        }
    }

    /// Who it is.
    ///
    /// # Errors
    /// [`Error::SignInNeeded`] for a session that has ended, a token's error for a token; that nobody can
    /// tell at the moment.
    pub async fn who(&self, credential: &Credential) -> Result<Arc<Person>, Error> {
        match credential {
            Credential::Session(id) => {
                let person = self.by_session.get(id, |_| self.of_session(id), Option::is_some).await?;
                person.ok_or(Error::SignInNeeded)
            }
            Credential::Token(token) => {
                // At every request, because it tells the time as well.
                let said = self.verifier.verify(token.expose_secret()).await?;
                let key = digest(&[token.expose_secret().as_bytes()]);
                let person = self.by_token.get(&key, |before| self.of_token(token, said, before), |_| true);
                person.await?.ok_or(Error::Token(TokenError::Invalid))
            }
        }
    }

    async fn of_token(
        &self,
        token: &SecretString,
        said: Statement,
        before: Option<Option<Arc<Person>>>,
    ) -> Result<Option<Arc<Person>>, Error> {
        if let Some(None) = before {
            return Ok(None);
        }
        match self.now(token).await {
            Ok(now) => Ok(now.map(|statement| Arc::new(statement.person))),
            // What the platform signed is its word as well, and the last one if it said nothing since.
            Err(Away) => Ok(Some(before.flatten().unwrap_or_else(|| Arc::new(said.person)))),
        }
    }

    async fn of_session(&self, id: &SessionId) -> Result<Option<Arc<Person>>, Error> {
        let Some(mut session) = self.sessions.find(id).await? else { return Ok(None) };
        let before = session.clone();
        match self.asked_after(&mut session).await {
            Ok(true) => {}
            Ok(false) => {
                self.sessions.end(id).await?;
                tracing::info!(
                    subject = session.statement.person.subject,
                    "a session has ended at the platform"
                );
                return Ok(None);
            }
            Err(Away) if session.statement.until > Utc::now() => {}
            Err(Away) => return Err(Error::WhoUnknown),
        }
        let now = Utc::now();
        if now - session.used_at > USED {
            session.used_at = now;
        }
        if session.used_at != before.used_at || session.statement != before.statement {
            self.sessions.keep(&session).await?;
        }
        Ok(Some(Arc::new(session.statement.person)))
    }

    /// Brings the session to what the platform says now; false when it has ended there.
    async fn asked_after(&self, session: &mut Session) -> Result<bool, Away> {
        let ends_soon = session.statement.until < Utc::now() + BEFORE_THE_END;
        if !ends_soon && self.said_of(session).await? {
            return Ok(true);
        }
        // Ended, or about to; also by a clock that goes otherwise. Only another token tells.
        let Some(refresh_token) = session.secrets.refresh_token.clone() else { return Ok(false) };
        match self.provider.refresh(&refresh_token).await {
            Ok(tokens) => {
                self.renew(session, tokens).await;
                self.said_of(session).await
            }
            Err(NoTokens::Refused(code)) => {
                tracing::debug!(code, "the platform gives no other token");
                Ok(false)
            }
            Err(NoTokens::Away(error)) => {
                tracing::warn!(%error, "a token could not be changed for another");
                // What the platform has just called ended has ended.
                if ends_soon { Err(Away) } else { Ok(false) }
            }
        }
    }

    /// Takes other tokens of the same sign-in. Of ID tokens the newest good one is kept: the keys that signed
    /// those before may be withdrawn, and then they name nobody any more when the session is to end.
    async fn renew(&self, session: &mut Session, tokens: Tokens) {
        if let Some(id_token) = tokens.id_token {
            match self.subject_of(&id_token, None, &tokens.access_token).await {
                Ok(subject) if subject == session.statement.person.subject => {
                    session.secrets.id_token = id_token;
                }
                Ok(_) => tracing::warn!("a session was given another person's ID token"),
                Err(error) => tracing::warn!(%error, "a session's other ID token was not taken"),
            }
        }
        session.secrets.access_token = tokens.access_token;
        if let Some(next) = tokens.refresh_token {
            session.secrets.refresh_token = Some(next);
        }
    }

    /// Whom an ID token is about that came with this access token.
    async fn subject_of(
        &self,
        id_token: &SecretString,
        nonce: Option<&str>,
        access_token: &SecretString,
    ) -> Result<String, id_token::Refused> {
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce,
            access_token: access_token.expose_secret(),
        };
        id_token::check(id_token.expose_secret(), &self.keys, &expected).await
    }

    /// Is its access token good, and still the same person's?
    async fn said_of(&self, session: &mut Session) -> Result<bool, Away> {
        let Some(now) = self.now(&session.secrets.access_token).await? else { return Ok(false) };
        if now.person.subject != session.statement.person.subject {
            tracing::error!("a session's token became another person's");
            return Ok(false);
        }
        session.statement = now;
        Ok(true)
    }

    /// What the platform says of a token now; `None` when it is not good, or not for us.
    async fn now(&self, token: &SecretString) -> Result<Option<Statement>, Away> {
        let claims = self.provider.introspect(token).await.map_err(|error| {
            tracing::warn!(%error, "the platform could not be asked about a token");
            Away
        })?;
        let Some(claims) = claims else { return Ok(None) };
        match Statement::read(&claims, self.tenant, &self.settings.client_id) {
            Ok(statement) => Ok(Some(statement)),
            Err(error) => {
                tracing::warn!(%error, "what the platform said of a token was not taken");
                Ok(None)
            }
        }
    }

    /// Ends a trip: takes the platform's code, checks what it says of the person and begins a session.
    /// Gives the number for the browser.
    ///
    /// # Errors
    /// [`SignInError`] as a problem, or the database's.
    pub async fn arrive(&self, trip: &Trip, code: &str, redirect_uri: &str) -> Result<String, Error> {
        let tokens = self.provider.redeem(code, &trip.verifier(), redirect_uri).await.map_err(|error| {
            tracing::warn!(%error, "no tokens for the code of a sign-in");
            match error {
                NoTokens::Refused(_) => SignInError::Refused,
                NoTokens::Away(_) => SignInError::Away,
            }
        })?;
        let (statement, secrets) = self.introduced(trip, tokens).await?;
        self.sessions.begin(statement, secrets).await
    }

    async fn introduced(&self, trip: &Trip, tokens: Tokens) -> Result<(Statement, Secrets), SignInError> {
        let id_token = tokens.id_token.ok_or(SignInError::NotGood)?;
        let checked = self.subject_of(&id_token, Some(&trip.nonce()), &tokens.access_token).await;
        let subject = checked.map_err(|error| {
            tracing::warn!(%error, "a sign-in was not taken");
            if error == id_token::Refused::NoKeys { SignInError::Away } else { SignInError::NotGood }
        })?;
        let statement = self.now(&tokens.access_token).await.map_err(|Away| SignInError::Away)?;
        // Without this word there is no session: it would end at once, and its browser go round in circles.
        let statement = statement.filter(|s| s.person.subject == subject).ok_or(SignInError::NotGood)?;
        let Tokens { access_token, refresh_token, .. } = tokens;
        Ok((statement, Secrets { access_token, refresh_token, id_token }))
    }

    /// Ends a session of ours, as far as it is there, and gives its ID token: what the platform knows by
    /// whose session is to end there, without asking.
    ///
    /// # Errors
    /// The database's.
    pub async fn leave(&self, id: &SessionId) -> Result<Option<SecretString>, Error> {
        let session = self.sessions.find(id).await?;
        self.drop_session(id).await?;
        let Some(session) = session else { return Ok(None) };
        if let Some(token) = &session.secrets.refresh_token
            && let Err(error) = self.provider.revoke(token).await
        {
            tracing::warn!(%error, "a refresh token could not be revoked");
        }
        Ok(Some(session.secrets.id_token))
    }

    /// Forgets a session, without a word to the platform.
    ///
    /// # Errors
    /// The database's.
    pub async fn drop_session(&self, id: &SessionId) -> Result<(), Error> {
        self.sessions.end(id).await?;
        self.by_session.forget(id);
        Ok(())
    }
}

/// The platform cannot be asked.
struct Away;
