//! Making, listing, rotating and revoking keys: for people who are signed in, never by a key.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Permit, Principal};
use super::super::error::{Error, OrNotFound};
use super::super::rules::{self, Findings};
use super::super::tenants::locked;
use super::super::{App, Result};
use super::shown;
use crate::identity::api_keys::{ApiKey, MARK};
use crate::identity::permissions::{Permission, allows, for_keys};
use crate::model::api_key::{KeyKind, KeyStatus};
use crate::model::ids::{KeyId, KeyPrefix, TenantId};
use crate::model::letter::Letter;
use crate::store::api_keys::{self, Kept, KeyRecord, NewKey, Whose};
use crate::store::{Scope, Tx, mails};

/// What a key that signs is sealed for.
pub(super) const SEALED_FOR: &str = "api_key";
/// Keys that are shown.
const SHOWN: u32 = 200;
const DAY: u64 = 24 * 3600;
/// Longest overlap of a rotation, in hours: a week.
const OVERLAP_HOURS: u32 = 7 * 24;

/// Whose keys are meant.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// The caller's own.
    Me,
    /// Those of the tenant of this slug or id.
    Tenant(&'a str),
}

/// A key that somebody wants.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub name: String,
    pub scopes: Vec<Permission>,
    /// For a key of one's own: the only tenant where it acts, by slug or id.
    pub tenant: Option<String>,
    pub days: Option<u32>,
    pub per_minute: Option<u32>,
    /// Whether it signs requests, and is never sent.
    pub signs: bool,
}

/// How a key shall be rotated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn {
    pub overlap_hours: Option<u32>,
    pub days: Option<u32>,
}

/// A key that was made. Its secret is told this once.
#[derive(Debug)]
pub struct Made {
    pub key: KeyRecord,
    pub secret: SecretString,
}

/// A key that took another's place.
#[derive(Debug)]
pub struct Rotated {
    pub made: Made,
    pub before: KeyRecord,
}

/// Where the caller has to do with keys.
struct Place {
    whose: Whose,
    scope: Scope,
    /// In the tenant whose keys they are.
    permit: Option<Permit>,
}

impl Place {
    /// The tenant whose keys they are.
    fn tenant(&self) -> Option<TenantId> {
        self.permit.as_ref().map(|permit| permit.tenant)
    }
}

fn told(key: &KeyRecord) -> Value {
    json!({
        "scopes": key.scopes, "tenant": key.tenant, "maker": key.maker, "expires_at": key.expires_at,
        "per_minute": key.per_minute, "signs": key.signs,
    })
}

/// The id of somebody's key: told by it, or by the key's public name, which is all that whoever finds one knows of it.
async fn id_of(tx: &mut Tx, whose: Whose, reference: &str) -> Result<KeyId> {
    let not_there = || Error::NotFound("key");
    match reference.strip_prefix(MARK) {
        Some(prefix) => {
            let prefix: KeyPrefix = prefix.parse().map_err(|_| not_there())?;
            api_keys::by_prefix(tx, whose, &prefix).await.or_not_found("key")
        }
        None => reference.parse().map_err(|_| not_there()),
    }
}

/// That its maker may give a key these scopes, in this tenant or in one of theirs where they are let in as they came.
fn grant(me: &Principal, tenant: Option<&str>, scopes: &[Permission]) -> Result<()> {
    for scope in scopes {
        match tenant {
            Some(tenant) => {
                me.may(tenant, *scope)?;
            }
            None if me
                .memberships
                .iter()
                .any(|one| one.lack(me.came()).is_none() && allows(one.role, *scope)) => {}
            None => return Err(Error::Forbidden(format!("in none of your tenants you may: {scope}"))),
        }
    }
    Ok(())
}

/// What a key is to be given, each once and in the table's order.
fn scopes(wanted: &[Permission]) -> Result<Vec<Permission>, String> {
    if let Some(never) = wanted.iter().find(|scope| !for_keys(**scope)) {
        return Err(format!("{never} is for people alone; no key can have it"));
    }
    let scopes: Vec<Permission> =
        Permission::ALL.iter().copied().filter(|scope| wanted.contains(scope)).collect();
    if scopes.is_empty() { Err("name at least one".to_owned()) } else { Ok(scopes) }
}

fn within(value: u32, least: u32, most: u32) -> Result<u32, String> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("{least} to {most} is expected")) }
}

impl App {
    async fn key_place(&self, caller: &Caller, of: Of<'_>, permission: Permission) -> Result<Place> {
        Ok(match of {
            Of::Me => {
                let user = caller.user()?.user;
                Place { whose: Whose::User(user), scope: Scope::Person(user), permit: None }
            }
            Of::Tenant(reference) => {
                let permit = self.permit(caller, reference, permission).await?;
                Place { whose: Whose::Tenant(permit.tenant), scope: permit.scope, permit: Some(permit) }
            }
        })
    }

    /// Begins a change of somebody's keys, while nobody else changes them.
    async fn begin_with_keys(&self, caller: &Caller, place: &Place) -> Result<Tx> {
        let mut tx = self.store.begin(place.scope).await?;
        match &place.permit {
            Some(permit) => {
                locked(&mut tx, permit.tenant).await?;
                Self::still_may(&mut tx, caller, permit, Permission::KeysManage).await?;
            }
            None => api_keys::hold_maker(&mut tx, caller.user()?.user).await?,
        }
        Ok(tx)
    }

    /// Somebody's keys: those that are good first, then the newest.
    ///
    /// # Errors
    /// `NotFound` and `Forbidden` as for all that is a tenant's; `Forbidden` for keys.
    pub async fn api_keys(&self, caller: &Caller, of: Of<'_>) -> Result<Vec<KeyRecord>> {
        let place = self.key_place(caller, of, Permission::KeysRead).await?;
        let mut tx = self.store.begin(place.scope).await?;
        let keys = api_keys::list(&mut tx, place.whose, SHOWN).await?;
        tx.commit().await?;
        Ok(keys)
    }

    /// One of somebody's keys, by its id or public name.
    ///
    /// # Errors
    /// As [`App::api_keys`]; `NotFound` when there is none.
    pub async fn api_key(&self, caller: &Caller, of: Of<'_>, key: &str) -> Result<KeyRecord> {
        let place = self.key_place(caller, of, Permission::KeysRead).await?;
        let mut tx = self.store.begin(place.scope).await?;
        let id = id_of(&mut tx, place.whose, key).await?;
        let key = api_keys::get(&mut tx, place.whose, id).await.or_not_found("key")?;
        tx.commit().await?;
        Ok(key)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// `Invalid` for what cannot be; `Forbidden` for a scope that its maker does not have; `NotNow` when there are so
    /// many already.
    pub async fn create_key(&self, caller: &Caller, of: Of<'_>, wish: &Wish) -> Result<Made> {
        let place = self.key_place(caller, of, Permission::KeysManage).await?;
        let (me, settings) = (caller.signed_in()?, &self.settings.api_keys);
        let mut findings = Findings::default();
        let name = findings.take("name", rules::name(&wish.name));
        let scopes = findings.take("scopes", scopes(&wish.scopes));
        let days = wish.days.unwrap_or(settings.default_days);
        let days = findings.take("expires_in_days", within(days, 1, settings.max_days));
        let per_minute = wish.per_minute.unwrap_or(settings.per_minute);
        let per_minute = findings.take("per_minute", within(per_minute, 1, settings.per_minute));
        findings.done()?;
        let (Some(name), Some(scopes), Some(days), Some(per_minute)) = (name, scopes, days, per_minute)
        else {
            return Err(Error::wrong("body", "not valid"));
        };
        let (kind, tenant) = match (&place.permit, &wish.tenant) {
            (Some(permit), _) => (KeyKind::Tenant, Some(permit.tenant)),
            (None, None) => (KeyKind::User, None),
            (None, Some(reference)) => match me.may(reference, Permission::TenantRead) {
                Ok(membership) => (KeyKind::User, Some(membership.tenant)),
                Err(Error::NotFound(_)) => {
                    return Err(Error::wrong("tenant", "you are a member of no such tenant"));
                }
                Err(error) => return Err(error),
            },
        };
        grant(me, tenant.map(|id| id.to_string()).as_deref(), &scopes)?;
        let mut tx = self.begin_with_keys(caller, &place).await?;
        let (most, whose) = match kind {
            KeyKind::User => (settings.per_user, "you have"),
            KeyKind::Tenant => (settings.per_tenant, "the tenant has"),
        };
        if api_keys::count(&mut tx, place.whose).await? >= i64::from(most) {
            return Err(Error::NotNow(format!(
                "{whose} {most} keys, the most there can be; revoke one first"
            )));
        }
        let new = Draft {
            kind,
            tenant,
            name: &name,
            scopes: scopes.iter().map(|scope| scope.as_str()).collect(),
            per_minute,
            signs: wish.signs,
            good_for: Duration::from_secs(u64::from(days) * DAY),
        };
        let made = self.made(&mut tx, me, &place, new).await?;
        let entry = Entry::done(Action::KeyCreate, place.tenant(), shown(&name, &made.key.prefix))
            .diff(&Value::Null, &told(&made.key));
        self.auditor.write(&mut tx, caller, entry).await?;
        self.tell_of_key(&mut tx, caller, &place, &made.key, None).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Makes another key that takes this one's place, with the same scopes; this one is good for a while longer. Who
    /// rotates a tenant's key is its maker from then on.
    ///
    /// # Errors
    /// `Invalid` for what cannot be; `Forbidden` for a scope that its new maker does not have; `NotNow` for one that is
    /// replaced already or good no more.
    pub async fn rotate_key(&self, caller: &Caller, of: Of<'_>, key: &str, turn: Turn) -> Result<Rotated> {
        let place = self.key_place(caller, of, Permission::KeysManage).await?;
        let (me, settings) = (caller.signed_in()?, &self.settings.api_keys);
        let mut findings = Findings::default();
        let overlap = turn.overlap_hours.unwrap_or(settings.overlap_hours);
        let overlap = findings.take("overlap_hours", within(overlap, 0, OVERLAP_HOURS)).unwrap_or_default();
        let days = turn.days.map(|days| findings.take("expires_in_days", within(days, 1, settings.max_days)));
        findings.done()?;
        let mut tx = self.begin_with_keys(caller, &place).await?;
        let id = id_of(&mut tx, place.whose, key).await?;
        let before = api_keys::hold(&mut tx, place.whose, id).await.or_not_found("key")?;
        match before.status {
            KeyStatus::Active => {}
            KeyStatus::Replaced => {
                return Err(Error::NotNow(
                    "it was rotated already; rotate the key that took its place".to_owned(),
                ));
            }
            KeyStatus::Expired | KeyStatus::Revoked => {
                return Err(Error::NotNow(format!("the key is {}; make another", before.status)));
            }
        }
        let wanted: Vec<Permission> = before.scopes.iter().filter_map(|word| word.parse().ok()).collect();
        let scopes = scopes(&wanted).map_err(|error| Error::NotNow(format!("its scopes: {error}")))?;
        grant(me, before.tenant_id.map(|id| id.to_string()).as_deref(), &scopes)?;
        let good_for = match days.flatten() {
            Some(days) => Duration::from_secs(u64::from(days) * DAY),
            None => (before.expires_at - before.created_at)
                .to_std()
                .unwrap_or_default()
                .clamp(Duration::from_secs(DAY), Duration::from_secs(u64::from(settings.max_days) * DAY)),
        };
        let new = Draft {
            kind: before.kind,
            tenant: before.tenant_id,
            name: &before.name,
            scopes: scopes.iter().map(|scope| scope.as_str()).collect(),
            per_minute: u32::try_from(before.per_minute)
                .map_or(settings.per_minute, |most| most.min(settings.per_minute)),
            signs: before.signs,
            good_for,
        };
        let made = self.made(&mut tx, me, &place, new).await?;
        let overlap = Duration::from_secs(u64::from(overlap) * 3600);
        api_keys::replace(&mut tx, &before, made.key.id, overlap).await?;
        let after = api_keys::get(&mut tx, place.whose, id).await?;
        let entry = Entry::done(Action::KeyRotate, place.tenant(), shown(&before.name, &made.key.prefix))
            .diff(&told(&before), &told(&made.key));
        self.auditor.write(&mut tx, caller, entry).await?;
        self.tell_of_key(&mut tx, caller, &place, &made.key, Some(&before)).await?;
        tx.commit().await?;
        Ok(Rotated { made, before: after })
    }

    /// Ends a key at once, and the one before it, if that is still good.
    ///
    /// # Errors
    /// `NotFound` for one that is not there, or is over already.
    pub async fn revoke_key(&self, caller: &Caller, of: Of<'_>, key: &str) -> Result<()> {
        let place = self.key_place(caller, of, Permission::KeysManage).await?;
        let mut tx = self.begin_with_keys(caller, &place).await?;
        let id = id_of(&mut tx, place.whose, key).await?;
        let key = api_keys::hold(&mut tx, place.whose, id).await.or_not_found("key")?;
        if matches!(key.status, KeyStatus::Revoked | KeyStatus::Expired) {
            return Err(Error::NotFound("key"));
        }
        api_keys::revoke(&mut tx, &key, &caller.label()).await?;
        let entry = Entry::done(Action::KeyRevoke, place.tenant(), shown(&key.name, &key.prefix));
        self.auditor.write(&mut tx, caller, entry).await?;
        Ok(tx.commit().await?)
    }

    async fn made(&self, tx: &mut Tx, me: &Principal, place: &Place, draft: Draft<'_>) -> Result<Made> {
        let (id, key) = (KeyId::random(), ApiKey::generate());
        let kept = if draft.signs {
            let sealed = self.key.vault().seal(id, SEALED_FOR, &key.text).map_err(Error::internal)?;
            Kept::Sealed(sealed)
        } else {
            Kept::Hash(key.hash())
        };
        let new = NewKey {
            id,
            prefix: key.prefix,
            kind: draft.kind,
            tenant: draft.tenant,
            user: me.user,
            name: draft.name.to_owned(),
            scopes: draft.scopes,
            per_minute: draft.per_minute,
            second_factor: me.second_factor,
            kept,
            good_for: draft.good_for,
        };
        api_keys::create(tx, &new).await?;
        Ok(Made { key: api_keys::get(tx, place.whose, id).await?, secret: key.text })
    }

    /// Tells its maker of a key, and who made the one before.
    async fn tell_of_key(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        place: &Place,
        key: &KeyRecord,
        before: Option<&KeyRecord>,
    ) -> Result<()> {
        let letter = Letter::KeyMade {
            key: shown(&key.name, &key.prefix),
            tenant: key.tenant.clone().unwrap_or_default(),
            by: caller.label(),
            rotated: before.is_some(),
            address: caller.origin.address.clone(),
        };
        let other =
            before.and_then(|before| before.maker.as_ref()).filter(|one| key.maker.as_ref() != Some(*one));
        for email in key.maker.iter().chain(other) {
            mails::queue(tx, place.tenant(), email, &letter).await?;
        }
        Ok(())
    }
}

/// What a key is to be, before it is made.
struct Draft<'a> {
    kind: KeyKind,
    tenant: Option<TenantId>,
    name: &'a str,
    scopes: Vec<&'static str>,
    per_minute: u32,
    signs: bool,
    good_for: Duration,
}
