//! Users, as platform admins see and stop them.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::{Guarded, Named, Ranked, Read, Sent};
use super::types::Page;
use super::types::people::{Register, User, UserDetail, UserMembership};
use crate::app::people::Registration;
use crate::app::users::Listing;
use crate::http::caller::Admin;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path, Query};
use crate::http::{AppState, detached};
use crate::store::sessions::BelongingRecord;
use crate::store::users::UserRecord;

/// Which users to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Part of the address or name.
    search: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

fn user(record: &UserRecord) -> User {
    User {
        id: record.id.0,
        email: record.email.to_string(),
        name: record.name.clone(),
        verified_at: record.verified_at,
        suspended_at: record.suspended_at,
        created_at: record.created_at,
    }
}

fn detail((record, belongings): &(UserRecord, Vec<BelongingRecord>)) -> axum::Json<UserDetail> {
    let membership = |one: &BelongingRecord| UserMembership {
        tenant_id: one.tenant_id.0,
        slug: one.slug.to_string(),
        role: one.role,
        suspended: one.suspended,
    };
    axum::Json(UserDetail { user: user(record), memberships: belongings.iter().map(membership).collect() })
}

/// List users.
#[utoipa::path(
    get, path = "/users", tag = "users", operation_id = "list_users", params(Filter),
    responses((status = 200, description = "A page of them, the newest first.", body = Page<User>), Guarded, Ranked, Read)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<User>>, Problem> {
    let listing = Listing { search: filter.search, cursor: filter.cursor, limit: filter.limit };
    let page = state.app.users(&caller, &listing).await?;
    Ok(axum::Json(Page { items: page.items.iter().map(user).collect(), next: page.next }))
}

/// Make a user. Nobody asks them whether the address is theirs: the platform vouches for it.
#[utoipa::path(
    post, path = "/users", tag = "users", operation_id = "create_user", request_body = Register,
    responses(
        (status = 201, description = "The user.", body = UserDetail),
        (status = 409, description = "The address has an account.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Read, Sent,
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Json(body): Json<Register>,
) -> Result<(StatusCode, axum::Json<UserDetail>), Problem> {
    let wanted = Registration {
        email: body.email,
        name: body.name,
        password: SecretString::from(body.password),
        terms: body.terms,
    };
    let made = detached(async move { state.app.create_user(&caller, wanted).await }).await?;
    Ok((StatusCode::CREATED, detail(&(made, Vec::new()))))
}

/// Get a user by their id or address.
#[utoipa::path(
    get, path = "/users/{user}", tag = "users", operation_id = "get_user",
    params(("user" = String, Path, description = "Their id or address.")),
    responses((status = 200, description = "The user.", body = UserDetail), Guarded, Ranked, Named)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(reference): Path<String>,
) -> Result<axum::Json<UserDetail>, Problem> {
    Ok(detail(&state.app.user(&caller, &reference).await?))
}

/// Let a user in nowhere any more, and end their sessions.
#[utoipa::path(
    post, path = "/users/{user}/suspend", tag = "users", operation_id = "suspend_user",
    params(("user" = String, Path, description = "Their id or address.")),
    responses((status = 200, description = "The user.", body = UserDetail), Guarded, Ranked, Named)
)]
pub(super) async fn suspend(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(reference): Path<String>,
) -> Result<axum::Json<UserDetail>, Problem> {
    Ok(detail(&detached(async move { state.app.suspend_user(&caller, &reference, true).await }).await?))
}

/// Let a suspended user in again.
#[utoipa::path(
    post, path = "/users/{user}/resume", tag = "users", operation_id = "resume_user",
    params(("user" = String, Path, description = "Their id or address.")),
    responses((status = 200, description = "The user.", body = UserDetail), Guarded, Ranked, Named)
)]
pub(super) async fn resume(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(reference): Path<String>,
) -> Result<axum::Json<UserDetail>, Problem> {
    Ok(detail(&detached(async move { state.app.suspend_user(&caller, &reference, false).await }).await?))
}
