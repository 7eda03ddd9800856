//! Setting providers up: the platform's by its admins, and a tenant's own by its owner.

use chrono::Utc;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::audit::{Action, Entry};
use super::super::caller::Caller;
use super::super::error::{Error, OrNotFound};
use super::super::{App, Result};
use super::SEALED_FOR;
use super::rules::{Draft, checked, name, secret};
use crate::identity::permissions::Permission;
use crate::model::ids::{ProviderId, TenantId};
use crate::model::provider::{ClaimMap, ProviderName};
use crate::model::secret::Sealed;
use crate::model::slug::Slug;
use crate::store::providers::{self, ProviderRecord};
use crate::store::{Tx, sessions};

/// Providers of one tenant.
const MOST_OF_TENANT: usize = 10;
/// Providers of the platform: each of them stands on every page where people sign in.
const MOST_OF_PLATFORM: usize = 20;

/// Tenants that are named of those which require one.
const NAMED: u32 = 20;

/// Whose providers are meant.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    Platform,
    /// Those of the tenant of this slug or id.
    Tenant(&'a str),
}

/// A provider that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub name: String,
    /// What people are shown; its name unless given.
    pub title: Option<String>,
    pub issuer: String,
    pub client_id: String,
    /// None for a public client.
    pub secret: Option<SecretString>,
    pub scopes: Option<String>,
    pub claims: ClaimMap,
    pub bearer_audience: Option<String>,
    pub trust_email: bool,
    /// Whether people can sign in by it from now on.
    pub enabled: bool,
}

/// What shall be different. What is nothing stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub title: Option<String>,
    pub issuer: Option<String>,
    pub client_id: Option<String>,
    pub secret: Option<Option<SecretString>>,
    pub scopes: Option<String>,
    pub claims: Option<ClaimMap>,
    pub bearer_audience: Option<Option<String>>,
    pub trust_email: Option<bool>,
    pub enabled: Option<bool>,
}

/// A provider without its secret, for the audit log.
fn told(provider: &ProviderRecord) -> Value {
    json!({
        "title": provider.title, "issuer": provider.issuer, "client_id": provider.client_id,
        "secret": provider.secret.as_ref().map(|_| "kept"), "scopes": provider.scopes,
        "claims": provider.claims, "bearer_audience": provider.bearer_audience,
        "trust_email": provider.trust_email, "enabled": provider.enabled,
    })
}

fn parse(name: &str) -> Result<ProviderName> {
    name.parse().map_err(|_| Error::NotFound("provider"))
}

/// That no tenant requires a provider of its people.
///
/// # Errors
/// `NotNow` with who does: a tenant's own is required by that tenant alone, and all others are told to platform admins.
async fn not_required(tx: &mut Tx, id: ProviderId) -> Result<()> {
    let by = providers::required_by(tx, id, NAMED + 1).await?;
    if by.is_empty() {
        return Ok(());
    }
    let mut names: Vec<&str> = by.iter().map(Slug::as_str).take(NAMED as usize).collect();
    if by.len() > names.len() {
        names.push("others");
    }
    let names = names.join(", ");
    Err(Error::NotNow(format!("people have to sign in by it to: {names}; that has to end there first")))
}

impl App {
    /// A transaction that sees whose providers are meant, and whose they are.
    async fn looking_at_providers(&self, caller: &Caller, of: Of<'_>) -> Result<(Tx, Option<TenantId>)> {
        Ok(match of {
            Of::Platform => (self.begin_as_admin(caller).await?, None),
            Of::Tenant(reference) => {
                let permit = self.permit(caller, reference, Permission::ProvidersRead).await?;
                (self.store.begin(permit.scope).await?, Some(permit.tenant))
            }
        })
    }

    /// The same for a change: nobody changes the tenant meanwhile, and the caller may still do so.
    async fn changing_providers(&self, caller: &Caller, of: Of<'_>) -> Result<(Tx, Option<TenantId>)> {
        Ok(match of {
            Of::Platform => (self.begin_as_admin(caller).await?, None),
            Of::Tenant(reference) => {
                let (tx, permit) = self.holding(caller, reference, Permission::ProvidersManage).await?;
                (tx, Some(permit.tenant))
            }
        })
    }

    /// All providers of the platform or of a tenant, by their names.
    ///
    /// # Errors
    /// `NotFound` and `Forbidden` as for all that is a tenant's; `Forbidden` for those of the platform.
    pub async fn providers(&self, caller: &Caller, of: Of<'_>) -> Result<Vec<ProviderRecord>> {
        let (mut tx, tenant) = self.looking_at_providers(caller, of).await?;
        let all = providers::list(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(all)
    }

    /// One of them.
    ///
    /// # Errors
    /// As [`App::providers`]; `NotFound` when there is none of this name.
    pub async fn provider(&self, caller: &Caller, of: Of<'_>, name: &str) -> Result<ProviderRecord> {
        let (mut tx, tenant) = self.looking_at_providers(caller, of).await?;
        let one = providers::by_name(&mut tx, tenant, &parse(name)?).await.or_not_found("provider")?;
        tx.commit().await?;
        Ok(one)
    }

    /// Adds a provider.
    ///
    /// # Errors
    /// `Invalid` for what cannot be; `Taken` for a name, or an audience of bearer tokens, that another has; `NotNow` when
    /// there are as many as there can be.
    pub async fn add_provider(&self, caller: &Caller, of: Of<'_>, wish: Wish) -> Result<ProviderRecord> {
        let (mut tx, tenant) = self.changing_providers(caller, of).await?;
        let id = ProviderId::random();
        let draft = Draft {
            title: wish.title.unwrap_or_else(|| wish.name.clone()),
            issuer: wish.issuer,
            client_id: wish.client_id,
            scopes: wish.scopes.unwrap_or_else(|| "openid email profile".to_owned()),
            claims: wish.claims,
            bearer_audience: wish.bearer_audience,
            trust_email: wish.trust_email,
        };
        let name = name(&wish.name)?;
        let right = checked(draft, tenant)?;
        let now = Utc::now();
        let new = ProviderRecord {
            id,
            tenant,
            name,
            title: right.title,
            issuer: right.issuer,
            client_id: right.client_id,
            secret: self.sealed(id, wish.secret.as_ref())?,
            scopes: right.scopes,
            claims: right.claims,
            bearer_audience: right.bearer_audience,
            trust_email: right.trust_email,
            enabled: wish.enabled,
            created_at: now,
            updated_at: now,
        };
        let most = if tenant.is_some() { MOST_OF_TENANT } else { MOST_OF_PLATFORM };
        if providers::list(&mut tx, tenant).await?.len() >= most {
            return Err(Error::NotNow(format!("there are {most} providers, the most there can be")));
        }
        providers::create(&mut tx, &new).await?;
        let made = providers::get(&mut tx, id).await?;
        let entry = Entry::done(Action::ProviderCreate, tenant, &made.name).diff(&Value::Null, &told(&made));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        tracing::info!(provider = %id, issuer = %made.issuer, "a provider was added");
        Ok(made)
    }

    /// Changes a provider. Whoever came by it signs in anew when it is disabled, or becomes another.
    ///
    /// # Errors
    /// As [`App::add_provider`]; `NotNow` for another issuer or client while it knows people, whom it knows as that
    /// client's; `NotNow` to disable a tenant's own while it is required.
    pub async fn update_provider(
        &self,
        caller: &Caller,
        of: Of<'_>,
        name: &str,
        change: Change,
    ) -> Result<ProviderRecord> {
        let (mut tx, tenant) = self.changing_providers(caller, of).await?;
        let before = providers::lock(&mut tx, tenant, &parse(name)?).await.or_not_found("provider")?;
        let kept = before.clone();
        let draft = Draft {
            title: change.title.unwrap_or(kept.title),
            issuer: change.issuer.unwrap_or_else(|| kept.issuer.to_string()),
            client_id: change.client_id.unwrap_or(kept.client_id),
            scopes: change.scopes.unwrap_or(kept.scopes),
            claims: change.claims.unwrap_or(kept.claims),
            bearer_audience: change.bearer_audience.unwrap_or(kept.bearer_audience),
            trust_email: change.trust_email.unwrap_or(kept.trust_email),
        };
        let secret = match &change.secret {
            Some(secret) => self.sealed(before.id, secret.as_ref())?,
            None => before.secret.clone(),
        };
        let right = checked(draft, tenant)?;
        let after = ProviderRecord {
            title: right.title,
            issuer: right.issuer,
            client_id: right.client_id,
            secret,
            scopes: right.scopes,
            claims: right.claims,
            bearer_audience: right.bearer_audience,
            trust_email: right.trust_email,
            enabled: change.enabled.unwrap_or(before.enabled),
            ..before.clone()
        };
        if after == before {
            return Ok(before);
        }
        let another = after.issuer != before.issuer || after.client_id != before.client_id;
        if another {
            let known = providers::known(&mut tx, before.id).await?;
            if known > 0 {
                return Err(Error::NotNow(format!(
                    "it knows {known} people as this client of this issuer; add another provider, and remove this one"
                )));
            }
        }
        let disabled = before.enabled && !after.enabled;
        // The platform's can be switched off at once, whoever requires it: it may be in somebody else's hands.
        if disabled && tenant.is_some() {
            not_required(&mut tx, before.id).await?;
        }
        providers::update(&mut tx, &after).await?;
        if disabled || another || after.bearer_audience != before.bearer_audience {
            sessions::revoke_by_provider(&mut tx, before.id, None, "its provider was changed").await?;
        }
        let mut told_after = told(&after);
        if matches!(change.secret, Some(Some(_))) {
            told_after["secret"] = "replaced".into();
        }
        let entry =
            Entry::done(Action::ProviderUpdate, tenant, &before.name).diff(&told(&before), &told_after);
        self.auditor.write(&mut tx, caller, entry).await?;
        let after = providers::get(&mut tx, before.id).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Removes a provider, with whom it knows. Whoever came by it is signed out.
    ///
    /// # Errors
    /// `NotFound`; `NotNow` for one that a tenant requires.
    pub async fn remove_provider(&self, caller: &Caller, of: Of<'_>, name: &str) -> Result<()> {
        let (mut tx, tenant) = self.changing_providers(caller, of).await?;
        let gone = providers::lock(&mut tx, tenant, &parse(name)?).await.or_not_found("provider")?;
        not_required(&mut tx, gone.id).await?;
        sessions::revoke_by_provider(&mut tx, gone.id, None, "its provider was removed").await?;
        providers::remove(&mut tx, gone.id).await?;
        let entry = Entry::done(Action::ProviderRemove, tenant, &gone.name).diff(&told(&gone), &Value::Null);
        self.auditor.write(&mut tx, caller, entry).await?;
        Ok(tx.commit().await?)
    }

    fn sealed(&self, id: ProviderId, text: Option<&SecretString>) -> Result<Option<Sealed>> {
        let Some(text) = text else { return Ok(None) };
        self.key.vault().seal(id.0, SEALED_FOR, secret(text)?).map(Some).map_err(Error::internal)
    }
}
