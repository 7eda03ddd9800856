//! Plans and releases that a tenant can be given.

use axum::extract::State;

use super::convert;
use super::types::{Page, Plan, Release, ReleaseDetail};
use crate::http::AppState;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Path;

/// List the plans.
#[utoipa::path(
    get, path = "/plans", tag = "catalogue",
    responses((status = 200, description = "All plans, by name.", body = Page<Plan>), super::answers::Guarded)
)]
pub(super) async fn plans(State(state): State<AppState>, _: Caller) -> axum::Json<Page<Plan>> {
    let settings = state.app.settings();
    let items = settings
        .plans
        .iter()
        .map(|(name, plan)| convert::plan(name, plan, *name == settings.default_plan))
        .collect();
    axum::Json(Page { items, next: None })
}

/// List the releases.
#[utoipa::path(
    get, path = "/releases", tag = "catalogue",
    responses((status = 200, description = "All releases, the newest first.", body = Page<Release>), super::answers::Guarded)
)]
pub(super) async fn releases(
    State(state): State<AppState>,
    Caller(caller): Caller,
) -> Result<axum::Json<Page<Release>>, Problem> {
    let items = state.app.releases(&caller).await?.iter().map(convert::release).collect();
    Ok(axum::Json(Page { items, next: None }))
}

/// Get a release by its version or id.
#[utoipa::path(
    get, path = "/releases/{release}", tag = "catalogue",
    params(("release" = String, Path, description = "Its version or its id.")),
    responses((status = 200, description = "The release.", body = ReleaseDetail), super::answers::Guarded, super::answers::Named)
)]
pub(super) async fn release(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(reference): Path<String>,
) -> Result<axum::Json<ReleaseDetail>, Problem> {
    Ok(axum::Json(convert::release_detail(&state.app.release(&caller, &reference).await?)))
}
