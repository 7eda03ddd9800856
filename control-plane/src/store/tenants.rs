//! Tenants: made, found and listed. What changes them later is in [`super::changes`].

use chrono::DateTime;
use ipnet::{IpNet, Ipv4Net};
use sqlx::types::Json;

use crate::model::hostname::HostName;
use crate::model::ids::{HouseId, OperationId, ReleaseId, TenantId};
use crate::model::operation::OperationKind;
use crate::model::plan::PlanName;
use crate::model::slug::Slug;
use crate::model::tenant::Status;

use super::pages::{self, Cursor, Page};
use super::records::tenant_select;
use super::{Error, Result, Tx, subnets};

pub use super::changes::{
    Deletion, TenantChange, delete, hold, move_to_release, restore, retry, set_desired, update,
};
pub use super::records::{Settings, TenantRecord};

/// What is needed to make a tenant.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub name: String,
    pub slug: Slug,
    pub plan: PlanName,
    pub settings: Settings,
    pub release: ReleaseId,
    /// Names it is reached by, the first one first.
    pub hosts: Vec<HostName>,
    pub created_by: String,
    /// Where its house's subnet is taken from.
    pub pool: Ipv4Net,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub tenant: TenantId,
    pub house: HouseId,
    pub operation: OperationId,
}

/// Makes a tenant that is to run, with a house of its own, and the operation that brings it there.
///
/// # Errors
/// [`super::Conflict::SlugTaken`], [`super::Conflict::HostTaken`], [`super::Conflict::NoSubnetLeft`],
/// [`super::Conflict::UnknownRelease`]; the transaction must be dropped then.
pub async fn create(tx: &mut Tx, new: NewTenant) -> Result<Created> {
    subnets::lock(tx).await?;
    let tenant = TenantId::random();
    sqlx::query(
        "insert into freehold.tenants (id, slug, name, plan, settings, desired_state, release_id, created_by)
         values ($1, $2, $3, $4, $5, 'running', $6, $7)",
    )
    .bind(tenant)
    .bind(&new.slug)
    .bind(&new.name)
    .bind(&new.plan)
    .bind(Json(&new.settings))
    .bind(new.release)
    .bind(&new.created_by)
    .execute(tx.sql())
    .await?;
    for (position, host) in new.hosts.iter().enumerate() {
        sqlx::query("insert into freehold.host_names (name, tenant_id, is_primary) values ($1, $2, $3)")
            .bind(host)
            .bind(tenant)
            .bind(position == 0)
            .execute(tx.sql())
            .await?;
    }
    let house = free_house_id(tx).await?;
    let subnet = subnets::lowest_free(tx, new.pool).await?;
    sqlx::query("insert into freehold.houses (id, tenant_id, subnet) values ($1, $2, $3::cidr)")
        .bind(&house)
        .bind(tenant)
        .bind(IpNet::V4(subnet))
        .execute(tx.sql())
        .await?;
    let operation = OperationId::random();
    sqlx::query("select freehold.changed($1, $2, $3, $4, null)")
        .bind(tenant)
        .bind(operation)
        .bind(OperationKind::Create)
        .bind(&new.created_by)
        .execute(tx.sql())
        .await?;
    Ok(Created { tenant, house, operation })
}

/// An id whose first six characters, all that a bridge's name has room for, no other house has. Nobody else
/// chooses at the same time.
async fn free_house_id(tx: &mut Tx) -> Result<HouseId> {
    loop {
        let house = HouseId::random();
        let taken: bool =
            sqlx::query_scalar("select exists (select from freehold.houses where bridge_key = left($1, 6))")
                .bind(&house)
                .fetch_one(tx.sql())
                .await?;
        if !taken {
            return Ok(house);
        }
    }
}

/// The tenant with this id.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn get(tx: &mut Tx, id: TenantId) -> Result<TenantRecord> {
    Ok(sqlx::query_as(concat!(tenant_select!(), "where t.id = $1")).bind(id).fetch_one(tx.sql()).await?)
}

/// The tenant with this slug.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn by_slug(tx: &mut Tx, slug: &Slug) -> Result<TenantRecord> {
    Ok(sqlx::query_as(concat!(tenant_select!(), "where t.slug = $1")).bind(slug).fetch_one(tx.sql()).await?)
}

/// What a list of tenants is ordered by. Ids tell equal ones apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TenantSort {
    #[default]
    Slug,
    /// By name, without regard to upper and lower case.
    Name,
    Created,
}

/// Which tenants to list, and in what order.
#[derive(Debug, Clone, Default)]
pub struct TenantFilter {
    /// Text that the slug, the name or a host name holds; upper and lower case are the same.
    pub search: Option<String>,
    /// Empty: all.
    pub statuses: Vec<Status>,
    pub plan: Option<PlanName>,
    pub sort: TenantSort,
    pub descending: bool,
    pub cursor: Option<Cursor>,
    /// Rows of a page, between 1 and [`pages::MAX_LIMIT`].
    pub limit: u32,
}

macro_rules! page_sql {
    ($column:literal, $cast:literal, $after:literal, $direction:literal) => {
        concat!(
            tenant_select!(),
            "where ($1::text is null or t.searched ilike $1)
               and ($2::text[] is null or freehold.status_of(t.desired_state, \
                        t.converged_generation = t.generation, t.ever_ready, h.stuck_reason is not null) = any ($2))
               and ($3::text is null or t.plan = $3)
               and ($4::text is null or (",
            $column,
            ", t.id) ",
            $after,
            " ($4",
            $cast,
            ", $5)) order by ",
            $column,
            " ",
            $direction,
            ", t.id ",
            $direction,
            " limit $6"
        )
    };
}

impl TenantFilter {
    fn sql(&self) -> &'static str {
        match (self.sort, self.descending) {
            (TenantSort::Slug, false) => page_sql!("t.slug collate \"C\"", "::text", ">", "asc"),
            (TenantSort::Slug, true) => page_sql!("t.slug collate \"C\"", "::text", "<", "desc"),
            (TenantSort::Name, false) => page_sql!("lower(t.name) collate \"C\"", "::text", ">", "asc"),
            (TenantSort::Name, true) => page_sql!("lower(t.name) collate \"C\"", "::text", "<", "desc"),
            (TenantSort::Created, false) => page_sql!("t.created_at", "::timestamptz", ">", "asc"),
            (TenantSort::Created, true) => page_sql!("t.created_at", "::timestamptz", "<", "desc"),
        }
    }

    fn order(&self) -> &'static str {
        match (self.sort, self.descending) {
            (TenantSort::Slug, false) => "slug+",
            (TenantSort::Slug, true) => "slug-",
            (TenantSort::Name, false) => "name+",
            (TenantSort::Name, true) => "name-",
            (TenantSort::Created, false) => "created+",
            (TenantSort::Created, true) => "created-",
        }
    }

    fn checked_cursor(&self) -> Result<Option<&Cursor>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let timely = self.sort != TenantSort::Created || DateTime::parse_from_rfc3339(&cursor.value).is_ok();
        if cursor.order == self.order() && timely { Ok(Some(cursor)) } else { Err(Error::InvalidCursor) }
    }
}

/// A page of tenants.
///
/// # Errors
/// [`Error::InvalidCursor`] when the cursor was made for another order.
pub async fn list(tx: &mut Tx, filter: &TenantFilter) -> Result<Page<TenantRecord>> {
    let cursor = filter.checked_cursor()?;
    let limit = pages::clamp(filter.limit);
    let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
    // The lower-cased name is the database's own, so that both sides of the comparison agree on every letter.
    // What is asked for decides what is fast, so it is planned anew each time and not kept.
    let rows: Vec<TenantRecord> = sqlx::query_as(filter.sql())
        .persistent(false)
        .bind(filter.search.as_deref().filter(|text| !text.is_empty()).map(pages::contains))
        .bind(if statuses.is_empty() { None } else { Some(statuses) })
        .bind(&filter.plan)
        .bind(cursor.map(|cursor| cursor.value.clone()))
        .bind(cursor.map(|cursor| cursor.id))
        .bind(i64::from(limit) + 1)
        .fetch_all(tx.sql())
        .await?;
    let mut page = Page::cut(rows, limit, |last| Cursor {
        order: filter.order().to_owned(),
        value: match filter.sort {
            TenantSort::Slug => last.slug.to_string(),
            TenantSort::Name => last.name.clone(),
            TenantSort::Created => pages::timestamp(last.created_at),
        },
        id: last.id.0,
    });
    if let (TenantSort::Name, Some(next)) = (filter.sort, &mut page.next) {
        next.value =
            sqlx::query_scalar("select lower($1::text)").bind(&next.value).fetch_one(tx.sql()).await?;
    }
    Ok(page)
}

/// How many tenants there are of each status.
///
/// # Errors
/// When the database cannot be reached.
pub async fn count_by_status(tx: &mut Tx) -> Result<Vec<(Status, i64)>> {
    Ok(sqlx::query_as(
        "select freehold.status_of(t.desired_state, t.converged_generation = t.generation, t.ever_ready,
                                   h.stuck_reason is not null) as status, count(*)
           from freehold.tenants t join freehold.houses h on h.tenant_id = t.id
          group by 1 order by 1",
    )
    .fetch_all(tx.sql())
    .await?)
}

/// The tenant that answers to this host name, if one does.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_host(tx: &mut Tx, host: &HostName) -> Result<Option<(TenantId, Slug)>> {
    Ok(sqlx::query_as(
        "select t.id, t.slug from freehold.host_names n join freehold.tenants t on t.id = n.tenant_id
          where n.name = $1 and t.desired_state <> 'deleted'",
    )
    .bind(host)
    .fetch_optional(tx.sql())
    .await?)
}
