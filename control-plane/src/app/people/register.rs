//! Coming in: registering, and proving that the address is one's own.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::super::audit::{Action, Entry};
use super::super::caller::Origin;
use super::super::error::Error;
use super::super::failures::Try;
use super::super::rules::{self, Findings};
use super::super::{App, Result};
use super::beat::at_the_beat;
use super::{acting, email, mailed, nobody};
use crate::model::email::Email;
use crate::model::ids::{SessionId, UserId};
use crate::store::mailed_tokens::{self, Purpose};
use crate::store::unproven_signups::{self, UnprovenSignup};
use crate::store::users::{self, NewUser};
use crate::store::{self, Conflict, identities};

/// Longest name of a version of the terms, in characters.
const TERMS_CHARACTERS: usize = 64;

/// Somebody who wants an account.
#[derive(Clone)]
pub struct Registration {
    pub email: String,
    pub name: String,
    pub password: SecretString,
    /// The version of the terms that they accept.
    pub terms: Option<String>,
}

fn terms(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_graphic());
    if (1..=TERMS_CHARACTERS).contains(&text.len()) && plain {
        Ok(text.to_owned())
    } else {
        Err(format!("1 to {TERMS_CHARACTERS} visible ASCII characters without spaces"))
    }
}

/// Whether a provider outside knows somebody.
async fn known_outside(tx: &mut store::Tx, user: &users::UserRecord) -> Result<bool> {
    Ok(!identities::of_user(tx, user.id).await?.is_empty())
}

impl App {
    /// Makes an account whose address is yet to be proven. Whether the address has one already is told by mail alone:
    /// the answer and the time it takes are the same.
    ///
    /// # Errors
    /// `Invalid`; `Busy`.
    pub async fn register(&self, wanted: Registration, origin: &Origin) -> Result<()> {
        self.register_wishing(wanted, None, origin).await
    }

    /// The same for somebody who asks for something besides, which they get or wait for once the address is proven.
    ///
    /// # Errors
    /// As [`App::register`].
    pub(in crate::app) async fn register_wishing(
        &self,
        wanted: Registration,
        wish: Option<&UnprovenSignup>,
        origin: &Origin,
    ) -> Result<()> {
        at_the_beat(async {
            let new = self.checked_user(wanted).await?;
            match self.registered(&new, wish, origin).await {
                // Another came with the same address at the same moment.
                Err(Error::Taken(_)) => self.registered(&new, wish, origin).await,
                other => other,
            }
        })
        .await
    }

    /// The user that somebody wants to be, checked and with a hash in place of the password.
    ///
    /// # Errors
    /// `Invalid`; `Busy`.
    pub(in crate::app) async fn checked_user(&self, wanted: Registration) -> Result<NewUser> {
        let mut findings = Findings::default();
        let email = findings.take("email", wanted.email.parse::<Email>());
        let name = findings.take("name", rules::name(&wanted.name));
        let terms = findings.take("terms", wanted.terms.as_deref().map(terms).transpose());
        findings.done()?;
        let (Some(email), Some(name), Some(terms)) = (email, name, terms) else {
            return Err(Error::internal("a finding was lost"));
        };
        let hash = self.new_password_hash(wanted.password, &[email.as_str(), &name]).await?;
        Ok(NewUser { email, name, password_hash: Some(hash), verified: false, terms })
    }

    async fn registered(&self, new: &NewUser, wish: Option<&UnprovenSignup>, origin: &Origin) -> Result<()> {
        let mut tx = self.begin_as_system().await?;
        let done = match users::by_email(&mut tx, &new.email).await? {
            // One that a provider knows is somebody's, too: a new password would be let in by whoever answers the mail.
            Some(user) if user.verified_at.is_some() || known_outside(&mut tx, &user).await? => {
                self.tell_of_account(&mut tx, &user, wish).await?;
                false
            }
            // Nobody has proven that it is theirs. Only the last who registered it can: whoever answers the mail must
            // not let somebody else's password in, nor ask for what somebody else wanted.
            Some(user) => self.ask_for_proof_of_latest(&mut tx, &user, new, wish).await?,
            None => {
                let user = users::create(&mut tx, new).await?;
                unproven_signups::put(&mut tx, user.id, wish).await?;
                self.ask_for_proof(&mut tx, &user).await?;
                true
            }
        };
        let entry = if done { Entry::done } else { Entry::refused };
        let wished = wish.map_or(Value::Null, |wish| json!({ "tenant": wish.slug, "plan": wish.plan }));
        // None of the tenant's: it reads of it when the address is proven.
        let entry = entry(Action::UserRegister, None, &new.email).diff(&Value::Null, &wished);
        self.auditor.write(&mut tx, &nobody(origin), entry).await?;
        Ok(tx.commit().await?)
    }

    async fn ask_for_proof_of_latest(
        &self,
        tx: &mut store::Tx,
        user: &users::UserRecord,
        new: &NewUser,
        wish: Option<&UnprovenSignup>,
    ) -> Result<bool> {
        if self.had_enough(tx, user, "verify_email").await? {
            return Ok(false);
        }
        let user = match users::register_again(tx, user.id, new).await {
            Err(store::Error::NotFound) => return Err(store::Error::from(Conflict::EmailTaken).into()),
            other => other?,
        };
        mailed_tokens::withdraw(tx, user.id, Purpose::Verify).await?;
        unproven_signups::put(tx, user.id, wish).await?;
        self.ask_for_proof(tx, &user).await
    }

    /// Sends the proof of an address once more, if one is waited for. The answer is the same in any case, and
    /// comes after the same time.
    ///
    /// # Errors
    /// `Invalid` for what is no address.
    pub async fn resend_proof(&self, address: &str, origin: &Origin) -> Result<()> {
        let email = email(address)?;
        at_the_beat(self.proof_asked_for(email, origin)).await
    }

    async fn proof_asked_for(&self, email: Email, origin: &Origin) -> Result<()> {
        let mut tx = self.begin_as_system().await?;
        let user = users::by_email(&mut tx, &email).await?;
        let sent = match user.filter(|user| user.verified_at.is_none() && user.suspended_at.is_none()) {
            Some(user) => self.ask_for_proof(&mut tx, &user).await?,
            None => false,
        };
        let entry = if sent { Entry::done } else { Entry::refused };
        let entry = entry(Action::UserProofAsk, None, email);
        self.auditor.write(&mut tx, &nobody(origin), entry).await?;
        Ok(tx.commit().await?)
    }

    /// Takes what was mailed as the proof of an address, and asks for what was asked for with it. Where that cannot be
    /// had any more, they are told so by mail: the address is proven all the same.
    ///
    /// # Errors
    /// `Invalid` when it is good for nothing, or not any more.
    pub async fn prove_address(&self, secret: &SecretString, origin: &Origin) -> Result<()> {
        let sent = self.sent_to(Purpose::Verify, secret).await?;
        let hash = mailed::hash(secret.expose_secret());
        match self.proven(sent.user_id, &hash, None, origin).await? {
            Some(refusal) => self.proven(sent.user_id, &hash, Some(&refusal), origin).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Has an address proven, and what was asked for with it done, or declined for what stands in its way. What does,
    /// if that is not known yet; nothing was changed then.
    async fn proven(
        &self,
        user: UserId,
        hash: &[u8],
        refusal: Option<&Error>,
        origin: &Origin,
    ) -> Result<Option<Error>> {
        let mut tx = self.begin_as_system().await?;
        self.hold_wished(&mut tx, user).await?;
        let user = users::hold(&mut tx, user).await?;
        if !mailed_tokens::take(&mut tx, user.id, Purpose::Verify, hash).await? {
            return Err(mailed::good_no_more());
        }
        users::set_verified(&mut tx, user.id).await?;
        self.shown(&mut tx, &Try::of_user(user.email.as_str(), &origin.address)).await?;
        let by = acting(&user, SessionId::random(), origin);
        self.auditor.write(&mut tx, &by, Entry::done(Action::UserVerify, None, &user.email)).await?;
        if let Some(refusal) = self.fulfil(&mut tx, &by, &user, refusal).await? {
            return Ok(Some(refusal));
        }
        tx.commit().await?;
        Ok(None)
    }
}
