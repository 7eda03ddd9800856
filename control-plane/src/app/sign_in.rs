//! Signing in, and knowing a caller by the token that was given for it.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::JwkSet;
use secrecy::{ExposeSecret, SecretString};

use super::error::Error;
use super::rules::EMAIL_BYTES;
use super::{App, Result};
use crate::identity::passwords;
use crate::identity::tokens::{PLATFORM_AUDIENCE, Subject};
use crate::model::ids::AdminId;
use crate::store::{self, Scope, admins};

/// What a token's role is called when its subject is a platform admin.
pub const ROLE: &str = "platform_admin";

/// Who asks for something: a platform admin, or the operator with a token made on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub admin: Option<AdminId>,
    /// The email, or what the operator's token calls itself.
    pub name: String,
}

impl Caller {
    /// As whom they appear in operations.
    #[must_use]
    pub fn label(&self) -> String {
        self.name.clone()
    }

    /// What they may see: a platform admin sees every tenant.
    pub(super) fn scope(&self) -> Scope {
        Scope::Platform
    }
}

/// A signed token, and when it ends.
#[derive(Debug)]
pub struct Token {
    pub text: SecretString,
    pub expires_at: DateTime<Utc>,
}

impl App {
    /// Gives a token for email and password. `address` is where the request came from: failures are counted for both
    /// together. Whether anybody has the email cannot be told from the answer nor from the time it takes.
    ///
    /// # Errors
    /// `WrongCredentials`, also for an admin who is disabled; `TooManyFailures`; `Invalid` for what is too long.
    pub async fn sign_in(&self, email: &str, password: &SecretString, address: &str) -> Result<Token> {
        let email = email.trim().to_lowercase();
        if email.is_empty() || email.len() > EMAIL_BYTES || email.contains('\0') {
            return Err(Error::wrong("email", format!("1 to {EMAIL_BYTES} bytes")));
        }
        if password.expose_secret().len() > passwords::MAX_LENGTH {
            return Err(Error::wrong("password", format!("at most {} bytes", passwords::MAX_LENGTH)));
        }
        self.failures.attempt(&email, address, Instant::now()).map_err(Error::TooManyFailures)?;
        let outcome = self.verified(&email, password).await;
        match &outcome {
            Ok(_) => self.failures.forget(&email, address),
            Err(Error::WrongCredentials) => tracing::info!(%email, %address, "a sign-in failed"),
            Err(_) => self.failures.excuse(&email, address),
        }
        let admin = outcome?;
        let minutes = self.settings.token_minutes;
        let expires_at = Utc::now() + TimeDelta::minutes(i64::from(minutes));
        let subject = Subject {
            id: admin.id.to_string(),
            email: Some(admin.email),
            role: Some(ROLE.to_owned()),
            tenant: None,
        };
        let text = self.issuer.issue(subject, PLATFORM_AUDIENCE, minutes).map_err(Error::internal)?;
        tracing::info!(%email, %address, "signed in");
        Ok(Token { text: text.into(), expires_at })
    }

    async fn verified(&self, email: &str, password: &SecretString) -> Result<admins::AdminRecord> {
        let mut tx = self.begin_as_system().await?;
        let admin = admins::by_email(&mut tx, email).await?;
        tx.commit().await?;
        let hash = admin.as_ref().map(|admin| admin.password_hash.clone());
        let right = passwords::verify(password.clone(), hash).await;
        match admin {
            Some(admin) if right && admin.disabled_at.is_none() => Ok(admin),
            _ => Err(Error::WrongCredentials),
        }
    }

    /// Whose token this is. An admin who was disabled since it was given is nobody. A subject that is no admin's id
    /// is the operator's own: such a token was made on the host, by who holds the key itself.
    ///
    /// # Errors
    /// `Unauthenticated` when it is nobody's, or not any more.
    pub async fn who(&self, token: &str) -> Result<Caller> {
        let claims = self.verifier.verify(token, PLATFORM_AUDIENCE).map_err(|_| Error::Unauthenticated)?;
        if claims.tenant.is_some() {
            return Err(Error::Unauthenticated);
        }
        let Ok(id) = claims.sub.parse::<AdminId>() else {
            return Ok(Caller { admin: None, name: claims.email.unwrap_or(claims.sub) });
        };
        let mut tx = self.begin_as_system().await?;
        let admin = match admins::by_id(&mut tx, id).await {
            Err(store::Error::NotFound) => return Err(Error::Unauthenticated),
            other => other?,
        };
        tx.commit().await?;
        if admin.disabled_at.is_some() {
            return Err(Error::Unauthenticated);
        }
        Ok(Caller { admin: Some(admin.id), name: admin.email })
    }

    /// The public keys by which our tokens are verified.
    #[must_use]
    pub fn keys(&self) -> JwkSet {
        self.issuer.jwks()
    }
}
