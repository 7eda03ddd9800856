//! API keys: a user's own, and a tenant's.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;

use super::answers::{Guarded, Named, Ranked, Read, Sent};
use super::types::Page;
use super::types::api_keys::{ApiKey, MadeKey, NewKey, NewTenantKey, RotatedKey, Rotation};
use crate::app::api_keys::{Made, Of, Rotated, Turn, Wish};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path};
use crate::http::{AppState, detached};
use crate::identity::api_keys::MARK;
use crate::store::api_keys::KeyRecord;

fn key(record: KeyRecord) -> ApiKey {
    ApiKey {
        id: record.id.0,
        prefix: format!("{MARK}{}", record.prefix),
        kind: record.kind,
        name: record.name,
        status: record.status,
        tenant: record.tenant,
        maker: record.maker.map(|maker| maker.to_string()),
        scopes: record.scopes,
        per_minute: record.per_minute,
        signs: record.signs,
        second_factor: record.second_factor,
        created_at: record.created_at,
        expires_at: record.expires_at,
        replaced_by: record.replaced_by.map(|id| id.0),
        last_used_at: record.last_used_at,
        last_address: record.last_address,
    }
}

fn page(records: Vec<KeyRecord>) -> axum::Json<Page<ApiKey>> {
    axum::Json(Page { items: records.into_iter().map(key).collect(), next: None })
}

fn made(made: Made) -> (StatusCode, axum::Json<MadeKey>) {
    let secret = made.secret.expose_secret().to_owned();
    (StatusCode::CREATED, axum::Json(MadeKey { key: key(made.key), secret }))
}

fn rotated(rotated: Rotated) -> (StatusCode, axum::Json<RotatedKey>) {
    let secret = rotated.made.secret.expose_secret().to_owned();
    let answer = RotatedKey { key: key(rotated.made.key), secret, before: key(rotated.before) };
    (StatusCode::CREATED, axum::Json(answer))
}

fn turn(body: &Rotation) -> Turn {
    Turn { overlap_hours: body.overlap_hours, days: body.expires_in_days }
}

/// My keys: those that are good first, then the newest; those that are over for 30 days.
#[utoipa::path(
    get, path = "/me/keys", tag = "keys", operation_id = "my_keys",
    responses((status = 200, description = "200 at most.", body = Page<ApiKey>), Guarded, Ranked)
)]
pub(super) async fn mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
) -> Result<axum::Json<Page<ApiKey>>, Problem> {
    Ok(page(state.app.api_keys(&caller, Of::Me).await?))
}

/// Make a key of my own. It acts as me wherever I belong, or in one tenant.
#[utoipa::path(
    post, path = "/me/keys", tag = "keys", operation_id = "create_my_key", request_body = NewKey,
    responses(
        (status = 201, description = "It is made; its secret is told this once.", body = MadeKey),
        (status = 409, description = "There are as many as there can be.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Sent, Read,
    )
)]
pub(super) async fn create_mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Json(body): Json<NewKey>,
) -> Result<(StatusCode, axum::Json<MadeKey>), Problem> {
    let wish = Wish {
        name: body.name,
        scopes: body.scopes,
        tenant: body.tenant,
        days: body.expires_in_days,
        per_minute: body.per_minute,
        signs: body.signs,
    };
    detached(async move { state.app.create_key(&caller, Of::Me, &wish).await }).await.map(made)
}

/// A key of mine.
#[utoipa::path(
    get, path = "/me/keys/{key}", tag = "keys", operation_id = "my_key",
    params(("key" = String, Path, description = "Its id, or its public name: `fhk_` and the ten characters.")),
    responses((status = 200, description = "Without its secret.", body = ApiKey), Guarded, Ranked, Named)
)]
pub(super) async fn one_of_mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<ApiKey>, Problem> {
    Ok(axum::Json(key(state.app.api_key(&caller, Of::Me, &id).await?)))
}

/// Revoke a key of mine, and the one before it. It ends at once.
#[utoipa::path(
    delete, path = "/me/keys/{key}", tag = "keys", operation_id = "revoke_my_key",
    params(("key" = String, Path, description = "Its id, or its public name: `fhk_` and the ten characters.")),
    responses((status = 204, description = "It is good for nothing any more."), Guarded, Ranked, Named)
)]
pub(super) async fn revoke_mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.app.revoke_key(&caller, Of::Me, &id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a key that takes the place of one of mine.
#[utoipa::path(
    post, path = "/me/keys/{key}/rotate", tag = "keys", operation_id = "rotate_my_key", request_body = Rotation,
    params(("key" = String, Path, description = "Its id, or its public name: `fhk_` and the ten characters.")),
    responses(
        (status = 201, description = "The new one; its secret is told this once.", body = RotatedKey),
        (status = 409, description = "It is replaced already, or good no more.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Named, Sent, Read,
    )
)]
pub(super) async fn rotate_mine(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    Json(body): Json<Rotation>,
) -> Result<(StatusCode, axum::Json<RotatedKey>), Problem> {
    let turn = turn(&body);
    detached(async move { state.app.rotate_key(&caller, Of::Me, &id, turn).await }).await.map(rotated)
}

/// A tenant's keys: those that are good first, then the newest; those that are over for 30 days.
#[utoipa::path(
    get, path = "/tenants/{tenant}/keys", tag = "keys", operation_id = "list_keys",
    params(("tenant" = String, Path, description = "Its slug or id.")),
    responses((status = 200, description = "200 at most.", body = Page<ApiKey>), Guarded, Ranked, Named)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
) -> Result<axum::Json<Page<ApiKey>>, Problem> {
    Ok(page(state.app.api_keys(&caller, Of::Tenant(&tenant)).await?))
}

/// Make a key of the tenant. It may do what its scopes say and you may.
#[utoipa::path(
    post, path = "/tenants/{tenant}/keys", tag = "keys", operation_id = "create_key", request_body = NewTenantKey,
    params(("tenant" = String, Path, description = "Its slug or id.")),
    responses(
        (status = 201, description = "It is made; its secret is told this once.", body = MadeKey),
        (status = 409, description = "There are as many as there can be.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Named, Sent, Read,
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(tenant): Path<String>,
    Json(body): Json<NewTenantKey>,
) -> Result<(StatusCode, axum::Json<MadeKey>), Problem> {
    let wish = Wish {
        name: body.name,
        scopes: body.scopes,
        tenant: None,
        days: body.expires_in_days,
        per_minute: body.per_minute,
        signs: body.signs,
    };
    detached(async move { state.app.create_key(&caller, Of::Tenant(&tenant), &wish).await }).await.map(made)
}

/// A key of the tenant.
#[utoipa::path(
    get, path = "/tenants/{tenant}/keys/{key}", tag = "keys", operation_id = "get_key",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("key" = String, Path, description = "The key's id, or its public name: `fhk_` and the ten characters."),
    ),
    responses((status = 200, description = "Without its secret.", body = ApiKey), Guarded, Ranked, Named)
)]
pub(super) async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<axum::Json<ApiKey>, Problem> {
    Ok(axum::Json(key(state.app.api_key(&caller, Of::Tenant(&tenant), &id).await?)))
}

/// Revoke a key of the tenant, and the one before it. It ends at once.
#[utoipa::path(
    delete, path = "/tenants/{tenant}/keys/{key}", tag = "keys", operation_id = "revoke_key",
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("key" = String, Path, description = "The key's id, or its public name: `fhk_` and the ten characters."),
    ),
    responses((status = 204, description = "It is good for nothing any more."), Guarded, Ranked, Named)
)]
pub(super) async fn revoke(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    detached(async move { state.app.revoke_key(&caller, Of::Tenant(&tenant), &id).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a key that takes the place of one of the tenant's. Its maker is whoever does this.
#[utoipa::path(
    post, path = "/tenants/{tenant}/keys/{key}/rotate", tag = "keys", operation_id = "rotate_key",
    request_body = Rotation,
    params(
        ("tenant" = String, Path, description = "Its slug or id."),
        ("key" = String, Path, description = "The key's id, or its public name: `fhk_` and the ten characters."),
    ),
    responses(
        (status = 201, description = "The new one; its secret is told this once.", body = RotatedKey),
        (status = 409, description = "It is replaced already, or good no more.", body = Problem, content_type = "application/problem+json"),
        Guarded, Ranked, Named, Sent, Read,
    )
)]
pub(super) async fn rotate(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((tenant, id)): Path<(String, String)>,
    Json(body): Json<Rotation>,
) -> Result<(StatusCode, axum::Json<RotatedKey>), Problem> {
    let turn = turn(&body);
    detached(async move { state.app.rotate_key(&caller, Of::Tenant(&tenant), &id, turn).await })
        .await
        .map(rotated)
}
