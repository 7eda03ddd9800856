//! Pages for people: plain forms that work without a script.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::web::problem::Error;
use crate::web::state::Shared;

mod chart;
mod form;
mod fuel_logs;
mod show;
pub mod sign_in;
pub mod templates;
mod vehicles;

/// Everything but `/api` and the health check.
pub fn routes() -> Router<Shared> {
    Router::new()
        .merge(sign_in::routes())
        .route("/", get(vehicles::list))
        .route("/assets/app.css", get(app_css))
        .route("/assets/tenant.css", get(tenant_css))
        .route("/assets/icon.svg", get(icon))
        .route("/vehicles/new", get(vehicles::blank))
        .route("/vehicles", get(vehicles::list).post(vehicles::create))
        .route("/vehicles/{id}", get(vehicles::show).post(vehicles::update))
        .route("/vehicles/{id}/edit", get(vehicles::edit))
        .route("/vehicles/{id}/delete", get(vehicles::ask).post(vehicles::delete))
        .route("/vehicles/{id}/fuel-logs/new", get(fuel_logs::blank))
        .route("/vehicles/{id}/fuel-logs", axum::routing::post(fuel_logs::create))
        .route("/vehicles/{id}/fuel-logs/{log}", axum::routing::post(fuel_logs::update))
        .route("/vehicles/{id}/fuel-logs/{log}/edit", get(fuel_logs::edit))
        .route("/vehicles/{id}/fuel-logs/{log}/delete", get(fuel_logs::ask).post(fuel_logs::delete))
}

/// Pages name the sheet with its version, so it may be kept.
async fn app_css() -> impl IntoResponse {
    const HEADERS: [(axum::http::HeaderName, &str); 2] =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=86400")];
    (HEADERS, templates::STYLE)
}

/// The tenant's own colours: they change without a new version of the app.
async fn tenant_css(State(app): State<Shared>) -> impl IntoResponse {
    let colour = app.tenant.colour;
    let sheet = format!(":root {{ --accent: {colour}; --on-accent: {}; }}\n", colour.text());
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")], sheet)
}

async fn icon(State(app): State<Shared>) -> impl IntoResponse {
    let colour = app.tenant.colour;
    let (ground, drop) = (colour.to_string(), colour.text());
    let icon = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' \
         fill='{ground}'/><path fill='{drop}' d='M16 6c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z'/></svg>"
    );
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=300")], icon)
}

fn page(status: StatusCode, made: Result<String, tera::Error>) -> Result<Response, Error> {
    match made {
        Ok(text) => Ok((status, Html(text)).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            Err(Error::Internal)
        }
    }
}

/// What the browser opens after a form was taken, so that a reload does not send it again.
fn see_other(path: &str) -> Response {
    axum::response::Redirect::to(path).into_response()
}
