//! The document by which clients find everything else (OpenID Connect Discovery, RFC 8414).

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{AUTHORIZE, END_SESSION, INTROSPECT, REVOKE, TOKEN, USERINFO};
use crate::http::AppState;
use crate::http::guard;
use crate::identity::oauth::scopes::ScopeName;

/// `GET /.well-known/openid-configuration`. Whoever asks through the back door is led on through it, but for where
/// people's browsers go. In whose name tokens are, is the same for all.
pub(super) async fn show(State(state): State<AppState>, request: Request) -> Response {
    let settings = state.app.settings();
    let public = settings.url_of(settings.domain.as_str());
    let asked =
        if guard::is_back_door(&request) { settings.url_of(guard::BACK_DOOR) } else { public.clone() };
    let ways = ["client_secret_basic", "client_secret_post"];
    let document = json!({
        "issuer": public,
        "authorization_endpoint": format!("{public}{AUTHORIZE}"),
        "end_session_endpoint": format!("{public}{END_SESSION}"),
        "token_endpoint": format!("{asked}{TOKEN}"),
        "userinfo_endpoint": format!("{asked}{USERINFO}"),
        "revocation_endpoint": format!("{asked}{REVOKE}"),
        "introspection_endpoint": format!("{asked}{INTROSPECT}"),
        "jwks_uri": format!("{asked}/.well-known/jwks.json"),
        "scopes_supported": ScopeName::ALL,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ways,
        "revocation_endpoint_auth_methods_supported": ways,
        "introspection_endpoint_auth_methods_supported": ways,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": [
            "iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "amr", "name", "email",
            "email_verified", "tenant_id", "tenant", "role",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
    });
    ([(header::CACHE_CONTROL, "public, max-age=300")], axum::Json(document)).into_response()
}
