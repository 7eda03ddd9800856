//! Signups: people ask to join a tenant or to open one, and whoever may decides.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::registered;
use super::types::Page;
use super::types::people::{Accepted, Register};
use super::types::signups::{Approval, NewJoin, NewOpening, Rejection, Signup};
use crate::app::people::Registration;
use crate::app::signups::{Listing, Opening};
use crate::app::{self, Who};
use crate::http::caller::{Admin, Anybody, Caller};
use crate::http::error::Problem;
use crate::http::extract::{Json, Path, Query};
use crate::http::{AppState, detached};
use crate::store::signups::SignupRecord;

/// Which wishes to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// One or more states, joined by commas.
    #[param(example = "pending")]
    state: Option<String>,
    /// `join`, `open` or both, joined by a comma.
    #[param(example = "open")]
    kind: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<String>,
    /// Items of a page: 1 to 200, 50 unless said.
    #[param(example = "50")]
    limit: Option<String>,
}

impl From<Filter> for Listing {
    fn from(filter: Filter) -> Self {
        Self { states: filter.state, kinds: filter.kind, cursor: filter.cursor, limit: filter.limit }
    }
}

fn signup(record: SignupRecord) -> Signup {
    Signup {
        id: record.id.0,
        kind: record.kind,
        state: record.state,
        tenant: record.slug.to_string(),
        tenant_name: record.tenant_name,
        plan: record.plan.map(|plan| plan.to_string()),
        user: record.user_id.0,
        email: record.email.to_string(),
        name: record.name,
        message: record.message,
        reason: record.reason,
        decided_by: record.decided_by,
        decided_at: record.decided_at,
        created_at: record.created_at,
    }
}

fn page(found: app::Page<SignupRecord>) -> axum::Json<Page<Signup>> {
    axum::Json(Page { items: found.items.into_iter().map(signup).collect(), next: found.next })
}

/// Ask to join a tenant. Where it lets everybody in, the answer is approved already.
///
/// Whoever is not signed in sends the `account` to be made; what they ask for counts once its address is proven. Whether
/// the address has an account already is told by mail alone.
#[utoipa::path(
    post, path = "/tenants/{tenant}/signups", tag = "signups", operation_id = "join_tenant",
    security((), ("token" = [])), params(("tenant" = String, Path, description = "Its slug or id.")),
    request_body = NewJoin,
    responses(
        (status = 201, description = "It was heard.", body = Signup),
        (status = 202, description = "Not signed in: a mail says what comes next.", body = Accepted),
        (status = 409, description = "They belong to it, or asked already, or the plan has no room.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn join(
    State(state): State<AppState>,
    Anybody(caller): Anybody,
    Path(tenant): Path<String>,
    Json(body): Json<NewJoin>,
) -> Result<Response, Problem> {
    let app = state.app.clone();
    let message = body.message.unwrap_or_default();
    if let Some(account) = account(&caller, body.account)? {
        detached(async move { app.join_unknown(&tenant, &message, account, &caller.origin).await }).await?;
        return Ok(registered().into_response());
    }
    let asked = detached(async move { app.join_tenant(&caller, &tenant, &message).await }).await?;
    Ok((StatusCode::CREATED, axum::Json(signup(asked))).into_response())
}

/// The account that is to be made for somebody who is not signed in.
fn account(caller: &app::Caller, sent: Option<Register>) -> Result<Option<Registration>, app::Error> {
    let wrong = |message| Err(app::Error::wrong("account", message));
    match (&caller.who, sent) {
        (Who::Nobody, Some(account)) => Ok(Some(account.into())),
        (Who::Nobody, None) => wrong("sign in, or send email, name and password of an account to be made"),
        (_, Some(_)) => wrong("you are signed in: leave it out"),
        (_, None) => Ok(None),
    }
}

/// List who asked to join a tenant, the newest first.
#[utoipa::path(
    get, path = "/tenants/{tenant}/signups", tag = "signups", operation_id = "list_tenant_signups",
    params(("tenant" = String, Path, description = "Its slug or id."), Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page<Signup>),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
    )
)]
pub(super) async fn of_tenant(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Signup>>, Problem> {
    Ok(page(state.app.signups_of_tenant(&caller, &tenant, &filter.into()).await?))
}

/// Let somebody join who asked to.
#[utoipa::path(
    post, path = "/tenants/{tenant}/signups/{signup}/approve", tag = "signups", operation_id = "approve_join",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("signup" = String, Path, description = "The signup's id."),
    ),
    request_body = Approval,
    responses(
        (status = 200, description = "They are a member.", body = Signup),
        (status = 409, description = "It is decided already, or the plan has no room.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn approve_join(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, id)): Path<(String, String)>,
    Json(body): Json<Approval>,
) -> Result<axum::Json<Signup>, Problem> {
    let app = state.app.clone();
    let decided = detached(async move { app.approve_join(&caller, &tenant, &id, body.role).await }).await?;
    Ok(axum::Json(signup(decided)))
}

/// Refuse somebody who asked to join. They are told why.
#[utoipa::path(
    post, path = "/tenants/{tenant}/signups/{signup}/reject", tag = "signups", operation_id = "reject_join",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("signup" = String, Path, description = "The signup's id."),
    ),
    request_body = Rejection,
    responses(
        (status = 200, description = "It is refused.", body = Signup),
        (status = 409, description = "It is decided already.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn reject_join(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, id)): Path<(String, String)>,
    Json(body): Json<Rejection>,
) -> Result<axum::Json<Signup>, Problem> {
    let app = state.app.clone();
    let decided = detached(async move { app.reject_join(&caller, &tenant, &id, &body.reason).await }).await?;
    Ok(axum::Json(signup(decided)))
}

/// Ask for a tenant of one's own. Where the plan is open to everybody it is being made already.
///
/// Whoever is not signed in sends the `account` to be made, as with the wish to join a tenant.
#[utoipa::path(
    post, path = "/signups", tag = "signups", operation_id = "open_tenant",
    security((), ("token" = [])), request_body = NewOpening,
    responses(
        (status = 201, description = "It was heard.", body = Signup),
        (status = 202, description = "Not signed in: a mail says what comes next.", body = Accepted),
        (status = 409, description = "The slug is taken or asked for, or a limit is reached.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Read, super::answers::Sent,
    )
)]
pub(super) async fn open(
    State(state): State<AppState>,
    Anybody(caller): Anybody,
    Json(body): Json<NewOpening>,
) -> Result<Response, Problem> {
    let account = account(&caller, body.account)?;
    let opening = Opening { name: body.name, slug: body.slug, plan: body.plan, message: body.message };
    let app = state.app.clone();
    if let Some(account) = account {
        detached(async move { app.open_unknown(&opening, account, &caller.origin).await }).await?;
        return Ok(registered().into_response());
    }
    let asked = detached(async move { app.open_tenant(&caller, &opening).await }).await?;
    Ok((StatusCode::CREATED, axum::Json(signup(asked))).into_response())
}

/// List what everybody asked for, the newest first.
#[utoipa::path(
    get, path = "/signups", tag = "signups", operation_id = "list_signups", params(Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page<Signup>),
        super::answers::Guarded, super::answers::Ranked, super::answers::Read,
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Signup>>, Problem> {
    Ok(page(state.app.signups(&caller, &filter.into()).await?))
}

/// Give somebody what they asked for: a place in a tenant, or a tenant.
#[utoipa::path(
    post, path = "/signups/{signup}/approve", tag = "signups", operation_id = "approve_signup",
    params(("signup" = String, Path, description = "Its id.")),
    request_body = Approval,
    responses(
        (status = 200, description = "They have it, or it is being made.", body = Signup),
        (status = 409, description = "It is decided already, or a limit is reached.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn approve(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    Json(body): Json<Approval>,
) -> Result<axum::Json<Signup>, Problem> {
    let app = state.app.clone();
    let decided = detached(async move { app.approve_signup(&caller, &id, body.role).await }).await?;
    Ok(axum::Json(signup(decided)))
}

/// Refuse somebody what they asked for. They are told why.
#[utoipa::path(
    post, path = "/signups/{signup}/reject", tag = "signups", operation_id = "reject_signup",
    params(("signup" = String, Path, description = "Its id.")),
    request_body = Rejection,
    responses(
        (status = 200, description = "It is refused.", body = Signup),
        (status = 409, description = "It is decided already.", body = Problem, content_type = "application/problem+json"),
        super::answers::Guarded, super::answers::Ranked, super::answers::Named, super::answers::Read,
        super::answers::Sent,
    )
)]
pub(super) async fn reject(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    Json(body): Json<Rejection>,
) -> Result<axum::Json<Signup>, Problem> {
    let app = state.app.clone();
    let decided = detached(async move { app.reject_signup(&caller, &id, &body.reason).await }).await?;
    Ok(axum::Json(signup(decided)))
}

/// List what one asked for oneself, the newest first.
#[utoipa::path(
    get, path = "/me/signups", tag = "signups", operation_id = "list_my_signups", params(Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page<Signup>),
        super::answers::Guarded, super::answers::Ranked, super::answers::Read,
    )
)]
pub(super) async fn mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<Signup>>, Problem> {
    Ok(page(state.app.my_signups(&caller, &filter.into()).await?))
}
