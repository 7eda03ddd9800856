//! Joining a tenant that takes people who ask.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::super::error::Error;
use super::super::tenants::{find, locked};
use super::super::{App, Caller, Result};
use super::{BY_ITSELF, TOLD, message};
use crate::identity::permissions::{Permission, allows};
use crate::model::role::Role;
use crate::model::signup::{SignupKind, SignupMode, SignupState};
use crate::model::tenant::DesiredState;
use crate::store::records::TenantRecord;
use crate::store::signups::{self, NewSignup, SignupRecord};
use crate::store::{self, Conflict, Tx, memberships};

impl App {
    /// Asks to join a tenant. Where it lets everybody in, they are a member at once.
    ///
    /// # Errors
    /// `NotFound` for no such tenant, which a look at its host name would tell as well; `Forbidden` where nobody may
    /// ask; `NotNow` for members, for those who asked already or were declined lately, and where the plan has no room.
    pub async fn join_tenant(&self, caller: &Caller, tenant: &str, text: &str) -> Result<SignupRecord> {
        caller.user()?;
        let message = message(text).map_err(|error| Error::wrong("message", error))?;
        // Whoever asks does not belong to the tenant yet, so it is done for them.
        let mut tx = self.begin_as_system().await?;
        let (tenant, mode) = Self::open_to_askers(&mut tx, tenant).await?;
        let signup = self.join(&mut tx, caller, tenant, mode, message).await?;
        tx.commit().await?;
        Ok(signup)
    }

    /// The tenant of this slug or id, held, if people may ask to join it, and who answers them.
    pub(super) async fn open_to_askers(tx: &mut Tx, reference: &str) -> Result<(TenantRecord, SignupMode)> {
        let tenant = find(tx, reference).await?;
        let tenant = locked(tx, tenant.id).await?;
        if tenant.desired == DesiredState::Deleted {
            return Err(Error::NotFound("tenant"));
        }
        let mode = signups::mode(tx, tenant.id).await?;
        if mode == SignupMode::Closed {
            return Err(Error::Forbidden("this tenant takes nobody who asks; its admins invite".to_owned()));
        }
        Ok((tenant, mode))
    }

    /// Writes down that the caller asks to join a tenant that is held, and lets them in where it lets everybody.
    pub(super) async fn join(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        tenant: TenantRecord,
        mode: SignupMode,
        message: String,
    ) -> Result<SignupRecord> {
        let user = caller.user()?.user;
        match memberships::get(tx, tenant.id, user).await {
            Err(store::Error::NotFound) => {}
            other => {
                return Err(
                    other.map_or_else(Error::from, |_| store::Error::from(Conflict::MemberAlready).into())
                );
            }
        }
        let declined_at = signups::declined_at(tx, tenant.id, user).await?;
        if let Some(again_at) = wait(declined_at, Utc::now()) {
            return Err(Error::NotNow(format!(
                "this tenant declined you; ask again from {} on",
                again_at.to_rfc3339_opts(SecondsFormat::Secs, true)
            )));
        }
        let new = NewSignup {
            tenant: Some(tenant.id),
            user,
            kind: SignupKind::Join,
            slug: tenant.slug.clone(),
            tenant_name: tenant.name.clone(),
            plan: None,
            message,
        };
        let mut signup = self.asked(tx, caller, &new).await?;
        if mode == SignupMode::Automatic {
            self.admit(tx, &tenant, user, Role::Member).await?;
            signup = signups::decide(tx, signup.id, SignupState::Approved, None, None, BY_ITSELF).await?;
            self.tell_approved(tx, caller, &signup, &tenant).await?;
        } else {
            let deciding: Vec<Role> =
                Role::ALL.iter().copied().filter(|role| allows(*role, Permission::SignupsDecide)).collect();
            let deciders = signups::deciders(tx, tenant.id, &deciding, TOLD).await?;
            let domain = self.settings.url_of(self.settings.domain.as_str());
            let page = format!("{domain}/tenants/{}/signups", tenant.slug);
            self.tell_deciders(tx, &signup, &deciders, &page).await?;
        }
        tracing::info!(tenant = %tenant.id, state = %signup.state, "somebody asked to join");
        Ok(signup)
    }
}

/// How long whoever was declined waits before they may ask the same tenant again.
const PAUSE: TimeDelta = TimeDelta::hours(24);

/// When somebody may ask again who was declined at this moment, if they may not now.
fn wait(declined_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    declined_at.map(|at| at + PAUSE).filter(|again_at| *again_at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_declined_waits_a_day() {
        let now = Utc::now();
        assert_eq!(wait(None, now), None);
        assert_eq!(wait(Some(now), now), Some(now + PAUSE));
        assert_eq!(wait(Some(now - PAUSE), now), None);
    }
}
