//! `/healthz`: is this app fit to serve?

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::problem::Error;
use super::state::Shared;
use crate::database::KNOWN;

/// 200 when the database answers and its schema is one we know; 503 with the reason otherwise.
///
/// # Errors
/// Why the app is not ready.
pub async fn show(State(app): State<Shared>) -> Result<Json<Value>, Error> {
    let schema = app.database.check().await?;
    Ok(Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "schema": { "version": schema.version, "ahead": schema.ahead, "known": [KNOWN.start(), KNOWN.end()] },
    })))
}
