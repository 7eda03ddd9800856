//! `/api/vehicles`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use uuid::Uuid;

use super::Listed;
use crate::records::vehicles::{self, Cursor, Draft, Summary, Vehicle};
use crate::web::extract::{Ids, JsonInput, Paging};
use crate::web::problem::Error;
use crate::web::state::Shared;

pub async fn list(State(app): State<Shared>, paging: Paging) -> Result<Json<Listed<Summary>>, Error> {
    let cursor = paging.cursor(Cursor::from_text)?;
    let page = vehicles::list(app.database.pool(), cursor.as_ref(), paging.limit).await?;
    Ok(Json(Listed { items: page.items, next_cursor: page.next.map(|c| c.to_text()) }))
}

pub async fn create(
    State(app): State<Shared>,
    JsonInput(input): JsonInput,
) -> Result<impl IntoResponse, Error> {
    let vehicle = vehicles::create(app.database.pool(), &Draft::read(input)?).await?;
    app.tell("vehicle.created", vehicle.id, None);
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/vehicles/{}", vehicle.id))], Json(vehicle)))
}

pub async fn show(State(app): State<Shared>, Ids(id): Ids<Uuid>) -> Result<Json<Summary>, Error> {
    Ok(Json(vehicles::summary(app.database.pool(), id).await?))
}

pub async fn update(
    State(app): State<Shared>,
    Ids(id): Ids<Uuid>,
    JsonInput(input): JsonInput,
) -> Result<Json<Vehicle>, Error> {
    let vehicle = vehicles::update(app.database.pool(), id, &Draft::read(input)?).await?;
    app.tell("vehicle.updated", id, None);
    Ok(Json(vehicle))
}

pub async fn delete(State(app): State<Shared>, Ids(id): Ids<Uuid>) -> Result<StatusCode, Error> {
    vehicles::delete(app.database.pool(), id).await?;
    app.tell("vehicle.deleted", id, None);
    Ok(StatusCode::NO_CONTENT)
}
