//! Mails, as platform admins see them: what waits, what was given up, and what was kept because no server takes it.

use super::audit::{Action, Entry};
use super::caller::Caller;
use super::error::Error;
use super::rules::{self, Findings};
use super::{App, Page, Result};
use crate::model::ids::MailId;
use crate::model::letter::MailState;
use crate::store;
use crate::store::mails::{self, MailBody, MailFilter, MailRecord};

/// Which mails to list, as it was asked.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub state: Option<String>,
    pub search: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

impl App {
    /// A page of mails, the latest first.
    ///
    /// # Errors
    /// `Forbidden` for all but platform admins; `Invalid` for what cannot be listed by.
    pub async fn mails(&self, caller: &Caller, listing: &Listing) -> Result<Page<MailRecord>> {
        caller.admin()?;
        let mut findings = Findings::default();
        let state = listing.state.as_deref().map(str::parse::<MailState>);
        let search = findings.take("search", rules::search(listing.search.as_deref().unwrap_or_default()));
        let filter = MailFilter {
            state: state.and_then(|state| findings.take("state", state)),
            search: search.flatten(),
        };
        let cursor = findings.cursor(listing.cursor.as_deref());
        let limit = findings.limit(listing.limit.as_deref());
        findings.done()?;
        let mut tx = self.begin_as_admin(caller).await?;
        let page = mails::list(&mut tx, &filter, cursor.as_ref(), limit).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// A mail, and what it said where that was kept.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for all but platform admins.
    pub async fn mail(&self, caller: &Caller, id: &str) -> Result<(MailRecord, MailBody)> {
        let mut tx = self.begin_as_admin(caller).await?;
        let found = mails::get(&mut tx, parse(id)?).await.map_err(missing)?;
        tx.commit().await?;
        Ok(found)
    }

    /// Has a mail that was given up tried again, from the beginning.
    ///
    /// # Errors
    /// `NotFound`; `NotNow` when it was not given up, or so long ago that what it said is gone.
    pub async fn retry_mail(&self, caller: &Caller, id: &str) -> Result<MailRecord> {
        let id = parse(id)?;
        let mut tx = self.begin_as_admin(caller).await?;
        let again = mails::retry(&mut tx, id).await?;
        let (mail, _) = mails::get(&mut tx, id).await.map_err(missing)?;
        if !again {
            let why = match mail.state {
                MailState::Dead => "it was given up long ago, and what it said is gone",
                MailState::Queued => "it waits to be sent already",
                MailState::Sent => "it was sent",
            };
            return Err(Error::NotNow(why.to_owned()));
        }
        let entry =
            Entry::done(Action::MailRetry, mail.tenant_id, format!("{} {}", mail.kind, mail.recipient));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Ok(mail)
    }
}

fn parse(id: &str) -> Result<MailId> {
    id.parse().map_err(|_| Error::NotFound("mail"))
}

fn missing(error: store::Error) -> Error {
    match error {
        store::Error::NotFound => Error::NotFound("mail"),
        other => other.into(),
    }
}
