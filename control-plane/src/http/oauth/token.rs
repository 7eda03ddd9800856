//! What apps ask by themselves: tokens, and what they are worth.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::client::FromClient;
use crate::app::Error;
use crate::app::oauth::{Introspected, Refused, Tokens};
use crate::http::{AppState, run};

/// Tokens stay nowhere on the way, not even with what knows HTTP/1.0 alone (RFC 6749, 5.1).
const KEPT_NOWHERE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

/// `POST /oauth/token`
pub(super) async fn token(State(state): State<AppState>, asked: FromClient) -> Result<Response, Refusal> {
    let FromClient { client, form, origin } = asked;
    let tokens = run(async move { state.app.token(&client, &form, &origin).await }).await?;
    let Tokens { access, id, refresh, expires_in, scope } = tokens;
    let mut body = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "scope": scope.to_string(),
        "id_token": id,
    });
    if let Some(refresh) = refresh {
        body["refresh_token"] = Value::from(refresh);
    }
    Ok((KEPT_NOWHERE, Json(body)).into_response())
}

/// `POST /oauth/revoke`
pub(super) async fn revoke(State(state): State<AppState>, asked: FromClient) -> Result<StatusCode, Refusal> {
    let FromClient { client, form, origin } = asked;
    run(async move { state.app.revoke_token(&client, &form, &origin).await }).await?;
    Ok(StatusCode::OK)
}

/// `POST /oauth/introspect`
pub(super) async fn introspect(
    State(state): State<AppState>,
    asked: FromClient,
) -> Result<Response, Refusal> {
    let body = match state.app.introspect(&asked.client, &asked.form).await? {
        Introspected::Nothing => json!({ "active": false }),
        Introspected::Active(claims) => {
            let mut body =
                serde_json::to_value(claims).map_err(|error| Refused::App(Error::internal(error)))?;
            body["active"] = Value::from(true);
            body["token_type"] = Value::from("Bearer");
            body
        }
    };
    Ok((KEPT_NOWHERE, Json(body)).into_response())
}
