//! Joining a tenant that takes people who ask.

use super::super::error::Error;
use super::super::tenants::{find, locked};
use super::super::{App, Caller, Result};
use super::{BY_ITSELF, TOLD, message};
use crate::identity::permissions::{Permission, allows};
use crate::model::role::Role;
use crate::model::signup::{SignupKind, SignupMode, SignupState};
use crate::model::tenant::DesiredState;
use crate::store::memberships;
use crate::store::signups::{self, NewSignup, SignupRecord};
use crate::store::{self, Conflict};

impl App {
    /// Asks to join a tenant. Where it lets everybody in, they are a member at once.
    ///
    /// # Errors
    /// `NotFound` for no such tenant, which a look at its host name would tell as well; `Forbidden` where nobody may
    /// ask; `NotNow` for members, for those who asked already, and where the plan has no room.
    pub async fn join_tenant(&self, caller: &Caller, tenant: &str, text: &str) -> Result<SignupRecord> {
        let user = caller.user()?;
        let message = message(text).map_err(|error| Error::wrong("message", error))?;
        // Whoever asks does not belong to the tenant yet, so it is done for them.
        let mut tx = self.begin_as_system().await?;
        let tenant = find(&mut tx, tenant).await?;
        if tenant.desired == DesiredState::Deleted {
            return Err(Error::NotFound("tenant"));
        }
        let tenant = locked(&mut tx, tenant.id).await?;
        let mode = signups::mode(&mut tx, tenant.id).await?;
        if mode == SignupMode::Closed {
            return Err(Error::Forbidden("this tenant takes nobody who asks; its admins invite".to_owned()));
        }
        match memberships::get(&mut tx, tenant.id, user.user).await {
            Err(store::Error::NotFound) => {}
            other => {
                return Err(
                    other.map_or_else(Error::from, |_| store::Error::from(Conflict::MemberAlready).into())
                );
            }
        }
        let new = NewSignup {
            tenant: Some(tenant.id),
            user: user.user,
            kind: SignupKind::Join,
            slug: tenant.slug.clone(),
            tenant_name: tenant.name.clone(),
            plan: None,
            message,
        };
        let mut signup = self.asked(&mut tx, caller, &new).await?;
        if mode == SignupMode::Automatic {
            self.admit(&mut tx, &tenant, user.user, Role::Member).await?;
            signup =
                signups::decide(&mut tx, signup.id, SignupState::Approved, None, None, BY_ITSELF).await?;
            self.tell_approved(&mut tx, caller, &signup, &tenant).await?;
        } else {
            let deciding: Vec<Role> =
                Role::ALL.iter().copied().filter(|role| allows(*role, Permission::SignupsDecide)).collect();
            let deciders = signups::deciders(&mut tx, tenant.id, &deciding, TOLD).await?;
            let domain = self.settings.url_of(self.settings.domain.as_str());
            let page = format!("{domain}/tenants/{}/signups", tenant.slug);
            self.tell_deciders(&mut tx, &signup, &deciders, &page).await?;
        }
        tx.commit().await?;
        tracing::info!(tenant = %tenant.id, state = %signup.state, "somebody asked to join");
        Ok(signup)
    }
}
