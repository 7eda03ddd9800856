//! OpenID Connect for tenants' apps: the endpoints under `/oauth`, and the document that leads to them.
//!
//! They are on the apex, where people are signed in; what apps ask by themselves is answered at the back door as well.
//! What is wrong is told in the words of OAuth, not as the API tells it.

mod answer;
mod authorize;
mod client;
mod discovery;
mod end_session;
mod form;
mod token;
mod userinfo;

use axum::Router;
use axum::routing::{get, post};

use super::AppState;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const AUTHORIZE: &str = crate::app::oauth::PATH;
const TOKEN: &str = "/oauth/token";
const USERINFO: &str = "/oauth/userinfo";
const REVOKE: &str = "/oauth/revoke";
const INTROSPECT: &str = "/oauth/introspect";
const END_SESSION: &str = "/oauth/end-session";

pub(super) fn router() -> Router<AppState> {
    Router::new()
        .route(DISCOVERY, get(discovery::show))
        .route(AUTHORIZE, get(authorize::ask).post(authorize::posted))
        .route(TOKEN, post(token::token))
        .route(USERINFO, get(userinfo::asked).post(userinfo::posted))
        .route(REVOKE, post(token::revoke))
        .route(INTROSPECT, post(token::introspect))
        .route(END_SESSION, get(end_session::ask).post(end_session::posted))
}

/// Whether it is one of these, and so at the apex alone.
pub(super) fn is_ours(path: &str) -> bool {
    path.starts_with("/oauth/") || path == DISCOVERY
}

/// What apps ask by themselves, through the back door.
pub(super) fn is_for_apps(path: &str) -> bool {
    [DISCOVERY, TOKEN, USERINFO, REVOKE, INTROSPECT].contains(&path)
}

/// Whether browsers are sent here, by whoever sends them.
pub(super) fn is_for_browsers(path: &str) -> bool {
    [AUTHORIZE, END_SESSION].contains(&path)
}
