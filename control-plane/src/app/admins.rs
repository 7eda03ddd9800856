//! Platform admins: a kind of their own, who sign in at a door of their own.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::JwkSet;
use secrecy::{ExposeSecret, SecretString};

use super::audit::{Action, Entry};
use super::caller::{Caller, Origin, Who};
use super::error::Error;
use super::rules::EMAIL_BYTES;
use super::{App, Result};
use crate::identity::passwords::{self, Verdict};
use crate::identity::tokens::{ADMIN_AUDIENCE, Subject};
use crate::store::admins;

/// What a token's role is called when its subject is a platform admin.
pub const ROLE: &str = "platform_admin";

/// A signed token, and when it ends.
#[derive(Debug)]
pub struct Token {
    pub text: SecretString,
    pub expires_at: DateTime<Utc>,
}

impl App {
    /// Gives a token for email and password. Failures are counted for the email and the address together. Whether anybody has the email cannot be told from the answer nor from the time it takes.
    ///
    /// # Errors
    /// `WrongCredentials`, also for an admin who is disabled; `TooManyFailures`; `Invalid` for what is too long.
    pub async fn sign_in_admin(&self, email: &str, password: &SecretString, origin: Origin) -> Result<Token> {
        let email = email.trim().to_lowercase();
        let address = origin.address.clone();
        let address = address.as_str();
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
            Err(Error::WrongCredentials) => {
                tracing::info!(%email, %address, "a sign-in failed");
                self.tell_of_sign_in(Who::Nobody, &origin, Entry::refused(Action::AdminSignIn, None, &email))
                    .await?;
            }
            Err(_) => self.failures.excuse(&email, address),
        }
        let admin = outcome?;
        let minutes = self.settings.token_minutes;
        let expires_at = Utc::now() + TimeDelta::minutes(i64::from(minutes));
        let subject = Subject {
            id: admin.id.to_string(),
            email: Some(admin.email),
            role: Some(ROLE.to_owned()),
            ..Subject::default()
        };
        let who = Who::Admin { id: admin.id, email: email.clone() };
        self.tell_of_sign_in(who, &origin, Entry::done(Action::AdminSignIn, None, &email)).await?;
        let text = self.issuer.issue(subject, ADMIN_AUDIENCE, minutes).map_err(Error::internal)?;
        tracing::info!(%email, %address, "signed in");
        Ok(Token { text: text.into(), expires_at })
    }

    async fn tell_of_sign_in(&self, who: Who, origin: &Origin, entry: Entry) -> Result<()> {
        let by = Caller { who, origin: origin.clone() };
        let mut tx = self.begin_as_system().await?;
        self.auditor.write(&mut tx, &by, entry).await?;
        Ok(tx.commit().await?)
    }

    async fn verified(&self, email: &str, password: &SecretString) -> Result<admins::AdminRecord> {
        let mut tx = self.begin_as_system().await?;
        let admin = admins::by_email(&mut tx, email).await?;
        tx.commit().await?;
        let hash = admin.as_ref().map(|admin| admin.password_hash.clone());
        let right = self.compare_password(password, hash).await? != Verdict::Wrong;
        match admin {
            Some(admin) if right && admin.disabled_at.is_none() => Ok(admin),
            _ => Err(Error::WrongCredentials),
        }
    }

    /// The public keys by which our tokens are verified.
    #[must_use]
    pub fn keys(&self) -> JwkSet {
        self.issuer.jwks()
    }
}
