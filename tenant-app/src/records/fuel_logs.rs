//! Fuel logs: rows of `app.fuel_logs`, one per fill-up of a vehicle. Whoever may see or change the vehicle
//! may do so with them: that is asked of [`super::vehicles`], first.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Serialize, Serializer};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::consumption::{FillUp, Stretch, stretches};
use super::deletion;
use super::input::{FieldErrors, Input};
use crate::web::problem::Error;

/// A fill-up as it is kept.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct FuelLog {
    pub id: Uuid,
    pub vehicle_id: Uuid,
    pub filled_on: NaiveDate,
    pub odometer_km: i32,
    #[serde(rename = "litres", serialize_with = "thousandths")]
    pub millilitres: i32,
    #[serde(rename = "cost", serialize_with = "hundredths")]
    pub cost_cents: Option<i64>,
    pub full_tank: bool,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A fill-up and the consumption of the stretch it ends, if it ends one.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    #[serde(flatten)]
    pub log: FuelLog,
    pub litres_per_100_km: Option<f64>,
}

/// A fill-up as it is sent, checked by itself; against its neighbours it is checked when it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    filled_on: NaiveDate,
    odometer_km: i32,
    millilitres: i32,
    cost_cents: Option<i64>,
    full_tank: bool,
    note: Option<String>,
}

impl Draft {
    /// # Errors
    /// All fields that are wrong.
    pub fn read(mut input: Input, today: NaiveDate) -> Result<Self, FieldErrors> {
        // Somewhere it is tomorrow already.
        let last = today.checked_add_days(Days::new(1)).unwrap_or(today);
        let litres = input.scaled("litres", 3, 1, 2_000_000).and_then(|n| i32::try_from(n).ok());
        let draft = Self {
            filled_on: input.needed_date("filled_on", last),
            odometer_km: input.needed_integer("odometer_km", 0, 9_999_999),
            millilitres: litres.unwrap_or_default(),
            cost_cents: input.scaled("cost", 2, 0, 100_000_000),
            full_tank: input.flag("full_tank", true),
            note: input.lines("note", 500),
        };
        if litres.is_none() && !input.is_wrong("litres") {
            input.wrong::<()>("litres", "is needed");
        }
        input.done(draft)
    }
}

/// Some of a vehicle's fill-ups, newest first, and the reading below which the next ones begin.
pub struct Page {
    pub items: Vec<Entry>,
    pub next: Option<i32>,
}

/// Fill-ups of a vehicle with a reading below `below`, newest first, at most `limit`.
///
/// # Errors
/// The database's. A vehicle that is not there has no fill-ups.
pub async fn list(pool: &PgPool, vehicle: Uuid, below: Option<i32>, limit: u16) -> Result<Page, Error> {
    const SQL: &str = "SELECT id, vehicle_id, filled_on, odometer_km, millilitres, cost_cents, full_tank, note, \
                       created_at, updated_at FROM app.fuel_logs \
                       WHERE vehicle_id = $1 AND ($2::int4 IS NULL OR odometer_km < $2) \
                       ORDER BY odometer_km DESC LIMIT $3";
    let mut logs: Vec<FuelLog> =
        sqlx::query_as(SQL).bind(vehicle).bind(below).bind(i64::from(limit) + 1).fetch_all(pool).await?;
    let more = logs.len() > usize::from(limit);
    logs.truncate(usize::from(limit));
    let next = logs.last().filter(|_| more).map(|log| log.odometer_km);
    let ends: HashMap<i32, f64> =
        consumption(pool, vehicle).await?.iter().map(|s| (s.ends_at_km, s.litres_per_100_km())).collect();
    let entry = |log: FuelLog| Entry { litres_per_100_km: ends.get(&log.odometer_km).copied(), log };
    Ok(Page { items: logs.into_iter().map(entry).collect(), next })
}

/// All stretches of a vehicle, oldest first.
///
/// # Errors
/// The database's.
pub async fn consumption(pool: &PgPool, vehicle: Uuid) -> Result<Vec<Stretch>, Error> {
    const SQL: &str = "SELECT odometer_km, millilitres, full_tank FROM app.fuel_logs \
                       WHERE vehicle_id = $1 ORDER BY odometer_km";
    let rows: Vec<(i32, i32, bool)> = sqlx::query_as(SQL).bind(vehicle).fetch_all(pool).await?;
    let fill_up = |(odometer_km, millilitres, full_tank)| FillUp { odometer_km, millilitres, full_tank };
    Ok(stretches(&rows.into_iter().map(fill_up).collect::<Vec<_>>()))
}

/// # Errors
/// [`Error::NotFound`], also for a log of another vehicle; the database's.
pub async fn get(pool: &PgPool, vehicle: Uuid, id: Uuid) -> Result<FuelLog, Error> {
    const SQL: &str = "SELECT id, vehicle_id, filled_on, odometer_km, millilitres, cost_cents, full_tank, note, \
                       created_at, updated_at FROM app.fuel_logs WHERE vehicle_id = $1 AND id = $2";
    sqlx::query_as(SQL).bind(vehicle).bind(id).fetch_optional(pool).await?.ok_or(Error::NotFound)
}

/// # Errors
/// [`Error::NotFound`] without the vehicle; a field's, when day or reading do not fit the other
/// fill-ups; the database's.
pub async fn create(pool: &PgPool, vehicle: Uuid, draft: &Draft) -> Result<FuelLog, Error> {
    const SQL: &str = "INSERT INTO app.fuel_logs \
                       (vehicle_id, id, filled_on, odometer_km, millilitres, cost_cents, full_tank, note) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                       RETURNING id, vehicle_id, filled_on, odometer_km, millilitres, cost_cents, full_tank, note, \
                       created_at, updated_at";
    keep(pool, SQL, vehicle, Uuid::now_v7(), draft).await
}

/// # Errors
/// As [`create`], and [`Error::NotFound`] without the log.
pub async fn update(pool: &PgPool, vehicle: Uuid, id: Uuid, draft: &Draft) -> Result<FuelLog, Error> {
    const SQL: &str = "UPDATE app.fuel_logs SET filled_on = $3, odometer_km = $4, millilitres = $5, cost_cents = $6, \
                       full_tank = $7, note = $8, updated_at = now() WHERE vehicle_id = $1 AND id = $2 \
                       RETURNING id, vehicle_id, filled_on, odometer_km, millilitres, cost_cents, full_tank, note, \
                       created_at, updated_at";
    keep(pool, SQL, vehicle, id, draft).await
}

/// Deletes one fill-up; also when storage is used up.
///
/// # Errors
/// [`Error::NotFound`], or the database's.
pub async fn delete(pool: &PgPool, vehicle: Uuid, id: Uuid) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM app.fuel_logs WHERE vehicle_id = $1 AND id = $2";
    let mut tx = deletion(pool).await?;
    let done = sqlx::query(SQL).bind(vehicle).bind(id).execute(&mut *tx).await?;
    tx.commit().await?;
    if done.rows_affected() == 0 { Err(Error::NotFound) } else { Ok(()) }
}

async fn keep(
    pool: &PgPool,
    sql: &'static str,
    vehicle: Uuid,
    id: Uuid,
    draft: &Draft,
) -> Result<FuelLog, Error> {
    let mut tx = pool.begin().await?;
    // Two fill-ups of one vehicle are compared with each other one after the other.
    let there = sqlx::query("SELECT 1 FROM app.vehicles WHERE id = $1 FOR UPDATE").bind(vehicle);
    there.fetch_optional(&mut *tx).await?.ok_or(Error::NotFound)?;
    fits(&mut tx, vehicle, id, draft).await?;
    let log = sqlx::query_as(sql)
        .bind(vehicle)
        .bind(id)
        .bind(draft.filled_on)
        .bind(draft.odometer_km)
        .bind(draft.millilitres)
        .bind(draft.cost_cents)
        .bind(draft.full_tank)
        .bind(&draft.note)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
    tx.commit().await?;
    Ok(log)
}

/// Odometers do not run backwards: a later day has a higher reading.
async fn fits(tx: &mut PgConnection, vehicle: Uuid, id: Uuid, draft: &Draft) -> Result<(), Error> {
    const SQL: &str = "SELECT odometer_km, filled_on FROM app.fuel_logs \
                       WHERE vehicle_id = $1 AND id <> $2 \
                         AND (odometer_km = $3 OR (odometer_km < $3 AND filled_on > $4) \
                              OR (odometer_km > $3 AND filled_on < $4)) \
                       ORDER BY abs(odometer_km - $3) LIMIT 1";
    let other: Option<(i32, NaiveDate)> = sqlx::query_as(SQL)
        .bind(vehicle)
        .bind(id)
        .bind(draft.odometer_km)
        .bind(draft.filled_on)
        .fetch_optional(tx)
        .await?;
    match other {
        None => Ok(()),
        Some((km, day)) if km == draft.odometer_km => {
            Err(FieldErrors::one("odometer_km", format!("is the reading of the fill-up on {day} already"))
                .into())
        }
        Some((km, day)) => Err(FieldErrors::one(
            "odometer_km",
            format!("does not fit the day: on {day} the odometer read {km} km"),
        )
        .into()),
    }
}

fn thousandths<S: Serializer>(millilitres: &i32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(f64::from(*millilitres) / 1000.0)
}

#[allow(clippy::cast_precision_loss)] // a million at the most
fn hundredths<S: Serializer>(cents: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    cents.map(|c| c as f64 / 100.0).serialize(to)
}
