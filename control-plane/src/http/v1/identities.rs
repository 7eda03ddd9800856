//! By which providers outside somebody is known.

use axum::extract::State;
use axum::http::StatusCode;

use super::answers::{Guarded, Named, Ranked};
use super::types::Page;
use super::types::people::Identity;
use crate::app::Error;
use crate::http::caller::{Admin, Caller};
use crate::http::error::Problem;
use crate::http::extract::Path;
use crate::http::{AppState, detached};
use crate::model::ids::ProviderId;
use crate::store::identities::LinkRecord;

fn identity(record: &LinkRecord) -> Identity {
    Identity {
        provider_id: record.provider_id.0,
        name: record.name.to_string(),
        title: record.title.clone(),
        tenant_id: record.tenant_id.map(|tenant| tenant.0),
        email: record.email.clone(),
        linked_at: record.linked_at,
        last_used_at: record.last_used_at,
    }
}

fn page(records: &[LinkRecord]) -> axum::Json<Page<Identity>> {
    axum::Json(Page { items: records.iter().map(identity).collect(), next: None })
}

fn provider(reference: &str) -> Result<ProviderId, Error> {
    reference.parse().map_err(|_| Error::NotFound("identity"))
}

/// By which providers I am known.
#[utoipa::path(
    get, path = "/me/identities", tag = "me", operation_id = "my_identities",
    responses((status = 200, description = "The first linked first.", body = Page<Identity>), Guarded, Ranked)
)]
pub(super) async fn mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
) -> Result<axum::Json<Page<Identity>>, Problem> {
    Ok(page(&state.app.my_identities(&caller).await?))
}

/// Have a provider know me no more. The sessions that came by it end. Without a password, one is set by mail.
#[utoipa::path(
    delete, path = "/me/identities/{provider}", tag = "me", operation_id = "unlink_my_identity",
    params(("provider" = uuid::Uuid, Path, description = "The provider's id.")),
    responses((status = 204, description = "It is unlinked."), Guarded, Ranked, Named)
)]
pub(super) async fn unlink_mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(reference): Path<String>,
) -> Result<StatusCode, Problem> {
    let provider = provider(&reference)?;
    detached(async move { state.app.unlink_mine(&caller, provider).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// By which providers a user is known.
#[utoipa::path(
    get, path = "/users/{user}/identities", tag = "users", operation_id = "list_user_identities",
    params(("user" = String, Path, description = "Their id or address.")),
    responses(
        (status = 200, description = "The first linked first.", body = Page<Identity>),
        Guarded, Ranked, Named,
    )
)]
pub(super) async fn of_user(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(user): Path<String>,
) -> Result<axum::Json<Page<Identity>>, Problem> {
    Ok(page(&state.app.identities_of(&caller, &user).await?))
}

/// Have a provider know a user no more. The sessions that came by it end.
#[utoipa::path(
    delete, path = "/users/{user}/identities/{provider}", tag = "users", operation_id = "unlink_user_identity",
    params(
        ("user" = String, Path, description = "Their id or address."),
        ("provider" = uuid::Uuid, Path, description = "The provider's id."),
    ),
    responses((status = 204, description = "It is unlinked."), Guarded, Ranked, Named)
)]
pub(super) async fn unlink(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path((user, reference)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let provider = provider(&reference)?;
    detached(async move { state.app.unlink_user(&caller, &user, provider).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
