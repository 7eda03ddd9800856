//! Operations: found, listed, followed and withdrawn.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::audit::{Action, Entry};
use super::caller::Who;
use super::error::{Error, OrNotFound};
use super::news::Ear;
use super::rules::{self, Findings};
use super::tenants::find;
use super::{App, Caller, Page, Result};
use crate::identity::permissions::Permission;
use crate::model::ids::OperationId;
use crate::model::operation::{OperationKind, OperationState};
use crate::model::slug::Slug;
use crate::store::operations::{EventRecord, OperationFilter, OperationRecord};
use crate::store::pages::Cursor;
use crate::store::{self, Conflict, Notice, Scope, operations};

/// How long a follower waits for news before it looks for itself.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Which operations to list, as somebody wrote it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Slug or id of a tenant.
    pub tenant: Option<String>,
    pub states: Option<String>,
    pub kinds: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

fn parse(id: &str) -> Result<OperationId> {
    Uuid::parse_str(id).map(OperationId).map_err(|_| Error::NotFound("operation"))
}

impl App {
    /// The operation with this id.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn operation(&self, caller: &Caller, id: &str) -> Result<OperationRecord> {
        let operation = self.found(parse(id)?).await?;
        self.permit_operation(caller, &operation).await?;
        Ok(operation)
    }

    async fn found(&self, id: OperationId) -> Result<OperationRecord> {
        let mut tx = self.begin_as_system().await?;
        let operation = operations::get(&mut tx, id).await.or_not_found("operation")?;
        tx.commit().await?;
        Ok(operation)
    }

    /// The scope of whoever may see the operation. One whose tenant is gone is for platform admins alone.
    async fn permit_operation(&self, caller: &Caller, operation: &OperationRecord) -> Result<Scope> {
        let hidden = |error| match error {
            Error::NotFound(_) => Error::NotFound("operation"),
            other => other,
        };
        let Some(tenant) = operation.tenant_id else {
            return caller.admin().map(|()| Scope::Platform).map_err(|_| Error::NotFound("operation"));
        };
        let permit =
            self.permit(caller, &tenant.to_string(), Permission::TenantRead).await.map_err(hidden)?;
        Ok(permit.scope)
    }

    /// The operations that a listing asks for, a page of them, the newest first.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by. A tenant that is not there has no operations.
    pub async fn operations(&self, caller: &Caller, listing: &Listing) -> Result<Page<OperationRecord>> {
        let mut findings = Findings::default();
        let states = findings.words::<OperationState>("state", listing.states.as_deref());
        let kinds = findings.words::<OperationKind>("kind", listing.kinds.as_deref());
        let cursor = findings.cursor(listing.cursor.as_deref());
        let limit = findings.limit(listing.limit.as_deref());
        findings.done()?;
        if let (Who::User(_) | Who::Key(_), reference) = (&caller.who, listing.tenant.as_deref()) {
            let reference =
                reference.ok_or_else(|| Error::wrong("tenant", "name the tenant whose they are"))?;
            let permit = self.permit(caller, reference, Permission::TenantRead).await?;
            let filter =
                OperationFilter { tenant: Some(permit.tenant), slug: None, states, kinds, cursor, limit };
            let mut tx = self.store.begin(permit.scope).await?;
            let page = operations::list(&mut tx, &filter).await?;
            tx.commit().await?;
            return Ok(page.into());
        }
        let mut tx = self.begin_as_admin(caller).await?;
        let (tenant, slug) = match listing.tenant.as_deref() {
            None => (None, None),
            Some(reference) => match find(&mut tx, reference).await {
                Ok(tenant) => (Some(tenant.id), None),
                // One that is gone is still known by its slug.
                Err(Error::NotFound(_)) => match reference.parse::<Slug>() {
                    Ok(slug) => (None, Some(slug)),
                    Err(_) => return Ok(Page { items: Vec::new(), next: None }),
                },
                Err(error) => return Err(error),
            },
        };
        let filter = OperationFilter { tenant, slug, states, kinds, cursor, limit };
        let page = operations::list(&mut tx, &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// Withdraws an operation that nobody has begun: the tenant is wanted again as it was before.
    ///
    /// # Errors
    /// `NotNow` when it has begun, is over, or something was asked for after it.
    pub async fn cancel_operation(&self, caller: &Caller, id: &str) -> Result<OperationRecord> {
        let id = parse(id)?;
        let before = self.found(id).await?;
        self.permit_operation(caller, &before).await?;
        let mut tx = self.begin_as_admin(caller).await?;
        operations::cancel(&mut tx, id).await.map_err(|error| match error {
            store::Error::Conflict(Conflict::OperationBegun) => Error::NotNow(
                "only an operation that has not begun, and that nothing was asked for after, can be \
                     withdrawn"
                    .to_owned(),
            ),
            store::Error::NotFound => Error::NotFound("operation"),
            other => other.into(),
        })?;
        let operation = operations::get(&mut tx, id).await?;
        let entry = Entry::done(
            Action::OperationCancel,
            operation.tenant_id,
            format!("{} {}", operation.kind, operation.slug),
        );
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        tracing::info!(operation = %id, by = %caller.label(), "an operation was withdrawn");
        Ok(operation)
    }

    /// Follows an operation from behind the event `after` (0: from the beginning).
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn follow(&self, caller: &Caller, id: &str, after: i64) -> Result<Follower> {
        let ear = self.news.ear();
        let operation = self.found(parse(id)?).await?;
        let scope = self.permit_operation(caller, &operation).await?;
        Ok(Follower { id: operation.id, after, ear, scope, looked: false })
    }
}

/// Somebody who follows an operation.
#[derive(Debug)]
pub struct Follower {
    id: OperationId,
    after: i64,
    ear: Ear,
    scope: Scope,
    looked: bool,
}

/// What a follower is told: what happened since, and how the operation is by now.
#[derive(Debug, Clone)]
pub struct Progress {
    pub events: Vec<EventRecord>,
    pub operation: OperationRecord,
    /// Nothing more will come.
    pub over: bool,
}

impl Follower {
    /// Waits for something to have happened, or a few seconds for nothing. The first time it does not wait.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn next(&mut self, app: &App) -> Result<Progress> {
        if self.looked {
            let id = self.id;
            let matters = move |notice: &Notice| matches!(notice, Notice::Operation(other) if *other == id);
            self.ear.heard(matters, Instant::now() + LOOK_AGAIN).await;
        }
        let mut tx = app.store.begin(self.scope).await?;
        // First how it is, then what happened: an operation that is over gets no event afterwards.
        let operation = operations::get(&mut tx, self.id).await.or_not_found("operation")?;
        let events = operations::events_after(&mut tx, self.id, self.after).await?;
        tx.commit().await?;
        if let Some(last) = events.last() {
            self.after = last.number;
        }
        // There may be more behind what was read at once, which is then fetched without waiting.
        self.looked = events.is_empty();
        Ok(Progress { over: operation.state.is_over() && events.is_empty(), events, operation })
    }
}

impl Findings {
    /// Words joined by commas; none at all stands for any.
    pub(super) fn words<W>(&mut self, field: &str, text: Option<&str>) -> Vec<W>
    where
        W: std::str::FromStr,
        W::Err: ToString,
    {
        let words = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
        words.filter_map(|word| self.take(field, word.parse::<W>())).collect()
    }

    /// Where the page before ended.
    pub(super) fn cursor(&mut self, text: Option<&str>) -> Option<Cursor> {
        text.and_then(|text| self.take("cursor", text.parse::<Cursor>()))
    }

    /// The number of items of a page.
    pub(super) fn limit(&mut self, text: Option<&str>) -> u32 {
        let number = match text.map(str::parse::<u32>).transpose() {
            Ok(number) => rules::limit(number),
            Err(_) => Err(rules::LIMIT.to_owned()),
        };
        self.take("limit", number).unwrap_or(rules::PAGE_DEFAULT)
    }
}
