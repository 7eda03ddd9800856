//! What a tenant asks of those who sign in to it or want to join.

use serde_json::{Value, json};

use super::audit::{Action, Entry};
use super::caller::{Caller, Principal, Who};
use super::error::Error;
use super::tenants::locked;
use super::{App, Result};
use crate::identity::permissions::Permission;
use crate::model::ids::{ProviderId, TenantId};
use crate::model::signup::SignupMode;
use crate::store::policies::{self, PolicyRecord};
use crate::store::{self, Scope, Tx, providers};

/// What shall be different. What is nothing stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub require_second_factor: Option<bool>,
    /// The provider by which people must come, by its id or name; none: as they like.
    pub required_provider: Option<Option<String>>,
    pub signups: Option<SignupMode>,
}

fn told(policy: PolicyRecord) -> Value {
    json!({
        "require_second_factor": policy.require_second_factor,
        "required_provider": policy.required_provider,
        "signups": policy.signups,
    })
}

/// The enabled provider of this id or name by which people can come to this tenant: its own, or one of the platform's. It
/// stays so until the end of the transaction.
async fn requirable(tx: &mut Tx, tenant: TenantId, reference: &str) -> Result<ProviderId> {
    let mut found = None;
    if let Ok(id) = reference.parse::<ProviderId>() {
        found = Some(id);
    } else if let Ok(name) = reference.parse() {
        for whose in [Some(tenant), None] {
            match providers::by_name(tx, whose, &name).await {
                Ok(provider) if found.is_none() => found = Some(provider.id),
                Ok(_) | Err(store::Error::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let none =
        || Error::wrong("required_provider", "there is no such provider that people can sign in by here");
    match providers::hold_enabled(tx, found.ok_or_else(none)?).await {
        Ok(provider) if provider.tenant.is_none_or(|whose| whose == tenant) => Ok(provider.id),
        Ok(_) | Err(store::Error::NotFound) => Err(none()),
        Err(error) => Err(error.into()),
    }
}

/// That whoever asks more of others than before does it themselves: they would be the first to be shut out.
fn leads(caller: &Caller, before: PolicyRecord, after: PolicyRecord) -> Result<()> {
    let Who::User(Principal { second_factor, provider, .. }) = &caller.who else { return Ok(()) };
    if after.require_second_factor && !second_factor {
        return Err(Error::NotNow(
            "set up a second factor and sign in with it before you require one of others".to_owned(),
        ));
    }
    let newly = after.required_provider.filter(|_| after.required_provider != before.required_provider);
    if newly.is_some_and(|required| *provider != Some(required)) {
        return Err(Error::NotNow(
            "sign in by the provider yourself before you require it of others".to_owned(),
        ));
    }
    Ok(())
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

    /// Changes a tenant's rules. Who requires a second factor of others gives one themselves, and who requires a provider
    /// came by it.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden`; `Invalid` for a provider that is not there; `NotNow` for whoever does not do themselves
    /// what they require.
    pub async fn update_security(
        &self,
        caller: &Caller,
        tenant: &str,
        change: Change,
    ) -> Result<PolicyRecord> {
        let permit = self.permit(caller, tenant, Permission::SecurityUpdate).await?;
        // Within a tenant's scope the platform's providers are not seen.
        let scope = if change.required_provider.is_some() { Scope::System } else { permit.scope };
        let mut tx = self.store.begin(scope).await?;
        locked(&mut tx, permit.tenant).await?;
        Self::still_may(&mut tx, caller, &permit, Permission::SecurityUpdate).await?;
        let before = policies::get(&mut tx, permit.tenant).await?;
        let required_provider = match change.required_provider {
            None => before.required_provider,
            Some(None) => None,
            Some(Some(reference)) => Some(requirable(&mut tx, permit.tenant, &reference).await?),
        };
        let after = PolicyRecord {
            require_second_factor: change.require_second_factor.unwrap_or(before.require_second_factor),
            required_provider,
            signups: change.signups.unwrap_or(before.signups),
        };
        if before == after {
            return Ok(before);
        }
        leads(caller, before, after)?;
        policies::set(&mut tx, permit.tenant, after).await?;
        let entry = Entry::done(Action::SecurityUpdate, Some(permit.tenant), &permit.slug)
            .diff(&told(before), &told(after));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Ok(after)
    }
}
