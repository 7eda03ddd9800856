//! Tenants: made, found, changed, moved and deleted.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::audit::{Action, Entry};
use super::error::{Error, OrNotFound, Wrong};
use super::rules::{self, Findings};
use super::whereabouts::{Verb, destination, verb_to};
use super::{App, Caller, Page, Result};
use crate::identity::permissions::Permission;
use crate::model::hostname::HostName;
use crate::model::ids::{OperationId, ReleaseId, TenantId};
use crate::model::plan::PlanName;
use crate::model::slug::Slug;
use crate::model::tenant::{DesiredState, Status};
use crate::store::idempotency::Begun;
use crate::store::operations::OperationRecord;
use crate::store::records::TenantRecord;
use crate::store::tenants::{Deletion, NewTenant, TenantChange, TenantFilter, TenantSort};
use crate::store::{self, Conflict, Tx, idempotency, operations, releases, tenants};

/// What somebody wants to call into being, as they wrote it.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    pub name: String,
    /// Derived from the name unless given.
    pub slug: Option<String>,
    pub plan: Option<String>,
    pub settings: Map<String, Value>,
    /// The version of a release; the latest unless given.
    pub release: Option<String>,
}

/// A key under which a request is carried out once, whatever happens to its answer.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub key: String,
    /// Tells this request from others under the same key.
    pub request_hash: String,
}

/// The answer to a creation.
#[derive(Debug, Clone)]
pub struct Created {
    pub answer: Value,
    /// Whether it is the answer that was given before under the same key.
    pub replayed: bool,
}

/// What shall be different. What is nothing stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub name: Option<String>,
    pub settings: Option<Map<String, Value>>,
    pub plan: Option<String>,
    pub release: Option<String>,
    pub desired: Option<DesiredState>,
}

/// A tenant as it is wanted now, and the operation that brings it there; none when it was wanted so already.
#[derive(Debug, Clone)]
pub struct Changed {
    pub tenant: TenantRecord,
    pub operation: Option<OperationRecord>,
}

/// Which tenants to list, as somebody wrote it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub search: Option<String>,
    pub states: Option<String>,
    pub plan: Option<String>,
    pub sort: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

/// What becomes of a deleted tenant's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// Kept until the retention has passed.
    Keep,
    /// Gone at once; the slug must be repeated to say that it is meant.
    Erase { repeated: Option<String> },
}

/// Whether a text has the form of an id. A slug of that form would be mistaken for one, so there is none.
fn as_id(text: &str) -> Option<TenantId> {
    (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten().map(TenantId)
}

/// The slug that somebody wants for what they call `name`.
pub(super) fn slug_of(name: &str, slug: Option<&str>) -> Result<Slug, String> {
    let slug = match slug {
        Some(slug) => slug.parse::<Slug>().map_err(|error| error.to_string())?,
        None => Slug::derive(name)
            .map_err(|error| format!("none can be derived from the name, give one: {error}"))?,
    };
    if as_id(slug.as_str()).is_some() {
        return Err("a slug does not look like an id".to_owned());
    }
    Ok(slug)
}

impl App {
    /// Makes a tenant: reserves its slug, host name, house and subnet, and has the workers build it. With a key it is
    /// made once, and every further request under the key gets the answer of the first. `answer` says what that is.
    ///
    /// # Errors
    /// `Invalid` for what cannot be; `Taken` for a slug that somebody has; `KeyReused` when the key was used for
    /// something else; `Exhausted` when no subnet is left.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        draft: Draft,
        key: Option<Idempotency>,
        answer: impl FnOnce(&Changed) -> Result<Value>,
    ) -> Result<Created> {
        let mut tx = self.begin_as_admin(caller).await?;
        if let Some(Idempotency { key, request_hash }) = &key {
            let begun = idempotency::begin(&mut tx, key, &caller.label(), request_hash).await?;
            if let Begun::Replay { response, .. } = begun {
                return Ok(Created { answer: response, replayed: true });
            }
        }
        let changed = self.make_tenant(&mut tx, caller, draft).await?;
        let answer = answer(&changed)?;
        if let Some(Idempotency { key, .. }) = &key {
            idempotency::finish(&mut tx, key, &caller.label(), 202, &answer).await?;
        }
        tx.commit().await?;
        let TenantRecord { id, slug, .. } = &changed.tenant;
        tracing::info!(tenant = %id, %slug, by = %caller.label(), "a tenant is to be made");
        Ok(Created { answer, replayed: false })
    }

    /// Makes a tenant in a transaction that sees all of them: the one way in which tenants come into being.
    ///
    /// # Errors
    /// As [`Self::create_tenant`]; the transaction must be dropped then.
    pub(super) async fn make_tenant(&self, tx: &mut Tx, caller: &Caller, draft: Draft) -> Result<Changed> {
        let new = self.checked(tx, caller, draft).await?;
        let slug = new.slug.clone();
        let made = tenants::create(tx, new).await.map_err(|error| taken(error, &slug))?;
        let changed = Changed {
            tenant: tenants::get(tx, made.tenant).await?,
            operation: Some(operations::get(tx, made.operation).await?),
        };
        let entry = Entry::done(Action::TenantCreate, Some(made.tenant), &slug)
            .diff(&Value::Null, &told(&changed.tenant));
        self.auditor.write(tx, caller, entry).await?;
        Ok(changed)
    }

    async fn checked(&self, tx: &mut Tx, caller: &Caller, draft: Draft) -> Result<NewTenant> {
        let mut findings = Findings::default();
        let name = findings.take("name", rules::name(&draft.name));
        // A name that is no name says enough.
        let slug = if name.is_none() && draft.slug.is_none() {
            None
        } else {
            findings.take("slug", slug_of(&draft.name, draft.slug.as_deref()))
        };
        let plan = findings.take("plan", self.plan(draft.plan.as_deref()));
        findings.check(rules::settings(&draft.settings));
        let host = slug.as_ref().map(|slug| HostName::of_tenant(slug, &self.settings.tenants_domain));
        let host = host.and_then(|host| findings.take("slug", host));
        let release = match self.release_named(tx, draft.release.as_deref()).await {
            Err(Error::Invalid(wrong)) => {
                wrong.into_iter().for_each(|one| findings.check(Err(one)));
                None
            }
            other => Some(other?),
        };
        findings.done()?;
        match (name, slug, plan, host, release) {
            (Some(name), Some(slug), Some(plan), Some(host), Some(release)) => Ok(NewTenant {
                name,
                slug,
                plan,
                settings: draft.settings,
                release,
                hosts: vec![host],
                created_by: caller.label(),
                pool: self.settings.pool,
            }),
            // Whatever is missing was noted above, so this is not reached.
            _ => Err(Error::wrong("body", "not valid")),
        }
    }

    pub(super) fn plan(&self, name: Option<&str>) -> Result<PlanName, String> {
        let Some(name) = name else { return Ok(self.settings.default_plan.clone()) };
        self.settings.plans.keys().find(|plan| plan.as_str() == name).cloned().ok_or_else(|| {
            let plans: Vec<_> = self.settings.plans.keys().map(PlanName::as_str).collect();
            format!("there is no such plan; there are: {}", plans.join(", "))
        })
    }

    async fn release_named(&self, tx: &mut Tx, version: Option<&str>) -> Result<ReleaseId> {
        match version {
            // The database knows no NUL in texts.
            Some(version) if version.contains('\0') => {
                Err(Error::wrong("release", "no release has this version"))
            }
            Some(version) => match releases::get(tx, version).await {
                Ok(release) => Ok(release.id),
                Err(store::Error::NotFound) => Err(Error::wrong("release", "no release has this version")),
                Err(error) => Err(error.into()),
            },
            None => match releases::latest(tx).await? {
                Some(release) => Ok(release.id),
                None => Err(Error::NotNow(
                    "there is no release yet; `freehold up` registers the first".to_owned(),
                )),
            },
        }
    }

    /// The tenants that a listing asks for, a page of them.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn tenants(&self, caller: &Caller, listing: &Listing) -> Result<Page<TenantRecord>> {
        let filter = self.filter(listing)?;
        let mut tx = self.begin_as_admin(caller).await?;
        let page = tenants::list(&mut tx, &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    fn filter(&self, listing: &Listing) -> Result<TenantFilter> {
        let mut findings = Findings::default();
        let search = listing.search.as_deref().unwrap_or_default();
        let search = findings.take("search", rules::search(search)).flatten();
        let statuses = findings.words::<Status>("state", listing.states.as_deref());
        let plan = listing.plan.as_deref().and_then(|name| findings.take("plan", self.plan(Some(name))));
        let sort = findings.take("sort", sort(listing.sort.as_deref().unwrap_or("-created")));
        let (sort, descending) = sort.unwrap_or_default();
        let cursor = findings.cursor(listing.cursor.as_deref());
        let limit = findings.limit(listing.limit.as_deref());
        findings.done()?;
        Ok(TenantFilter { search, statuses, plan, sort, descending, cursor, limit })
    }

    /// The tenant with this slug or id.
    ///
    /// # Errors
    /// `NotFound` when there is none, also for what cannot be a slug.
    pub async fn tenant(&self, caller: &Caller, reference: &str) -> Result<TenantRecord> {
        let permit = self.permit(caller, reference, Permission::TenantRead).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        let tenant = tenants::get(&mut tx, permit.tenant).await.or_not_found("tenant")?;
        tx.commit().await?;
        Ok(tenant)
    }

    /// Changes what is wanted of a tenant. `expected` is the generation the caller has seen, if they say so. Its own
    /// people change its name and settings; plan, release and whereabouts are the platform's affair.
    ///
    /// # Errors
    /// `Forbidden` for the latter; `Stale` when it is at another generation; `Invalid` for what cannot be; `NotNow` for a deleted tenant.
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        reference: &str,
        change: Change,
        expected: Option<i64>,
    ) -> Result<Changed> {
        let permit = self.permit(caller, reference, Permission::TenantUpdate).await?;
        if permit.role.is_some()
            && (change.plan.is_some() || change.release.is_some() || change.desired.is_some())
        {
            return Err(Error::Forbidden(
                "plan, release and desired state are for platform admins to change".to_owned(),
            ));
        }
        let mut tx = self.store.begin(permit.scope).await?;
        let tenant = locked(&mut tx, permit.tenant).await?;
        Self::still_may(&mut tx, caller, &permit, Permission::TenantUpdate).await?;
        if let Some(expected) = expected
            && expected != tenant.generation
        {
            return Err(Error::Stale { current: tenant.generation });
        }
        if tenant.desired == DesiredState::Deleted {
            return Err(Error::NotNow("the tenant is deleted; restore it first".to_owned()));
        }
        let by = caller.label();
        let update = self.checked_change(&mut tx, &tenant, &change).await?;
        let mut operation = tenants::update(&mut tx, tenant.id, update, &by).await?;
        if let Some(to) = change.desired
            && let Some(to) = destination(verb_to(to, tenant.desired)?, tenant.desired)?
        {
            operation = tenants::set_desired(&mut tx, tenant.id, to, &by).await?.or(operation);
        }
        self.finish(tx, Action::TenantUpdate, &tenant, operation, caller).await
    }

    async fn checked_change(
        &self,
        tx: &mut Tx,
        tenant: &TenantRecord,
        change: &Change,
    ) -> Result<TenantChange> {
        let mut findings = Findings::default();
        let name = change.name.as_deref().and_then(|name| findings.take("name", rules::name(name)));
        let plan = change.plan.as_deref().and_then(|name| findings.take("plan", self.plan(Some(name))));
        if let Some(settings) = &change.settings {
            findings.check(rules::settings(settings));
        }
        if change.desired == Some(DesiredState::Deleted) {
            findings.check(Err(Wrong::new("desired_state", "a tenant is deleted by DELETE alone")));
        }
        let release = match &change.release {
            Some(version) if *version != tenant.release => {
                match self.release_named(tx, Some(version)).await {
                    Err(Error::Invalid(wrong)) => {
                        wrong.into_iter().for_each(|one| findings.check(Err(one)));
                        None
                    }
                    other => Some(other?),
                }
            }
            _ => None,
        };
        findings.done()?;
        Ok(TenantChange { name, plan, settings: change.settings.clone(), release })
    }

    /// Moves a tenant to where the verb says.
    ///
    /// # Errors
    /// `NotNow` when it cannot be moved there from where it is wanted now.
    pub async fn move_tenant(&self, caller: &Caller, reference: &str, verb: Verb) -> Result<Changed> {
        let permit = self.permit_admin(caller, reference).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        let tenant = locked(&mut tx, permit.tenant).await?;
        let by = caller.label();
        let operation = match (verb, destination(verb, tenant.desired)?) {
            (_, None) => None,
            (Verb::Retry, _) if tenant.stuck_reason.is_none() => None,
            (Verb::Retry, _) => Some(tenants::retry(&mut tx, tenant.id, &by).await?),
            (Verb::Restore, _) => Some(tenants::restore(&mut tx, tenant.id, &by).await?),
            (_, Some(to)) => tenants::set_desired(&mut tx, tenant.id, to, &by).await?,
        };
        self.finish(tx, verb.action(), &tenant, operation, caller).await
    }

    /// Deletes a tenant. One that is deleted already can still be erased.
    ///
    /// # Errors
    /// `Invalid` when it is to be erased and its slug was not repeated.
    pub async fn delete_tenant(&self, caller: &Caller, reference: &str, removal: Removal) -> Result<Changed> {
        let permit = self.permit_admin(caller, reference).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        let tenant = locked(&mut tx, permit.tenant).await?;
        let by = caller.label();
        let operation = match removal {
            Removal::Erase { repeated } if repeated.as_deref() != Some(tenant.slug.as_str()) => {
                return Err(Error::wrong(
                    "slug",
                    "repeat the tenant's slug, to say that erasing it is meant",
                ));
            }
            Removal::Erase { .. } if tenant.erase => None,
            Removal::Erase { .. } => Some(tenants::delete(&mut tx, tenant.id, Deletion::Erase, &by).await?),
            Removal::Keep if tenant.desired == DesiredState::Deleted => None,
            Removal::Keep => {
                let keep = Deletion::Keep(self.settings.retention);
                Some(tenants::delete(&mut tx, tenant.id, keep, &by).await?)
            }
        };
        self.finish(tx, Action::TenantDelete, &tenant, operation, caller).await
    }

    /// Ends a change of what was `before`: written down, committed, told.
    async fn finish(
        &self,
        mut tx: Tx,
        action: Action,
        before: &TenantRecord,
        operation: Option<OperationId>,
        caller: &Caller,
    ) -> Result<Changed> {
        let tenant = tenants::get(&mut tx, before.id).await?;
        let operation = match operation {
            Some(id) => Some(operations::get(&mut tx, id).await?),
            None => None,
        };
        if operation.is_some() {
            let entry =
                Entry::done(action, Some(tenant.id), &tenant.slug).diff(&told(before), &told(&tenant));
            self.auditor.write(&mut tx, caller, entry).await?;
        }
        tx.commit().await?;
        if let Some(operation) = &operation {
            tracing::info!(tenant = %tenant.id, slug = %tenant.slug, kind = %operation.kind, by = %caller.label(), "a change is wanted");
        }
        Ok(Changed { tenant, operation })
    }
}

/// What of a tenant its people change, as the audit log tells it.
fn told(tenant: &TenantRecord) -> Value {
    json!({
        "name": tenant.name,
        "slug": tenant.slug,
        "plan": tenant.plan,
        "release": tenant.release,
        "settings": tenant.settings,
        "desired_state": tenant.desired,
        "erase": tenant.erase,
    })
}

/// What a list is ordered by, and whether the other way round.
fn sort(text: &str) -> Result<(TenantSort, bool), String> {
    let (word, descending) = match text.strip_prefix('-') {
        Some(word) => (word, true),
        None => (text, false),
    };
    let sort = match word {
        "name" => TenantSort::Name,
        "slug" => TenantSort::Slug,
        "created" => TenantSort::Created,
        _ => return Err("name, slug or created, with a '-' in front for the other way round".to_owned()),
    };
    Ok((sort, descending))
}

fn taken(error: store::Error, slug: &Slug) -> Error {
    match error {
        store::Error::Conflict(Conflict::SlugTaken | Conflict::HostTaken) => {
            Error::Taken(Wrong::new("slug", format!("{slug} is taken")))
        }
        other => other.into(),
    }
}

/// The tenant with this slug or id. What cannot be either is not there.
pub(super) async fn find(tx: &mut Tx, reference: &str) -> Result<TenantRecord> {
    if let Some(id) = as_id(reference) {
        return tenants::get(tx, id).await.or_not_found("tenant");
    }
    let Ok(slug) = reference.parse::<Slug>() else { return Err(Error::NotFound("tenant")) };
    tenants::by_slug(tx, &slug).await.or_not_found("tenant")
}

/// The tenant, which nobody else changes until the transaction ends.
pub(super) async fn locked(tx: &mut Tx, id: TenantId) -> Result<TenantRecord> {
    tenants::hold(tx, id).await.or_not_found("tenant")?;
    tenants::get(tx, id).await.or_not_found("tenant")
}
