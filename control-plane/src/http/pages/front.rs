//! The front pages of the apex and of the admin host.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use crate::app::Error;
use crate::http::error::Problem;
use crate::http::{AppState, guard, openapi};
use crate::render::landing::{self, FrontPage};

/// The pages style themselves in place and bring nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";

/// `GET /`
pub(super) async fn front(State(state): State<AppState>, request: Request) -> Result<Response, Problem> {
    let settings = state.app.settings();
    let admin_host = settings.admin_host();
    let context = FrontPage {
        apex_url: &settings.url_of(settings.domain.as_str()),
        admin_url: &settings.url_of(admin_host.as_str()),
        example_url: &settings.url_of(&format!("acme.{}", settings.tenants_domain)),
        docs_path: openapi::PAGE,
        document_path: openapi::DOCUMENT,
        version: env!("CARGO_PKG_VERSION"),
    };
    let admin = guard::host_of(&request).is_some_and(|host| host.as_str() == admin_host);
    let page = if admin { landing::admin(&context) } else { landing::landing(&context) };
    let html = page.map_err(Error::internal)?;
    Ok(([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response())
}
