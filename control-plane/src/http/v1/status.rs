//! How the platform itself is.

use axum::extract::State;

use super::convert;
use super::types::PlatformStatus;
use crate::http::AppState;
use crate::http::caller::Admin;
use crate::http::error::Problem;

/// Show how the platform is: workers, the engine, counts.
#[utoipa::path(
    get, path = "/status", tag = "platform",
    responses((status = 200, description = "How it is.", body = PlatformStatus), super::answers::Guarded)
)]
pub(super) async fn status(
    State(state): State<AppState>,
    _: Admin,
) -> Result<axum::Json<PlatformStatus>, Problem> {
    let readiness = state.app.readiness().await?;
    let counts = state.app.counts().await?;
    Ok(axum::Json(PlatformStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: readiness.problems.is_empty(),
        workers: readiness.workers.iter().map(convert::worker).collect(),
        problems: readiness.problems,
        tenants: counts.tenants,
        operations: counts.operations,
    }))
}
