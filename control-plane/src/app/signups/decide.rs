//! Deciding what somebody asked for.

use super::super::audit::{Action, Entry};
use super::super::caller::Permit;
use super::super::error::{Error, OrNotFound};
use super::super::tenants::locked;
use super::super::{App, Caller, Result};
use super::{message, parse, told};
use crate::identity::permissions::Permission;
use crate::model::ids::SignupId;
use crate::model::letter::Letter;
use crate::model::role::Role;
use crate::model::signup::{SignupKind, SignupState};
use crate::store::records::TenantRecord;
use crate::store::signups::{self, SignupRecord};
use crate::store::{Tx, mails};

/// The wish, which nobody else decides meanwhile, if it is not decided yet.
async fn pending(tx: &mut Tx, id: SignupId) -> Result<SignupRecord> {
    let signup = signups::hold(tx, id).await.or_not_found("signup")?;
    if signup.state != SignupState::Pending {
        return Err(Error::NotNow(format!("it was {} already", signup.state)));
    }
    Ok(signup)
}

/// That the wish is one to join this tenant: what others were asked for is not there.
fn of_tenant(signup: &SignupRecord, permit: &Permit) -> Result<()> {
    if signup.kind == SignupKind::Join && signup.tenant_id == Some(permit.tenant) {
        return Ok(());
    }
    Err(Error::NotFound("signup"))
}

impl App {
    /// Lets somebody join a tenant who asked to.
    ///
    /// # Errors
    /// `NotFound`; `NotNow` when it is decided already, or the plan has no room; `Forbidden` for a role above the
    /// caller's own.
    pub async fn approve_join(
        &self,
        caller: &Caller,
        tenant: &str,
        id: &str,
        role: Option<Role>,
    ) -> Result<SignupRecord> {
        let permit = self.permit(caller, tenant, Permission::SignupsDecide).await?;
        let id = parse(id)?;
        let role = role.unwrap_or(Role::Member);
        let mut tx = self.store.begin(permit.scope).await?;
        let tenant = locked(&mut tx, permit.tenant).await?;
        let permit = Self::still_may(&mut tx, caller, &permit, Permission::SignupsDecide).await?;
        permit.may_give(role)?;
        let signup = signups::get(&mut tx, id).await.or_not_found("signup")?;
        of_tenant(&signup, &permit)?;
        let signup = pending(&mut tx, id).await?;
        self.admit(&mut tx, &tenant, signup.user_id, role).await?;
        let state = SignupState::Approved;
        let decided = signups::decide(&mut tx, id, state, None, None, &caller.label()).await?;
        self.tell_approved(&mut tx, caller, &decided, &tenant).await?;
        tx.commit().await?;
        Ok(decided)
    }

    /// Refuses somebody who asked to join a tenant.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` without a reason; `NotNow` when it is decided already.
    pub async fn reject_join(
        &self,
        caller: &Caller,
        tenant: &str,
        id: &str,
        reason: &str,
    ) -> Result<SignupRecord> {
        let (mut tx, permit) = self.holding(caller, tenant, Permission::SignupsDecide).await?;
        let id = parse(id)?;
        let signup = signups::get(&mut tx, id).await.or_not_found("signup")?;
        of_tenant(&signup, &permit)?;
        self.reject(tx, caller, id, reason).await
    }

    /// Gives somebody what they asked for, whatever it is. For platform admins.
    ///
    /// # Errors
    /// `NotFound`; `NotNow` when it is decided already or a limit is reached; `Taken` when the slug is meanwhile.
    pub async fn approve_signup(
        &self,
        caller: &Caller,
        id: &str,
        role: Option<Role>,
    ) -> Result<SignupRecord> {
        caller.admin()?;
        let wish = parse(id)?;
        let mut tx = self.begin_as_admin(caller).await?;
        let signup = signups::get(&mut tx, wish).await.or_not_found("signup")?;
        if let (SignupKind::Join, Some(tenant)) = (signup.kind, signup.tenant_id) {
            tx.commit().await?;
            return self.approve_join(caller, &tenant.to_string(), id, role).await;
        }
        if role.is_some_and(|role| role != Role::Owner) {
            return Err(Error::wrong("role", "who opens a tenant is its owner"));
        }
        let signup = pending(&mut tx, wish).await?;
        self.within_limits(&mut tx, signup.user_id, Some(wish)).await?;
        let decided = self.opened(&mut tx, caller, &signup, &caller.label()).await?;
        tx.commit().await?;
        tracing::info!(slug = %decided.slug, by = %caller.label(), "a tenant that was asked for is to be made");
        Ok(decided)
    }

    /// Refuses somebody what they asked for, whatever it is. For platform admins.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` without a reason; `NotNow` when it is decided already.
    pub async fn reject_signup(&self, caller: &Caller, id: &str, reason: &str) -> Result<SignupRecord> {
        let tx = self.begin_as_admin(caller).await?;
        self.reject(tx, caller, parse(id)?, reason).await
    }

    async fn reject(&self, mut tx: Tx, caller: &Caller, id: SignupId, reason: &str) -> Result<SignupRecord> {
        let reason = message(reason).map_err(|error| Error::wrong("reason", error))?;
        if reason.is_empty() {
            return Err(Error::wrong("reason", "say why: the person is told"));
        }
        let signup = pending(&mut tx, id).await?;
        let state = SignupState::Rejected;
        let decided = signups::decide(&mut tx, id, state, None, Some(&reason), &caller.label()).await?;
        let entry = Entry::done(Action::SignupReject, signup.tenant_id, &signup.email)
            .diff(&told(&signup), &told(&decided));
        self.auditor.write(&mut tx, caller, entry).await?;
        let letter = Letter::SignupRejected {
            name: decided.name.clone(),
            tenant: decided.tenant_name.clone(),
            reason,
        };
        mails::queue(&mut tx, decided.tenant_id, &decided.email, &letter).await?;
        tx.commit().await?;
        Ok(decided)
    }

    /// Writes down that somebody was let in, and tells them.
    pub(super) async fn tell_approved(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        decided: &SignupRecord,
        tenant: &TenantRecord,
    ) -> Result<()> {
        let entry = Entry::done(Action::SignupApprove, Some(tenant.id), &decided.email)
            .diff(&serde_json::Value::Null, &told(decided));
        self.auditor.write(tx, caller, entry).await?;
        self.tell_opened(tx, decided, tenant).await
    }

    /// Tells somebody that the tenant is theirs to go to.
    pub(super) async fn tell_opened(
        &self,
        tx: &mut Tx,
        decided: &SignupRecord,
        tenant: &TenantRecord,
    ) -> Result<()> {
        let host = tenant.hosts.first().map(ToString::to_string).unwrap_or_default();
        let letter = Letter::SignupApproved {
            name: decided.name.clone(),
            tenant: tenant.name.clone(),
            link: self.settings.url_of(&host),
        };
        mails::queue(tx, Some(tenant.id), &decided.email, &letter).await?;
        Ok(())
    }
}
