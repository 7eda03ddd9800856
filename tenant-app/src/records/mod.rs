//! What the app is about: vehicles and the fuel that went into them.

pub mod consumption;
pub mod fuel_logs;
pub mod input;
pub mod projects;
pub mod vehicles;

use sqlx::{PgPool, Postgres, Transaction};

/// A transaction to delete in. When storage is used up the role's transactions are read-only unless they
/// say otherwise, and deleting is what must go on working then: it is the way back under the limit.
async fn deletion(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with("BEGIN READ WRITE").await
}
