//! The second factor: codes by the clock, and recovery codes for when the device is lost.

use chrono::Utc;
use secrecy::SecretString;

use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Origin};
use super::super::error::Error;
use super::super::failures::Try;
use super::super::{App, Result};
use crate::identity::totp::{self, Totp};
use crate::model::ids::UserId;
use crate::model::letter::Letter;
use crate::store::second_factors::{self, SecondFactorRecord};
use crate::store::users::UserRecord;
use crate::store::{Scope, Tx, mails};

/// What the secret is sealed for.
const PURPOSE: &str = "second_factor";

/// What an authenticator app needs.
#[derive(Debug)]
pub struct Enrolment {
    /// In base 32, for those who type it.
    pub secret: SecretString,
    /// The same as a link, which is shown as a QR code.
    pub uri: SecretString,
}

/// How a sign-in stands with its second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// They have none.
    None,
    Given,
    Missing,
    Wrong,
}

fn set_up_already() -> Error {
    Error::NotNow("a second factor is set up already; take it away first".to_owned())
}

fn nothing_set_up() -> Error {
    Error::NotNow("no second factor is set up".to_owned())
}

impl App {
    fn totp(&self, secret: &SecretString, user: &UserRecord) -> Result<Totp> {
        let issuer = self.settings.domain.as_str();
        Totp::new(secret, issuer, user.email.as_str()).ok_or_else(|| Error::internal("a secret that is none"))
    }

    fn unsealed(&self, factor: &SecondFactorRecord, user: &UserRecord) -> Result<Totp> {
        let secret = self.key.vault().open(user.id, PURPOSE, &factor.sealed).map_err(Error::internal)?;
        self.totp(&secret, user)
    }

    /// Whether a code is good for a user's second factor; if so it is taken.
    pub(super) async fn second_factor(
        &self,
        tx: &mut Tx,
        user: &UserRecord,
        code: Option<&str>,
    ) -> Result<Second> {
        let Some(factor) = second_factors::lock(tx, user.id).await?.filter(|factor| factor.confirmed) else {
            return Ok(Second::None);
        };
        let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) else {
            return Ok(Second::Missing);
        };
        if let Some(step) = self.unsealed(&factor, user)?.step(code, Utc::now()) {
            if step <= factor.last_step {
                return Ok(Second::Wrong);
            }
            second_factors::take_step(tx, user.id, step).await?;
            return Ok(Second::Given);
        }
        let taken = match totp::recovery_hash(&self.key, user.id, code) {
            Some(hash) => second_factors::take_code(tx, user.id, &hash).await?,
            None => false,
        };
        Ok(if taken { Second::Given } else { Second::Wrong })
    }

    /// Begins to set a second factor up. It counts once a code of it was given.
    ///
    /// # Errors
    /// `NotNow` when there is one; `Forbidden` for platform admins.
    pub async fn begin_second_factor(&self, caller: &Caller) -> Result<Enrolment> {
        let user = self.myself(caller).await?;
        let secret = totp::new_secret();
        let sealed = self.key.vault().seal(user.id, PURPOSE, &secret).map_err(Error::internal)?;
        let mut tx = self.store.begin(Scope::Person(user.id)).await?;
        if !second_factors::begin(&mut tx, user.id, &sealed).await? {
            return Err(set_up_already());
        }
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::SecondFactorBegin, None, &user.email))
            .await?;
        tx.commit().await?;
        let uri = self.totp(&secret, &user)?.uri().ok_or_else(|| Error::internal("no uri"))?;
        Ok(Enrolment { secret, uri })
    }

    /// Confirms the second factor by a code of it. The recovery codes are told this once. The session that asks has it
    /// from now on.
    ///
    /// # Errors
    /// `Invalid` for a wrong code; `NotNow` when none was begun or it is confirmed already.
    pub async fn confirm_second_factor(&self, caller: &Caller, code: &str) -> Result<Vec<SecretString>> {
        let (user, session) = (self.myself(caller).await?, caller.user()?.session);
        let mut tx = self.store.begin(Scope::Person(user.id)).await?;
        let factor = second_factors::lock(&mut tx, user.id).await?.ok_or_else(nothing_set_up)?;
        if factor.confirmed {
            return Err(set_up_already());
        }
        let step = self.unsealed(&factor, &user)?.step(code.trim(), Utc::now());
        let step =
            step.ok_or_else(|| Error::wrong("code", "it is wrong; is the clock of the device right?"))?;
        second_factors::take_step(&mut tx, user.id, step).await?;
        let codes = self.new_codes(&mut tx, user.id).await?;
        second_factors::given_in(&mut tx, user.id, session).await?;
        self.tell_of_second_factor(&mut tx, &user, true, &caller.origin).await?;
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::SecondFactorSetUp, None, &user.email))
            .await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Takes the second factor away, for whoever has both the password and a code.
    ///
    /// # Errors
    /// `Invalid` when one is wrong; `NotNow` when there is none; `TooManyFailures`; `Busy`.
    pub async fn remove_second_factor(
        &self,
        caller: &Caller,
        password: &SecretString,
        code: &str,
    ) -> Result<()> {
        let user = self.myself(caller).await?;
        self.ask_password(caller, &user, password, "password").await?;
        let mut tx = self.store.begin(Scope::Person(user.id)).await?;
        match self.second_factor(&mut tx, &user, Some(code)).await? {
            Second::Given => {}
            Second::None => return Err(nothing_set_up()),
            Second::Missing | Second::Wrong => {
                drop(tx);
                return Err(self.wrong_code(caller, &user).await?);
            }
        }
        second_factors::remove(&mut tx, user.id).await?;
        self.tell_of_second_factor(&mut tx, &user, false, &caller.origin).await?;
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::SecondFactorRemove, None, &user.email))
            .await?;
        Ok(tx.commit().await?)
    }

    /// Makes new recovery codes in place of all there were, and tells them this once.
    ///
    /// # Errors
    /// `Invalid` when the password is wrong; `NotNow` without a second factor; `TooManyFailures`; `Busy`.
    pub async fn renew_recovery_codes(
        &self,
        caller: &Caller,
        password: &SecretString,
    ) -> Result<Vec<SecretString>> {
        let user = self.myself(caller).await?;
        self.ask_password(caller, &user, password, "password").await?;
        let mut tx = self.store.begin(Scope::Person(user.id)).await?;
        if second_factors::lock(&mut tx, user.id).await?.is_none_or(|factor| !factor.confirmed) {
            return Err(nothing_set_up());
        }
        let codes = self.new_codes(&mut tx, user.id).await?;
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::RecoveryCodesRenew, None, &user.email))
            .await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Counts a wrong code of somebody who is signed in; what to answer.
    async fn wrong_code(&self, caller: &Caller, user: &UserRecord) -> Result<Error> {
        let one = Try::of_user(user.email.as_str(), &caller.origin.address);
        let mut tx = self.begin_as_system().await?;
        let error = match self.failed(&mut tx, &one).await? {
            Error::WrongCredentials => Error::wrong("code", "it is wrong, or was used before"),
            other => other,
        };
        let entry = Entry::refused(Action::SecondFactorRemove, None, &user.email);
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Ok(error)
    }

    async fn new_codes(&self, tx: &mut Tx, user: UserId) -> Result<Vec<SecretString>> {
        use secrecy::ExposeSecret;
        let codes = totp::recovery_codes();
        let hashes: Vec<[u8; 32]> = codes
            .iter()
            .filter_map(|code| totp::recovery_hash(&self.key, user, code.expose_secret()))
            .collect();
        second_factors::replace_codes(tx, user, &hashes).await?;
        Ok(codes)
    }

    async fn tell_of_second_factor(
        &self,
        tx: &mut Tx,
        user: &UserRecord,
        set_up: bool,
        origin: &Origin,
    ) -> Result<()> {
        let (name, address) = (user.name.clone(), origin.address.clone());
        mails::queue(tx, None, &user.email, &Letter::SecondFactorChanged { name, set_up, address }).await?;
        Ok(())
    }
}
