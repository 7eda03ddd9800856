//! Vehicles: rows of `app.vehicles`.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::consumption::{FillUp, average, stretches};
use super::deletion;
use super::input::{FieldErrors, Input};
use super::projects::{self, Project};
use crate::people::person::{Person, Scope};
use crate::web::problem::Error;

/// What a vehicle can burn.
pub const FUELS: [&str; 5] = ["petrol", "diesel", "lpg", "ethanol", "other"];

/// A vehicle as it is kept.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Vehicle {
    pub id: Uuid,
    pub name: String,
    pub make: Option<String>,
    pub model: Option<String>,
    pub year: Option<i32>,
    pub plate: Option<String>,
    pub fuel: String,
    /// The project it belongs to, if it belongs to one.
    pub project_id: Option<Uuid>,
    /// That project's slug, as it was when the vehicle was last written.
    pub project: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A vehicle and what its fuel logs say.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    pub vehicle: Vehicle,
    /// Average over all stretches between two full tanks; null before there is one.
    pub litres_per_100_km: Option<f64>,
    pub odometer_km: Option<i32>,
    pub last_filled_on: Option<NaiveDate>,
    pub fuel_logs: usize,
}

/// A vehicle as it is sent, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    name: String,
    make: Option<String>,
    model: Option<String>,
    year: Option<i32>,
    plate: Option<String>,
    fuel: String,
    /// Slug of the project it is to belong to.
    pub project: Option<String>,
}

impl Draft {
    /// # Errors
    /// All fields that are wrong.
    pub fn read(mut input: Input) -> Result<Self, FieldErrors> {
        let draft = Self {
            name: input.needed_text("name", 80),
            make: input.text("make", 60),
            model: input.text("model", 60),
            year: input.integer("year", 1886, 2100),
            plate: input.text("plate", 16),
            fuel: input.choice("fuel", &FUELS),
            project: input.text("project", 63),
        };
        input.done(draft)
    }
}

/// Where a page of the list begins: after this vehicle. Opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    id: Uuid,
    name: String,
}

impl Cursor {
    fn after(vehicle: &Vehicle) -> Self {
        Self { id: vehicle.id, name: vehicle.name.clone() }
    }

    /// Reads what [`Self::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (id, name) = text.split_at_checked(32)?;
        let digits = name.as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let name = String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()?;
        // PostgreSQL's text holds no zero character; nor does any name.
        if name.contains('\0') || name.chars().count() > 80 {
            return None;
        }
        Some(Self { id: Uuid::try_parse(id).ok()?, name })
    }

    /// In characters that an address holds as they are.
    #[must_use]
    pub fn to_text(&self) -> String {
        let name: String = self.name.bytes().map(|b| format!("{b:02x}")).collect();
        format!("{}{name}", self.id.simple())
    }
}

/// Some of the vehicles, by name, and where the next ones begin.
pub struct Page {
    pub items: Vec<Summary>,
    pub next: Option<Cursor>,
}

/// The vehicles of this scope after `after`, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn list(pool: &PgPool, scope: &Scope, after: Option<&Cursor>, limit: u16) -> Result<Page, Error> {
    const SQL: &str = "SELECT id, name, make, model, year, plate, fuel, project_id, project, created_at, updated_at \
                       FROM app.vehicles \
                       WHERE ($1::text IS NULL OR (lower(name), id) > (lower($1), $2)) \
                         AND ($4 OR project_id IS NULL OR project_id = ANY($5)) \
                       ORDER BY lower(name), id LIMIT $3";
    let mut vehicles: Vec<Vehicle> = sqlx::query_as(SQL)
        .bind(after.map(|c| c.name.as_str()))
        .bind(after.map(|c| c.id))
        .bind(i64::from(limit) + 1)
        .bind(scope.all)
        .bind(&scope.projects)
        .fetch_all(pool)
        .await?;
    let more = vehicles.len() > usize::from(limit);
    vehicles.truncate(usize::from(limit));
    let next = vehicles.last().filter(|_| more).map(Cursor::after);
    Ok(Page { items: summarise(pool, vehicles).await?, next })
}

/// One vehicle with its sums.
///
/// # Errors
/// [`Error::NotFound`], or the database's.
pub async fn summary(pool: &PgPool, scope: &Scope, id: Uuid) -> Result<Summary, Error> {
    let vehicle = get(pool, scope, id).await?;
    summarise(pool, vec![vehicle]).await?.pop().ok_or(Error::NotFound)
}

/// # Errors
/// [`Error::NotFound`], also for one of another scope; the database's.
pub async fn get(pool: &PgPool, scope: &Scope, id: Uuid) -> Result<Vehicle, Error> {
    const SQL: &str = "SELECT id, name, make, model, year, plate, fuel, project_id, project, created_at, updated_at \
                       FROM app.vehicles WHERE id = $1";
    let vehicle: Option<Vehicle> = sqlx::query_as(SQL).bind(id).fetch_optional(pool).await?;
    vehicle.filter(|vehicle| scope.holds(vehicle.project_id)).ok_or(Error::NotFound)
}

/// As [`get`], for whoever is about to change it or its fuel logs.
///
/// # Errors
/// As [`get`]; [`Error::NotAllowed`] for what they may only see.
pub async fn get_to_write(pool: &PgPool, person: &Person, id: Uuid) -> Result<Vehicle, Error> {
    let vehicle = get(pool, &person.scope(), id).await?;
    if person.may_write(vehicle.project_id) {
        return Ok(vehicle);
    }
    Err(Error::NotAllowed(match vehicle.project_id {
        Some(_) => "You may see this vehicle, and not change it: you are no editor of its project.",
        None => "You may see this vehicle, and not change it. Ask an admin of this tenant.",
    }))
}

/// # Errors
/// A field's, when its value is another vehicle's or no project of theirs; [`Error::NotAllowed`] without
/// a project, for those who may write in projects alone; the database's.
pub async fn create(pool: &PgPool, person: &Person, draft: &Draft) -> Result<Vehicle, Error> {
    const SQL: &str = "INSERT INTO app.vehicles (id, name, make, model, year, plate, fuel, project_id, project) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                       RETURNING id, name, make, model, year, plate, fuel, project_id, project, created_at, updated_at";
    if !person.may_write_somewhere() {
        return Err(Error::NotAllowed("You may see vehicles, and not add any. Ask an admin of this tenant."));
    }
    let project = projects::named(pool, person, draft.project.as_deref()).await?;
    let row = bind(sqlx::query_as(SQL), Uuid::now_v7(), draft, project).fetch_one(pool).await;
    row.map_err(explain)
}

/// # Errors
/// As [`get_to_write`] and [`create`]: who moves a vehicle must be allowed to write where it was and where
/// it goes.
pub async fn update(pool: &PgPool, person: &Person, id: Uuid, draft: &Draft) -> Result<Vehicle, Error> {
    const SQL: &str = "UPDATE app.vehicles SET name = $2, make = $3, model = $4, year = $5, plate = $6, fuel = $7, \
                       project_id = $8, project = $9, updated_at = now() WHERE id = $1 \
                       RETURNING id, name, make, model, year, plate, fuel, project_id, project, created_at, updated_at";
    get_to_write(pool, person, id).await?;
    let project = projects::named(pool, person, draft.project.as_deref()).await?;
    let row = bind(sqlx::query_as(SQL), id, draft, project).fetch_optional(pool).await;
    row.map_err(explain)?.ok_or(Error::NotFound)
}

/// Deletes the vehicle and all its fuel logs; also when storage is used up. Gives what it was.
///
/// # Errors
/// As [`get_to_write`].
pub async fn delete(pool: &PgPool, person: &Person, id: Uuid) -> Result<Vehicle, Error> {
    let vehicle = get_to_write(pool, person, id).await?;
    let mut tx = deletion(pool).await?;
    let done = sqlx::query("DELETE FROM app.vehicles WHERE id = $1").bind(id).execute(&mut *tx).await?;
    tx.commit().await?;
    if done.rows_affected() == 0 { Err(Error::NotFound) } else { Ok(vehicle) }
}

type Rows<'q> = sqlx::query::QueryAs<'q, sqlx::Postgres, Vehicle, sqlx::postgres::PgArguments>;

fn bind<'q>(query: Rows<'q>, id: Uuid, draft: &'q Draft, project: Option<Project>) -> Rows<'q> {
    let (project_id, project) = project.map(|p| (p.id, p.slug)).unzip();
    query
        .bind(id)
        .bind(&draft.name)
        .bind(&draft.make)
        .bind(&draft.model)
        .bind(draft.year)
        .bind(&draft.plate)
        .bind(&draft.fuel)
        .bind(project_id)
        .bind(project)
}

fn explain(error: sqlx::Error) -> Error {
    match error.as_database_error().and_then(|e| e.constraint()) {
        Some("vehicles_plate_once") => FieldErrors::one("plate", "is the plate of another vehicle").into(),
        _ => error.into(),
    }
}

/// Reads the logs of all these vehicles at once.
async fn summarise(pool: &PgPool, vehicles: Vec<Vehicle>) -> Result<Vec<Summary>, Error> {
    const SQL: &str = "SELECT vehicle_id, odometer_km, millilitres, full_tank, filled_on \
                       FROM app.fuel_logs WHERE vehicle_id = ANY($1) ORDER BY vehicle_id, odometer_km";
    let ids: Vec<Uuid> = vehicles.iter().map(|v| v.id).collect();
    let mut logs: std::collections::HashMap<Uuid, (Vec<FillUp>, Option<NaiveDate>)> = Default::default();
    for row in sqlx::query(SQL).bind(&ids).fetch_all(pool).await? {
        let of: Uuid = row.try_get("vehicle_id")?;
        let (fill_ups, last) = logs.entry(of).or_default();
        fill_ups.push(FillUp {
            odometer_km: row.try_get("odometer_km")?,
            millilitres: row.try_get("millilitres")?,
            full_tank: row.try_get("full_tank")?,
        });
        *last = Some(row.try_get("filled_on")?);
    }
    let summaries = vehicles.into_iter().map(|vehicle| {
        let (fill_ups, last_filled_on) = logs.remove(&vehicle.id).unwrap_or_default();
        Summary {
            litres_per_100_km: average(&stretches(&fill_ups)),
            odometer_km: fill_ups.last().map(|f| f.odometer_km),
            last_filled_on,
            fuel_logs: fill_ups.len(),
            vehicle,
        }
    });
    Ok(summaries.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cursors_are_read_back(bytes: u128, name in "[^\\x00]{0,80}") {
            let cursor = Cursor { id: Uuid::from_u128(bytes), name };
            prop_assert_eq!(Cursor::from_text(&cursor.to_text()), Some(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_none(text in ".*") {
            let _ = Cursor::from_text(&text);
        }
    }
}
