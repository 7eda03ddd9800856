//! The audit log: read, exported, and proven whole.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::{Guarded, Named, Read};
use super::export::{self, Format};
use super::types::{AuditEntry, AuditVerification, Page};
use crate::app;
use crate::app::audit_log::Listing;
use crate::http::AppState;
use crate::http::caller::{Admin, Caller};
use crate::http::error::Problem;
use crate::http::extract::{Path, Query};
use crate::store::audit::AuditRecord;

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Part of the actor, of the target or of the address.
    search: Option<String>,
    /// An action, or what several are about.
    #[param(example = "tenant")]
    action: Option<String>,
    /// `done` or `refused`.
    outcome: Option<String>,
    /// No earlier ones.
    #[param(example = "2026-11-21T18:00:00Z")]
    from: Option<String>,
    /// Only earlier ones.
    #[param(example = "2026-12-01T00:00:00Z")]
    until: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

impl From<Filter> for Listing {
    fn from(filter: Filter) -> Self {
        let Filter { search, action, outcome, from, until, cursor, limit } = filter;
        Self { search, action, outcome, from, until, cursor, limit }
    }
}

/// Which entries to export, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportFilter {
    /// `jsonl`, unless said, or `csv`.
    format: Option<String>,
    /// Part of the actor, of the target or of the address.
    search: Option<String>,
    /// An action, or what several are about.
    #[param(example = "tenant")]
    action: Option<String>,
    /// `done` or `refused`.
    outcome: Option<String>,
    /// No earlier ones.
    #[param(example = "2026-11-21T18:00:00Z")]
    from: Option<String>,
    /// Only earlier ones.
    #[param(example = "2026-12-01T00:00:00Z")]
    until: Option<String>,
}

/// What the whole log is held against.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Known {
    /// A head that was told before: is it still there?
    head: Option<String>,
}

/// Read the audit log of the whole platform, the latest first.
#[utoipa::path(
    get, path = "/audit", tag = "audit", operation_id = "list_audit", params(Filter),
    responses((status = 200, description = "A page of entries.", body = Page<AuditEntry>), Guarded, Read)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<AuditEntry>>, Problem> {
    page(&state, &caller, None, filter).await
}

/// Read the audit log of a tenant, the latest first.
#[utoipa::path(
    get, path = "/tenants/{tenant}/audit", tag = "audit", operation_id = "list_tenant_audit",
    params(("tenant" = String, Path, description = "Its slug or id."), Filter),
    responses((status = 200, description = "A page of entries.", body = Page<AuditEntry>), Guarded, Named, Read)
)]
pub(super) async fn list_of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<AuditEntry>>, Problem> {
    page(&state, &caller, Some(&tenant), filter).await
}

async fn page(
    state: &AppState,
    caller: &app::Caller,
    tenant: Option<&str>,
    filter: Filter,
) -> Result<axum::Json<Page<AuditEntry>>, Problem> {
    let page = state.app.audit(caller, tenant, &filter.into()).await?;
    Ok(axum::Json(Page { items: page.items.into_iter().map(entry).collect(), next: page.next }))
}

/// Export the audit log of the whole platform, the latest first: one JSON object or one row of CSV for each entry.
#[utoipa::path(
    get, path = "/audit/export", tag = "audit", operation_id = "export_audit", params(ExportFilter),
    responses(
        (status = 200, description = "All entries.", content(
            (String = "application/jsonl"), (String = "text/csv"))),
        Guarded, Read,
    )
)]
pub(super) async fn export(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(filter): Query<ExportFilter>,
) -> Result<Response, Problem> {
    stream(&state, &caller, None, filter).await
}

/// Export the audit log of a tenant, the latest first: one JSON object or one row of CSV for each entry.
#[utoipa::path(
    get, path = "/tenants/{tenant}/audit/export", tag = "audit", operation_id = "export_tenant_audit",
    params(("tenant" = String, Path, description = "Its slug or id."), ExportFilter),
    responses(
        (status = 200, description = "All entries.", content(
            (String = "application/jsonl"), (String = "text/csv"))),
        Guarded, Named, Read,
    )
)]
pub(super) async fn export_of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Query(filter): Query<ExportFilter>,
) -> Result<Response, Problem> {
    stream(&state, &caller, Some(&tenant), filter).await
}

async fn stream(
    state: &AppState,
    caller: &app::Caller,
    tenant: Option<&str>,
    filter: ExportFilter,
) -> Result<Response, Problem> {
    let ExportFilter { format, search, action, outcome, from, until } = filter;
    let listing = Listing { search, action, outcome, from, until, cursor: None, limit: None };
    let entries = state.app.audit_export(caller, tenant, &listing).await?;
    let format: Format = format
        .as_deref()
        .unwrap_or("jsonl")
        .parse()
        .map_err(|error| Problem::invalid().field("format", error))?;
    let mut response = export::body(format, entries).into_response();
    let (kind, file) = match format {
        Format::Jsonl => ("application/jsonl", "attachment; filename=\"audit.jsonl\""),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"audit.csv\""),
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(file));
    Ok(response)
}

/// Prove that the audit log is whole, or find where it is not.
#[utoipa::path(
    get, path = "/audit/verification", tag = "audit", operation_id = "verify_audit", params(Known),
    responses((status = 200, description = "What was found.", body = AuditVerification), Guarded, Read)
)]
pub(super) async fn verify(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(known): Query<Known>,
) -> Result<axum::Json<AuditVerification>, Problem> {
    let found = state.app.audit_verification(&caller, known.head.as_deref()).await?;
    Ok(axum::Json(AuditVerification {
        whole: found.broken.is_none(),
        entries: found.entries,
        head: if found.entries == 0 { String::new() } else { format!("{}:{}", found.entries, found.head) },
        waiting: found.waiting,
        broken: found.broken.map(|broken| broken.to_string()),
    }))
}

pub(super) fn entry(record: AuditRecord) -> AuditEntry {
    AuditEntry {
        id: record.id.0,
        at: record.at,
        tenant_id: record.tenant_id.map(|id| id.0),
        actor_kind: record.actor_kind,
        actor_id: record.actor_id,
        actor: record.actor,
        action: record.action,
        target: record.target,
        outcome: record.outcome,
        address: record.address,
        user_agent: record.user_agent,
        request_id: record.request_id,
        diff: record.diff.and_then(|diff| serde_json::from_str(&diff).ok()),
        position: record.position,
    }
}
