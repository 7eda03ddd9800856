//! Who somebody is, for an app that shows their access token: in the header, or in a form (RFC 6750, 2).

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::header;
use axum::http::request::Parts;

use super::answer::Refusal;
use super::form::Form;
use crate::app::oauth::UserInfo;
use crate::http::caller::bearer;
use crate::http::{AppState, limits};

/// `GET /oauth/userinfo`
pub(super) async fn asked(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<UserInfo>, Refusal> {
    let (parts, _) = request.into_parts();
    let token = bearer(&parts.headers).map(str::to_owned);
    told(&state, &parts, token).await
}

/// `POST /oauth/userinfo`
pub(super) async fn posted(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<UserInfo>, Refusal> {
    let (parts, body) = request.into_parts();
    let shown = bearer(&parts.headers).map(str::to_owned);
    let has_form = parts.headers.contains_key(header::CONTENT_TYPE);
    let form = match has_form {
        true => Some(Form::from_request(Request::from_parts(parts.clone(), body), &state).await?.0),
        false => None,
    };
    let posted = form.as_ref().and_then(|form| form.get("access_token")).map(str::to_owned);
    if shown.is_some() && posted.is_some() {
        return Err(Refusal::invalid("the token is sent in two ways; one is enough"));
    }
    told(&state, &parts, shown.or(posted)).await
}

async fn told(state: &AppState, parts: &Parts, token: Option<String>) -> Result<Json<UserInfo>, Refusal> {
    let known = match token {
        Some(token) => state.app.app_token(&token).map_err(Refusal::from),
        None => Err(Refusal::no_token()),
    };
    let claims = match known {
        Ok(claims) => claims,
        Err(refusal) => {
            limits::count_stranger(&state.limits, parts)?;
            return Err(refusal);
        }
    };
    limits::count_client(&state.limits, claims.aud)?;
    Ok(Json(state.app.user_info(&claims).await?))
}
