//! OpenID providers outside, and whom they know: what the registry keeps of them and what goes with them.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use control_plane::model::ids::{ProviderId, SessionId, TenantId, UserId};
use control_plane::model::provider::Trust;
use control_plane::model::secret::Sealed;
use control_plane::store::providers::{self, ProviderRecord};
use control_plane::store::sessions::{self, NewSession};
use control_plane::store::{Conflict, Error, Scope, identities, tenants};

use crate::store::{create, release};
use crate::support::postgres::Registry;

pub fn provider(tenant: Option<TenantId>, name: &str) -> ProviderRecord {
    ProviderRecord {
        id: ProviderId::random(),
        tenant,
        name: name.parse().expect("a name"),
        title: format!("The {name}"),
        issuer: "https://login.example.test/".parse().expect("an issuer"),
        client_id: "freehold".to_owned(),
        secret: Some(Sealed { key_version: 1, nonce: [3; 24], ciphertext: vec![1, 2, 3] }),
        scopes: "openid email profile".to_owned(),
        claims: serde_json::from_str(r#"{"roles": "realm_access.roles", "role_of": {"boss": "admin"}}"#)
            .expect("a map"),
        bearer_audience: None,
        trust_email: false,
        enabled: true,
        created_at: Utc::now(),
        updated_at: Utc::now(),
    }
}

async fn kept(registry: &Registry, provider: &ProviderRecord) -> Result<(), Error> {
    let mut tx = registry.api().await;
    providers::create(&mut tx, provider).await?;
    tx.commit().await
}

async fn person(registry: &Registry) -> UserId {
    let id = UserId::random();
    sqlx::query(
        "insert into freehold.users (id, email, name) values ($1, $1::text || '@example.test', 'Somebody')",
    )
    .bind(id.0)
    .execute(&mut registry.superuser().await)
    .await
    .expect("a user");
    id
}

async fn session(registry: &Registry, user: UserId, by: &ProviderRecord) -> SessionId {
    let new = NewSession {
        id: SessionId::random(),
        user,
        device: String::new(),
        address: String::new(),
        remembered: false,
        second_factor: false,
        refresh_hash: Vec::new(),
        browser_hash: None,
        provider: Some(by.id),
        only_tenant: by.tenant,
        expires_at: Utc::now() + TimeDelta::days(1),
    };
    let mut tx = registry.api().await;
    assert!(sessions::create(&mut tx, &new).await.expect("begun"));
    tx.commit().await.expect("committed");
    new.id
}

async fn lives(registry: &Registry, session: SessionId) -> bool {
    sessions::holder(&mut registry.api().await, session).await.expect("asked").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_are_the_platforms_or_one_tenants_and_whose_a_token_is_is_never_in_doubt() {
    let registry = Registry::start().await;
    let release = release(&registry, "r1").await;
    let acme = create(&registry, "acme", release).await.tenant;
    let globex = create(&registry, "globex", release).await.tenant;
    let takes = |provider: ProviderRecord, audience: &str| ProviderRecord {
        bearer_audience: Some(audience.to_owned()),
        ..provider
    };
    let platforms = takes(provider(None, "main"), "api");
    let acmes = provider(Some(acme), "main");
    let globexs = takes(provider(Some(globex), "main"), &format!("api://globex/{globex}"));
    for one in [&platforms, &acmes, &globexs] {
        kept(&registry, one).await.expect("kept");
    }
    for (again, conflict) in [
        (provider(None, "main"), Conflict::ProviderTaken),
        (provider(Some(acme), "main"), Conflict::ProviderTaken),
        (takes(provider(None, "other"), "api"), Conflict::BearerTaken),
    ] {
        let refused = kept(&registry, &again).await;
        assert!(matches!(refused, Err(Error::Conflict(what)) if what == conflict), "{refused:?}");
    }
    let wrong = [
        takes(provider(None, "other"), "freehold"),
        // a tenant's audience is its own
        takes(provider(Some(acme), "other"), "api"),
        takes(provider(Some(acme), "other"), &format!("api://globex/{globex}")),
        ProviderRecord { trust_email: true, ..provider(Some(acme), "other") },
        ProviderRecord { issuer: "http://x".parse().expect("one"), ..provider(Some(acme), "other") },
    ];
    for one in wrong {
        assert!(matches!(kept(&registry, &one).await, Err(Error::Database(_))), "{one:?}");
    }
    // who is disabled takes no tokens
    let waits = ProviderRecord { enabled: false, ..takes(provider(None, "waits"), "api") };
    kept(&registry, &waits).await.expect("kept");

    let mut tx = registry.api().await;
    let read = providers::get(&mut tx, acmes.id).await.expect("there");
    let same = ProviderRecord { created_at: read.created_at, updated_at: read.updated_at, ..acmes.clone() };
    assert_eq!((&read, read.trust()), (&same, Trust::Tenant(acme)));
    let by_name = providers::by_name(&mut tx, None, &platforms.name).await.expect("there");
    assert_eq!((by_name.id, by_name.trust()), (platforms.id, Trust::Platform));
    let ids = |records: Vec<ProviderRecord>| records.iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(providers::list(&mut tx, Some(acme)).await.expect("a list")), [acmes.id]);
    assert_eq!(ids(providers::list(&mut tx, None).await.expect("a list")), [platforms.id, waits.id]);
    assert_eq!(ids(providers::offered(&mut tx, Some(acme)).await.expect("a list")), [acmes.id, platforms.id]);
    assert_eq!(ids(providers::offered(&mut tx, None).await.expect("a list")), [platforms.id]);
    let issuer = platforms.issuer.as_str();
    let taken = ids(providers::for_bearer(&mut tx, issuer).await.expect("a list"));
    assert_eq!(taken, [platforms.id, globexs.id]);
    tenants::delete(&mut tx, globex, tenants::Deletion::Keep(Duration::from_secs(60)), "x")
        .await
        .expect("deleted");
    assert_eq!(ids(providers::for_bearer(&mut tx, issuer).await.expect("a list")), [platforms.id]);
    assert!(matches!(providers::hold_enabled(&mut tx, globexs.id).await, Err(Error::NotFound)));
    assert!(matches!(providers::hold_enabled(&mut tx, waits.id).await, Err(Error::NotFound)));
    assert!(providers::hold_enabled(&mut tx, acmes.id).await.is_ok());
    let read = providers::lock(&mut tx, None, &waits.name).await.expect("there");
    let changed =
        ProviderRecord { title: "Ours".to_owned(), secret: None, scopes: "openid".to_owned(), ..read };
    providers::update(&mut tx, &changed).await.expect("changed");
    let read = providers::lock(&mut tx, None, &waits.name).await.expect("there");
    assert_eq!(ProviderRecord { updated_at: changed.updated_at, ..read.clone() }, changed);
    let refused = providers::update(&mut tx, &ProviderRecord { enabled: true, ..read }).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::BearerTaken))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_by_a_provider_ends_with_it_and_a_tenant_ends_its_own_alone() {
    let registry = Registry::start().await;
    let release = release(&registry, "r1").await;
    let acme = create(&registry, "acme", release).await.tenant;
    let (ada, eve) = (person(&registry).await, person(&registry).await);
    let (platforms, acmes) = (provider(None, "main"), provider(Some(acme), "main"));
    for one in [&platforms, &acmes] {
        kept(&registry, one).await.expect("kept");
    }
    let by_platforms = session(&registry, ada, &platforms).await;
    let by_acmes = session(&registry, ada, &acmes).await;
    let of_eve = session(&registry, eve, &acmes).await;
    let holder = sessions::holder(&mut registry.api().await, by_acmes).await.expect("asked").expect("live");
    assert_eq!((holder.provider, holder.only_tenant), (Some(acmes.id), Some(acme)));

    let mut tx = registry.api().await;
    identities::link(&mut tx, acmes.id, "s-1", ada, Some("ada@example.test")).await.expect("linked");
    tx.commit().await.expect("committed");
    for (subject, user) in [("s-1", eve), ("s-2", ada)] {
        let mut tx = registry.api().await;
        let refused = identities::link(&mut tx, acmes.id, subject, user, None).await;
        assert!(matches!(refused, Err(Error::Conflict(Conflict::LinkedAlready))), "{refused:?}");
    }
    let mut tx = registry.api().await;
    identities::touch(&mut tx, acmes.id, "s-1", None).await.expect("touched");
    let found = identities::find(&mut tx, acmes.id, "s-1").await.expect("asked").expect("there");
    assert_eq!((found.user_id, found.email.as_deref()), (ada, Some("ada@example.test")));
    assert_eq!(identities::of_provider_and_user(&mut tx, acmes.id, ada).await.expect("asked"), Some(found));
    assert_eq!(identities::find(&mut tx, platforms.id, "s-1").await.expect("asked"), None);
    let links = identities::of_user(&mut tx, ada).await.expect("a list");
    assert_eq!(links.iter().map(|link| link.tenant_id).collect::<Vec<_>>(), [Some(acme)]);
    drop(tx);

    // within the tenant's scope, its own sessions and no others are ended
    let mut tx = registry.api.begin(Scope::Tenant(acme)).await.expect("a transaction");
    assert_eq!(sessions::revoke_by_provider(&mut tx, platforms.id, None, "x").await.expect("asked"), 0);
    assert_eq!(sessions::revoke_by_provider(&mut tx, acmes.id, Some(eve), "x").await.expect("asked"), 1);
    assert_eq!(providers::known(&mut tx, acmes.id).await.expect("counted"), 1);
    tx.commit().await.expect("committed");
    assert!(!lives(&registry, of_eve).await && lives(&registry, by_acmes).await);
    assert!(lives(&registry, by_platforms).await);

    // disabled, what came by it counts no more, also if nobody ended it
    let mut tx = registry.api().await;
    let off = ProviderRecord { enabled: false, ..platforms.clone() };
    providers::update(&mut tx, &off).await.expect("disabled");
    tx.commit().await.expect("committed");
    assert!(!lives(&registry, by_platforms).await);

    // a provider that is required stays
    let required = "insert into freehold.tenant_policies (tenant_id, required_provider) values ($1, $2)";
    let mut superuser = registry.superuser().await;
    sqlx::query(required).bind(acme.0).bind(acmes.id.0).execute(&mut superuser).await.expect("required");
    let mut tx = registry.api().await;
    let by = providers::required_by(&mut tx, acmes.id, 2).await.expect("asked");
    assert_eq!(by.len(), 1, "{by:?}");
    let refused = providers::remove(&mut tx, acmes.id).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::ProviderRequired))), "{refused:?}");
    drop(tx);
    let mut tx = registry.api().await;
    providers::remove(&mut tx, platforms.id).await.expect("removed");
    tx.commit().await.expect("committed");
    assert!(!lives(&registry, by_platforms).await, "it is no session of a password now");

    // and goes with its tenant, with all that came by it
    sqlx::query("delete from freehold.host_names").execute(&mut superuser).await.expect("gone");
    sqlx::query("delete from freehold.houses").execute(&mut superuser).await.expect("gone");
    sqlx::query("delete from freehold.tenants where id = $1")
        .bind(acme.0)
        .execute(&mut superuser)
        .await
        .expect("gone");
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from freehold.providers) + (select count(*) from freehold.identities)
              + (select count(*) from freehold.sessions)",
    )
    .fetch_one(&mut superuser)
    .await
    .expect("a count");
    assert_eq!(left, 0);
}
