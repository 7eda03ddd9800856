//! The keys that sign tokens.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::columns::sealed_if_any;
use super::{Error, Result, Tx};
use crate::model::secret::Sealed;
use crate::model::signing_key::{Changed, Known, SigningAlgorithm, Times};

/// A key, as it is kept.
#[derive(Debug, Clone)]
pub struct SigningKeyRecord {
    /// The thumbprint of its public part.
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// Its public part, as JSON Web Key.
    pub public: String,
    /// What shows that it is one of ours.
    pub seal: Vec<u8>,
    /// What it signs with; none once it signs no more.
    pub sealed: Option<Sealed>,
    pub created_at: DateTime<Utc>,
    pub times: Times,
    /// Who withdrew it.
    pub withdrawn_by: Option<String>,
}

impl SigningKeyRecord {
    /// As far as its times go.
    #[must_use]
    pub fn known(&self) -> Known {
        Known {
            kid: self.kid.clone(),
            algorithm: self.algorithm,
            times: self.times,
            has_secret: self.sealed.is_some(),
        }
    }
}

#[derive(FromRow)]
struct Row {
    kid: String,
    algorithm: SigningAlgorithm,
    public: String,
    seal: Vec<u8>,
    key_version: Option<i32>,
    nonce: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
    signs_from: DateTime<Utc>,
    signs_until: Option<DateTime<Utc>>,
    published_until: Option<DateTime<Utc>>,
    withdrawn_at: Option<DateTime<Utc>>,
    withdrawn_by: Option<String>,
}

impl TryFrom<Row> for SigningKeyRecord {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let sealed = sealed_if_any(row.key_version, row.nonce, row.sealed)?;
        let times = Times {
            signs_from: row.signs_from,
            signs_until: row.signs_until,
            published_until: row.published_until,
            withdrawn_at: row.withdrawn_at,
        };
        Ok(Self {
            kid: row.kid,
            algorithm: row.algorithm,
            public: row.public,
            seal: row.seal,
            sealed,
            created_at: row.created_at,
            times,
            withdrawn_by: row.withdrawn_by,
        })
    }
}

/// Has nobody else change keys until the transaction ends. Who reads them does not wait.
///
/// # Errors
/// When the database cannot be reached.
pub async fn hold(tx: &mut Tx) -> Result<()> {
    sqlx::query("lock table freehold.signing_keys in share row exclusive mode").execute(tx.sql()).await?;
    Ok(())
}

/// Keys that are not withdrawn and were published until then or later.
///
/// # Errors
/// When the database cannot be reached.
pub async fn since(tx: &mut Tx, moment: DateTime<Utc>) -> Result<Vec<SigningKeyRecord>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select * from freehold.signing_keys
          where withdrawn_at is null and (published_until is null or published_until > $1) order by created_at, kid",
    )
    .bind(moment)
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter().map(SigningKeyRecord::try_from).collect()
}

/// Keys of all times, those that sign last first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(tx: &mut Tx, limit: u32) -> Result<Vec<SigningKeyRecord>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select * from freehold.signing_keys order by signs_from desc, algorithm, kid limit $1",
    )
    .bind(i64::from(limit))
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter().map(SigningKeyRecord::try_from).collect()
}

/// Keeps a key.
///
/// # Errors
/// When the database cannot be reached.
pub async fn add(tx: &mut Tx, key: &SigningKeyRecord) -> Result<()> {
    sqlx::query(
        "insert into freehold.signing_keys (kid, algorithm, public, seal, key_version, nonce, sealed, created_at, signs_from)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&key.kid)
    .bind(key.algorithm)
    .bind(&key.public)
    .bind(&key.seal)
    .bind(key.sealed.as_ref().map(|sealed| sealed.key_version))
    .bind(key.sealed.as_ref().map(|sealed| sealed.nonce.as_slice()))
    .bind(key.sealed.as_ref().map(|sealed| &sealed.ciphertext))
    .bind(key.created_at)
    .bind(key.times.signs_from)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Gives keys the times that they have from now on, but for their withdrawal.
///
/// # Errors
/// When the database cannot be reached.
pub async fn change(tx: &mut Tx, changed: &[Changed]) -> Result<()> {
    for (kid, times) in changed {
        sqlx::query(
            "update freehold.signing_keys set signs_from = $2, signs_until = $3, published_until = $4 where kid = $1",
        )
        .bind(kid)
        .bind(times.signs_from)
        .bind(times.signs_until)
        .bind(times.published_until)
        .execute(tx.sql())
        .await?;
    }
    Ok(())
}

/// Takes a key out of use. What it signs with is gone.
///
/// # Errors
/// When the database cannot be reached.
pub async fn withdraw(tx: &mut Tx, kid: &str, at: DateTime<Utc>, by: &str) -> Result<()> {
    sqlx::query(
        "update freehold.signing_keys
            set withdrawn_at = $2, withdrawn_by = $3, key_version = null, nonce = null, sealed = null where kid = $1",
    )
    .bind(kid)
    .bind(at)
    .bind(by)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Forgets what these keys signed with.
///
/// # Errors
/// When the database cannot be reached.
pub async fn erase(tx: &mut Tx, kids: &[String]) -> Result<()> {
    sqlx::query(
        "update freehold.signing_keys set key_version = null, nonce = null, sealed = null where kid = any($1)",
    )
    .bind(kids)
    .execute(tx.sql())
    .await?;
    Ok(())
}
