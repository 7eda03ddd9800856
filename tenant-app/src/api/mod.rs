//! The JSON API, under `/api/`.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;
use serde_json::{Value, json};

use crate::web::state::Shared;

mod events;
mod fuel_logs;
mod vehicles;

/// Some of a list, and the cursor of what follows.
#[derive(Serialize)]
struct Listed<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// Everything under `/api`.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/tenant", get(tenant))
        .route("/events", get(events::stream))
        .route("/vehicles", get(vehicles::list).post(vehicles::create))
        .route("/vehicles/{id}", get(vehicles::show).put(vehicles::update).delete(vehicles::delete))
        .route("/vehicles/{id}/fuel-logs", get(fuel_logs::list).post(fuel_logs::create))
        .route(
            "/vehicles/{id}/fuel-logs/{log}",
            get(fuel_logs::show).put(fuel_logs::update).delete(fuel_logs::delete),
        )
}

/// Whose app this is.
async fn tenant(State(app): State<Shared>) -> Json<Value> {
    let tenant = &app.tenant;
    Json(json!({
        "id": tenant.id,
        "slug": tenant.slug,
        "name": tenant.name,
        "colour": tenant.colour.to_string(),
        "url": tenant.public_url,
    }))
}
