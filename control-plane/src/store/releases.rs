//! Releases: registered once, never changed.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::model::ids::ReleaseId;
use crate::model::release::ReleaseContent;

use super::{Result, Tx};

/// A registered release.
#[derive(Debug, Clone, FromRow)]
pub struct Release {
    pub id: ReleaseId,
    pub version: String,
    /// SHA-256 in hex over the content.
    pub checksum: String,
    #[sqlx(json)]
    pub content: ReleaseContent,
    pub created_at: DateTime<Utc>,
}

/// Registers what a release is made of. The same content is the same release, under the version it already has;
/// a version that is taken gets the checksum's beginning behind it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn register(tx: &mut Tx, content: &ReleaseContent, version: &str) -> Result<(ReleaseId, String)> {
    let checksum = content.checksum();
    let short: String = checksum.chars().take(12).collect();
    sqlx::query(
        "insert into freehold.releases (id, version, checksum, content)
         select $1, case when exists (select from freehold.releases where version = $2)
                         then $2 || '-' || $5 else $2 end, $3, $4
         on conflict (checksum) do nothing",
    )
    .bind(ReleaseId::random())
    .bind(version)
    .bind(&checksum)
    .bind(sqlx::types::Json(content))
    .bind(short)
    .execute(tx.sql())
    .await?;
    Ok(sqlx::query_as("select id, version from freehold.releases where checksum = $1")
        .bind(checksum)
        .fetch_one(tx.sql())
        .await?)
}

/// The release registered last.
///
/// # Errors
/// When the database cannot be reached.
pub async fn latest(tx: &mut Tx) -> Result<Option<Release>> {
    Ok(sqlx::query_as(
        "select id, version, checksum, content, created_at from freehold.releases
          order by created_at desc, id desc limit 1",
    )
    .fetch_optional(tx.sql())
    .await?)
}

/// All releases, the newest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(tx: &mut Tx) -> Result<Vec<Release>> {
    Ok(sqlx::query_as(
        "select id, version, checksum, content, created_at from freehold.releases
          order by created_at desc, id desc",
    )
    .fetch_all(tx.sql())
    .await?)
}

/// The release of this version.
///
/// # Errors
/// [`super::Error::NotFound`] when none has it.
pub async fn get(tx: &mut Tx, version: &str) -> Result<Release> {
    Ok(sqlx::query_as(
        "select id, version, checksum, content, created_at from freehold.releases where version = $1",
    )
    .bind(version)
    .fetch_one(tx.sql())
    .await?)
}

/// The release with this id.
///
/// # Errors
/// [`super::Error::NotFound`] when there is none.
pub async fn by_id(tx: &mut Tx, id: ReleaseId) -> Result<Release> {
    Ok(sqlx::query_as(
        "select id, version, checksum, content, created_at from freehold.releases where id = $1",
    )
    .bind(id)
    .fetch_one(tx.sql())
    .await?)
}
