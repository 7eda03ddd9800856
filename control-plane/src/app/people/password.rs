//! Passwords that are forgotten or changed.

use secrecy::{ExposeSecret, SecretString};

use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Origin};
use super::super::error::{Error, Wrong};
use super::super::failures::Try;
use super::super::{App, Result};
use super::beat::at_the_beat;
use super::{Holder, acting, email, mailed, nobody};
use crate::identity::passwords::Verdict;
use crate::model::email::Email;
use crate::model::ids::SessionId;
use crate::model::letter::Letter;
use crate::store::mailed_tokens::{self, Purpose};
use crate::store::users::{self, UserRecord};
use crate::store::{Scope, Tx, mails, sessions};

impl App {
    /// Mails the way to a new password, if anybody has this address. The answer is the same in any case,
    /// and comes after the same time.
    ///
    /// # Errors
    /// `Invalid` for what is no address.
    pub async fn forgot_password(&self, address: &str, origin: &Origin) -> Result<()> {
        let email = email(address)?;
        at_the_beat(self.password_forgotten(email, origin)).await
    }

    async fn password_forgotten(&self, email: Email, origin: &Origin) -> Result<()> {
        let mut tx = self.begin_as_system().await?;
        let user = users::by_email(&mut tx, &email).await?;
        let entry = match user.filter(|user| user.suspended_at.is_none()) {
            Some(user) => {
                self.send_reset(&mut tx, &user).await?;
                Entry::done(Action::PasswordForget, None, email)
            }
            None => Entry::refused(Action::PasswordForget, None, email),
        };
        self.auditor.write(&mut tx, &nobody(origin), entry).await?;
        Ok(tx.commit().await?)
    }

    /// Sets a new password for whoever was mailed this secret, and ends all their sessions. Reading the mail also
    /// proves the address.
    ///
    /// # Errors
    /// `Invalid` when the secret is good for nothing, or not any more, or the password is too weak; `Busy`.
    pub async fn reset_password(
        &self,
        secret: &SecretString,
        password: SecretString,
        origin: &Origin,
    ) -> Result<()> {
        let sent = self.sent_to(Purpose::Reset, secret).await?;
        let mut tx = self.begin_as_system().await?;
        let user = users::get(&mut tx, sent.user_id).await?;
        tx.commit().await?;
        let hash = self.new_password_hash(password, &[user.email.as_str(), &user.name]).await?;
        let mut tx = self.begin_as_system().await?;
        let kept = mailed::hash(secret.expose_secret());
        if !mailed_tokens::take(&mut tx, user.id, Purpose::Reset, &kept).await? {
            return Err(mailed::good_no_more());
        }
        if !users::set_password(&mut tx, user.id, user.password_hash.as_deref(), &hash).await? {
            return Err(changed_meanwhile());
        }
        users::set_verified(&mut tx, user.id).await?;
        sessions::revoke_all(&mut tx, user.id, None, "password reset").await?;
        self.shown(&mut tx, &Try::of_user(user.email.as_str(), &origin.address)).await?;
        self.tell_of_password(&mut tx, &user, origin).await?;
        let by = acting(&user, SessionId::random(), origin);
        self.auditor.write(&mut tx, &by, Entry::done(Action::PasswordReset, None, &user.email)).await?;
        Ok(tx.commit().await?)
    }

    /// Sets a new password for whoever knows the one before, and ends all their other sessions.
    ///
    /// # Errors
    /// `Invalid` when the one before is wrong or the new one too weak; `TooManyFailures`; `Busy`; `Forbidden` for
    /// platform admins.
    pub async fn change_password(
        &self,
        caller: &Caller,
        before: &SecretString,
        password: SecretString,
    ) -> Result<()> {
        let user = self.myself(caller).await?;
        let holder = Holder::user(&user, &caller.origin);
        self.ask_password(caller, &holder, before, "current_password").await?;
        let hash = self.new_password_hash(password, &[user.email.as_str(), &user.name]).await?;
        let me = caller.user()?;
        let mut tx = self.store.begin(Scope::Person(me.user)).await?;
        if !users::set_password(&mut tx, user.id, user.password_hash.as_deref(), &hash).await? {
            return Err(changed_meanwhile());
        }
        sessions::revoke_all(&mut tx, user.id, Some(me.session), "password changed").await?;
        mailed_tokens::withdraw(&mut tx, user.id, Purpose::Reset).await?;
        self.tell_of_password(&mut tx, &user, &caller.origin).await?;
        self.auditor.write(&mut tx, caller, Entry::done(Action::PasswordChange, None, &user.email)).await?;
        Ok(tx.commit().await?)
    }

    /// Asks a caller for their password once more. A wrong one counts as a sign-in that failed.
    ///
    /// # Errors
    /// `Invalid` at this field when it is wrong; `TooManyFailures`; `Busy`.
    pub(super) async fn ask_password(
        &self,
        caller: &Caller,
        holder: &Holder,
        password: &SecretString,
        field: &str,
    ) -> Result<()> {
        let one = &holder.attempt;
        let mut tx = self.begin_as_system().await?;
        self.may_try(&mut tx, one).await?;
        tx.commit().await?;
        let verdict = self.compare_password(password, holder.password_hash.clone()).await?;
        let mut tx = self.begin_as_system().await?;
        if verdict != Verdict::Wrong {
            self.may_try(&mut tx, one).await?;
            return Ok(tx.commit().await?);
        }
        let error = match self.failed(&mut tx, one).await? {
            Error::WrongCredentials => Error::Invalid(vec![Wrong::new(field, "it is wrong")]),
            other => other,
        };
        let entry = Entry::refused(Action::PasswordAsk, None, &holder.email);
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Err(error)
    }

    async fn tell_of_password(&self, tx: &mut Tx, user: &UserRecord, origin: &Origin) -> Result<()> {
        let letter = Letter::PasswordChanged { name: user.name.clone(), address: origin.address.clone() };
        mails::queue(tx, None, &user.email, &letter).await?;
        Ok(())
    }
}

fn changed_meanwhile() -> Error {
    Error::NotNow("the password was changed in the meantime".to_owned())
}
