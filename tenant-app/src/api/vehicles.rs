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
use crate::web::who::Who;

pub async fn list(
    State(app): State<Shared>,
    Who(known): Who,
    paging: Paging,
) -> Result<Json<Listed<Summary>>, Error> {
    let cursor = paging.cursor(Cursor::from_text)?;
    let page =
        vehicles::list(app.database.pool(), &known.person.scope(), cursor.as_ref(), paging.limit).await?;
    Ok(Json(Listed { items: page.items, next_cursor: page.next.map(|c| c.to_text()) }))
}

pub async fn create(
    State(app): State<Shared>,
    Who(known): Who,
    JsonInput(input): JsonInput,
) -> Result<impl IntoResponse, Error> {
    let vehicle = vehicles::create(app.database.pool(), &known.person, &Draft::read(input)?).await?;
    app.tell("vehicle.created", &vehicle, None);
    Ok((StatusCode::CREATED, [(LOCATION, format!("/api/vehicles/{}", vehicle.id))], Json(vehicle)))
}

pub async fn show(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(id): Ids<Uuid>,
) -> Result<Json<Summary>, Error> {
    Ok(Json(vehicles::summary(app.database.pool(), &known.person.scope(), id).await?))
}

pub async fn update(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(id): Ids<Uuid>,
    JsonInput(input): JsonInput,
) -> Result<Json<Vehicle>, Error> {
    let (pool, person) = (app.database.pool(), &known.person);
    let before = vehicles::get_to_write(pool, person, id).await?;
    let vehicle = vehicles::update(pool, person, id, &Draft::read(input)?).await?;
    app.tell_moved("vehicle.updated", &vehicle, before.project_id, None);
    Ok(Json(vehicle))
}

pub async fn delete(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(id): Ids<Uuid>,
) -> Result<StatusCode, Error> {
    let vehicle = vehicles::delete(app.database.pool(), &known.person, id).await?;
    app.tell("vehicle.deleted", &vehicle, None);
    Ok(StatusCode::NO_CONTENT)
}
