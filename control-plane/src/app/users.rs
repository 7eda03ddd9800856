//! Users, as platform admins see and stop them.

use serde_json::json;
use uuid::Uuid;

use super::audit::{Action, Entry};
use super::caller::Caller;
use super::error::{Error, OrNotFound};
use super::people::Registration;
use super::rules::{self, Findings};
use super::{App, Page, Result};
use crate::model::email::Email;
use crate::model::ids::UserId;
use crate::store::Tx;
use crate::store::sessions::{self, BelongingRecord};
use crate::store::users::{self, NewUser, UserFilter, UserRecord};

/// Which users to list, as somebody wrote it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub search: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

/// The user of this id or address. What cannot be either is not there.
pub(super) async fn find(tx: &mut Tx, reference: &str) -> Result<UserRecord> {
    if let Ok(id) = Uuid::parse_str(reference) {
        return users::get(tx, UserId(id)).await.or_not_found("user");
    }
    let email: Email = reference.parse().map_err(|_| Error::NotFound("user"))?;
    users::by_email(tx, &email).await?.ok_or(Error::NotFound("user"))
}

impl App {
    /// Users, the newest first.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by; `Forbidden` for all but platform admins.
    pub async fn users(&self, caller: &Caller, listing: &Listing) -> Result<Page<UserRecord>> {
        let mut tx = self.begin_as_admin(caller).await?;
        let mut findings = Findings::default();
        let search = listing.search.as_deref().unwrap_or_default();
        let search = findings.take("search", rules::search(search)).flatten();
        let cursor = findings.cursor(listing.cursor.as_deref());
        let limit = findings.limit(listing.limit.as_deref());
        findings.done()?;
        let page = users::list(&mut tx, &UserFilter { search, cursor, limit }).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// One user, and where they belong.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for all but platform admins.
    pub async fn user(&self, caller: &Caller, reference: &str) -> Result<(UserRecord, Vec<BelongingRecord>)> {
        let mut tx = self.begin_as_admin(caller).await?;
        let user = find(&mut tx, reference).await?;
        let belongings = sessions::belongings(&mut tx, user.id).await?;
        tx.commit().await?;
        Ok((user, belongings))
    }

    /// Makes a user for whose address the platform vouches.
    ///
    /// # Errors
    /// `Invalid`; `Taken`; `Busy`; `Forbidden` for all but platform admins.
    pub async fn create_user(&self, caller: &Caller, wanted: Registration) -> Result<UserRecord> {
        caller.admin()?;
        let new = NewUser { verified: true, ..self.checked_user(wanted).await? };
        let mut tx = self.begin_as_admin(caller).await?;
        let user = users::create(&mut tx, &new).await?;
        self.auditor.write(&mut tx, caller, Entry::done(Action::UserCreate, None, &user.email)).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Lets a user in nowhere, and ends their sessions; or lets them in again.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for all but platform admins.
    pub async fn suspend_user(
        &self,
        caller: &Caller,
        reference: &str,
        suspended: bool,
    ) -> Result<(UserRecord, Vec<BelongingRecord>)> {
        let mut tx = self.begin_as_admin(caller).await?;
        let user = find(&mut tx, reference).await?;
        if users::set_suspended(&mut tx, user.id, suspended).await? {
            if suspended {
                sessions::revoke_all(&mut tx, user.id, None, "suspended").await?;
            }
            let action = if suspended { Action::UserSuspend } else { Action::UserResume };
            let entry = Entry::done(action, None, &user.email)
                .diff(&json!({ "suspended": !suspended }), &json!({ "suspended": suspended }));
            self.auditor.write(&mut tx, caller, entry).await?;
        }
        let user = users::get(&mut tx, user.id).await?;
        let belongings = sessions::belongings(&mut tx, user.id).await?;
        tx.commit().await?;
        Ok((user, belongings))
    }
}
