//! Signing in, and the keys by which tokens are verified.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

use super::types::{Session, SignIn};
use crate::http::AppState;
use crate::http::caller::From;
use crate::http::error::Problem;
use crate::http::extract::Json;

/// Sign in as a platform admin.
#[utoipa::path(
    post, path = "/admin/sessions", tag = "admins", security(()),
    request_body = SignIn,
    responses(
        (status = 201, description = "Signed in.", body = Session),
        (status = 401, description = "Email, password or second factor is wrong, or the second factor is missing.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many failures; `Retry-After` says how long to wait.", body = Problem, content_type = "application/problem+json"),
        super::answers::Read, super::answers::Sent,
    )
)]
pub(super) async fn sign_in(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<SignIn>,
) -> Result<(StatusCode, axum::Json<Session>), Problem> {
    let password = SecretString::from(body.password);
    let token =
        state.app.sign_in_admin(&body.email, &password, body.second_factor.as_deref(), origin).await?;
    let session = Session {
        token: token.text.expose_secret().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_at: token.expires_at,
    };
    Ok((StatusCode::CREATED, axum::Json(session)))
}

/// `GET /.well-known/jwks.json`: the public keys of our tokens (RFC 7517). They may be kept for five minutes.
pub(in crate::http) async fn keys(State(state): State<AppState>) -> Response {
    let caching = HeaderValue::from_static("public, max-age=300");
    ([(header::CACHE_CONTROL, caching)], axum::Json(state.app.keys())).into_response()
}
