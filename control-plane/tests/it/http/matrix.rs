//! Every route of the OpenAPI document times every kind of caller. A route that is not in the table fails.

mod foreign;
mod keyed;
mod routes;

use std::fmt;
use std::sync::LazyLock;

use axum::http::Method;
use chrono::{TimeDelta, Utc};
use control_plane::config::Config;
use control_plane::identity::permissions::{Permission, allows};
use control_plane::identity::tokens::{
    ADMIN_AUDIENCE, Issuer, Subject, USER_AUDIENCE, generate_id_key, generate_key,
};
use control_plane::model::ids::{SessionId, TenantId, UserId};
use control_plane::model::role::Role;
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{Answer, World};
use foreign::{Foreign, Providers};
use keyed::Keyed;
use routes::{Open, Route};

/// Who calls. The tenant in a path is always the one that is home to some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nobody,
    /// With a token that was good once.
    Expired,
    /// In a session that was revoked.
    Revoked,
    /// With a token that somebody else signed.
    Forged,
    /// With our token for another audience.
    Elsewhere,
    /// With a token for their tenant's app.
    OfAnApp,
    /// A user who is suspended everywhere.
    Banned,
    /// A member of the tenant.
    Home(Role),
    /// A member of the tenant who is suspended in it.
    Suspended,
    /// A member of another tenant.
    Away(Role),
    /// An owner of the tenant, who came by its own provider.
    ByHome,
    /// The same, who came by the provider of another tenant where they are an owner, too.
    ByAway,
    /// A user without a tenant.
    Stray,
    /// A key.
    Key(Keyed),
    /// With a token of a provider outside.
    Foreign(Foreign),
    Admin,
}

impl Kind {
    /// All that there are for a route that is open to these: keys are told from each other by what it needs.
    fn all(open: Open) -> Vec<Self> {
        let needed = match open {
            Open::Members(one) | Open::MembersOnly(one) => Some(one),
            _ => None,
        };
        let bad = [
            Self::Nobody,
            Self::Expired,
            Self::Revoked,
            Self::Forged,
            Self::Elsewhere,
            Self::OfAnApp,
            Self::Banned,
        ];
        let home = Role::ALL.iter().copied().map(Self::Home);
        let away = Role::ALL.iter().copied().map(Self::Away);
        bad.into_iter()
            .chain(away)
            .chain([Self::ByHome, Self::ByAway, Self::Stray, Self::Suspended])
            .chain(home)
            .chain(Keyed::ALL.map(Self::Key))
            .chain(needed.into_iter().flat_map(|one| [Keyed::Only(one), Keyed::AllBut(one)]).map(Self::Key))
            .chain(Foreign::ALL.map(Self::Foreign))
            .chain([Self::Admin])
            .collect()
    }

    /// Whether no token of theirs is good.
    fn is_nobody(self) -> bool {
        self == Self::Nobody || self.is_refused()
    }

    /// Whether the token that they send is not good.
    fn is_refused(self) -> bool {
        matches!(
            self,
            Self::Expired | Self::Revoked | Self::Forged | Self::Elsewhere | Self::OfAnApp | Self::Banned
        ) || matches!(self, Self::Key(key) if key.is_refused())
            || matches!(self, Self::Foreign(foreign) if foreign.is_refused())
    }
}

/// What a caller must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Unauthenticated,
    Forbidden,
    /// As if the tenant were not there.
    Hidden,
    /// Whatever the route answers those whom it is open to.
    Through,
}

fn expected(open: Open, kind: Kind) -> Expected {
    use Expected::{Forbidden, Hidden, Through, Unauthenticated};
    // A token that is good is what a session by its provider is.
    let kind = match kind {
        Kind::Foreign(Foreign::Platforms) => Kind::Home(Role::Owner),
        Kind::Foreign(Foreign::Homes) => Kind::ByHome,
        Kind::Foreign(Foreign::Aways) => Kind::ByAway,
        kind => kind,
    };
    match (open, kind) {
        (Open::Everybody, _) => Through,
        (Open::Either, kind) if kind.is_refused() => Unauthenticated,
        (Open::Either, _) => Through,
        (Open::UsersOrNobody, Kind::Nobody) => Through,
        (_, kind) if kind.is_nobody() => Unauthenticated,
        (Open::People, Kind::Key(_) | Kind::ByHome | Kind::ByAway) => Forbidden,
        (Open::SignedIn | Open::People, _) => Through,
        (Open::Users | Open::UsersAnyhow | Open::UsersOrNobody, Kind::Admin | Kind::Key(_)) => Forbidden,
        (Open::Users | Open::UsersOrNobody, Kind::ByHome | Kind::ByAway) => Forbidden,
        (Open::Users | Open::UsersAnyhow | Open::UsersOrNobody, _) => Through,
        (Open::Admins, Kind::Admin) => Through,
        (Open::Admins, _) => Forbidden,
        (Open::Members(_) | Open::AdminsInTenant, Kind::Admin) => Through,
        (Open::MembersOnly(_), Kind::Admin) => Forbidden,
        (Open::Members(permission) | Open::MembersOnly(permission), Kind::Home(role)) => {
            if allows(role, permission) { Through } else { Forbidden }
        }
        (Open::Members(_) | Open::MembersOnly(_), Kind::ByHome) => Through,
        (Open::AdminsInTenant, Kind::ByHome) => Forbidden,
        (_, Kind::Key(Keyed::Away) | Kind::ByAway) => Hidden,
        (Open::Members(permission) | Open::MembersOnly(permission), Kind::Key(key)) => {
            if key.may(permission) { Through } else { Forbidden }
        }
        (Open::AdminsInTenant, Kind::Key(_)) => Forbidden,
        (Open::AdminsInTenant, Kind::Home(_)) => Forbidden,
        (Open::Members(_) | Open::MembersOnly(_) | Open::AdminsInTenant, Kind::Suspended) => Forbidden,
        (Open::Members(_) | Open::MembersOnly(_) | Open::AdminsInTenant, _) => Hidden,
    }
}

/// A tenant, another one, and somebody of every kind.
struct Stage {
    tenant: String,
    operation: String,
    callers: Vec<(Kind, String)>,
}

impl Stage {
    async fn set(world: &World, sql: &mut PgConnection, outside: &Providers, open: Open) -> Self {
        let name = || format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let (home, away) = (name(), name());
        let made = world.make(&home).await;
        let other = world.make(&away).await;
        let id = |made: &Value| made["tenant"]["id"].as_str().expect("an id").parse().expect("an id");
        let (home_id, away_id): (TenantId, TenantId) = (id(&made), id(&other));
        let mut callers = Vec::new();
        for kind in Kind::all(open) {
            let token = match kind {
                Kind::Nobody => String::new(),
                Kind::Admin => world.token.clone(),
                Kind::Home(role) => user(world, sql, Some((home_id, role)), kind).await,
                Kind::Away(role) => user(world, sql, Some((away_id, role)), kind).await,
                Kind::Key(Keyed::Away) => user(world, sql, Some((away_id, Role::Owner)), kind).await,
                Kind::Key(key) => user(world, sql, Some((home_id, key.role())), kind).await,
                Kind::Stray => user(world, sql, None, kind).await,
                Kind::Foreign(foreign) => outside.token(world, sql, foreign, (home_id, away_id)).await,
                Kind::ByHome => by_provider(world, sql, home_id, home_id).await,
                Kind::ByAway => by_provider(world, sql, home_id, away_id).await,
                _ => user(world, sql, Some((home_id, Role::Owner)), kind).await,
            };
            callers.push((kind, token));
        }
        let operation = made["operation"]["id"].as_str().expect("an operation").to_owned();
        // one that is over, so that following it ends
        sqlx::query(
            "update freehold.operations set state = 'succeeded', finished_at = now() where id = $1::uuid",
        )
        .bind(&operation)
        .execute(&mut *sql)
        .await
        .expect("over");
        Self { tenant: home, operation, callers }
    }

    fn path(&self, route: &Route) -> String {
        let mut path = route.path.clone();
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            let value = match &path[from + 1..to] {
                "tenant" => self.tenant.clone(),
                "operation" => self.operation.clone(),
                // whatever else there is of theirs is not there
                _ => uuid::Uuid::new_v4().to_string(),
            };
            path.replace_range(from..=to, &value);
        }
        match route.query() {
            Some(query) => format!("{path}?{}", query.replace("{tenant}", &self.tenant)),
            None => path,
        }
    }
}

/// Somebody else who signs tokens. The RSA key, which takes its time to be found, is one for all of them.
fn foreign() -> Issuer {
    static ID_KEY: LazyLock<SecretString> = LazyLock::new(generate_id_key);
    Issuer::from_pems(&generate_key(), &ID_KEY, Config::default().public_url()).expect("an issuer")
}

/// An owner of a tenant who came by the provider of that one, or of another where they are an owner as well.
async fn by_provider(world: &World, sql: &mut PgConnection, home: TenantId, by: TenantId) -> String {
    let token = user(world, sql, Some((home, Role::Owner)), Kind::Home(Role::Owner)).await;
    let came = "with who as (select user_id as id from freehold.sessions order by created_at desc, id desc limit 1),
                     place as (insert into freehold.memberships (tenant_id, user_id, role)
                               select $1, id, 'owner' from who on conflict do nothing),
                     provider as (insert into freehold.providers (id, tenant_id, name, title, issuer, client_id, claims)
                                  values (gen_random_uuid(), $1, 'own', 'Own', 'https://login.example.com', 'us', '{}')
                                  returning id)
                select who.id, provider.id from who, provider";
    let (who, provider): (uuid::Uuid, uuid::Uuid) =
        sqlx::query_as(came).bind(by.0).fetch_one(&mut *sql).await.expect("a provider");
    sqlx::query("update freehold.sessions set provider_id = $2, only_tenant = $3 where user_id = $1")
        .bind(who)
        .bind(provider)
        .bind(by.0)
        .execute(sql)
        .await
        .expect("a session");
    token
}

/// A user of this kind, put into the registry as they are; their token.
async fn user(world: &World, sql: &mut PgConnection, place: Option<(TenantId, Role)>, kind: Kind) -> String {
    let (id, session) = (UserId::random(), SessionId::random());
    let email = format!("{id}@example.com");
    sqlx::query(
        "insert into freehold.users (id, email, name, verified_at, suspended_at)
         values ($1, $2, 'Somebody', now(), case when $3 then now() end)",
    )
    .bind(id.0)
    .bind(&email)
    .bind(kind == Kind::Banned)
    .execute(&mut *sql)
    .await
    .expect("a user");
    if let Some((tenant, role)) = place {
        sqlx::query(
            "insert into freehold.memberships (tenant_id, user_id, role, suspended_at)
             values ($1, $2, $3, case when $4 then now() end)",
        )
        .bind(tenant.0)
        .bind(id.0)
        .bind(role.as_str())
        .bind(kind == Kind::Suspended)
        .execute(&mut *sql)
        .await
        .expect("a member");
    }
    if let (Kind::Key(keyed), Some((tenant, _))) = (kind, place) {
        return keyed::key(sql, keyed, id, tenant).await;
    }
    sqlx::query(
        "insert into freehold.sessions (id, user_id, device, address, remembered, second_factor, refresh_hash,
                                        expires_at, revoked_at, revoked_because)
         values ($1, $2, 'a test', 'local', false, false, $3, $4, case when $5 then now() end,
                 case when $5 then 'a test' end)",
    )
    .bind(session.0)
    .bind(id.0)
    .bind(session.0.as_bytes().as_slice())
    .bind(Utc::now() + TimeDelta::days(1))
    .bind(kind == Kind::Revoked)
    .execute(&mut *sql)
    .await
    .expect("a session");

    let subject = Subject { id: id.to_string(), session: Some(session), ..Subject::default() };
    match kind {
        Kind::Expired => world.issuer.issue_at(Utc::now() - TimeDelta::hours(1), subject, USER_AUDIENCE, 15),
        Kind::Forged => foreign().issue(subject, USER_AUDIENCE, 15),
        // also where a user's session would be taken for an admin's
        Kind::OfAnApp => {
            let tenant = place.map(|(tenant, _)| tenant).expect("a member");
            let now = Utc::now().timestamp();
            world.issuer.sign_access(&json!({
                "iss": Config::default().public_url(), "sub": id, "aud": tenant, "client_id": tenant, "tenant_id": tenant,
                "iat": now, "exp": now + 900, "sid": session, "role": "owner", "email": email,
            }))
        }
        Kind::Elsewhere => world.issuer.issue(subject, ADMIN_AUDIENCE, 15),
        _ => world.issuer.issue(subject, USER_AUDIENCE, 15),
    }
    .expect("a token")
}

/// What is wrong with an answer, if anything is.
fn judged(expected: Expected, route: &Route, answer: &Answer) -> Option<String> {
    let status = answer.status.as_u16();
    let hidden = answer.body["detail"] == "there is no such tenant"
        || answer.body["detail"] == "there is no such operation";
    let right = match expected {
        Expected::Unauthenticated => status == 401,
        Expected::Forbidden => status == 403,
        Expected::Hidden => status == 404 && hidden,
        // what the path names besides the tenant is not there, and may be told so
        Expected::Through => status < 500 && !matches!(status, 401 | 403) && !hidden || route.answers(status),
    };
    (!right).then(|| format!("{status} {}", answer.text))
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// All routes that the document describes.
fn described(document: &Value) -> Vec<Route> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if ["get", "post", "put", "patch", "delete"].contains(&method.as_str().to_lowercase().as_str()) {
                found.push(Route { method, path: path.clone() });
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_every_kind_of_caller_as_it_must() {
    let (world, outside) = Providers::world().await;
    let mut sql = world.registry.superuser().await;
    let document = world.get("/api/v1/openapi.json").await.expect(200).body;
    let mut wrong = Vec::new();
    let routes = described(&document);
    for route in &routes {
        let Some(open) = route.open() else {
            wrong.push(format!("{route}: the table does not say whom it is open to"));
            continue;
        };
        let stage = Stage::set(&world, &mut sql, &outside, open).await;
        let path = stage.path(route);
        for (kind, token) in &stage.callers {
            let expected = expected(open, *kind);
            let body = route.body();
            let answer = world.ask_as(token, route.method.clone(), &path, body).await;
            if let Some(answered) = judged(expected, route, &answer) {
                wrong.push(format!("{route} by {kind:?}: {expected:?} expected, {answered}"));
            }
        }
    }
    let unknown: Vec<_> = routes::TABLE
        .iter()
        .filter(|(known, ..)| !routes.iter().any(|route| route.to_string() == *known))
        .map(|(known, ..)| *known)
        .collect();
    assert_eq!(unknown, Vec::<&str>::new(), "these are in the table and not in the document");
    assert!(wrong.is_empty(), "{} wrong of {} routes:\n{}", wrong.len(), routes.len(), wrong.join("\n"));
}

/// That the table and its rules can fail: an answer that is right for one is wrong for the others.
#[test]
fn what_is_expected_differs_by_caller() {
    let read = Open::Members(Permission::TenantRead);
    assert_eq!(expected(read, Kind::Nobody), Expected::Unauthenticated);
    assert_eq!(expected(read, Kind::Home(Role::Viewer)), Expected::Through);
    assert_eq!(expected(read, Kind::Away(Role::Owner)), Expected::Hidden);
    assert_eq!(
        expected(Open::Members(Permission::TenantUpdate), Kind::Home(Role::Viewer)),
        Expected::Forbidden
    );
    assert_eq!(expected(Open::AdminsInTenant, Kind::Home(Role::Owner)), Expected::Forbidden);
    assert_eq!(expected(Open::AdminsInTenant, Kind::Away(Role::Owner)), Expected::Hidden);
    assert_eq!(expected(Open::Users, Kind::Admin), Expected::Forbidden);
    let remove = Open::Members(Permission::MembersRemove);
    let by = |keyed| expected(remove, Kind::Key(keyed));
    assert_eq!(by(Keyed::Only(Permission::MembersRemove)), Expected::Through);
    assert_eq!(by(Keyed::Only(Permission::MembersUpdate)), Expected::Forbidden);
    assert_eq!(by(Keyed::AllBut(Permission::MembersRemove)), Expected::Forbidden);
}
