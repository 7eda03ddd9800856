//! What is measured in a tenant's database.

use std::time::Duration;

use super::{Access, DATABASE, Error, close};

/// The size of the tenant's database in bytes: tables, indexes and what is left to vacuum.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn size(access: &Access<'_>) -> Result<i64, Error> {
    let mut connection = access.connect(DATABASE, Duration::from_secs(3)).await?;
    let size =
        sqlx::query_scalar("select pg_database_size(current_database())").fetch_one(&mut connection).await;
    close(connection).await;
    Ok(size?)
}
