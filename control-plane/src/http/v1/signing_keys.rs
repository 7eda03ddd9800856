//! The keys that sign tokens, for platform admins.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;

use super::answers::{Changing, Guarded, Named, Read, Sent};
use super::types::Page;
use super::types::signing_keys::{SigningKey, Turn};
use crate::http::caller::Admin;
use crate::http::error::Problem;
use crate::http::extract::{Json, Path};
use crate::http::{AppState, detached};
use crate::store::signing_keys::SigningKeyRecord;

fn key(record: SigningKeyRecord) -> SigningKey {
    SigningKey {
        state: record.times.state(Utc::now()),
        kid: record.kid,
        algorithm: record.algorithm,
        created_at: record.created_at,
        signs_from: record.times.signs_from,
        signs_until: record.times.signs_until,
        published_until: record.times.published_until,
        erased: record.sealed.is_none(),
        withdrawn_at: record.times.withdrawn_at,
        withdrawn_by: record.withdrawn_by,
    }
}

fn page(records: Vec<SigningKeyRecord>) -> axum::Json<Page<SigningKey>> {
    axum::Json(Page { items: records.into_iter().map(key).collect(), next: None })
}

/// List the keys that sign tokens, and those that did: what signs last first.
#[utoipa::path(
    get, path = "/signing-keys", tag = "platform", operation_id = "list_signing_keys",
    responses((status = 200, description = "200 at most.", body = Page<SigningKey>), Guarded)
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Admin(caller): Admin,
) -> Result<axum::Json<Page<SigningKey>>, Problem> {
    Ok(page(state.app.signing_keys(&caller).await?))
}

/// Have new keys sign tokens.
///
/// They are published at once and sign after a while, so that whoever checks tokens knows them by then. Those from before
/// stay published until the last token that they signed has ended.
#[utoipa::path(
    post, path = "/signing-keys", tag = "platform", operation_id = "rotate_signing_keys", request_body = Turn,
    responses(
        (status = 201, description = "Those that will sign.", body = Page<SigningKey>),
        (status = 409, description = "Others wait to sign already, or too many are published.", body = Problem, content_type = "application/problem+json"),
        Guarded, Sent, Read,
    )
)]
pub(super) async fn rotate(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Json(body): Json<Turn>,
) -> Result<(StatusCode, axum::Json<Page<SigningKey>>), Problem> {
    let keys = detached(async move { state.app.rotate_signing_keys(&caller, body.now).await }).await?;
    Ok((StatusCode::CREATED, page(keys)))
}

/// Take a key that leaked out of use.
///
/// Whatever it signed is refused from now on. The only key that signs cannot be withdrawn: rotate with `now` first.
#[utoipa::path(
    post, path = "/signing-keys/{kid}/withdraw", tag = "platform", operation_id = "withdraw_signing_key",
    params(("kid" = String, Path, description = "Its name, as tokens have it.")),
    responses((status = 200, description = "The key, which is good for nothing.", body = SigningKey), Guarded, Named, Changing)
)]
pub(super) async fn withdraw(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(kid): Path<String>,
) -> Result<axum::Json<SigningKey>, Problem> {
    let record = detached(async move { state.app.withdraw_signing_key(&caller, &kid).await }).await?;
    Ok(axum::Json(key(record)))
}
