//! The second factor of whoever is signed in, users and platform admins alike.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::answers::{Changing, Guarded, Ranked, Read, Sent, Tried};
use super::types::people::{Code, Enrolment, PasswordAndCode, PasswordOnly, RecoveryCodes};
use crate::http::caller::Enrolling;
use crate::http::error::Problem;
use crate::http::extract::Json;
use crate::http::{AppState, detached};

fn told(codes: &[SecretString]) -> axum::Json<RecoveryCodes> {
    let codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    axum::Json(RecoveryCodes { codes })
}

/// Begin to set up my second factor. It counts once it is confirmed.
#[utoipa::path(
    post, path = "/me/second-factor", tag = "me", operation_id = "begin_second_factor",
    responses((status = 200, description = "What an authenticator app needs.", body = Enrolment), Guarded, Ranked, Changing)
)]
pub(super) async fn begin(
    State(state): State<AppState>,
    Enrolling(caller): Enrolling,
) -> Result<axum::Json<Enrolment>, Problem> {
    let begun = detached(async move { state.app.begin_second_factor(&caller).await }).await?;
    Ok(axum::Json(Enrolment {
        secret: begun.secret.expose_secret().to_owned(),
        uri: begun.uri.expose_secret().to_owned(),
    }))
}

/// Confirm my second factor by a code of it. The recovery codes are told this once.
#[utoipa::path(
    post, path = "/me/second-factor/confirm", tag = "me", operation_id = "confirm_second_factor",
    request_body = Code,
    responses(
        (status = 200, description = "It counts from now on.", body = RecoveryCodes),
        Guarded, Ranked, Changing, Sent, Read,
    )
)]
pub(super) async fn confirm(
    State(state): State<AppState>,
    Enrolling(caller): Enrolling,
    Json(body): Json<Code>,
) -> Result<axum::Json<RecoveryCodes>, Problem> {
    let codes = detached(async move { state.app.confirm_second_factor(&caller, &body.code).await }).await?;
    Ok(told(&codes))
}

/// Take my second factor away.
#[utoipa::path(
    delete, path = "/me/second-factor", tag = "me", operation_id = "remove_second_factor",
    request_body = PasswordAndCode,
    responses((status = 204, description = "It is gone."), Guarded, Ranked, Changing, Tried, Sent, Read)
)]
pub(super) async fn remove(
    State(state): State<AppState>,
    Enrolling(caller): Enrolling,
    Json(body): Json<PasswordAndCode>,
) -> Result<StatusCode, Problem> {
    let password = SecretString::from(body.password);
    detached(async move { state.app.remove_second_factor(&caller, &password, &body.code).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get new recovery codes; those from before are good for nothing.
#[utoipa::path(
    post, path = "/me/recovery-codes", tag = "me", operation_id = "renew_recovery_codes",
    request_body = PasswordOnly,
    responses(
        (status = 200, description = "They are told this once.", body = RecoveryCodes),
        Guarded, Ranked, Changing, Tried, Sent, Read,
    )
)]
pub(super) async fn renew_codes(
    State(state): State<AppState>,
    Enrolling(caller): Enrolling,
    Json(body): Json<PasswordOnly>,
) -> Result<axum::Json<RecoveryCodes>, Problem> {
    let password = SecretString::from(body.password);
    let codes = detached(async move { state.app.renew_recovery_codes(&caller, &password).await }).await?;
    Ok(told(&codes))
}
