//! What a tenant asks of those who sign in to it or want to join.

use serde_json::{Value, json};

use super::audit::{Action, Entry};
use super::caller::{Caller, Who};
use super::error::Error;
use super::tenants::locked;
use super::{App, Result};
use crate::identity::permissions::Permission;
use crate::model::signup::SignupMode;
use crate::store::policies::{self, PolicyRecord};

/// What shall be different. What is nothing stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    pub require_second_factor: Option<bool>,
    pub signups: Option<SignupMode>,
}

fn told(policy: PolicyRecord) -> Value {
    json!({ "require_second_factor": policy.require_second_factor, "signups": policy.signups })
}

impl App {
    /// A tenant's rules.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden`.
    pub async fn security(&self, caller: &Caller, tenant: &str) -> Result<PolicyRecord> {
        let permit = self.permit(caller, tenant, Permission::SecurityUpdate).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        let policy = policies::get(&mut tx, permit.tenant).await?;
        tx.commit().await?;
        Ok(policy)
    }

    /// Changes a tenant's rules. Who requires a second factor of others gives one themselves: they would be the first
    /// to be shut out.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden`; `NotNow` for whoever is signed in without a second factor.
    pub async fn update_security(
        &self,
        caller: &Caller,
        tenant: &str,
        change: Change,
    ) -> Result<PolicyRecord> {
        let permit = self.permit(caller, tenant, Permission::SecurityUpdate).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        locked(&mut tx, permit.tenant).await?;
        let before = policies::get(&mut tx, permit.tenant).await?;
        let after = PolicyRecord {
            require_second_factor: change.require_second_factor.unwrap_or(before.require_second_factor),
            signups: change.signups.unwrap_or(before.signups),
        };
        if before == after {
            return Ok(before);
        }
        let given = match &caller.who {
            Who::User(user) => user.second_factor,
            Who::Key(key) => key.second_factor,
            Who::Nobody | Who::Admin { .. } => true,
        };
        if after.require_second_factor && !given {
            return Err(Error::NotNow(
                "set up a second factor and sign in with it before you require one of others".to_owned(),
            ));
        }
        policies::set(&mut tx, permit.tenant, after).await?;
        let entry = Entry::done(Action::SecurityUpdate, Some(permit.tenant), &permit.slug)
            .diff(&told(before), &told(after));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Ok(after)
    }
}
