//! OpenID providers outside: the platform's, and tenants' own.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow};

use super::columns::sealed_if_any;
use super::{Error, Result, Tx};
use crate::model::ids::{ProviderId, TenantId};
use crate::model::provider::{ClaimMap, IssuerUrl, ProviderName, Trust};
use crate::model::secret::Sealed;
use crate::model::slug::Slug;

/// A provider, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRecord {
    pub id: ProviderId,
    /// Whose it is; none: the platform's.
    pub tenant: Option<TenantId>,
    pub name: ProviderName,
    /// What people are shown.
    pub title: String,
    pub issuer: IssuerUrl,
    pub client_id: String,
    /// The client's secret; none for a public client.
    pub secret: Option<Sealed>,
    /// Separated by spaces.
    pub scopes: String,
    pub claims: ClaimMap,
    /// For whom its tokens must be that are sent to the API; none: they are not taken.
    pub bearer_audience: Option<String>,
    /// Whether an address counts as proven that it does not say so of.
    pub trust_email: bool,
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl ProviderRecord {
    /// How far it is trusted.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.tenant.map_or(Trust::Platform, Trust::Tenant)
    }
}

#[derive(FromRow)]
struct Row {
    id: ProviderId,
    tenant_id: Option<TenantId>,
    name: ProviderName,
    title: String,
    issuer: IssuerUrl,
    client_id: String,
    key_version: Option<i32>,
    nonce: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
    scopes: String,
    claims: Json<ClaimMap>,
    bearer_audience: Option<String>,
    trust_email: bool,
    enabled: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for ProviderRecord {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let secret = sealed_if_any(row.key_version, row.nonce, row.sealed)?;
        Ok(Self {
            id: row.id,
            tenant: row.tenant_id,
            name: row.name,
            title: row.title,
            issuer: row.issuer,
            client_id: row.client_id,
            secret,
            scopes: row.scopes,
            claims: row.claims.0,
            bearer_audience: row.bearer_audience,
            trust_email: row.trust_email,
            enabled: row.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

macro_rules! provider_select {
    () => {
        "select p.id, p.tenant_id, p.name, p.title, p.issuer, p.client_id, p.key_version, p.nonce, p.sealed, p.scopes,
                p.claims, p.bearer_audience, p.trust_email, p.enabled, p.created_at, p.updated_at
           from freehold.providers p "
    };
}

/// Of a tenant that is not deleted, or of none.
const LIVING: &str = "(p.tenant_id is null or exists (select from freehold.tenants t
                        where t.id = p.tenant_id and t.desired_state <> 'deleted'))";

/// Keeps a new provider. Its times are the registry's.
///
/// # Errors
/// [`super::Conflict::ProviderTaken`], [`super::Conflict::BearerTaken`].
pub async fn create(tx: &mut Tx, new: &ProviderRecord) -> Result<()> {
    let secret = new.secret.as_ref();
    sqlx::query(
        "insert into freehold.providers (id, tenant_id, name, title, issuer, client_id, key_version, nonce, sealed,
                                         scopes, claims, bearer_audience, trust_email, enabled)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(new.id)
    .bind(new.tenant)
    .bind(&new.name)
    .bind(&new.title)
    .bind(&new.issuer)
    .bind(&new.client_id)
    .bind(secret.map(|secret| secret.key_version))
    .bind(secret.map(|secret| secret.nonce.to_vec()))
    .bind(secret.map(|secret| &secret.ciphertext))
    .bind(&new.scopes)
    .bind(Json(&new.claims))
    .bind(&new.bearer_audience)
    .bind(new.trust_email)
    .bind(new.enabled)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Keeps a provider as it is now. Whose it is and what it is called never change.
///
/// # Errors
/// [`super::Conflict::BearerTaken`].
pub async fn update(tx: &mut Tx, provider: &ProviderRecord) -> Result<()> {
    let secret = provider.secret.as_ref();
    sqlx::query(
        "update freehold.providers
            set title = $2, issuer = $3, client_id = $4, key_version = $5, nonce = $6, sealed = $7, scopes = $8,
                claims = $9, bearer_audience = $10, trust_email = $11, enabled = $12, updated_at = now()
          where id = $1",
    )
    .bind(provider.id)
    .bind(&provider.title)
    .bind(&provider.issuer)
    .bind(&provider.client_id)
    .bind(secret.map(|secret| secret.key_version))
    .bind(secret.map(|secret| secret.nonce.to_vec()))
    .bind(secret.map(|secret| &secret.ciphertext))
    .bind(&provider.scopes)
    .bind(Json(&provider.claims))
    .bind(&provider.bearer_audience)
    .bind(provider.trust_email)
    .bind(provider.enabled)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Removes a provider, with whom it knows.
///
/// # Errors
/// [`super::Conflict::ProviderRequired`].
pub async fn remove(tx: &mut Tx, id: ProviderId) -> Result<()> {
    sqlx::query("delete from freehold.providers where id = $1").bind(id).execute(tx.sql()).await?;
    Ok(())
}

/// The provider with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(tx: &mut Tx, id: ProviderId) -> Result<ProviderRecord> {
    let row: Row =
        sqlx::query_as(concat!(provider_select!(), "where p.id = $1")).bind(id).fetch_one(tx.sql()).await?;
    row.try_into()
}

/// An enabled provider, which stays as it is until the end of this transaction: nothing can be begun by one that goes
/// away meanwhile.
///
/// # Errors
/// [`Error::NotFound`], also where it is not enabled or its tenant is deleted.
pub async fn hold_enabled(tx: &mut Tx, id: ProviderId) -> Result<ProviderRecord> {
    let row: Row = sqlx::query_as(AssertSqlSafe(format!(
        concat!(provider_select!(), "where p.id = $1 and p.enabled and {} for share of p"),
        LIVING
    )))
    .bind(id)
    .fetch_one(tx.sql())
    .await?;
    row.try_into()
}

/// The provider of this name, of that tenant or of the platform.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_name(tx: &mut Tx, tenant: Option<TenantId>, name: &ProviderName) -> Result<ProviderRecord> {
    let row: Row = sqlx::query_as(concat!(
        provider_select!(),
        "where p.tenant_id is not distinct from $1 and p.name = $2"
    ))
    .bind(tenant)
    .bind(name)
    .fetch_one(tx.sql())
    .await?;
    row.try_into()
}

/// The same, for this transaction alone until its end.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn lock(tx: &mut Tx, tenant: Option<TenantId>, name: &ProviderName) -> Result<ProviderRecord> {
    let row: Row = sqlx::query_as(concat!(
        provider_select!(),
        "where p.tenant_id is not distinct from $1 and p.name = $2 for update of p"
    ))
    .bind(tenant)
    .bind(name)
    .fetch_one(tx.sql())
    .await?;
    row.try_into()
}

/// All providers of a tenant, or all of the platform's, by their names.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(tx: &mut Tx, tenant: Option<TenantId>) -> Result<Vec<ProviderRecord>> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        provider_select!(),
        "where p.tenant_id is not distinct from $1 order by p.name collate \"C\""
    ))
    .bind(tenant)
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter().map(ProviderRecord::try_from).collect()
}

/// By which providers somebody may sign in at a tenant's place: the platform's, and the tenant's own. Without a tenant
/// the platform's alone.
///
/// # Errors
/// When the database cannot be reached.
pub async fn offered(tx: &mut Tx, tenant: Option<TenantId>) -> Result<Vec<ProviderRecord>> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        provider_select!(),
        "where p.enabled and (p.tenant_id is null or p.tenant_id = $1)
         order by p.tenant_id nulls last, p.name collate \"C\""
    ))
    .bind(tenant)
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter().map(ProviderRecord::try_from).collect()
}

/// The enabled providers of this issuer whose tokens are taken by the API: each for an audience of its own.
///
/// # Errors
/// When the database cannot be reached.
pub async fn for_bearer(tx: &mut Tx, issuer: &str) -> Result<Vec<ProviderRecord>> {
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(format!(
        concat!(
            provider_select!(),
            "where p.issuer = $1 and p.enabled and p.bearer_audience is not null and {} order by p.id"
        ),
        LIVING
    )))
    .bind(issuer)
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter().map(ProviderRecord::try_from).collect()
}

/// How many people it knows.
///
/// # Errors
/// When the database cannot be reached.
pub async fn known(tx: &mut Tx, id: ProviderId) -> Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from freehold.identities where provider_id = $1")
        .bind(id)
        .fetch_one(tx.sql())
        .await?)
}

/// The tenants that require it of their people, by their slugs; so many at the most. Seen within the scope alone.
///
/// # Errors
/// When the database cannot be reached.
pub async fn required_by(tx: &mut Tx, id: ProviderId, limit: u32) -> Result<Vec<Slug>> {
    Ok(sqlx::query_scalar(
        "select t.slug from freehold.tenant_policies p join freehold.tenants t on t.id = p.tenant_id
          where p.required_provider = $1 order by t.slug collate \"C\" limit $2",
    )
    .bind(id)
    .bind(i64::from(limit))
    .fetch_all(tx.sql())
    .await?)
}
