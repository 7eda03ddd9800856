//! `/api/vehicles/{id}/fuel-logs`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use chrono::Utc;
use uuid::Uuid;

use super::Listed;
use crate::records::fuel_logs::{self, Draft, Entry, FuelLog};
use crate::records::vehicles;
use crate::web::extract::{Ids, JsonInput, Paging};
use crate::web::problem::Error;
use crate::web::state::Shared;
use crate::web::who::Who;

pub async fn list(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(vehicle): Ids<Uuid>,
    paging: Paging,
) -> Result<Json<Listed<Entry>>, Error> {
    let below = paging.cursor(|text| text.parse::<i32>().ok())?;
    // A vehicle that is not there is not the same as one without logs.
    vehicles::get(app.database.pool(), &known.person.scope(), vehicle).await?;
    let page = fuel_logs::list(app.database.pool(), vehicle, below, paging.limit).await?;
    Ok(Json(Listed { items: page.items, next_cursor: page.next.map(|km| km.to_string()) }))
}

pub async fn create(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(vehicle): Ids<Uuid>,
    JsonInput(input): JsonInput,
) -> Result<impl IntoResponse, Error> {
    let of = vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    let draft = Draft::read(input, Utc::now().date_naive())?;
    let log = fuel_logs::create(app.database.pool(), vehicle, &draft).await?;
    app.tell("fuel-log.created", &of, Some(log.id));
    let location = format!("/api/vehicles/{vehicle}/fuel-logs/{}", log.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(log)))
}

pub async fn show(
    State(app): State<Shared>,
    Who(known): Who,
    Ids((vehicle, id)): Ids<(Uuid, Uuid)>,
) -> Result<Json<FuelLog>, Error> {
    vehicles::get(app.database.pool(), &known.person.scope(), vehicle).await?;
    Ok(Json(fuel_logs::get(app.database.pool(), vehicle, id).await?))
}

pub async fn update(
    State(app): State<Shared>,
    Who(known): Who,
    Ids((vehicle, id)): Ids<(Uuid, Uuid)>,
    JsonInput(input): JsonInput,
) -> Result<Json<FuelLog>, Error> {
    let of = vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    let draft = Draft::read(input, Utc::now().date_naive())?;
    let log = fuel_logs::update(app.database.pool(), vehicle, id, &draft).await?;
    app.tell("fuel-log.updated", &of, Some(id));
    Ok(Json(log))
}

pub async fn delete(
    State(app): State<Shared>,
    Who(known): Who,
    Ids((vehicle, id)): Ids<(Uuid, Uuid)>,
) -> Result<StatusCode, Error> {
    let of = vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    fuel_logs::delete(app.database.pool(), vehicle, id).await?;
    app.tell("fuel-log.deleted", &of, Some(id));
    Ok(StatusCode::NO_CONTENT)
}
