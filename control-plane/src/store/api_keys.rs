//! API keys. Of one that is sent only the hash is kept; one that signs is sealed.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::columns::sealed;
use super::{Error, Notice, Result, Tx, seconds};
use crate::model::api_key::{KeyKind, KeyStatus};
use crate::model::email::Email;
use crate::model::ids::{KeyId, KeyPrefix, TenantId, UserId};
use crate::model::secret::Sealed;

/// What is kept of a key's secret.
#[derive(Clone)]
pub enum Kept {
    /// SHA-256 of a key that is sent.
    Hash([u8; 32]),
    /// A key that signs, under the id of its row.
    Sealed(Sealed),
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash(_) => "Hash",
            Self::Sealed(_) => "Sealed",
        })
    }
}

/// A key, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KeyRecord {
    pub id: KeyId,
    pub prefix: KeyPrefix,
    pub kind: KeyKind,
    pub tenant_id: Option<TenantId>,
    /// The slug of the tenant where it acts, as far as it is seen.
    pub tenant: Option<String>,
    pub user_id: UserId,
    /// Its maker's address; none when they are no member any more.
    pub maker: Option<Email>,
    pub name: String,
    /// Words of permissions.
    pub scopes: Vec<String>,
    pub per_minute: i32,
    pub second_factor: bool,
    /// Whether it signs requests and is never sent.
    pub signs: bool,
    pub status: KeyStatus,
    pub replaced_by: Option<KeyId>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub last_address: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// A key that is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub id: KeyId,
    pub prefix: KeyPrefix,
    pub kind: KeyKind,
    pub tenant: Option<TenantId>,
    pub user: UserId,
    pub name: String,
    /// Words of permissions.
    pub scopes: Vec<&'static str>,
    pub per_minute: u32,
    pub second_factor: bool,
    pub kept: Kept,
    pub good_for: Duration,
}

/// Whose keys.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// A user's own.
    User(UserId),
    /// A tenant's.
    Tenant(TenantId),
}

impl Whose {
    fn parts(self) -> (KeyKind, Option<UserId>, Option<TenantId>) {
        match self {
            Self::User(user) => (KeyKind::User, Some(user), None),
            Self::Tenant(tenant) => (KeyKind::Tenant, None, Some(tenant)),
        }
    }
}

macro_rules! key_select {
    () => {
        "select k.id, k.prefix, k.kind, k.tenant_id, t.slug as tenant, k.user_id, u.email as maker, k.name, k.scopes,
                k.per_minute, k.second_factor, k.sealed is not null as signs,
                case when k.revoked_at is not null then 'revoked' when k.expires_at <= now() then 'expired'
                     when k.replaced_by is not null then 'replaced' else 'active' end as status,
                k.replaced_by, k.last_used_at, k.last_address, k.created_at, k.expires_at
           from freehold.api_keys k
           left join freehold.users u on u.id = k.user_id
           left join freehold.tenants t on t.id = k.tenant_id "
    };
}

/// Whose keys, `$1` to `$3`.
macro_rules! of_whom {
    () => {
        "k.kind = $1 and ($2::uuid is null or k.user_id = $2) and ($3::uuid is null or k.tenant_id = $3)"
    };
}

/// Keeps a key.
///
/// # Errors
/// When the database cannot be reached.
pub async fn create(tx: &mut Tx, new: &NewKey) -> Result<()> {
    let (hash, sealed) = match &new.kept {
        Kept::Hash(hash) => (Some(hash.as_slice()), None),
        Kept::Sealed(sealed) => (None, Some(sealed)),
    };
    sqlx::query(
        "insert into freehold.api_keys (id, prefix, kind, tenant_id, user_id, name, scopes, per_minute, second_factor,
                                        hash, key_version, nonce, sealed, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now() + make_interval(secs => $14))",
    )
    .bind(new.id)
    .bind(&new.prefix)
    .bind(new.kind)
    .bind(new.tenant)
    .bind(new.user)
    .bind(&new.name)
    .bind(&new.scopes)
    .bind(i32::try_from(new.per_minute).unwrap_or(i32::MAX))
    .bind(new.second_factor)
    .bind(hash)
    .bind(sealed.map(|sealed| sealed.key_version))
    .bind(sealed.map(|sealed| sealed.nonce.as_slice()))
    .bind(sealed.map(|sealed| &sealed.ciphertext))
    .bind(seconds(new.good_for))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Somebody's keys, those that are good first, then the newest.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(tx: &mut Tx, whose: Whose, limit: u32) -> Result<Vec<KeyRecord>> {
    let (kind, user, tenant) = whose.parts();
    Ok(sqlx::query_as(concat!(
        key_select!(),
        "where ",
        of_whom!(),
        " order by k.revoked_at is not null or k.expires_at <= now(), k.created_at desc, k.id desc limit $4"
    ))
    .bind(kind)
    .bind(user)
    .bind(tenant)
    .bind(i64::from(limit))
    .fetch_all(tx.sql())
    .await?)
}

/// Holds a user's row, so that nobody else makes a key of theirs until the transaction ends.
///
/// # Errors
/// When the database cannot be reached.
pub async fn hold_maker(tx: &mut Tx, user: UserId) -> Result<()> {
    sqlx::query("select from freehold.users where id = $1 for no key update")
        .bind(user)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// How many keys somebody has that are good and not replaced.
///
/// # Errors
/// When the database cannot be reached.
pub async fn count(tx: &mut Tx, whose: Whose) -> Result<i64> {
    let (kind, user, tenant) = whose.parts();
    Ok(sqlx::query_scalar(concat!(
        "select count(*) from freehold.api_keys k where ",
        of_whom!(),
        " and k.revoked_at is null and k.expires_at > now() and k.replaced_by is null"
    ))
    .bind(kind)
    .bind(user)
    .bind(tenant)
    .fetch_one(tx.sql())
    .await?)
}

/// One of somebody's keys.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(tx: &mut Tx, whose: Whose, id: KeyId) -> Result<KeyRecord> {
    let (kind, user, tenant) = whose.parts();
    Ok(sqlx::query_as(concat!(key_select!(), "where ", of_whom!(), " and k.id = $4"))
        .bind(kind)
        .bind(user)
        .bind(tenant)
        .bind(id)
        .fetch_one(tx.sql())
        .await?)
}

/// The id of the key of this prefix among somebody's.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_prefix(tx: &mut Tx, whose: Whose, prefix: &KeyPrefix) -> Result<KeyId> {
    let (kind, user, tenant) = whose.parts();
    Ok(sqlx::query_scalar(concat!(
        "select k.id from freehold.api_keys k where ",
        of_whom!(),
        " and k.prefix = $4"
    ))
    .bind(kind)
    .bind(user)
    .bind(tenant)
    .bind(prefix)
    .fetch_one(tx.sql())
    .await?)
}

/// One of somebody's keys, which nobody else changes until the transaction ends.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn hold(tx: &mut Tx, whose: Whose, id: KeyId) -> Result<KeyRecord> {
    sqlx::query("select from freehold.api_keys where id = $1 for update").bind(id).execute(tx.sql()).await?;
    get(tx, whose, id).await
}

/// Has another key take its place. It is good for as long as the overlap, if it was to be good for longer; the one
/// whose place it took itself is good no more.
///
/// # Errors
/// When the database cannot be reached.
pub async fn replace(tx: &mut Tx, key: &KeyRecord, by: KeyId, overlap: Duration) -> Result<()> {
    sqlx::query(
        "update freehold.api_keys set replaced_by = $2, expires_at = least(expires_at, now() + make_interval(secs => $3))
          where id = $1",
    )
    .bind(key.id)
    .bind(by)
    .bind(seconds(overlap))
    .execute(tx.sql())
    .await?;
    let before: Vec<UserId> = sqlx::query_scalar(
        "update freehold.api_keys set revoked_at = now(), revoked_because = 'replaced twice'
          where replaced_by = $1 and revoked_at is null and expires_at > now() returning user_id",
    )
    .bind(key.id)
    .fetch_all(tx.sql())
    .await?;
    before.into_iter().chain([key.user_id]).for_each(|user| tx.tell(Notice::Person(user)));
    Ok(())
}

/// Ends a key, and the one whose place it took.
///
/// # Errors
/// When the database cannot be reached.
pub async fn revoke(tx: &mut Tx, key: &KeyRecord, because: &str) -> Result<()> {
    let makers: Vec<UserId> = sqlx::query_scalar(
        "update freehold.api_keys set revoked_at = now(), revoked_because = $2
          where (id = $1 or replaced_by = $1) and revoked_at is null and expires_at > now() returning user_id",
    )
    .bind(key.id)
    .bind(because)
    .fetch_all(tx.sql())
    .await?;
    makers.into_iter().for_each(|user| tx.tell(Notice::Person(user)));
    Ok(())
}

/// Takes from a user's keys that they were made with a second factor: it is another one by now, or none.
///
/// # Errors
/// When the database cannot be reached.
pub(super) async fn forget_second_factor(tx: &mut Tx, user: UserId) -> Result<()> {
    sqlx::query("update freehold.api_keys set second_factor = false where user_id = $1 and second_factor")
        .bind(user)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Whose a key is that is good.
#[derive(Debug, Clone)]
pub struct HolderRecord {
    pub id: KeyId,
    pub tenant_id: Option<TenantId>,
    pub user_id: UserId,
    pub email: Email,
    pub name: String,
    pub scopes: Vec<String>,
    pub per_minute: i32,
    pub second_factor: bool,
    pub kept: Kept,
    pub last_used_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct HolderRow {
    id: KeyId,
    tenant_id: Option<TenantId>,
    user_id: UserId,
    email: Email,
    name: String,
    scopes: Vec<String>,
    per_minute: i32,
    second_factor: bool,
    hash: Option<Vec<u8>>,
    key_version: Option<i32>,
    nonce: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
    last_used_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
}

impl TryFrom<HolderRow> for HolderRecord {
    type Error = Error;

    fn try_from(row: HolderRow) -> Result<Self> {
        let odd = || Error::Database(sqlx::Error::Decode("a key of another form".into()));
        let kept = match (row.hash, row.key_version, row.nonce, row.sealed) {
            (Some(hash), None, None, None) => Kept::Hash(hash.try_into().map_err(|_| odd())?),
            (None, Some(key_version), Some(nonce), Some(ciphertext)) => {
                Kept::Sealed(sealed(key_version, nonce, ciphertext)?)
            }
            _ => return Err(odd()),
        };
        Ok(Self {
            id: row.id,
            tenant_id: row.tenant_id,
            user_id: row.user_id,
            email: row.email,
            name: row.name,
            scopes: row.scopes,
            per_minute: row.per_minute,
            second_factor: row.second_factor,
            kept,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        })
    }
}

/// Whose the key of this prefix is, while it is good: not of one that expired or was revoked, nor of a user who is
/// suspended.
///
/// # Errors
/// When the database cannot be reached.
pub async fn holder(tx: &mut Tx, prefix: &KeyPrefix) -> Result<Option<HolderRecord>> {
    let row: Option<HolderRow> = sqlx::query_as(
        "select k.id, k.tenant_id, k.user_id, u.email, k.name, k.scopes, k.per_minute, k.second_factor,
                k.hash, k.key_version, k.nonce, k.sealed, k.last_used_at, k.expires_at
           from freehold.api_keys k join freehold.users u on u.id = k.user_id
          where k.prefix = $1 and k.revoked_at is null and k.expires_at > now() and u.suspended_at is null",
    )
    .bind(prefix)
    .fetch_optional(tx.sql())
    .await?;
    row.map(HolderRecord::try_from).transpose()
}

/// Notes that a key is in use, and from where.
///
/// # Errors
/// When the database cannot be reached.
pub async fn touch(tx: &mut Tx, id: KeyId, address: &str) -> Result<()> {
    sqlx::query("update freehold.api_keys set last_used_at = now(), last_address = $2 where id = $1")
        .bind(id)
        .bind(address)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Takes a nonce of a key, to be known until then. False when it was taken before.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take_nonce(tx: &mut Tx, key: KeyId, nonce: &str, until: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query(
        "insert into freehold.api_nonces (key_id, nonce, expires_at) values ($1, $2, $3) on conflict do nothing",
    )
    .bind(key)
    .bind(nonce)
    .bind(until)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets keys that have been over for this long, and nonces whose time has passed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tidy(tx: &mut Tx, kept: Duration) -> Result<()> {
    sqlx::query(
        "delete from freehold.api_keys where least(expires_at, revoked_at) < now() - make_interval(secs => $1)",
    )
    .bind(seconds(kept))
    .execute(tx.sql())
    .await?;
    sqlx::query("delete from freehold.api_nonces where expires_at < now()").execute(tx.sql()).await?;
    Ok(())
}
