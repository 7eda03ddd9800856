//! The list of vehicles, one vehicle, and its form.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use uuid::Uuid;

use super::chart::{self, Chart};
use super::form::{Choice, Field, Form, Values};
use super::templates::Question;
use super::{page, see_other, show};
use crate::people::person::Person;
use crate::records::input::{FieldErrors, Input};
use crate::records::projects::{self, Project};
use crate::records::vehicles::{self, Cursor, Draft, Summary, Vehicle};
use crate::records::{consumption, fuel_logs};
use crate::web::extract::{FormInput, Ids, Paging};
use crate::web::problem::Error;
use crate::web::state::Shared;
use crate::web::who::Who;

const FUEL_LABELS: [(&str, &str); 5] =
    [("petrol", "Petrol"), ("diesel", "Diesel"), ("lpg", "LPG"), ("ethanol", "Ethanol"), ("other", "Other")];

#[derive(Serialize)]
struct ListView {
    cards: Vec<Card>,
    next: Option<String>,
    first_page: bool,
    may_add: bool,
}

#[derive(Serialize)]
struct Card {
    id: Uuid,
    name: String,
    plate: Option<String>,
    project: Option<String>,
    about: String,
    average: Option<String>,
    odometer: Option<String>,
    last: Option<String>,
    fuel_logs: usize,
}

impl Card {
    fn of(summary: Summary) -> Self {
        let about = about(&summary.vehicle);
        Self {
            id: summary.vehicle.id,
            name: summary.vehicle.name,
            plate: summary.vehicle.plate,
            project: summary.vehicle.project,
            about,
            average: summary.litres_per_100_km.map(|l| format!("{l:.1}")),
            odometer: summary.odometer_km.map(|km| show::whole(km.into())),
            last: summary.last_filled_on.map(show::day),
            fuel_logs: summary.fuel_logs,
        }
    }
}

/// Make, model, year and fuel on one line.
fn about(vehicle: &Vehicle) -> String {
    let year = vehicle.year.map(|y| y.to_string());
    let fuel =
        FUEL_LABELS.iter().find(|(value, _)| *value == vehicle.fuel).map(|(_, label)| (*label).to_owned());
    let make =
        [vehicle.make.clone(), vehicle.model.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let parts = [Some(make).filter(|m| !m.is_empty()), year, fuel];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

pub async fn list(State(app): State<Shared>, Who(known): Who, paging: Paging) -> Result<Response, Error> {
    let cursor = paging.cursor(Cursor::from_text)?;
    let found =
        vehicles::list(app.database.pool(), &known.person.scope(), cursor.as_ref(), paging.limit).await?;
    let view = ListView {
        cards: found.items.into_iter().map(Card::of).collect(),
        next: found.next.map(|c| format!("/?limit={}&cursor={}", paging.limit, c.to_text())),
        first_page: cursor.is_none(),
        may_add: known.person.may_write_somewhere(),
    };
    page(StatusCode::OK, app.templates.view("vehicles.html", &view, Some(&known.person)))
}

#[derive(Serialize)]
struct VehicleView {
    card: Card,
    chart: Option<Chart>,
    distance: Option<String>,
    rows: Vec<Row>,
    next: Option<String>,
    first_page: bool,
    may_write: bool,
}

#[derive(Serialize)]
struct Row {
    id: Uuid,
    day: String,
    odometer: String,
    litres: String,
    full_tank: bool,
    cost: Option<String>,
    consumption: Option<String>,
    note: Option<String>,
}

impl Row {
    fn of(entry: fuel_logs::Entry) -> Self {
        Self {
            id: entry.log.id,
            day: show::day(entry.log.filled_on),
            odometer: show::whole(entry.log.odometer_km.into()),
            litres: show::litres(entry.log.millilitres.into()),
            full_tank: entry.log.full_tank,
            cost: entry.log.cost_cents.map(show::money),
            consumption: entry.litres_per_100_km.map(|l| format!("{l:.2}")),
            note: entry.log.note,
        }
    }
}

pub async fn show(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(id): Ids<Uuid>,
    paging: Paging,
) -> Result<Response, Error> {
    let below = paging.cursor(|text| text.parse::<i32>().ok())?;
    let pool = app.database.pool();
    let summary = vehicles::summary(pool, &known.person.scope(), id).await?;
    let stretches = fuel_logs::consumption(pool, id).await?;
    let logs = fuel_logs::list(pool, id, below, paging.limit).await?;
    let measured: i64 = stretches.iter().map(|s: &consumption::Stretch| s.kilometres).sum();
    let view = VehicleView {
        may_write: known.person.may_write(summary.vehicle.project_id),
        card: Card::of(summary),
        chart: chart::of(&stretches),
        distance: (measured > 0).then(|| show::whole(measured)),
        rows: logs.items.into_iter().map(Row::of).collect(),
        next: logs.next.map(|km| format!("/vehicles/{id}?limit={}&cursor={km}", paging.limit)),
        first_page: below.is_none(),
    };
    page(StatusCode::OK, app.templates.view("vehicle.html", &view, Some(&known.person)))
}

/// `projects` are those that the vehicle may be put into.
fn fields(person: &Person, projects: Vec<Project>) -> Vec<Field> {
    let fuels = FUEL_LABELS.map(|(value, label)| Choice::new(value, label)).into();
    let mut fields = vec![
        Field::new("name", "Name", "text")
            .needed()
            .longest(80)
            .hint("What you call it, for example “Blue van”"),
        Field::new("make", "Make", "text").longest(60),
        Field::new("model", "Model", "text").longest(60),
        Field::new("year", "Year", "whole").longest(4),
        Field::new("plate", "Licence plate", "text").longest(16),
        Field::new("fuel", "Fuel", "choice").needed().choices(fuels),
    ];
    if !projects.is_empty() {
        let without = person.may_write(None).then(|| Choice::new("", "None: everybody here sees it"));
        let named = projects.into_iter().map(|project| Choice::new(project.slug.clone(), project.slug));
        let choices = without.into_iter().chain(named).collect();
        fields.push(Field::new("project", "Project", "choice").needed().choices(choices));
    }
    fields
}

fn new_form(fields: Vec<Field>) -> Form {
    Form {
        title: "Add a vehicle".to_owned(),
        action: "/vehicles".to_owned(),
        submit: "Add vehicle",
        cancel: "/".to_owned(),
        delete: None,
        mistakes: Vec::new(),
        fields,
    }
}

fn edit_form(vehicle: &Vehicle, fields: Vec<Field>) -> Form {
    Form {
        title: format!("Edit {}", vehicle.name),
        action: format!("/vehicles/{}", vehicle.id),
        submit: "Save",
        cancel: format!("/vehicles/{}", vehicle.id),
        delete: Some(format!("/vehicles/{}/delete", vehicle.id)),
        mistakes: Vec::new(),
        fields,
    }
}

pub async fn blank(State(app): State<Shared>, Who(known): Who) -> Result<Response, Error> {
    if !known.person.may_write_somewhere() {
        return Err(Error::NotAllowed("You may see vehicles, and not add any. Ask an admin of this tenant."));
    }
    let fields = fields(&known.person, projects::open_to(app.database.pool(), &known.person).await?);
    page(StatusCode::OK, app.templates.form(&new_form(fields), &known.person))
}

pub async fn create(
    State(app): State<Shared>,
    Who(known): Who,
    FormInput(values): FormInput,
) -> Result<Response, Error> {
    let (pool, person) = (app.database.pool(), &known.person);
    let outcome = match Draft::read(Input::form(&values)) {
        Ok(draft) => vehicles::create(pool, person, &draft).await,
        Err(errors) => Err(errors.into()),
    };
    match outcome {
        Ok(vehicle) => {
            app.tell("vehicle.created", &vehicle, None);
            Ok(see_other(&format!("/vehicles/{}", vehicle.id)))
        }
        Err(Error::Invalid(errors)) => {
            let fields = fields(person, projects::open_to(pool, person).await?);
            again(&app, person, new_form(fields), &values, &errors)
        }
        Err(error) => Err(error),
    }
}

pub async fn edit(State(app): State<Shared>, Who(known): Who, Ids(id): Ids<Uuid>) -> Result<Response, Error> {
    let (pool, person) = (app.database.pool(), &known.person);
    let vehicle = vehicles::get_to_write(pool, person, id).await?;
    let form = edit_form(&vehicle, fields(person, projects::open_to(pool, person).await?));
    let values = [
        ("name", Some(vehicle.name)),
        ("make", vehicle.make),
        ("model", vehicle.model),
        ("year", vehicle.year.map(|y| y.to_string())),
        ("plate", vehicle.plate),
        ("fuel", Some(vehicle.fuel)),
        ("project", vehicle.project),
    ];
    let values = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    page(StatusCode::OK, app.templates.form(&form.filled(&values), person))
}

pub async fn update(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(id): Ids<Uuid>,
    FormInput(values): FormInput,
) -> Result<Response, Error> {
    let (pool, person) = (app.database.pool(), &known.person);
    let kept = vehicles::get_to_write(pool, person, id).await?;
    let outcome = match Draft::read(Input::form(&values)) {
        Ok(draft) => vehicles::update(pool, person, id, &draft).await,
        Err(errors) => Err(errors.into()),
    };
    match outcome {
        Ok(vehicle) => {
            app.tell_moved("vehicle.updated", &vehicle, kept.project_id, None);
            Ok(see_other(&format!("/vehicles/{id}")))
        }
        Err(Error::Invalid(errors)) => {
            let fields = fields(person, projects::open_to(pool, person).await?);
            again(&app, person, edit_form(&kept, fields), &values, &errors)
        }
        Err(error) => Err(error),
    }
}

pub async fn ask(State(app): State<Shared>, Who(known): Who, Ids(id): Ids<Uuid>) -> Result<Response, Error> {
    vehicles::get_to_write(app.database.pool(), &known.person, id).await?;
    let summary = vehicles::summary(app.database.pool(), &known.person.scope(), id).await?;
    let text = match summary.fuel_logs {
        0 => "It has no fill-ups. This cannot be undone.".to_owned(),
        1 => "Its one fill-up goes with it. This cannot be undone.".to_owned(),
        n => format!("Its {n} fill-ups go with it. This cannot be undone."),
    };
    let question = Question {
        title: format!("Delete {}?", summary.vehicle.name),
        text,
        action: format!("/vehicles/{id}/delete"),
        submit: "Delete vehicle",
        cancel: format!("/vehicles/{id}"),
    };
    page(StatusCode::OK, app.templates.question(&question, &known.person))
}

pub async fn delete(
    State(app): State<Shared>,
    Who(known): Who,
    Ids(id): Ids<Uuid>,
) -> Result<Response, Error> {
    let vehicle = vehicles::delete(app.database.pool(), &known.person, id).await?;
    app.tell("vehicle.deleted", &vehicle, None);
    Ok(see_other("/"))
}

/// The form once more, with what was typed and what is wrong with it.
pub(super) fn again(
    app: &Shared,
    person: &Person,
    form: Form,
    values: &Values,
    errors: &FieldErrors,
) -> Result<Response, Error> {
    let form = form.filled(values).corrected(errors);
    page(StatusCode::UNPROCESSABLE_ENTITY, app.templates.form(&form, person))
}
