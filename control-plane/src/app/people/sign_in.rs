//! Signing in with email and password.

use secrecy::{ExposeSecret, SecretString};

use super::super::audit::{Action, Entry};
use super::super::caller::Origin;
use super::super::error::Error;
use super::super::failures::Try;
use super::super::{App, Result};
use super::beat::unless_well;
use super::second_factor::{Holder, Second};
use super::sessions::SignedIn;
use super::{acting, email, nobody};
use crate::identity::passwords::{MAX_LENGTH, Verdict};
use crate::model::email::Email;
use crate::model::ids::SessionId;
use crate::store::Tx;
use crate::store::providers::ProviderRecord;
use crate::store::users::{self, UserRecord};

/// What somebody signs in with.
#[derive(Clone)]
pub struct SignIn {
    pub email: String,
    pub password: SecretString,
    /// Whether the device shall be remembered for longer.
    pub remember: bool,
    /// A code by the clock, or a recovery code.
    pub second_factor: Option<String>,
}

/// How somebody stands who came with email and password.
pub(super) enum Admission {
    /// All is right that was asked for.
    Granted(Box<Granted>),
    /// The password is right, and a second factor is asked for.
    CodeMissing(Box<UserRecord>),
}

/// Somebody who is let in, in the transaction in which they are.
pub(super) struct Granted {
    pub tx: Tx,
    pub user: UserRecord,
    /// Whether they gave a second factor.
    pub second_factor: bool,
    /// Who vouched for them; none where it was their password.
    pub by: Option<ProviderRecord>,
}

impl App {
    /// Begins a session for email and password. Whether anybody has the email can be told neither from the answer nor
    /// from the time it takes. Whoever has the password may know how their account stands.
    ///
    /// # Errors
    /// `WrongCredentials`; `SecondFactorRequired`; `WrongSecondFactor`; `TooManyFailures`; `EmailNotVerified` and
    /// `Forbidden` for an account that is suspended, with the right password alone; `Busy`; `Invalid` for what is too
    /// long.
    pub async fn sign_in(&self, with: SignIn, origin: &Origin) -> Result<SignedIn> {
        let remember = with.remember;
        let Admission::Granted(granted) = self.let_in(with, origin).await? else {
            return Err(Error::SecondFactorRequired);
        };
        let Granted { mut tx, user, second_factor, .. } = *granted;
        let signed_in = self.begin_session(&mut tx, &user, remember, second_factor, origin).await?;
        let by = acting(&user, signed_in.session, origin);
        self.auditor.write(&mut tx, &by, Entry::done(Action::UserSignIn, None, &user.email)).await?;
        tx.commit().await?;
        Ok(signed_in)
    }

    /// Lets somebody in who has the right email, password and second factor. Nothing is begun for them yet.
    ///
    /// # Errors
    /// As [`App::sign_in`], but for a second factor that is missing.
    pub(super) async fn let_in(&self, with: SignIn, origin: &Origin) -> Result<Admission> {
        let email = email(&with.email)?;
        if with.password.expose_secret().len() > MAX_LENGTH {
            return Err(Error::wrong("password", format!("at most {MAX_LENGTH} bytes")));
        }
        unless_well(self.try_to_sign_in(email, with, origin)).await
    }

    async fn try_to_sign_in(&self, email: Email, with: SignIn, origin: &Origin) -> Result<Admission> {
        let one = Try::of_user(email.as_str(), &origin.address);
        let mut tx = self.begin_as_system().await?;
        self.may_try(&mut tx, &one).await?;
        let user = users::by_email(&mut tx, &email).await?;
        tx.commit().await?;
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let verdict = self.compare_password(&with.password, hash).await?;
        let Some(user) = user.filter(|_| verdict != Verdict::Wrong) else {
            return Err(self.sign_in_failed(&one, &email, origin).await?);
        };
        if user.verified_at.is_none() || user.suspended_at.is_some() {
            return Err(self.sign_in_refused(&one, &user, origin).await?);
        }
        let again = match verdict {
            Verdict::Outdated => Some(self.hasher.hash_again(with.password).await?),
            _ => None,
        };
        let mut tx = self.begin_as_system().await?;
        // Whether the password is right is told to nobody who may be guessing.
        self.may_try(&mut tx, &one).await?;
        let second =
            self.second_factor(&mut tx, &Holder::user(&user, origin), with.second_factor.as_deref()).await?;
        match second {
            Second::None | Second::Given => {}
            Second::Missing => return Ok(Admission::CodeMissing(Box::new(user))),
            Second::Wrong => {
                drop(tx);
                return Err(self.wrong_second_factor(&one, &email, origin).await?);
            }
        }
        self.shown(&mut tx, &one).await?;
        if let Some(hash) = again {
            users::set_password(&mut tx, user.id, user.password_hash.as_deref(), &hash).await?;
        }
        let second_factor = second == Second::Given;
        Ok(Admission::Granted(Box::new(Granted { tx, user, second_factor, by: None })))
    }

    /// Counts and writes down a wrong code with the right password; what to answer.
    pub(super) async fn wrong_second_factor(
        &self,
        one: &Try,
        email: &Email,
        origin: &Origin,
    ) -> Result<Error> {
        Ok(match self.sign_in_failed(one, email, origin).await? {
            Error::WrongCredentials => Error::WrongSecondFactor,
            other => other,
        })
    }

    /// Counts and writes down what failed; what to answer.
    async fn sign_in_failed(&self, one: &Try, email: &Email, origin: &Origin) -> Result<Error> {
        let mut tx = self.begin_as_system().await?;
        let error = self.failed(&mut tx, one).await?;
        let entry = Entry::refused(Action::UserSignIn, None, email);
        self.auditor.write(&mut tx, &nobody(origin), entry).await?;
        tx.commit().await?;
        Ok(error)
    }

    /// The password is right, and yet nobody is let in.
    async fn sign_in_refused(&self, one: &Try, user: &UserRecord, origin: &Origin) -> Result<Error> {
        let mut tx = self.begin_as_system().await?;
        // Told to nobody whose password may be a guess among many.
        self.may_try(&mut tx, one).await?;
        let by = acting(user, SessionId::random(), origin);
        self.auditor.write(&mut tx, &by, Entry::refused(Action::UserSignIn, None, &user.email)).await?;
        tx.commit().await?;
        Ok(match user.suspended_at {
            Some(_) => Error::Forbidden("this account is suspended; ask the platform's admins".to_owned()),
            None => Error::EmailNotVerified,
        })
    }
}
