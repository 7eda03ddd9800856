//! Members of a tenant.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::types::Page;
use super::types::members::{Heir, Member, MemberChange, NewMember};
use crate::app::members::{Change, Listing};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path, Query};
use crate::http::{AppState, detached};
use crate::store::memberships::MemberRecord;

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Part of the address or name.
    search: Option<String>,
    /// One or more roles, joined by commas.
    #[param(example = "owner,admin")]
    role: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

fn member(record: MemberRecord) -> Member {
    Member {
        user: record.user_id.0,
        email: record.email.to_string(),
        name: record.name,
        role: record.role,
        suspended: record.suspended_at.is_some(),
        joined_at: record.created_at,
    }
}

/// List a tenant's members, by their addresses.
#[utoipa::path(
    get, path = "/tenants/{tenant}/members", tag = "members", operation_id = "list_members",
    params(("tenant" = String, Path, description = "Its slug or id."), Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page<Member>),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Member>>, Problem> {
    let listing =
        Listing { search: filter.search, roles: filter.role, cursor: filter.cursor, limit: filter.limit };
    let page = state.app.members(&caller, &tenant, &listing).await?;
    Ok(axum::Json(Page { items: page.items.into_iter().map(member).collect(), next: page.next }))
}

/// Make somebody who has an account a member, without asking them. For platform admins; others send invitations.
#[utoipa::path(
    post, path = "/tenants/{tenant}/members", tag = "members", operation_id = "add_member",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    request_body = NewMember,
    responses(
        (status = 201, description = "They are a member.", body = Member),
        (status = 409, description = "They are one already, or the plan has no room.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn add(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Json(body): Json<NewMember>,
) -> Result<(StatusCode, axum::Json<Member>), Problem> {
    let app = state.app.clone();
    let added =
        detached(async move { app.add_member(&caller, &tenant, &body.email, body.role).await }).await?;
    Ok((StatusCode::CREATED, axum::Json(member(added))))
}

/// Get a member.
#[utoipa::path(
    get, path = "/tenants/{tenant}/members/{user}", tag = "members", operation_id = "get_member",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("user" = String, Path, description = "The member's id or address."),
    ),
    responses(
        (status = 200, description = "The member.", body = Member),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named,
    )
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, user)): Path<(String, String)>,
) -> Result<axum::Json<Member>, Problem> {
    Ok(axum::Json(member(state.app.member(&caller, &tenant, &user).await?)))
}

/// Give a member another role, keep them out or let them in again. Nobody gives or takes what is above themselves.
#[utoipa::path(
    patch, path = "/tenants/{tenant}/members/{user}", tag = "members", operation_id = "update_member",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("user" = String, Path, description = "The member's id or address."),
    ),
    request_body = MemberChange,
    responses(
        (status = 200, description = "As they are now.", body = Member),
        (status = 409, description = "No owner would be left.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, user)): Path<(String, String)>,
    Json(body): Json<MemberChange>,
) -> Result<axum::Json<Member>, Problem> {
    let change = Change { role: body.role, suspended: body.suspended };
    let app = state.app.clone();
    let changed = detached(async move { app.update_member(&caller, &tenant, &user, change).await }).await?;
    Ok(axum::Json(member(changed)))
}

/// Remove a member; or leave, as which everybody may remove themselves.
#[utoipa::path(
    delete, path = "/tenants/{tenant}/members/{user}", tag = "members", operation_id = "remove_member",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("user" = String, Path, description = "The member's id or address."),
    ),
    responses(
        (status = 204, description = "They are no member any more."),
        (status = 409, description = "No owner would be left.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named,
    )
)]
pub(super) async fn remove(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, user)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let app = state.app.clone();
    detached(async move { app.remove_member(&caller, &tenant, &user).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hand a tenant over: that member becomes its owner, and who hands it over an admin. A platform admin adds an owner.
#[utoipa::path(
    post, path = "/tenants/{tenant}/ownership", tag = "members", operation_id = "hand_over_tenant",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    request_body = Heir,
    responses(
        (status = 200, description = "The owner.", body = Member),
        (status = 409, description = "They are suspended, or own it.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn hand_over(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Json(body): Json<Heir>,
) -> Result<axum::Json<Member>, Problem> {
    let app = state.app.clone();
    let owner = detached(async move { app.hand_over(&caller, &tenant, &body.user).await }).await?;
    Ok(axum::Json(member(owner)))
}
