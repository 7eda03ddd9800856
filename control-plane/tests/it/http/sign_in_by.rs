//! Signing in by a provider outside: the provider, and a browser that goes there and back, for all themes of it.

use axum::http::Method;
use control_plane::app::Settings;
use control_plane::model::ids::{ProviderId, TenantId, UserId};
use control_plane::model::provider::ClaimMap;
use control_plane::store::providers::{self, ProviderRecord};
use control_plane::store::{Scope, identities};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use super::World;
use super::pages::{Site, Window, encoded};
use crate::outside::mock::Mock;
use crate::outside::reaching_loopback;
use crate::support::visitor::Answer;

/// A site whose providers may be on this machine, tenants' ones too.
pub(super) async fn site() -> Site {
    site_with(|_| {}).await
}

/// The same with other settings besides.
pub(super) async fn site_with(change: impl FnOnce(&mut Settings)) -> Site {
    let site = Site::start_with(|settings: &mut Settings| {
        settings.providers = reaching_loopback();
        settings.providers.reach.tenants = settings.providers.reach.platform.clone();
        change(settings);
    })
    .await;
    // A tenant's is reached by TLS alone, but for the one of these tests.
    sqlx::query(
        "do $$ declare one text; begin
           for one in select conname from pg_constraint
                       where conrelid = 'freehold.providers'::regclass and contype = 'c'
                         and pg_get_constraintdef(oid) like '%tenant_id%https://%' loop
             execute format('alter table freehold.providers drop constraint %I', one);
           end loop;
         end $$",
    )
    .execute(&mut site.world.registry.superuser().await)
    .await
    .expect("the constraint is gone");
    site
}

impl World {
    /// A provider of the platform's, or of a tenant.
    pub(super) async fn provider(
        &self,
        issuer: &str,
        tenant: Option<TenantId>,
        change: impl FnOnce(&mut ProviderRecord),
    ) -> ProviderId {
        let id = ProviderId::random();
        let secret = SecretString::from("a secret of theirs");
        let mut record = ProviderRecord {
            id,
            tenant,
            name: format!("p{}", Uuid::new_v4().simple()).parse().expect("a name"),
            title: "Acme SSO".to_owned(),
            issuer: issuer.parse().expect("an issuer"),
            client_id: "freehold".to_owned(),
            secret: Some(self.key.vault().seal(id.0, "provider", &secret).expect("sealed")),
            scopes: "openid email profile".to_owned(),
            claims: ClaimMap::default(),
            bearer_audience: None,
            trust_email: false,
            enabled: true,
            created_at: chrono::Utc::now(),
            updated_at: chrono::Utc::now(),
        };
        change(&mut record);
        let mut tx = self.registry.api.begin(Scope::System).await.expect("begin");
        providers::create(&mut tx, &record).await.expect("a provider");
        tx.commit().await.expect("commit");
        id
    }

    /// A tenant's id by its slug, which is made.
    pub(super) async fn tenant(&self, slug: &str) -> TenantId {
        let made = self.make(slug).await;
        made["tenant"]["id"].as_str().expect("an id").parse().expect("an id")
    }

    /// Who is linked with a subject.
    pub(super) async fn linked(&self, provider: ProviderId, subject: &str) -> Option<UserId> {
        let mut tx = self.registry.api.begin(Scope::System).await.expect("begin");
        let found = identities::find(&mut tx, provider, subject).await.expect("identities");
        found.map(|found| found.user_id)
    }

    /// What the registry keeps of an account: its id, whether it has a password, and whether its address was proven.
    pub(super) async fn account(&self, email: &str) -> Option<(UserId, bool, bool)> {
        let row: Option<(Uuid, bool, bool)> = sqlx::query_as(
            "select id, password_hash is not null, verified_at is not null from freehold.users where email = $1",
        )
        .bind(email)
        .fetch_optional(&mut self.registry.superuser().await)
        .await
        .expect("users");
        row.map(|(id, password, verified)| (UserId(id), password, verified))
    }

    /// Role and whether suspended, of somebody in a tenant.
    pub(super) async fn standing(&self, email: &str, slug: &str) -> Option<(String, bool)> {
        sqlx::query_as(
            "select m.role, m.suspended_at is not null from freehold.memberships m
               join freehold.users u on u.id = m.user_id join freehold.tenants t on t.id = m.tenant_id
              where u.email = $1 and t.slug = $2",
        )
        .bind(email)
        .bind(slug)
        .fetch_optional(&mut self.registry.superuser().await)
        .await
        .expect("memberships")
    }

    /// Asks the API as the session of a browser.
    pub(super) async fn ask_in(&self, window: &Window<'_>, method: Method, path: &str) -> super::Answer {
        self.ask_with(window, method, path, None).await
    }

    /// The same with a body.
    pub(super) async fn ask_with(
        &self,
        window: &Window<'_>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> super::Answer {
        use control_plane::identity::tokens::{Subject, USER_AUDIENCE};
        let session: control_plane::model::ids::SessionId =
            window.cookies["freehold"].split('.').next().expect("an id").parse().expect("an id");
        let user: Uuid = sqlx::query_scalar("select user_id from freehold.sessions where id = $1")
            .bind(session.0)
            .fetch_one(&mut self.registry.superuser().await)
            .await
            .expect("the session");
        let subject = Subject { id: user.to_string(), session: Some(session), ..Subject::default() };
        let token = self.issuer.issue(subject, USER_AUDIENCE, 15).expect("a token");
        self.ask_as(&token, method, path, body).await
    }
}

/// The path of an address of ours.
#[track_caller]
pub(super) fn path_of(site: &Site, url: &str) -> String {
    url.strip_prefix(&site.url()).unwrap_or_else(|| panic!("{url} is not ours")).to_owned()
}

/// Sends a browser to a provider; the address there.
pub(super) async fn sent(window: &mut Window<'_>, provider: ProviderId, to: &str) -> String {
    let to = if to.is_empty() { String::new() } else { format!("?to={}", encoded(to)) };
    let answer = window.get(&format!("/sign-in/with/{provider}{to}")).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer.header("location").expect("an address").to_owned()
}

/// Has somebody sign in by a provider; what that ended with.
pub(super) async fn come(
    site: &Site,
    window: &mut Window<'_>,
    mock: &Mock,
    provider: ProviderId,
    (subject, to): (&str, &str),
) -> Answer {
    let there = sent(window, provider, to).await;
    let home = mock.sign_in(&there, Some(subject)).await;
    window.get(&path_of(site, &home)).await
}

/// Claims of somebody whose address is verified.
pub(super) fn verified(email: &str) -> Value {
    json!({"email": email, "email_verified": true, "name": "Ada Lovelace"})
}

/// The same with one more.
pub(super) fn with(email: &str, claim: &str, value: Value) -> Value {
    let mut claims = verified(email);
    claims[claim] = value;
    claims
}
