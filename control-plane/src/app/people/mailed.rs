//! Secrets that are sent by mail: what shows that whoever comes with one reads that mailbox.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::super::{App, Error, Result};
use crate::identity::random_secret;
use crate::model::letter::Letter;
use crate::store::mailed_tokens::{self, MailedRecord, Purpose};
use crate::store::unproven_signups::UnprovenSignup;
use crate::store::users::UserRecord;
use crate::store::{Tx, mails, unproven_signups};

/// How long the proof of an address is waited for.
const VERIFY_HOURS: u32 = 24;
/// How long a forgotten password can be set anew.
const RESET_MINUTES: u32 = 30;
/// Letters of one kind that one address gets within [`LATELY`], whoever asks for them.
const LETTERS: i64 = 3;
const LATELY: Duration = Duration::from_secs(10 * 60);

/// What is kept of a secret.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What is told of a secret that is none, was used, or is past its time: all the same.
pub(super) fn good_no_more() -> Error {
    Error::wrong("token", "it is not valid, or not any more; ask for a new one")
}

impl App {
    /// Where a page of ours is, with a secret that no log of ours holds: the edge writes down no query. Behind a `#` it
    /// would take a script to read it, and opening the link takes nothing from it.
    fn link(&self, page: &str, secret: Option<&SecretString>) -> String {
        let settings = self.settings();
        let url = settings.url_of(settings.domain.as_str());
        match secret {
            Some(secret) => format!("{url}/{page}?token={}", secret.expose_secret()),
            None => format!("{url}/{page}"),
        }
    }

    /// Whether one more letter of this kind would be one too many.
    pub(super) async fn had_enough(&self, tx: &mut Tx, user: &UserRecord, kind: &str) -> Result<bool> {
        Ok(mailed_tokens::letters_lately(tx, &user.email, kind, LATELY).await? >= LETTERS)
    }

    /// Asks for the proof of an address, unless it was asked for often lately. Whether it was.
    pub(super) async fn ask_for_proof(&self, tx: &mut Tx, user: &UserRecord) -> Result<bool> {
        if self.had_enough(tx, user, "verify_email").await? {
            return Ok(false);
        }
        let secret = random_secret();
        let good_for = Duration::from_secs(u64::from(VERIFY_HOURS) * 3600);
        let hash = hash(secret.expose_secret());
        mailed_tokens::create(tx, user.id, &user.email, Purpose::Verify, &hash, good_for).await?;
        let link = self.link("verify-email", Some(&secret));
        // Whoever answers this mail asks for it, so it says so.
        let tenant = unproven_signups::get(tx, user.id).await?.map(|wish| wish.tenant_name);
        let letter = Letter::VerifyEmail { name: user.name.clone(), link, hours: VERIFY_HOURS, tenant };
        mails::queue(tx, None, &user.email, &letter).await?;
        Ok(true)
    }

    /// Sends the way to a new password, unless it was sent often lately.
    pub(super) async fn send_reset(&self, tx: &mut Tx, user: &UserRecord) -> Result<()> {
        if self.had_enough(tx, user, "reset_password").await? {
            return Ok(());
        }
        let secret = random_secret();
        let good_for = Duration::from_secs(u64::from(RESET_MINUTES) * 60);
        let hash = hash(secret.expose_secret());
        mailed_tokens::create(tx, user.id, &user.email, Purpose::Reset, &hash, good_for).await?;
        let link = self.link("reset-password", Some(&secret));
        let letter = Letter::ResetPassword { name: user.name.clone(), link, minutes: RESET_MINUTES };
        mails::queue(tx, None, &user.email, &letter).await?;
        Ok(())
    }

    /// Tells the owner of an address, and nobody else, that somebody registered with it, and what for.
    pub(super) async fn tell_of_account(
        &self,
        tx: &mut Tx,
        user: &UserRecord,
        wish: Option<&UnprovenSignup>,
    ) -> Result<()> {
        if self.had_enough(tx, user, "already_registered").await? {
            return Ok(());
        }
        let tenant = wish.map(|wish| wish.tenant_name.clone());
        let link = self.link("sign-in", None);
        let letter = Letter::AlreadyRegistered { name: user.name.clone(), link, tenant };
        mails::queue(tx, None, &user.email, &letter).await?;
        Ok(())
    }

    /// Whom a secret was sent to.
    ///
    /// # Errors
    /// `Invalid` when it is good for nothing.
    pub(super) async fn sent_to(&self, purpose: Purpose, secret: &SecretString) -> Result<MailedRecord> {
        let mut tx = self.begin_as_system().await?;
        let found = mailed_tokens::find(&mut tx, purpose, &hash(secret.expose_secret())).await?;
        tx.commit().await?;
        found.ok_or_else(good_no_more)
    }
}
