//! The form of a fill-up.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::Utc;
use uuid::Uuid;

use super::form::{Field, Form, Values};
use super::templates::Question;
use super::vehicles::again;
use super::{page, see_other, show};
use crate::records::fuel_logs::{self, Draft, FuelLog};
use crate::records::input::Input;
use crate::records::vehicles::{self, Vehicle};
use crate::web::extract::{FormInput, Ids};
use crate::web::problem::Error;
use crate::web::state::Shared;
use crate::web::who::Who;

fn fields() -> Vec<Field> {
    vec![
        Field::new("filled_on", "Day", "date").needed(),
        Field::new("odometer_km", "Odometer (km)", "whole").needed().longest(7),
        Field::new("litres", "Litres", "decimal").needed().longest(8),
        Field::new("cost", "Cost", "decimal").longest(10).hint("In all, not per litre"),
        Field::new("full_tank", "Filled to the brim", "flag")
            .hint("Consumption is worked out from one full tank to the next"),
        Field::new("note", "Note", "lines").longest(500),
    ]
}

fn new_form(vehicle: &Vehicle) -> Form {
    Form {
        title: format!("Fill-up of {}", vehicle.name),
        action: format!("/vehicles/{}/fuel-logs", vehicle.id),
        submit: "Add fill-up",
        cancel: format!("/vehicles/{}", vehicle.id),
        delete: None,
        mistakes: Vec::new(),
        fields: fields(),
    }
}

fn edit_form(log: &FuelLog) -> Form {
    Form {
        title: format!("Fill-up on {}", show::day(log.filled_on)),
        action: format!("/vehicles/{}/fuel-logs/{}", log.vehicle_id, log.id),
        submit: "Save",
        cancel: format!("/vehicles/{}", log.vehicle_id),
        delete: Some(format!("/vehicles/{}/fuel-logs/{}/delete", log.vehicle_id, log.id)),
        mistakes: Vec::new(),
        fields: fields(),
    }
}

fn typed(values: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Values {
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

pub async fn blank(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(vehicle): Ids<Uuid>,
) -> Result<Response, Error> {
    let vehicle = vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    let today = Utc::now().date_naive().to_string();
    let values = typed([("filled_on", Some(today)), ("full_tank", Some("on".to_owned()))]);
    page(StatusCode::OK, app.templates.form(&new_form(&vehicle).filled(&values), &known.person))
}

pub async fn create(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(vehicle): Ids<Uuid>,
    FormInput(values): FormInput,
) -> Result<Response, Error> {
    let of = vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    let outcome = match Draft::read(Input::form(&values), Utc::now().date_naive()) {
        Ok(draft) => fuel_logs::create(app.database.pool(), vehicle, &draft).await,
        Err(errors) => Err(errors.into()),
    };
    match outcome {
        Ok(log) => {
            app.tell("fuel-log.created", &of, Some(log.id));
            Ok(see_other(&format!("/vehicles/{vehicle}")))
        }
        Err(Error::Invalid(errors)) => again(&app, &known.person, new_form(&of), &values, &errors),
        Err(error) => Err(error),
    }
}

pub async fn edit(
    State(app): State<Shared>,
    Who(known): Who,
    Ids((vehicle, id)): Ids<(Uuid, Uuid)>,
) -> Result<Response, Error> {
    vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    let log = fuel_logs::get(app.database.pool(), vehicle, id).await?;
    let form = edit_form(&log);
    let values = typed([
        ("filled_on", Some(log.filled_on.to_string())),
        ("odometer_km", Some(log.odometer_km.to_string())),
        ("litres", Some(show::typed(log.millilitres.into(), 3))),
        ("cost", log.cost_cents.map(|c| show::typed(c, 2))),
        ("full_tank", log.full_tank.then(|| "on".to_owned())),
        ("note", log.note),
    ]);
    page(StatusCode::OK, app.templates.form(&form.filled(&values), &known.person))
}

pub async fn update(
    State(app): State<Shared>,
    Who(known): Who,
    Ids((vehicle, id)): Ids<(Uuid, Uuid)>,
    FormInput(values): FormInput,
) -> Result<Response, Error> {
    let of = vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    let kept = fuel_logs::get(app.database.pool(), vehicle, id).await?;
    let outcome = match Draft::read(Input::form(&values), Utc::now().date_naive()) {
        Ok(draft) => fuel_logs::update(app.database.pool(), vehicle, id, &draft).await,
        Err(errors) => Err(errors.into()),
    };
    match outcome {
        Ok(_) => {
            app.tell("fuel-log.updated", &of, Some(id));
            Ok(see_other(&format!("/vehicles/{vehicle}")))
        }
        Err(Error::Invalid(errors)) => again(&app, &known.person, edit_form(&kept), &values, &errors),
        Err(error) => Err(error),
    }
}

pub async fn ask(
    State(app): State<Shared>,
    Who(known): Who,
    Ids((vehicle, id)): Ids<(Uuid, Uuid)>,
) -> Result<Response, Error> {
    vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    let log = fuel_logs::get(app.database.pool(), vehicle, id).await?;
    let question = Question {
        title: format!("Delete the fill-up on {}?", show::day(log.filled_on)),
        text: format!(
            "{} litres at {} km. This cannot be undone.",
            show::litres(log.millilitres.into()),
            log.odometer_km
        ),
        action: format!("/vehicles/{vehicle}/fuel-logs/{id}/delete"),
        submit: "Delete fill-up",
        cancel: format!("/vehicles/{vehicle}"),
    };
    page(StatusCode::OK, app.templates.question(&question, &known.person))
}

pub async fn delete(
    State(app): State<Shared>,
    Who(known): Who,
    Ids((vehicle, id)): Ids<(Uuid, Uuid)>,
) -> Result<Response, Error> {
    let of = vehicles::get_to_write(app.database.pool(), &known.person, vehicle).await?;
    fuel_logs::delete(app.database.pool(), vehicle, id).await?;
    app.tell("fuel-log.deleted", &of, Some(id));
    Ok(see_other(&format!("/vehicles/{vehicle}")))
}
