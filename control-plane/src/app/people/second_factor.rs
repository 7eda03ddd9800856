//! The second factor: codes by the clock, and recovery codes for when the device is lost.

use chrono::Utc;
use secrecy::SecretString;

use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Origin, Who};
use super::super::error::Error;
use super::super::failures::Try;
use super::super::{App, Result};
use crate::identity::totp::{self, Totp};
use crate::model::letter::Letter;
use crate::store::admins::{self, AdminRecord};
use crate::store::second_factors::{self, Owner, SecondFactorRecord};
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

/// Whoever has a second factor, or may: a user, or a platform admin.
#[derive(Clone)]
pub(in crate::app) struct Holder {
    pub owner: Owner,
    pub email: String,
    name: String,
    pub password_hash: Option<String>,
    /// What a wrong password or code of theirs is counted of.
    pub attempt: Try,
}

impl Holder {
    pub(in crate::app) fn user(user: &UserRecord, origin: &Origin) -> Self {
        Self {
            owner: Owner::User(user.id),
            email: user.email.to_string(),
            name: user.name.clone(),
            password_hash: user.password_hash.clone(),
            attempt: Try::of_user(user.email.as_str(), &origin.address),
        }
    }

    pub(in crate::app) fn admin(admin: &AdminRecord, origin: &Origin) -> Self {
        Self {
            owner: Owner::Admin(admin.id),
            email: admin.email.clone(),
            name: admin.email.clone(),
            password_hash: Some(admin.password_hash.clone()),
            attempt: Try::of_admin(&admin.email, &origin.address),
        }
    }

    /// Whose rows are theirs.
    fn scope(&self) -> Scope {
        match self.owner {
            Owner::User(id) => Scope::Person(id),
            Owner::Admin(_) => Scope::Platform,
        }
    }
}

/// How a sign-in stands with its second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Second {
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
    /// The caller as one who has a second factor, or may.
    async fn holder(&self, caller: &Caller) -> Result<Holder> {
        match &caller.who {
            Who::Nobody => Err(Error::Unauthenticated),
            Who::User(_) | Who::Key(_) => Ok(Holder::user(&self.myself(caller).await?, &caller.origin)),
            Who::Admin { id, .. } => {
                let mut tx = self.store.begin(Scope::Platform).await?;
                let admin = admins::by_id(&mut tx, *id).await?;
                tx.commit().await?;
                Ok(Holder::admin(&admin, &caller.origin))
            }
        }
    }

    fn totp(&self, secret: &SecretString, holder: &Holder) -> Result<Totp> {
        let issuer = self.settings.domain.as_str();
        Totp::new(secret, issuer, &holder.email).ok_or_else(|| Error::internal("a secret that is none"))
    }

    fn unsealed(&self, factor: &SecondFactorRecord, holder: &Holder) -> Result<Totp> {
        let secret =
            self.key.vault().open(holder.owner.id(), PURPOSE, &factor.sealed).map_err(Error::internal)?;
        self.totp(&secret, holder)
    }

    /// Whether a code is good for somebody's second factor; if so it is taken.
    pub(in crate::app) async fn second_factor(
        &self,
        tx: &mut Tx,
        holder: &Holder,
        code: Option<&str>,
    ) -> Result<Second> {
        let Some(factor) = second_factors::lock(tx, holder.owner).await?.filter(|factor| factor.confirmed)
        else {
            return Ok(Second::None);
        };
        let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) else {
            return Ok(Second::Missing);
        };
        if let Some(step) = self.unsealed(&factor, holder)?.step(code, Utc::now()) {
            if step <= factor.last_step {
                return Ok(Second::Wrong);
            }
            second_factors::take_step(tx, holder.owner, step).await?;
            return Ok(Second::Given);
        }
        let taken = match totp::recovery_hash(&self.key, holder.owner.id(), code) {
            Some(hash) => second_factors::take_code(tx, holder.owner, &hash).await?,
            None => false,
        };
        Ok(if taken { Second::Given } else { Second::Wrong })
    }

    /// Begins to set a second factor up. It counts once a code of it was given.
    ///
    /// # Errors
    /// `NotNow` when there is one.
    pub async fn begin_second_factor(&self, caller: &Caller) -> Result<Enrolment> {
        let holder = self.holder(caller).await?;
        let secret = totp::new_secret();
        let sealed = self.key.vault().seal(holder.owner.id(), PURPOSE, &secret).map_err(Error::internal)?;
        let mut tx = self.store.begin(holder.scope()).await?;
        if !second_factors::begin(&mut tx, holder.owner, &sealed).await? {
            return Err(set_up_already());
        }
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::SecondFactorBegin, None, &holder.email))
            .await?;
        tx.commit().await?;
        let uri = self.totp(&secret, &holder)?.uri().ok_or_else(|| Error::internal("no uri"))?;
        Ok(Enrolment { secret, uri })
    }

    /// Confirms the second factor by a code of it. The recovery codes are told this once. A user's session that
    /// asks has it from now on; an admin signs in again.
    ///
    /// # Errors
    /// `Invalid` for a wrong code; `NotNow` when none was begun or it is confirmed already.
    pub async fn confirm_second_factor(&self, caller: &Caller, code: &str) -> Result<Vec<SecretString>> {
        let holder = self.holder(caller).await?;
        let mut tx = self.store.begin(holder.scope()).await?;
        let factor = second_factors::lock(&mut tx, holder.owner).await?.ok_or_else(nothing_set_up)?;
        if factor.confirmed {
            return Err(set_up_already());
        }
        let step = self.unsealed(&factor, &holder)?.step(code.trim(), Utc::now());
        let step =
            step.ok_or_else(|| Error::wrong("code", "it is wrong; is the clock of the device right?"))?;
        second_factors::take_step(&mut tx, holder.owner, step).await?;
        let codes = self.new_codes(&mut tx, holder.owner).await?;
        if let (Owner::User(user), Who::User(me)) = (holder.owner, &caller.who) {
            second_factors::given_in(&mut tx, user, me.session).await?;
        }
        self.tell_of_second_factor(&mut tx, &holder, true, &caller.origin).await?;
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::SecondFactorSetUp, None, &holder.email))
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
        let holder = self.holder(caller).await?;
        self.ask_password(caller, &holder, password, "password").await?;
        let mut tx = self.store.begin(holder.scope()).await?;
        match self.second_factor(&mut tx, &holder, Some(code)).await? {
            Second::Given => {}
            Second::None => return Err(nothing_set_up()),
            Second::Missing | Second::Wrong => {
                drop(tx);
                return Err(self.wrong_code(caller, &holder).await?);
            }
        }
        second_factors::remove(&mut tx, holder.owner).await?;
        self.tell_of_second_factor(&mut tx, &holder, false, &caller.origin).await?;
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::SecondFactorRemove, None, &holder.email))
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
        let holder = self.holder(caller).await?;
        self.ask_password(caller, &holder, password, "password").await?;
        let mut tx = self.store.begin(holder.scope()).await?;
        if second_factors::lock(&mut tx, holder.owner).await?.is_none_or(|factor| !factor.confirmed) {
            return Err(nothing_set_up());
        }
        let codes = self.new_codes(&mut tx, holder.owner).await?;
        self.auditor
            .write(&mut tx, caller, Entry::done(Action::RecoveryCodesRenew, None, &holder.email))
            .await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Counts a wrong code of somebody who is signed in; what to answer.
    async fn wrong_code(&self, caller: &Caller, holder: &Holder) -> Result<Error> {
        let mut tx = self.begin_as_system().await?;
        let error = match self.failed(&mut tx, &holder.attempt).await? {
            Error::WrongCredentials => Error::wrong("code", "it is wrong, or was used before"),
            other => other,
        };
        let entry = Entry::refused(Action::SecondFactorRemove, None, &holder.email);
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Ok(error)
    }

    async fn new_codes(&self, tx: &mut Tx, owner: Owner) -> Result<Vec<SecretString>> {
        use secrecy::ExposeSecret;
        let codes = totp::recovery_codes();
        let hashes: Vec<[u8; 32]> = codes
            .iter()
            .filter_map(|code| totp::recovery_hash(&self.key, owner.id(), code.expose_secret()))
            .collect();
        second_factors::replace_codes(tx, owner, &hashes).await?;
        Ok(codes)
    }

    async fn tell_of_second_factor(
        &self,
        tx: &mut Tx,
        holder: &Holder,
        set_up: bool,
        origin: &Origin,
    ) -> Result<()> {
        let (name, address) = (holder.name.clone(), origin.address.clone());
        // An admin's may be one that no mail goes to.
        if let Ok(email) = holder.email.parse() {
            mails::queue(tx, None, &email, &Letter::SecondFactorChanged { name, set_up, address }).await?;
        }
        Ok(())
    }
}
