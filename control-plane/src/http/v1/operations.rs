//! Operations: what people see of a change.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::convert;
use super::types::{Operation, Page};
use crate::app::operations::Listing;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Path, Query};
use crate::http::{AppState, detached};

/// Which operations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// The slug or id of a tenant.
    tenant: Option<String>,
    /// One or more states, joined by commas.
    #[param(example = "pending,running")]
    state: Option<String>,
    /// One or more kinds, joined by commas.
    #[param(example = "create,wake")]
    kind: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

/// List operations, the newest first.
#[utoipa::path(
    get, path = "/operations", tag = "operations", operation_id = "list_operations", params(Filter),
    responses((status = 200, description = "A page of them.", body = Page<Operation>), super::answers::Guarded, super::answers::Named, super::answers::Read)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Operation>>, Problem> {
    let listing = Listing {
        tenant: filter.tenant,
        states: filter.state,
        kinds: filter.kind,
        cursor: filter.cursor,
        limit: filter.limit,
    };
    let page = state.app.operations(&caller, &listing).await?;
    let items = page.items.iter().map(convert::operation).collect();
    Ok(axum::Json(Page { items, next: page.next }))
}

/// Get an operation.
#[utoipa::path(
    get, path = "/operations/{operation}", tag = "operations", operation_id = "get_operation",
    params(("operation" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "The operation.", body = Operation), super::answers::Guarded, super::answers::Named)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<Operation>, Problem> {
    Ok(axum::Json(convert::operation(&state.app.operation(&caller, &id).await?)))
}

/// Withdraw an operation that has not begun. The tenant is wanted again as it was before.
#[utoipa::path(
    post, path = "/operations/{operation}/cancel", tag = "operations", operation_id = "cancel_operation",
    params(("operation" = Uuid, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The operation, cancelled.", body = Operation),
        super::answers::Guarded, super::answers::Named, super::answers::Changing,
    )
)]
pub(super) async fn cancel(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<Operation>, Problem> {
    let app = state.app.clone();
    let operation = detached(async move { app.cancel_operation(&caller, &id).await }).await?;
    Ok(axum::Json(convert::operation(&operation)))
}
