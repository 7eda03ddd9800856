//! Second factors, and the codes for when they are lost.

use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::columns::sealed;
use super::{Notice, Result, Tx};
use crate::model::ids::{AdminId, SessionId, UserId};
use crate::model::secret::Sealed;

/// Whose second factor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    User(UserId),
    Admin(AdminId),
}

impl Owner {
    #[must_use]
    pub fn id(self) -> Uuid {
        match self {
            Self::User(id) => id.0,
            Self::Admin(id) => id.0,
        }
    }

    /// A statement with the names of this owner's tables in place of `{factors}` and `{codes}`, and of the column that
    /// they are known by in place of `{owner}`.
    fn sql(self, statement: &str) -> AssertSqlSafe<String> {
        let (factors, codes, owner) = match self {
            Self::User(_) => ("second_factors", "recovery_codes", "user_id"),
            Self::Admin(_) => ("admin_second_factors", "admin_recovery_codes", "admin_id"),
        };
        let statement = statement.replace("{factors}", &format!("freehold.{factors}"));
        let statement = statement.replace("{codes}", &format!("freehold.{codes}"));
        AssertSqlSafe(statement.replace("{owner}", owner))
    }
}

/// A second factor, as it is kept.
#[derive(Debug, Clone)]
pub struct SecondFactorRecord {
    pub sealed: Sealed,
    /// Whether it counts: once a code of it was given.
    pub confirmed: bool,
    /// The time step of the last code that was taken.
    pub last_step: i64,
}

#[derive(FromRow)]
struct Row {
    key_version: i32,
    nonce: Vec<u8>,
    sealed: Vec<u8>,
    confirmed: bool,
    last_step: i64,
}

/// Somebody's second factor, for this transaction alone until its end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock(tx: &mut Tx, owner: Owner) -> Result<Option<SecondFactorRecord>> {
    let row: Option<Row> = sqlx::query_as(owner.sql(
        "select key_version, nonce, sealed, confirmed_at is not null as confirmed, last_step
           from {factors} where {owner} = $1 for update",
    ))
    .bind(owner.id())
    .fetch_optional(tx.sql())
    .await?;
    row.map(|row| {
        let sealed = sealed(row.key_version, row.nonce, row.sealed)?;
        Ok(SecondFactorRecord { sealed, confirmed: row.confirmed, last_step: row.last_step })
    })
    .transpose()
}

/// Keeps a second factor that is yet to be confirmed, in place of one that never was. False when there is one that
/// counts.
///
/// # Errors
/// When the database cannot be reached.
pub async fn begin(tx: &mut Tx, owner: Owner, sealed: &Sealed) -> Result<bool> {
    let done = sqlx::query(owner.sql(
        "insert into {factors} as f ({owner}, key_version, nonce, sealed) values ($1, $2, $3, $4)
         on conflict ({owner}) do update
            set key_version = $2, nonce = $3, sealed = $4, last_step = 0, created_at = now()
          where f.confirmed_at is null",
    ))
    .bind(owner.id())
    .bind(sealed.key_version)
    .bind(sealed.nonce.as_slice())
    .bind(&sealed.ciphertext)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the code of a time step: none is taken twice. The first one confirms the second factor.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take_step(tx: &mut Tx, owner: Owner, step: i64) -> Result<()> {
    sqlx::query(owner.sql(
        "update {factors} set last_step = $2, confirmed_at = coalesce(confirmed_at, now())
          where {owner} = $1",
    ))
    .bind(owner.id())
    .bind(step)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes that a session has the second factor from now on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn given_in(tx: &mut Tx, user: UserId, session: SessionId) -> Result<()> {
    sqlx::query("update freehold.sessions set second_factor = true where id = $1 and user_id = $2")
        .bind(session)
        .bind(user)
        .execute(tx.sql())
        .await?;
    tx.tell(Notice::Person(user));
    Ok(())
}

/// Takes somebody's second factor away, with its recovery codes. A user's sessions have none from now on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn remove(tx: &mut Tx, owner: Owner) -> Result<()> {
    for statement in ["delete from {factors} where {owner} = $1", "delete from {codes} where {owner} = $1"] {
        sqlx::query(owner.sql(statement)).bind(owner.id()).execute(tx.sql()).await?;
    }
    if let Owner::User(user) = owner {
        sqlx::query(
            "update freehold.sessions set second_factor = false where user_id = $1 and second_factor",
        )
        .bind(user)
        .execute(tx.sql())
        .await?;
        super::api_keys::forget_second_factor(tx, user).await?;
        tx.tell(Notice::Person(user));
    }
    Ok(())
}

/// Keeps new recovery codes in place of all there were.
///
/// # Errors
/// When the database cannot be reached.
pub async fn replace_codes(tx: &mut Tx, owner: Owner, hashes: &[[u8; 32]]) -> Result<()> {
    sqlx::query(owner.sql("delete from {codes} where {owner} = $1"))
        .bind(owner.id())
        .execute(tx.sql())
        .await?;
    let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    sqlx::query(owner.sql("insert into {codes} ({owner}, hash) select $1, unnest($2::bytea[])"))
        .bind(owner.id())
        .bind(hashes)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Takes a recovery code. False when it is none, or was taken before.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take_code(tx: &mut Tx, owner: Owner, hash: &[u8]) -> Result<bool> {
    let done = sqlx::query(
        owner.sql("update {codes} set used_at = now() where {owner} = $1 and hash = $2 and used_at is null"),
    )
    .bind(owner.id())
    .bind(hash)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}
