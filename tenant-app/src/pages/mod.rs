//! Pages for people: plain forms that work without a script.

use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::web::problem::Error;
use crate::web::state::Shared;

mod assets;
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
        .route("/assets/app.css", get(assets::app_css))
        .route("/assets/tenant.css", get(assets::tenant_css))
        .route("/assets/icon.svg", get(assets::icon))
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
