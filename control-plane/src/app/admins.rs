//! Platform admins: a kind of their own, who sign in at a door of their own.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::JwkSet;
use secrecy::{ExposeSecret, SecretString};

use super::audit::{Action, Entry};
use super::caller::{Caller, Origin, Who};
use super::error::Error;
use super::failures::Try;
use super::people::{Holder, Second};
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
    /// Gives a token for email and password. Failures are counted for the email and for the address. Whether
    /// anybody has the email cannot be told from the answer nor from the time it takes.
    ///
    /// # Errors
    /// `WrongCredentials`, also for an admin who is disabled; `SecondFactorRequired`; `WrongSecondFactor`;
    /// `TooManyFailures`; `Invalid` for what is too long.
    pub async fn sign_in_admin(
        &self,
        email: &str,
        password: &SecretString,
        code: Option<&str>,
        origin: Origin,
    ) -> Result<Token> {
        let email = email.trim().to_lowercase();
        let address = origin.address.clone();
        let address = address.as_str();
        if email.is_empty() || email.len() > EMAIL_BYTES || email.contains('\0') {
            return Err(Error::wrong("email", format!("1 to {EMAIL_BYTES} bytes")));
        }
        if password.expose_secret().len() > passwords::MAX_LENGTH {
            return Err(Error::wrong("password", format!("at most {} bytes", passwords::MAX_LENGTH)));
        }
        let one = Try::of_admin(&email, address);
        let Some(admin) = self.verified(&one, &email, password).await? else {
            return Err(self.admin_not_let_in(&one, &email, &origin).await?);
        };
        let holder = Holder::admin(&admin, &origin);
        let minutes = self.settings.token_minutes;
        let expires_at = Utc::now() + TimeDelta::minutes(i64::from(minutes));
        let subject = Subject {
            id: admin.id.to_string(),
            email: Some(admin.email),
            role: Some(ROLE.to_owned()),
            ..Subject::default()
        };
        let by = Caller { who: Who::Admin { id: admin.id, email: email.clone() }, origin: origin.clone() };
        let mut tx = self.begin_as_system().await?;
        // Whether the password is right is told to nobody who may be guessing.
        self.may_try(&mut tx, &one).await?;
        match self.second_factor(&mut tx, &holder, code).await? {
            Second::None | Second::Given => {}
            Second::Missing => return Err(Error::SecondFactorRequired),
            Second::Wrong => {
                drop(tx);
                return Err(match self.admin_not_let_in(&one, &email, &origin).await? {
                    Error::WrongCredentials => Error::WrongSecondFactor,
                    other => other,
                });
            }
        }
        self.shown(&mut tx, &one).await?;
        self.auditor.write(&mut tx, &by, Entry::done(Action::AdminSignIn, None, &email)).await?;
        tx.commit().await?;
        let text = self.issuer.issue(subject, ADMIN_AUDIENCE, minutes).map_err(Error::internal)?;
        tracing::info!(%email, %address, "signed in");
        Ok(Token { text: text.into(), expires_at })
    }

    /// Counts and writes down what failed; what to answer.
    async fn admin_not_let_in(&self, one: &Try, email: &str, origin: &Origin) -> Result<Error> {
        tracing::info!(%email, address = %origin.address, "a sign-in failed");
        let by = Caller { who: Who::Nobody, origin: origin.clone() };
        let mut tx = self.begin_as_system().await?;
        let error = self.failed(&mut tx, one).await?;
        self.auditor.write(&mut tx, &by, Entry::refused(Action::AdminSignIn, None, email)).await?;
        tx.commit().await?;
        Ok(error)
    }

    /// The admin of this email and password; none when there is none.
    async fn verified(
        &self,
        one: &Try,
        email: &str,
        password: &SecretString,
    ) -> Result<Option<admins::AdminRecord>> {
        let mut tx = self.begin_as_system().await?;
        self.may_try(&mut tx, one).await?;
        let admin = admins::by_email(&mut tx, email).await?;
        tx.commit().await?;
        let hash = admin.as_ref().map(|admin| admin.password_hash.clone());
        let right = self.compare_password(password, hash).await? != Verdict::Wrong;
        Ok(admin.filter(|admin| right && admin.disabled_at.is_none()))
    }

    /// The public keys by which our tokens are verified.
    #[must_use]
    pub fn keys(&self) -> JwkSet {
        self.issuer.jwks()
    }
}
