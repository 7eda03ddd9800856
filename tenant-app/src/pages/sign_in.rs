//! The way in and the way out: OpenID Connect with the platform, by authorization code and PKCE.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::ExposeSecret;
use serde_json::json;

use super::page;
use crate::people::guests::{Guests, SignInError};
use crate::people::sessions::Sessions;
use crate::people::trip::Trip;
use crate::web::problem::Error;
use crate::web::state::Shared;

/// The cookie that holds a session's number.
pub const SESSION: &str = "session";

const SIGN_IN: &str = "/auth/sign-in";
/// The stack file says the same under `sign_in`: the platform sends people nowhere else.
const CALLBACK: &str = "/auth/callback";
const SIGN_OUT: &str = "/auth/sign-out";
const SIGNED_OUT: &str = "/auth/signed-out";

/// Paths that need nobody to be known.
pub const OPEN: [&str; 4] = [SIGN_IN, CALLBACK, SIGN_OUT, SIGNED_OUT];

type Parameters = BTreeMap<String, String>;

pub fn routes() -> axum::Router<Shared> {
    use axum::routing::{get, post};
    axum::Router::new()
        .route(SIGN_IN, get(begin))
        .route(CALLBACK, get(arrive))
        .route(SIGN_OUT, post(leave))
        .route(SIGNED_OUT, get(signed_out))
}

/// Where somebody signs in who wants to go there.
#[must_use]
pub fn way_in(to: Option<&str>) -> String {
    let to = to.unwrap_or("/");
    format!("{SIGN_IN}?{}", form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish())
}

fn guests(app: &Shared) -> Result<&Guests, Error> {
    app.guests.as_ref().ok_or(Error::NoSignIn)
}

/// Addresses of ours that the platform sends people back to, by the name that they came by.
fn back(app: &Shared, headers: &HeaderMap, path: &str) -> Result<String, Error> {
    let origin = app.tenant.names.visited(headers).map_err(|_| Error::Misdirected)?;
    Ok(format!("{origin}{path}"))
}

fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

fn address(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mark = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{mark}{query}")
}

/// `GET /auth/sign-in?to=`: sends the browser to the platform.
async fn begin(
    State(app): State<Shared>,
    Query(query): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let guests = guests(&app)?;
    let endpoints = guests.provider.endpoints().await.map_err(|error| {
        tracing::warn!(%error, "nobody can be sent to the platform to sign in");
        SignInError::Away
    })?;
    let trip = Trip::begin(query.get("to").map(String::as_str));
    let to = address(
        &endpoints.authorization_endpoint,
        &[
            ("response_type", "code"),
            ("client_id", &guests.settings.client_id),
            ("redirect_uri", &back(&app, &headers, CALLBACK)?),
            ("scope", "openid profile email offline_access"),
            ("state", &trip.state()),
            ("nonce", &trip.nonce()),
            ("code_challenge", &trip.challenge()),
            ("code_challenge_method", "S256"),
        ],
    );
    Ok(with_cookies(Redirect::to(&to).into_response(), trip.packed(app.cookies, &headers)))
}

/// `GET /auth/callback`: the platform's answer. Whatever comes of it, the trip is over.
async fn arrive(
    State(app): State<Shared>,
    query: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Query(pairs) = query.map_err(|_| SignInError::Lost)?;
    let said = once(pairs).ok_or(SignInError::Lost)?;
    let state = said.get("state").ok_or(SignInError::Lost)?;
    let trip = Trip::found(app.cookies, &headers, state).ok_or(SignInError::Lost)?;
    let over = trip.over(app.cookies);
    Ok(match arrived(&app, &trip, &said, &headers).await {
        Ok(session) => with_cookies(Redirect::to(&trip.to).into_response(), over.into_iter().chain(session)),
        Err(error) => with_cookies(error.into_response(), over),
    })
}

/// Each parameter once, as OAuth says; one that comes twice might be read one way here and another there.
fn once(pairs: Vec<(String, String)>) -> Option<Parameters> {
    let count = pairs.len();
    let said: Parameters = pairs.into_iter().collect();
    (said.len() == count).then_some(said)
}

async fn arrived(
    app: &Shared,
    trip: &Trip,
    said: &Parameters,
    headers: &HeaderMap,
) -> Result<Option<HeaderValue>, Error> {
    let guests = guests(app)?;
    let endpoints = guests.provider.endpoints().await.map_err(|error| {
        tracing::warn!(%error, "the answer to a sign-in could not be looked at");
        SignInError::Away
    })?;
    match said.get("iss") {
        Some(issuer) if *issuer != guests.settings.issuer => return Err(SignInError::AnotherIssuer.into()),
        None if endpoints.authorization_response_iss_parameter_supported => {
            return Err(SignInError::AnotherIssuer.into());
        }
        _ => {}
    }
    if let Some(error) = said.get("error") {
        let code: String = error.chars().filter(char::is_ascii_graphic).take(60).collect();
        tracing::info!(code, "the platform did not sign somebody in");
        let busy = matches!(code.as_str(), "server_error" | "temporarily_unavailable");
        return Err(if busy { SignInError::Away } else { SignInError::Refused }.into());
    }
    let code = said.get("code").ok_or(SignInError::Lost)?;
    let number = guests.arrive(trip, code, &back(app, headers, CALLBACK)?).await?;
    // The one that this browser had before is nobody's any more.
    if let Some(old) = app.cookies.get(headers, SESSION).and_then(Sessions::id_of) {
        guests.drop_session(&old).await?;
    }
    Ok(app.cookies.set(SESSION, &number, None))
}

/// `POST /auth/sign-out`: out of this app, and then at the platform out of it as well.
async fn leave(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Error> {
    if !app.tenant.names.may_change_with_a_cookie(&headers) {
        return Err(Error::CrossSite);
    }
    let guests = guests(&app)?;
    let session = app.cookies.get(&headers, SESSION).and_then(Sessions::id_of);
    let id_token = match session {
        Some(id) => guests.leave(&id).await?,
        None => None,
    };
    let endpoints = guests.provider.endpoints().await.ok();
    let at_the_platform = endpoints.as_ref().and_then(|e| e.end_session_endpoint.as_deref());
    let to = match at_the_platform {
        Some(endpoint) => {
            let back = back(&app, &headers, SIGNED_OUT)?;
            let mut parameters =
                vec![("client_id", guests.settings.client_id.as_str()), ("post_logout_redirect_uri", &back)];
            // A session that was over already names nobody. The platform's may still stand, and would let
            // whoever comes next in without a word: there they are asked.
            if let Some(id_token) = &id_token {
                parameters.insert(0, ("id_token_hint", id_token.expose_secret()));
            }
            address(endpoint, &parameters)
        }
        None => SIGNED_OUT.to_owned(),
    };
    Ok(with_cookies(Redirect::to(&to).into_response(), app.cookies.forget(SESSION)))
}

async fn signed_out(State(app): State<Shared>) -> Result<Response, Error> {
    page(StatusCode::OK, app.templates.view("signed_out.html", &json!({ "sign_in": way_in(None) }), None))
}
