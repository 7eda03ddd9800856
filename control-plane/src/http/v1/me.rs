//! What users do about themselves.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answers::{Guarded, Named, Ranked, Read, Sent, Tried};
use super::types::Page;
use super::types::people::{ChangePassword, Me, MyMembership, MySession};
use crate::app::{self, Settings};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path, Query};
use crate::http::{AppState, detached};
use crate::identity::permissions;
use crate::model::hostname::HostName;
use crate::model::ids::SessionId;
use crate::store::sessions::SessionRecord;

fn membership(settings: &Settings, one: &app::caller::Membership) -> MyMembership {
    let host = HostName::of_tenant(&one.slug, &settings.tenants_domain);
    MyMembership {
        tenant_id: one.tenant.0,
        slug: one.slug.to_string(),
        url: host.map(|host| settings.url_of(host.as_str())).unwrap_or_default(),
        role: one.role,
        permissions: permissions::of(one.role).collect(),
        suspended: one.suspended,
        second_factor_required: one.second_factor_required,
        required_provider: one.required_provider.map(|id| id.0),
    }
}

fn session(record: &SessionRecord, current: SessionId) -> MySession {
    MySession {
        id: record.id.0,
        current: record.id == current,
        device: record.device.clone(),
        address: record.address.clone(),
        remembered: record.remembered,
        second_factor: record.second_factor,
        by: record.provider_title.clone(),
        only_tenant: record.only_tenant.map(|tenant| tenant.0),
        created_at: record.created_at,
        last_used_at: record.last_used_at,
        expires_at: record.expires_at,
    }
}

/// Who I am, where I belong and what I may do there.
#[utoipa::path(
    get, path = "/me", tag = "me", operation_id = "me",
    responses((status = 200, description = "The user who asks.", body = Me), Guarded, Ranked)
)]
pub(super) async fn show(
    State(state): State<AppState>,
    Caller(caller): Caller,
) -> Result<axum::Json<Me>, Problem> {
    let me = caller.signed_in()?;
    Ok(axum::Json(Me {
        id: me.user.0,
        email: me.email.to_string(),
        name: me.name.to_string(),
        session_id: me.session.0,
        has_second_factor: me.has_second_factor,
        second_factor: me.second_factor,
        provider: me.provider.map(|id| id.0),
        only_tenant: me.only_tenant.map(|id| id.0),
        memberships: me.memberships.iter().map(|one| membership(state.app.settings(), one)).collect(),
    }))
}

/// Change my password. All my other sessions end.
#[utoipa::path(
    post, path = "/me/password", tag = "me", operation_id = "change_password", request_body = ChangePassword,
    responses(
        (status = 204, description = "It is changed."),
        (status = 409, description = "It was changed in the meantime.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Tried, Sent, Read,
    )
)]
pub(super) async fn change_password(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Json(body): Json<ChangePassword>,
) -> Result<StatusCode, Problem> {
    let (before, password) = (SecretString::from(body.current_password), SecretString::from(body.password));
    detached(async move { state.app.change_password(&caller, &before, password).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where I am signed in.
#[utoipa::path(
    get, path = "/me/sessions", tag = "me", operation_id = "my_sessions",
    responses((status = 200, description = "The last used first, 200 at most.", body = Page<MySession>), Guarded, Ranked)
)]
pub(super) async fn sessions(
    State(state): State<AppState>,
    Caller(caller): Caller,
) -> Result<axum::Json<Page<MySession>>, Problem> {
    let current = caller.user()?.session;
    let sessions = state.app.sessions(&caller).await?;
    Ok(axum::Json(Page { items: sessions.iter().map(|one| session(one, current)).collect(), next: None }))
}

/// Which sessions shall go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Except {
    /// `current` to stay signed in here.
    #[param(example = "current")]
    except: Option<String>,
}

/// Sign me out everywhere.
#[utoipa::path(
    delete, path = "/me/sessions", tag = "me", operation_id = "end_my_sessions", params(Except),
    responses((status = 204, description = "They have ended."), Guarded, Ranked, Read)
)]
pub(super) async fn end_all(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Query(query): Query<Except>,
) -> Result<StatusCode, Problem> {
    let but_this = match query.except.as_deref() {
        None => false,
        Some("current") => true,
        Some(_) => return Err(app::Error::wrong("except", "current is expected, or nothing").into()),
    };
    detached(async move { state.app.end_sessions(&caller, but_this).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign me out on one device.
#[utoipa::path(
    delete, path = "/me/sessions/{session}", tag = "me", operation_id = "end_my_session",
    params(("session" = uuid::Uuid, Path, description = "Its id.")),
    responses((status = 204, description = "It has ended."), Guarded, Ranked, Named)
)]
pub(super) async fn end(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(reference): Path<String>,
) -> Result<StatusCode, Problem> {
    let session: SessionId = reference.parse().map_err(|_| Problem::not_found("there is no such session"))?;
    detached(async move { state.app.end_session(&caller, session).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
