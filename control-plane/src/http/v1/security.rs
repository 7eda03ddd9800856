//! What a tenant asks of those who sign in to it or want to join.

use axum::extract::State;

use super::answers::{Changing, Guarded, Named, Ranked, Read, Sent};
use super::types::people::{Security, SecurityChange};
use crate::app::security::Change;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path};
use crate::http::{AppState, detached};
use crate::store::policies::PolicyRecord;

fn security(policy: PolicyRecord) -> axum::Json<Security> {
    axum::Json(Security {
        require_second_factor: policy.require_second_factor,
        required_provider: policy.required_provider.map(|id| id.0),
        signups: policy.signups,
    })
}

/// What a tenant asks of people.
#[utoipa::path(
    get, path = "/tenants/{tenant}/security", tag = "tenants", operation_id = "get_security",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    responses((status = 200, description = "Its rules.", body = Security), Guarded, Ranked, Named)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
) -> Result<axum::Json<Security>, Problem> {
    Ok(security(state.app.security(&caller, &tenant).await?))
}

/// Change what a tenant asks of people.
///
/// Whoever is signed in without a second factor cannot require one of others, nor can who came otherwise require a
/// provider.
#[utoipa::path(
    patch, path = "/tenants/{tenant}/security", tag = "tenants", operation_id = "update_security",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    request_body = SecurityChange,
    responses(
        (status = 200, description = "Its rules from now on.", body = Security),
        Guarded, Ranked, Named, Changing, Sent, Read,
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Json(body): Json<SecurityChange>,
) -> Result<axum::Json<Security>, Problem> {
    let change = Change {
        require_second_factor: body.require_second_factor,
        required_provider: body.required_provider,
        signups: body.signups,
    };
    let policy = detached(async move { state.app.update_security(&caller, &tenant, change).await }).await?;
    Ok(security(policy))
}
