//! Asking without an account: one is made, and what was asked for counts once its address is proven. Until then nobody
//! who decides hears of it: else anybody could put strangers' names before them.

use super::super::audit::{Action, Entry};
use super::super::caller::Origin;
use super::super::error::Error;
use super::super::people::Registration;
use super::super::tenants::locked;
use super::super::{App, Caller, Result};
use super::{Opening, message};
use crate::model::ids::UserId;
use crate::model::letter::Letter;
use crate::store::unproven_signups::{self, UnprovenSignup};
use crate::store::users::UserRecord;
use crate::store::{Tx, mails};

impl App {
    /// Registers somebody who asks to join a tenant. Whether their address has an account is told by mail alone, as by
    /// [`App::register`]; nothing comes of what was asked with one that has.
    ///
    /// # Errors
    /// `Invalid`; `Busy`; `NotFound` and `Forbidden` as [`App::join_tenant`].
    pub async fn join_unknown(
        &self,
        tenant: &str,
        text: &str,
        wanted: Registration,
        origin: &Origin,
    ) -> Result<()> {
        let message = message(text).map_err(|error| Error::wrong("message", error))?;
        let mut tx = self.begin_as_system().await?;
        let (tenant, _) = Self::open_to_askers(&mut tx, tenant).await?;
        tx.commit().await?;
        let wish = UnprovenSignup {
            tenant_id: Some(tenant.id),
            tenant_name: tenant.name,
            slug: tenant.slug,
            plan: None,
            message,
        };
        self.register_wishing(wanted, Some(&wish), origin).await
    }

    /// Registers somebody who asks for a tenant of their own, in the same way. The limits count once the address is
    /// proven.
    ///
    /// # Errors
    /// `Invalid`; `Busy`; `Taken` for a slug that somebody has; `Forbidden` where the plan is open to nobody.
    pub async fn open_unknown(&self, opening: &Opening, wanted: Registration, origin: &Origin) -> Result<()> {
        let (wish, _) = self.checked_opening(opening)?;
        let mut tx = self.begin_as_system().await?;
        Self::free(&mut tx, &wish.slug).await?;
        tx.commit().await?;
        self.register_wishing(wanted, Some(&wish), origin).await
    }

    /// Holds the tenant that somebody without a proven address asked to join, if they did: tenants are held before
    /// people, by everybody.
    pub(in crate::app) async fn hold_wished(&self, tx: &mut Tx, user: UserId) -> Result<()> {
        let wish = unproven_signups::get(tx, user).await?;
        match wish.and_then(|wish| wish.tenant_id) {
            Some(tenant) => locked(tx, tenant).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Asks for what a user asked for before their address was proven, or declines it for what stands in its way. What
    /// does, if that is not known yet; what was begun then is not to be kept.
    pub(in crate::app) async fn fulfil(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        user: &UserRecord,
        refusal: Option<&Error>,
    ) -> Result<Option<Error>> {
        let Some(wish) = unproven_signups::get(tx, user.id).await? else { return Ok(None) };
        unproven_signups::put(tx, user.id, None).await?;
        if let Some(refusal) = refusal {
            self.decline(tx, caller, user, &wish, refusal).await?;
            return Ok(None);
        }
        match self.ask(tx, caller, user, wish).await {
            Ok(()) => Ok(None),
            Err(error) if is_refusal(&error) => Ok(Some(error)),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, tx: &mut Tx, caller: &Caller, user: &UserRecord, wish: UnprovenSignup) -> Result<()> {
        if user.suspended_at.is_some() {
            return Err(Error::Forbidden("this account is suspended; ask the platform's admins".to_owned()));
        }
        if let Some(tenant) = wish.tenant_id {
            let (tenant, mode) = Self::open_to_askers(tx, &tenant.to_string()).await?;
            self.join(tx, caller, tenant, mode, wish.message).await?;
        } else {
            // The plans may be others by now.
            let opening = Opening {
                name: wish.tenant_name,
                slug: Some(wish.slug.to_string()),
                plan: wish.plan.map(|plan| plan.to_string()),
                message: Some(wish.message),
            };
            let (wanted, mode) = self.checked_opening(&opening)?;
            self.open(tx, caller, wanted, mode).await?;
        }
        Ok(())
    }

    async fn decline(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        user: &UserRecord,
        wish: &UnprovenSignup,
        refusal: &Error,
    ) -> Result<()> {
        let entry = Entry::refused(Action::SignupAsk, wish.tenant_id, &wish.slug);
        self.auditor.write(tx, caller, entry).await?;
        let reason = match refusal {
            Error::Invalid(wrong) => {
                wrong.iter().map(|one| one.message.clone()).collect::<Vec<_>>().join("; ")
            }
            other => other.to_string(),
        };
        let letter =
            Letter::SignupRejected { name: user.name.clone(), tenant: wish.tenant_name.clone(), reason };
        mails::queue(tx, None, &user.email, &letter).await?;
        Ok(())
    }
}

/// Whether an error says that something cannot be had, and not that we failed.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound(_)
            | Error::Invalid(_)
            | Error::Taken(_)
            | Error::NotNow(_)
            | Error::Forbidden(_)
            | Error::Exhausted(_)
    )
}
