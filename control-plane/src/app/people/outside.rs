//! People for whom a provider outside vouches: signed in with a browser, and by which providers they are known.

use chrono::Utc;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Origin};
use super::super::error::{Error, OrNotFound};
use super::super::providers::{Arrived, First};
use super::super::users::find;
use super::super::{App, Result};
use super::browser::Step;
use super::second_factor::{Holder, Second};
use super::sign_in::Granted;
use super::ticket::Ticket;
use crate::model::ids::{ProviderId, SessionId, UserId};
use crate::store::identities::{self, LinkRecord};
use crate::store::providers::{self, ProviderRecord};
use crate::store::users::UserRecord;
use crate::store::{Tx, sessions};

/// What is written down of somebody who signed in, by whoever vouched for them. Where it was a tenant's provider, the
/// tenant reads it.
pub(super) fn signed_in(user: &UserRecord, by: Option<&ProviderRecord>) -> Entry {
    let entry = Entry::done(Action::UserSignIn, by.and_then(|by| by.tenant), &user.email);
    match by {
        Some(by) => entry.diff(&Value::Null, &json!({ "provider": by.name })),
        None => entry,
    }
}

/// The provider that vouched for somebody a moment ago, if it still may and still knows them.
///
/// # Errors
/// `Unauthenticated` when it does not.
async fn still_vouched_for(tx: &mut Tx, provider: ProviderId, user: &UserRecord) -> Result<ProviderRecord> {
    let by = match providers::hold_enabled(tx, provider).await.or_not_found("provider") {
        Err(Error::NotFound(_)) => return Err(Error::Unauthenticated),
        other => other?,
    };
    let known = identities::of_provider_and_user(tx, provider, user.id).await?;
    // Held against being unlinked meanwhile.
    match known {
        Some(known) if identities::touch(tx, provider, &known.subject, None).await? => Ok(by),
        _ => Err(Error::Unauthenticated),
    }
}

impl App {
    /// Signs somebody in with a browser who arrived by a provider, in this session. Their own second factor is asked for
    /// unless the provider says that it asked for one, which is believed of one that knows them already.
    ///
    /// # Errors
    /// `Unauthenticated` when the session was begun before.
    pub(in super::super) async fn let_in_by_provider(
        &self,
        arrived: Arrived,
        gave_second_factor: bool,
        session: SessionId,
        before: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<Step> {
        let Arrived { mut tx, user, provider, first } = arrived;
        let asked = !gave_second_factor || first.is_some();
        let holder = Holder::user(&user, origin);
        if asked && self.second_factor(&mut tx, &holder, None).await? == Second::Missing {
            let first = match first {
                // Nothing of what it said is done before the code was given.
                Some(first) => {
                    drop(tx);
                    Some(first.text()?)
                }
                None => {
                    tx.commit().await?;
                    None
                }
            };
            let ticket = Ticket::of_provider((provider.id, first), session, user.id, Utc::now());
            return Ok(Step::Code(ticket.text(&self.key, &user)));
        }
        let granted = Granted { tx, user, second_factor: gave_second_factor, by: Some(provider) };
        Ok(Step::In(self.begin_browser(granted, session, false, before, origin).await?))
    }

    /// Who vouched for somebody who comes with a ticket and a code. By a provider that is new to them they arrive now.
    ///
    /// # Errors
    /// `Unauthenticated` when it vouches for them no more; otherwise as [`App::arrive`].
    pub(super) async fn vouched_for(
        &self,
        mut tx: Tx,
        user: UserRecord,
        ticket: &Ticket,
        origin: &Origin,
    ) -> Result<(Tx, UserRecord, Option<ProviderRecord>)> {
        let Some(provider) = ticket.provider else { return Ok((tx, user, None)) };
        let Some(first) = &ticket.first else {
            let by = still_vouched_for(&mut tx, provider, &user).await?;
            return Ok((tx, user, Some(by)));
        };
        // Arriving holds its rows in a transaction of its own.
        tx.commit().await?;
        let first = First::read(first).ok_or(Error::Unauthenticated)?;
        let arrived = self.arrive_after_all(provider, &first, user.id, origin).await?;
        Ok((arrived.tx, arrived.user, Some(arrived.provider)))
    }

    /// By which providers the caller is known.
    ///
    /// # Errors
    /// `Forbidden` for all but people who are signed in to their account.
    pub async fn my_identities(&self, caller: &Caller) -> Result<Vec<LinkRecord>> {
        let me = caller.user()?.user;
        // Providers of tenants are not a person's to see; what they are called is.
        let mut tx = self.begin_as_system().await?;
        let known = identities::of_user(&mut tx, me).await?;
        tx.commit().await?;
        Ok(known)
    }

    /// Has a provider know the caller no more. The sessions that came by it end. Who has no password sets one by mail.
    ///
    /// # Errors
    /// `NotFound` when it does not know them; `Forbidden` for all but people who are signed in to their account.
    pub async fn unlink_mine(&self, caller: &Caller, provider: ProviderId) -> Result<()> {
        let me = caller.user()?.user;
        let mut tx = self.begin_as_system().await?;
        self.unlink(&mut tx, caller, me, provider).await?;
        Ok(tx.commit().await?)
    }

    /// By which providers a user is known.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for all but platform admins.
    pub async fn identities_of(&self, caller: &Caller, reference: &str) -> Result<Vec<LinkRecord>> {
        let mut tx = self.begin_as_admin(caller).await?;
        let user = find(&mut tx, reference).await?;
        let known = identities::of_user(&mut tx, user.id).await?;
        tx.commit().await?;
        Ok(known)
    }

    /// Has a provider know a user no more. The sessions that came by it end.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for all but platform admins.
    pub async fn unlink_user(&self, caller: &Caller, reference: &str, provider: ProviderId) -> Result<()> {
        let mut tx = self.begin_as_admin(caller).await?;
        let user = find(&mut tx, reference).await?;
        self.unlink(&mut tx, caller, user.id, provider).await?;
        Ok(tx.commit().await?)
    }

    async fn unlink(&self, tx: &mut Tx, caller: &Caller, user: UserId, provider: ProviderId) -> Result<()> {
        let known = identities::of_provider_and_user(tx, provider, user).await?;
        let known = known.ok_or(Error::NotFound("identity"))?;
        let record = providers::get(tx, provider).await.or_not_found("identity")?;
        if !identities::unlink(tx, provider, user).await? {
            return Err(Error::NotFound("identity"));
        }
        // Only now: who came by it at this moment was waited for.
        sessions::revoke_by_provider(tx, provider, Some(user), "unlinked").await?;
        let told = json!({ "provider": record.name, "subject": known.subject });
        let email = crate::store::users::get(tx, user).await?.email;
        let entry = Entry::done(Action::IdentityUnlink, record.tenant, email).diff(&told, &Value::Null);
        self.auditor.write(tx, caller, entry).await
    }
}
