//! Whether this process lives, and whether the platform can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::AppState;
use super::error::Problem;

/// `GET /healthz`: the process answers. It says nothing of what the process needs.
pub(super) async fn alive() -> axum::Json<serde_json::Value> {
    axum::Json(json!({ "status": "ok" }))
}

/// `GET /readyz`: the registry answers, and a worker that reaches the engine is there. It is open to all, so it names
/// what is missing and nothing else.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    let missing = match state.app.readiness().await {
        Ok(readiness) => readiness.problems,
        Err(error) => {
            tracing::warn!(%error, "not ready");
            vec![error.to_string()]
        }
    };
    if missing.is_empty() {
        return axum::Json(json!({ "status": "ready" })).into_response();
    }
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "Not ready")
        .detail(missing.join("; "))
        .into_response()
}
