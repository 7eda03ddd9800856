//! Signups: people ask to join a tenant or to open one, and whoever may decides.

mod decide;
mod join;
mod open;
mod unproven;

pub use open::Opening;

use serde_json::{Value, json};
use uuid::Uuid;

use super::audit::{Action, Entry};
use super::error::Error;
use super::rules::Findings;
use super::{App, Caller, Page, Result};
use crate::identity::permissions::Permission;
use crate::model::email::Email;
use crate::model::ids::SignupId;
use crate::model::letter::Letter;
use crate::model::signup::{SignupKind, SignupState};
use crate::store::signups::{self, NewSignup, SignupFilter, SignupRecord, Whose};
use crate::store::{self, Conflict, Scope, Tx, mails};

/// Longest message of somebody who asks, and longest reason of somebody who refuses, in characters.
pub const MESSAGE_CHARACTERS: usize = 1_000;
/// Most people who are told of one wish.
const TOLD: i64 = 20;
/// Who decided, where nobody had to.
const BY_ITSELF: &str = "automatic";

/// Which wishes to list, as somebody wrote it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub states: Option<String>,
    pub kinds: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

/// A text of several lines that is shown to others: trimmed and bounded.
fn message(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.chars().count() > MESSAGE_CHARACTERS {
        return Err(format!("at most {MESSAGE_CHARACTERS} characters"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r') {
        return Err("holds control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn parse(id: &str) -> Result<SignupId> {
    Uuid::parse_str(id).map(SignupId).map_err(|_| Error::NotFound("signup"))
}

/// What the audit log tells of a wish.
fn told(signup: &SignupRecord) -> Value {
    json!({ "kind": signup.kind, "tenant": signup.slug, "plan": signup.plan, "state": signup.state })
}

fn filter(listing: &Listing) -> Result<SignupFilter> {
    let mut findings = Findings::default();
    let states = findings.words::<SignupState>("state", listing.states.as_deref());
    let kinds = findings.words::<SignupKind>("kind", listing.kinds.as_deref());
    let cursor = findings.cursor(listing.cursor.as_deref());
    let limit = findings.limit(listing.limit.as_deref());
    findings.done()?;
    Ok(SignupFilter { states, kinds, cursor, limit })
}

impl App {
    /// Everybody's wishes, a page of them, the newest first.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn signups(&self, caller: &Caller, listing: &Listing) -> Result<Page<SignupRecord>> {
        let filter = filter(listing)?;
        let mut tx = self.begin_as_admin(caller).await?;
        let page = signups::list(&mut tx, Whose::All, &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// The wishes to join a tenant, a page of them, the newest first.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn signups_of_tenant(
        &self,
        caller: &Caller,
        tenant: &str,
        listing: &Listing,
    ) -> Result<Page<SignupRecord>> {
        let permit = self.permit(caller, tenant, Permission::SignupsDecide).await?;
        let filter = filter(listing)?;
        let mut tx = self.store.begin(permit.scope).await?;
        let page = signups::list(&mut tx, Whose::Tenant(permit.tenant), &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// The caller's own wishes, a page of them, the newest first.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn my_signups(&self, caller: &Caller, listing: &Listing) -> Result<Page<SignupRecord>> {
        let person = caller.user()?.user;
        let filter = filter(listing)?;
        let mut tx = self.store.begin(Scope::Person(person)).await?;
        let page = signups::list(&mut tx, Whose::Person(person), &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// Writes a wish down, and who asked.
    async fn asked(&self, tx: &mut Tx, caller: &Caller, new: &NewSignup) -> Result<SignupRecord> {
        let id = signups::create(tx, new).await.map_err(|error| match error {
            store::Error::Conflict(Conflict::PendingAlready) => {
                Error::NotNow("this was asked for already, and is not decided yet".to_owned())
            }
            other => other.into(),
        })?;
        let signup = signups::get(tx, id).await?;
        let entry =
            Entry::done(Action::SignupAsk, new.tenant, &signup.slug).diff(&Value::Null, &told(&signup));
        self.auditor.write(tx, caller, entry).await?;
        Ok(signup)
    }

    /// Tells the person that they have to wait, and those who decide that somebody waits for them.
    async fn tell_deciders(
        &self,
        tx: &mut Tx,
        signup: &SignupRecord,
        deciders: &[Email],
        page: &str,
    ) -> Result<()> {
        let pending = Letter::SignupPending { name: signup.name.clone(), tenant: signup.tenant_name.clone() };
        mails::queue(tx, signup.tenant_id, &signup.email, &pending).await?;
        for decider in deciders {
            let letter = Letter::SignupAsked {
                tenant: signup.tenant_name.clone(),
                person: signup.name.clone(),
                email: signup.email.to_string(),
                message: signup.message.clone(),
                link: page.to_owned(),
            };
            mails::queue(tx, signup.tenant_id, decider, &letter).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_and_hold_lines() {
        assert_eq!(message("  Hello,\nit is me  ").as_deref(), Ok("Hello,\nit is me"));
        assert_eq!(message(" ").as_deref(), Ok(""));
        assert!(message(&"ä".repeat(MESSAGE_CHARACTERS)).is_ok());
        for bad in ["a\0b", "a\u{1b}[31m", &"x".repeat(MESSAGE_CHARACTERS + 1)] {
            assert!(message(bad).is_err(), "{bad:?}");
        }
    }
}
