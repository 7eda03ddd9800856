//! Row-level security: whatever a query forgets to ask, a transaction for one tenant or person sees theirs alone.

use std::collections::BTreeSet;

use control_plane::model::ids::{TenantId, UserId};
use control_plane::model::tenant::DesiredState;
use control_plane::store::audit::{self, AuditFilter};
use control_plane::store::operations::{self, OperationFilter};
use control_plane::store::tenants::{self, TenantFilter};
use control_plane::store::{self, Scope, sessions, users};
use sqlx::{PgConnection, Row};

use super::store::{create, release};
use crate::support::postgres::Registry;

/// A row of each kind for a tenant and one person in it. `$1` is the tenant, `$2` the person.
const ROWS: &[&str] = &[
    "insert into freehold.users (id, email, name) values ($2, $2 || '@example.test', 'Somebody')",
    "insert into freehold.memberships (tenant_id, user_id, role) values ($1, $2, 'owner')",
    "insert into freehold.projects (id, tenant_id, slug, name) values (gen_random_uuid(), $1, 'one', 'One')",
    "insert into freehold.project_members (tenant_id, project_id, user_id, role)
     select $1, id, $2, 'viewer' from freehold.projects where tenant_id = $1",
    "insert into freehold.providers (id, tenant_id, name, title, issuer, client_id, claims)
     select gen_random_uuid(), $1, 'one', 'One', 'https://login.example.test', 'us', '{}' where $2 is not null",
    "insert into freehold.identities (provider_id, subject, user_id)
     select id, 'one', $2 from freehold.providers where tenant_id = $1",
    "insert into freehold.tenant_policies (tenant_id) select $1 where $2 is not null",
    "insert into freehold.sessions (id, user_id, device, address, remembered, second_factor, refresh_hash, expires_at)
     select gen_random_uuid(), $2, '', '', false, false, '', now() + interval '1 day' where $1 is not null",
    "insert into freehold.second_factors (user_id, key_version, nonce, sealed) select $2, 1, '', '' where $1 is not null",
    "insert into freehold.recovery_codes (user_id, hash) select $2, '' where $1 is not null",
    "insert into freehold.mailed_tokens (hash, user_id, purpose, email, expires_at)
     select $2::text::bytea, $2, 'reset', '', now() where $1 is not null",
    "insert into freehold.invitations (id, tenant_id, email, role, hash, invited_by, expires_at)
     select gen_random_uuid(), $1, 'a@b', 'viewer', $2::text::bytea, '', now()",
    "insert into freehold.signups (id, tenant_id, user_id, kind, state) values (gen_random_uuid(), $1, $2, 'join', 'pending')",
    "insert into freehold.unproven_signups (user_id, tenant_id, tenant_name, slug) values ($2, $1, 'One', 'one')",
    "insert into freehold.mails (id, tenant_id, recipient, kind) select gen_random_uuid(), $1, 'a@b', 'x' where $2 is not null",
    "insert into freehold.audit (id, at, tenant_id, actor_kind, actor, action, target, outcome, address, user_agent,
                                 request_id, seal)
     select gen_random_uuid(), now(), $1, 'nobody', '', 'x', '', 'done', '', '', '', '' where $2 is not null",
    "insert into freehold.volumes (id, house, tenant_id, service, number, name, role)
     select gen_random_uuid(), h.id, $1, 'db', 1, h.id, 'current' from freehold.houses h where tenant_id = $1 and $2 is not null",
    "insert into freehold.operation_events (operation_id, number, step, state, message)
     select id, 1, '', 'note', '' from freehold.operations where tenant_id = $1 and $2 is not null",
    "insert into freehold.api_keys (id, prefix, kind, tenant_id, user_id, name, scopes, per_minute, second_factor, hash,
                                    expires_at)
     values (gen_random_uuid(), $2, 'tenant', $1, $2, 'x', '{tenant.read}', 1, false, '', now() + interval '1 day')",
    "insert into freehold.tenant_secrets (tenant_id, purpose, key_version, nonce, sealed)
     select $1, 'app_key', 1, '', '' where $2 is not null",
    "insert into freehold.oauth_clients (tenant_id, secret_hash, callback_path, signed_out_path)
     select $1, sha256('x'), '/auth/callback', '/' where $2 is not null",
    "insert into freehold.oauth_grants (id, tenant_id, session_id, user_id, scope, redirect_uri, code_hash, code_challenge,
                                        code_expires_at, auth_time)
     select gen_random_uuid(), $1, id, $2, 'openid', '', $2::text::bytea, '', now(), now()
       from freehold.sessions where user_id = $2",
];

/// What a tenant's or a person's rows are known by in a table, if it holds such rows.
struct Table {
    name: String,
    /// A condition on rows of tenant `$1`.
    of_tenant: Option<String>,
    /// A condition on rows of person `$1`.
    of_person: Option<String>,
    guarded: bool,
}

/// All tables and views that hold rows of tenants or people, as the catalog knows them. A view has no policies: what it
/// shows is the proof.
async fn tables(superuser: &mut PgConnection) -> Vec<Table> {
    let rows = sqlx::query(
        "select c.relname::text as name, c.relrowsecurity or c.relkind = 'v' as guarded,
                exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') as by_tenant,
                exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'user_id') as by_person
           from pg_class c where c.relnamespace = 'freehold'::regnamespace and c.relkind in ('r', 'v', 'm') order by 1",
    )
    .fetch_all(superuser)
    .await
    .expect("the catalog");
    let table = |row: &sqlx::postgres::PgRow| {
        let name: String = row.get("name");
        let (of_tenant, of_person) = match name.as_str() {
            "tenants" => (Some("id = $1".to_owned()), None),
            "users" => (
                Some("id in (select user_id from freehold.memberships where tenant_id = $1)".to_owned()),
                Some("id = $1".to_owned()),
            ),
            // Who belongs together with a person is for the tenant to show.
            "members" => (Some("tenant_id = $1".to_owned()), None),
            "operation_events" => (
                Some("operation_id in (select id from freehold.operations where tenant_id = $1)".to_owned()),
                None,
            ),
            "identities" => (
                Some("provider_id in (select id from freehold.providers where tenant_id = $1)".to_owned()),
                Some("user_id = $1".to_owned()),
            ),
            _ => (
                row.get::<bool, _>("by_tenant").then(|| "tenant_id = $1".to_owned()),
                row.get::<bool, _>("by_person").then(|| "user_id = $1".to_owned()),
            ),
        };
        Table { name, of_tenant, of_person, guarded: row.get("guarded") }
    };
    rows.iter().map(table).filter(|table| table.of_tenant.is_some() || table.of_person.is_some()).collect()
}

async fn count(session: &mut PgConnection, table: &str, condition: Option<(&str, uuid::Uuid)>) -> i64 {
    let filter = condition.map_or(String::new(), |(condition, _)| format!(" where {condition}"));
    let statement = sqlx::AssertSqlSafe(format!("select count(*) from freehold.{table}{filter}"));
    let query = sqlx::query_scalar(statement);
    let query = match condition {
        Some((_, id)) => query.bind(id),
        None => query,
    };
    query.fetch_one(session).await.unwrap_or_else(|error| panic!("{table}: {error}"))
}

/// A session of the api in the middle of a transaction for this tenant or person, or for nobody.
async fn scoped(registry: &Registry, tenant: Option<TenantId>, person: Option<UserId>) -> PgConnection {
    let mut session = registry.session(store::API_ROLE, &registry.passwords.api).await;
    let text = |id: Option<String>| id.unwrap_or_default();
    sqlx::query("select set_config('freehold.tenant', $1, false), set_config('freehold.person', $2, false)")
        .bind(text(tenant.map(|id| id.to_string())))
        .bind(text(person.map(|id| id.to_string())))
        .execute(&mut session)
        .await
        .expect("a scope");
    session
}

/// Two tenants, each with a person and a row of every kind.
async fn two_tenants(registry: &Registry, superuser: &mut PgConnection) -> [(TenantId, UserId); 2] {
    let release = release(registry, "r1").await;
    let mut made = Vec::new();
    for slug in ["acme", "globex"] {
        let (tenant, person) = (create(registry, slug, release).await.tenant, UserId::random());
        for statement in ROWS {
            let done = sqlx::query(*statement).bind(tenant.0).bind(person.0).execute(&mut *superuser).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        made.push((tenant, person));
    }
    [made[0], made[1]]
}

#[tokio::test]
async fn every_table_shows_a_tenant_and_a_person_their_own_rows_alone() {
    let registry = Registry::start().await;
    let mut superuser = registry.superuser().await;
    let [(tenant, person), (other, stranger)] = two_tenants(&registry, &mut superuser).await;
    let tables = tables(&mut superuser).await;
    let open: Vec<&str> =
        tables.iter().filter(|table| !table.guarded).map(|table| table.name.as_str()).collect();
    assert_eq!(open, Vec::<&str>::new(), "these hold rows of tenants or people and have no policies");

    // of the platform's own secrets for tenants, and of what strangers asked for, nothing is seen within a scope; what
    // letters hold may be good for an account, so they are written there and not read; where all tenants live is for the
    // platform to know
    let hidden = BTreeSet::from(["tenant_secrets", "unproven_signups", "mails", "doors"]);
    let mut of_tenant = scoped(&registry, Some(tenant), None).await;
    let mut of_person = scoped(&registry, None, Some(person)).await;
    let mut of_nobody = scoped(&registry, None, None).await;
    for Table { name, of_tenant: tenant_rows, of_person: person_rows, .. } in &tables {
        if hidden.contains(name.as_str()) {
            for session in [&mut of_tenant, &mut of_person, &mut of_nobody] {
                let statement = sqlx::AssertSqlSafe(format!("select from freehold.{name}"));
                let refused = sqlx::query(statement).execute(session).await.expect_err(name).to_string();
                assert!(refused.contains("permission denied"), "{name}: {refused}");
            }
            continue;
        }
        assert_eq!(count(&mut of_nobody, name, None).await, 0, "{name}: without a scope");
        if let Some(condition) = tenant_rows {
            let all = count(&mut superuser, name, Some((condition, other.0))).await;
            assert!(all > 0, "{name} holds nothing of the other tenant, so nothing is shown by it");
            let seen = count(&mut of_tenant, name, None).await;
            let own = count(&mut superuser, name, Some((condition, tenant.0))).await;
            assert_eq!((seen, seen > 0), (own, true), "{name}: for a tenant");
            assert_eq!(count(&mut of_tenant, name, Some((condition, other.0))).await, 0, "{name}");
        }
        if let Some(condition) = person_rows {
            let seen = count(&mut of_person, name, None).await;
            let own = count(&mut superuser, name, Some((condition, person.0))).await;
            assert_eq!((seen, seen > 0), (own, true), "{name}: for a person");
            assert_eq!(count(&mut of_person, name, Some((condition, stranger.0))).await, 0, "{name}");
        }
    }
    assert_eq!(count(&mut of_person, "members", None).await, 0);
    // where they belong, a person sees too
    assert_eq!(count(&mut of_person, "tenants", None).await, 1);
}

#[tokio::test]
async fn nothing_is_written_for_another_and_nobody_can_step_around() {
    let registry = Registry::start().await;
    let mut superuser = registry.superuser().await;
    let [(tenant, person), (other, stranger)] = two_tenants(&registry, &mut superuser).await;

    let mut of_tenant = scoped(&registry, Some(tenant), None).await;
    for statement in [
        format!(
            "insert into freehold.memberships (tenant_id, user_id, role) values ('{other}', '{person}', 'owner')"
        ),
        format!("update freehold.memberships set tenant_id = '{other}'"),
        format!(
            "insert into freehold.projects (id, tenant_id, slug, name) values (gen_random_uuid(), '{other}', 'x', 'x')"
        ),
        "alter table freehold.memberships disable row level security".to_owned(),
        "drop policy of_tenant on freehold.memberships".to_owned(),
        "set row_security = off; select * from freehold.memberships".to_owned(),
        format!("set role {}", store::OWNER_ROLE),
        format!("set role {}", store::WORKER_ROLE),
    ] {
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&mut of_tenant).await;
        assert!(refused.is_err(), "{statement}");
        sqlx::raw_sql("reset row_security").execute(&mut of_tenant).await.expect("as before");
    }
    for statement in ["update freehold.memberships set role = 'viewer'", "delete from freehold.invitations"] {
        let done = sqlx::raw_sql(statement).execute(&mut of_tenant).await.expect(statement);
        assert_eq!(done.rows_affected(), 1, "{statement}: the own row and no other");
    }
    let condition = Some(("role = 'owner' and tenant_id = $1", other.0));
    assert_eq!(count(&mut superuser, "memberships", condition).await, 1, "the other's is as it was");
    // of sessions a tenant sees those that came by its own provider
    let by_provider = "update freehold.sessions set provider_id = p.id, only_tenant = p.tenant_id
                         from freehold.identities i join freehold.providers p on p.id = i.provider_id
                        where i.user_id = sessions.user_id";
    assert_eq!(count(&mut of_tenant, "sessions", None).await, 0);
    sqlx::raw_sql(by_provider).execute(&mut superuser).await.expect("came by a provider");
    let ended = "update freehold.sessions set revoked_at = now(), revoked_because = 'x'";
    let done = sqlx::raw_sql(ended).execute(&mut of_tenant).await.expect(ended);
    assert_eq!(done.rows_affected(), 1, "the own and no other");

    let mut of_person = scoped(&registry, None, Some(person)).await;
    let theirs = format!("update freehold.users set name = 'x' where id = '{stranger}'");
    let done =
        sqlx::raw_sql(sqlx::AssertSqlSafe(theirs)).execute(&mut of_person).await.expect("nothing done");
    assert_eq!(done.rows_affected(), 0);

    let mighty: Vec<String> = sqlx::query_scalar(
        "select r.rolname::text from pg_roles r
          where r.rolname in ('freehold_api', 'freehold_platform', 'freehold_gateway', 'freehold_worker')
            and (r.rolsuper or r.rolbypassrls or r.rolcreaterole
                 or exists (select from pg_class c where c.relowner = r.oid))",
    )
    .fetch_all(&mut superuser)
    .await
    .expect("the roles");
    assert_eq!(mighty, Vec::<String>::new(), "these could see everything");
}

/// What the store answers in a tenant's transaction to the widest question that each of its functions takes.
#[tokio::test]
async fn every_list_of_the_store_is_the_tenants_own_without_being_asked_for_it() {
    let registry = Registry::start().await;
    let mut superuser = registry.superuser().await;
    let [(tenant, person), (other, stranger)] = two_tenants(&registry, &mut superuser).await;
    let mut tx = registry.api.begin(Scope::Tenant(tenant)).await.expect("a transaction");

    let page = tenants::list(&mut tx, &TenantFilter { limit: 50, ..TenantFilter::default() })
        .await
        .expect("tenants");
    assert_eq!(page.items.iter().map(|one| one.id).collect::<Vec<_>>(), [tenant]);
    assert!(matches!(tenants::get(&mut tx, other).await, Err(store::Error::NotFound)));
    let globex = "globex".parse().expect("a slug");
    assert!(matches!(tenants::by_slug(&mut tx, &globex).await, Err(store::Error::NotFound)));
    let counted: i64 = tenants::count_by_status(&mut tx).await.expect("counts").iter().map(|(_, n)| n).sum();
    assert_eq!(counted, 1);
    let page = operations::list(&mut tx, &OperationFilter { limit: 50, ..OperationFilter::default() }).await;
    let owners: Vec<_> = page.expect("operations").items.iter().map(|one| one.tenant_id).collect();
    assert_eq!(owners, [Some(tenant)]);
    let page = audit::list(&mut tx, &AuditFilter::default(), None, 50).await.expect("entries");
    assert_eq!(page.items.iter().map(|one| one.tenant_id).collect::<Vec<_>>(), [Some(tenant)]);
    assert!(users::get(&mut tx, person).await.is_ok());
    assert!(matches!(users::get(&mut tx, stranger).await, Err(store::Error::NotFound)));
    assert_eq!(sessions::belongings(&mut tx, stranger).await.expect("none").len(), 0);
    let refused = tenants::set_desired(&mut tx, other, DesiredState::Asleep, "x").await;
    assert!(matches!(refused, Err(store::Error::NotFound)), "{refused:?}");
    drop(tx);

    let mut tx = registry.api.begin(Scope::Person(person)).await.expect("a transaction");
    assert_eq!(sessions::belongings(&mut tx, person).await.expect("own").len(), 1);
    assert!(users::get(&mut tx, stranger).await.is_err());
    drop(tx);

    // the wide scopes still see all
    let mut tx = registry.api.begin(Scope::Platform).await.expect("a transaction");
    let page = tenants::list(&mut tx, &TenantFilter { limit: 50, ..TenantFilter::default() })
        .await
        .expect("tenants");
    assert_eq!(page.items.len(), 2);
}
