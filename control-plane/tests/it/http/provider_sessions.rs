//! Sessions that came by a provider: a tenant's own is good in that tenant alone, and one that is required is the way in.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::World;
use super::invitations::mailed;
use super::oauth::{claims, location};
use super::people::{Person, new_address};
use super::people_sign_up::PASSWORD;

const SECURITY: &str = "/api/v1/tenants/acme/security";

#[tokio::test]
async fn a_session_by_a_tenants_provider_is_good_in_that_tenant_and_for_nothing_of_ones_own() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let provider = world.put_provider(Some("acme"), "entra").await;
    let acme = world.id_of("acme").await;
    let ada = world.member("acme", Role::Owner).await;
    world.join(&ada, "globex", Role::Owner).await;
    world.came_by(&ada, provider).await;

    let me = ada.get(&world, "/api/v1/me").await.expect(200).body;
    assert_eq!((&me["provider"], &me["only_tenant"]), (&json!(provider), &json!(acme)));
    let slugs: Vec<&Value> =
        me["memberships"].as_array().expect("some").iter().map(|one| &one["slug"]).collect();
    assert_eq!(slugs, ["acme"]);
    for path in ["members", "providers", "security", "keys", "audit"] {
        ada.get(&world, &format!("/api/v1/tenants/acme/{path}")).await.expect(200);
        ada.get(&world, &format!("/api/v1/tenants/globex/{path}")).await.expect(404);
    }
    ada.patch(&world, "/api/v1/tenants/globex", json!({"name": "Mine"})).await.expect(404);
    let key = json!({"name": "deploy", "scopes": ["tenant.read"]});
    ada.post(&world, "/api/v1/tenants/acme/keys", key.clone()).await.expect(201);
    // what is theirs beyond the tenant is not for whoever runs the tenant's provider
    let password = json!({"current_password": "-", "password": "correct horse battery staple"});
    let other = world.user(&new_address()).await;
    let another = format!("/api/v1/me/sessions/{}", other.session);
    for (method, path, body) in [
        (Method::POST, "/api/v1/me/password", Some(password)),
        (Method::GET, "/api/v1/me/sessions", None),
        (Method::DELETE, "/api/v1/me/sessions", None),
        (Method::DELETE, another.as_str(), None),
        (Method::GET, "/api/v1/me/keys", None),
        (Method::POST, "/api/v1/me/keys", Some(key)),
        (Method::POST, "/api/v1/me/second-factor", None),
        (Method::DELETE, "/api/v1/me/second-factor", Some(json!({"password": "-", "code": "-"}))),
        (Method::POST, "/api/v1/me/recovery-codes", Some(json!({"password": "-"}))),
        (Method::GET, "/api/v1/me/signups", None),
        (Method::POST, "/api/v1/signups", Some(json!({"name": "Depot", "slug": "depot"}))),
        (Method::POST, "/api/v1/tenants/globex/signups", Some(json!({}))),
    ] {
        let answer = ada.ask(&world, method.clone(), path, body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
        let detail = answer.body["detail"].as_str().expect("a detail");
        assert!(detail.contains("a tenant's own provider"), "{method} {path}: {detail}");
    }
    // an invitation would be another place
    let invited = json!({"email": ada.email, "role": "owner"});
    world.make("initech").await;
    world.post("/api/v1/tenants/initech/invitations", invited).await.expect(201);
    let token = mailed(&world, &ada.email).await;
    ada.post(&world, "/api/v1/invitations/accept", json!({"token": token})).await.expect(403);
    ada.ask(&world, Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    ada.get(&world, "/api/v1/me").await.expect(401);
}

#[tokio::test]
async fn a_session_by_a_tenants_provider_gets_into_that_tenants_app_alone() {
    let world = World::start().await;
    let (acme, globex) = (world.client("acme").await, world.client("globex").await);
    let provider = world.put_provider(Some("acme"), "entra").await;
    let (ada, cookie) = world.visitor("acme", Role::Member).await;
    world.join(&ada, "globex", Role::Owner).await;
    world.came_by(&ada, provider).await;
    sqlx::query("update freehold.users set verified_at = null where id = $1")
        .bind(ada.id.0)
        .execute(&mut world.registry.superuser().await)
        .await
        .expect("of whom the platform has no proof");
    let tokens = world.signed_in(&acme, &cookie).await;
    assert_eq!(world.introspect(&acme, &tokens["access_token"]).await["active"], true);
    let id = claims(&tokens["id_token"]);
    assert_eq!((&id["email_verified"], &id["amr"]), (&json!(false), &Value::Null), "{id}");
    // elsewhere it is as if nobody were signed in
    let asked = globex.asks();
    let answer = world.authorize(&asked, &cookie).await;
    assert_eq!(location(&answer).0, "/sign-in", "{}", answer.header("location"));
    let silent = world.authorize(&asked.but("prompt", "none"), &cookie).await;
    assert_eq!(location(&silent).1.get("error"), Some("login_required"), "{}", silent.header("location"));
    // the same person by password
    let by_password = Person { session: world.session_of(ada.id).await, ..ada };
    world.signed_in(&globex, &world.browser(&by_password).await).await;
    // and with the provider goes what it gave
    let path = "/api/v1/tenants/acme/providers/entra";
    world.ask(Method::PATCH, path, Some(json!({"enabled": false}))).await.expect(200);
    assert_eq!(world.introspect(&acme, &tokens["access_token"]).await["active"], false);
    assert_eq!(world.refresh(&acme, &tokens).await.status, 400);
}

#[tokio::test]
async fn a_provider_that_is_required_is_the_way_in_and_owners_have_another() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let provider = world.put_provider(Some("acme"), "entra").await;
    let other = world.put_provider(None, "main").await;
    world.make("globex").await;
    let globexs = world.put_provider(Some("globex"), "entra").await;
    let owner = world.member("acme", Role::Owner).await;
    let (admin, admin_cookie) = world.visitor("acme", Role::Admin).await;
    let (by_it, cookie) = world.visitor("acme", Role::Admin).await;
    world.came_by(&by_it, provider).await;
    let (by_other, other_cookie) = world.visitor("acme", Role::Owner).await;
    world.came_by(&by_other, other).await;
    let before = world.signed_in(&client, &admin_cookie).await;

    // who did not come by it would shut themselves out; what is not there cannot be required
    let required = json!({"required_provider": "entra"});
    for person in [&owner, &admin, &by_other] {
        person.patch(&world, SECURITY, required.clone()).await.expect(409);
    }
    for unknown in [json!("nothing"), json!(globexs), json!("../x"), json!("")] {
        let refused = by_it.patch(&world, SECURITY, json!({"required_provider": unknown})).await.expect(422);
        assert_eq!(refused.fields(), ["required_provider"]);
    }
    by_it.patch(&world, SECURITY, json!({"required_provider": "main"})).await.expect(409);
    let changed = by_it.patch(&world, SECURITY, required.clone()).await.expect(200).body;
    assert_eq!(changed["required_provider"], json!(provider));
    by_it.patch(&world, SECURITY, json!({"signups": "closed"})).await.expect(200);

    by_it.get(&world, "/api/v1/tenants/acme").await.expect(200);
    for person in [&owner, &admin, &by_other] {
        let refused = person.get(&world, "/api/v1/tenants/acme").await.expect(403);
        assert!(refused.text.contains("its provider"), "{}", refused.text);
        let me = person.get(&world, "/api/v1/me").await.expect(200).body;
        assert_eq!(me["memberships"][0]["required_provider"], json!(provider));
    }
    // apps obey, also with what they were given before
    for cookie in [&admin_cookie, &other_cookie] {
        let answer = world.authorize(&client.asks(), cookie).await;
        assert_eq!(location(&answer).0, "/sign-in", "{}", answer.header("location"));
    }
    let silent = world.authorize(&client.asks().but("prompt", "none"), &admin_cookie).await;
    assert_eq!(location(&silent).1.get("error"), Some("interaction_required"));
    assert_eq!(world.introspect(&client, &before["access_token"]).await["active"], false);
    assert_eq!(world.refresh(&client, &before).await.status, 400);
    world.signed_in(&client, &cookie).await;
    // it cannot go while it is required
    let path = "/api/v1/tenants/acme/providers/entra";
    world.ask(Method::PATCH, path, Some(json!({"enabled": false}))).await.expect(409);
    world.ask(Method::DELETE, path, None).await.expect(409);
    // an owner comes in with password and second factor, and ends it
    sqlx::query("update freehold.sessions set second_factor = true where id = any($1)")
        .bind([owner.session.0, admin.session.0])
        .execute(&mut world.registry.superuser().await)
        .await
        .expect("a second factor");
    world.until(&owner, "/api/v1/tenants/acme", 200).await;
    admin.get(&world, "/api/v1/tenants/acme").await.expect(403);
    let ended = owner.patch(&world, SECURITY, json!({"required_provider": null})).await.expect(200).body;
    assert_eq!(ended["required_provider"], Value::Null);
    admin.get(&world, "/api/v1/tenants/acme").await.expect(200);
    world.ask(Method::PATCH, path, Some(json!({"enabled": false}))).await.expect(200);
    // one that is disabled is none to require, not even for platform admins, who need not come by it themselves
    world.ask(Method::PATCH, SECURITY, Some(required)).await.expect(422);
    world.ask(Method::PATCH, SECURITY, Some(json!({"required_provider": "main"}))).await.expect(200);
    by_other.get(&world, "/api/v1/tenants/acme").await.expect(200);
    let refused = world.ask(Method::DELETE, "/api/v1/providers/main", None).await.expect(409);
    assert!(refused.text.contains("acme"), "{}", refused.text);
    assert_eq!(world.audited("security.update", "acme").await.len(), 4);
    // the platform's can be switched off all the same: it may be somebody else's by now
    let path = "/api/v1/providers/main";
    world.ask(Method::PATCH, path, Some(json!({"enabled": false}))).await.expect(200);
    world.until(&by_other, "/api/v1/me", 401).await;
    owner.get(&world, "/api/v1/tenants/acme").await.expect(200);
    admin.get(&world, "/api/v1/tenants/acme").await.expect(403);
    world.ask(Method::DELETE, path, None).await.expect(409);
    world.ask(Method::PATCH, path, Some(json!({"enabled": true}))).await.expect(200);
    by_other.get(&world, "/api/v1/me").await.expect(401);
}

/// Has somebody's session have begun that many hours ago, and everybody hear of it.
async fn began(world: &World, person: &Person, hours: i32) {
    sqlx::query(
        "with older as (update freehold.sessions set created_at = now() - make_interval(hours => $2) where id = $1)
         select pg_notify('people', 'user ' || $3::text)",
    )
    .bind(person.session.0)
    .bind(hours)
    .bind(person.id.0)
    .execute(&mut world.registry.superuser().await)
    .await
    .expect("a session");
}

#[tokio::test]
async fn a_session_by_a_provider_ends_after_its_hours_whatever_prolongs_it() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let platforms = world.put_provider(None, "main").await;
    let own = world.put_provider(Some("acme"), "entra").await;
    let mut sql = world.registry.superuser().await;
    for provider in [Some(platforms), Some(own), None] {
        let (ada, cookie) = world.visitor("acme", Role::Member).await;
        if let Some(provider) = provider {
            world.came_by(&ada, provider).await;
        }
        let tokens = world.signed_in(&client, &cookie).await;
        began(&world, &ada, 11).await;
        world.until(&ada, "/api/v1/me", 200).await;
        assert_eq!(world.refresh(&client, &tokens).await.status, 200);
        world.browse("/account", &cookie).await;
        assert_eq!(world.introspect(&client, &tokens["access_token"]).await["active"], true);
        began(&world, &ada, 13).await;
        let Some(_) = provider else {
            assert_eq!(world.refresh(&client, &tokens).await.status, 200, "by password it goes on");
            continue;
        };
        world.until(&ada, "/api/v1/me", 401).await;
        assert_eq!(world.refresh(&client, &tokens).await.status, 400);
        assert_eq!(world.introspect(&client, &tokens["access_token"]).await["active"], false);
        let answer = world.authorize(&client.asks(), &cookie).await;
        assert_eq!(location(&answer).0, "/sign-in", "{}", answer.header("location"));
    }
    // one that goes on by refresh tokens, and how long each of them says that it lasts
    let email = world.registered().await;
    let begin = async || world.log_in(&email, PASSWORD).await.expect(200).body;
    let refresh = async |tokens: &Value| {
        world.anyone("refresh", json!({"refresh_token": tokens["refresh_token"]})).await
    };
    let by_provider = begin().await;
    sqlx::query("update freehold.sessions set provider_id = $1, created_at = now() - interval '11 hours'")
        .bind(platforms.0)
        .execute(&mut sql)
        .await
        .expect("a session");
    let tokens = refresh(&by_provider).await.expect(200).body;
    let lasts: i64 = sqlx::query_scalar(
        "select extract(epoch from expires_at - created_at)::bigint from freehold.sessions where id = $1::uuid",
    )
    .bind(tokens["session_id"].as_str().expect("an id"))
    .fetch_one(&mut sql)
    .await
    .expect("a session");
    assert_eq!(lasts, 12 * 3_600);
    sqlx::query("update freehold.sessions set created_at = now() - interval '13 hours', expires_at = now() + interval '1 day'")
        .execute(&mut sql)
        .await
        .expect("a session");
    refresh(&tokens).await.expect(401);
}

#[tokio::test]
async fn a_key_is_let_in_where_a_provider_is_required_if_it_was_made_for_that_tenant_by_whoever_was_let_in() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let provider = world.put_provider(None, "main").await;
    let admin = world.member("acme", Role::Admin).await;
    let by_it = world.member("acme", Role::Admin).await;
    world.came_by(&by_it, provider).await;
    let (mine, acmes) = ("/api/v1/me/keys", "/api/v1/tenants/acme/keys");
    let wish = |tenant: Option<&str>| json!({"name": "x", "scopes": ["tenant.read"], "tenant": tenant});
    let (wide, before) = world.key_with(&admin, mine, wish(None)).await;
    let (bound, bound_before) = world.key_with(&admin, mine, wish(Some("acme"))).await;
    let (_, tenants_before) = world.key(&admin, acmes, &["tenant.read"]).await;
    let required = json!({"required_provider": "main"});
    by_it.patch(&world, SECURITY, required).await.expect(200);

    // what was made for the tenant while its maker was let in goes on; what is good anywhere is not let in
    let acme = "/api/v1/tenants/acme";
    assert_eq!(world.with_key(&bound_before, acme).await, 200);
    assert_eq!(world.with_key(&tenants_before, acme).await, 200);
    let refused = world.ask_as(&before, Method::GET, acme, None).await.expect(403);
    assert!(refused.text.contains("made for this tenant"), "{}", refused.text);
    // who is not let in makes none that is, nor has one take another's place
    admin.post(&world, mine, wish(Some("acme"))).await.expect(403);
    admin.post(&world, acmes, json!({"name": "x", "scopes": ["tenant.read"]})).await.expect(403);
    admin.post(&world, mine, wish(None)).await.expect(403);
    for id in [&wide, &bound] {
        admin.post(&world, &format!("{mine}/{id}/rotate"), json!({})).await.expect(403);
    }
    // who is let in elsewhere makes one that is good there
    world.join(&admin, "globex", Role::Member).await;
    world.until(&admin, "/api/v1/tenants/globex", 200).await;
    let (_, elsewhere) = world.key_with(&admin, mine, wish(None)).await;
    assert_eq!(world.with_key(&elsewhere, "/api/v1/tenants/globex").await, 200);
    assert_eq!(world.with_key(&elsewhere, acme).await, 403);
    // and who came by the provider makes one for the tenant, but none that is good everywhere is let in
    let (_, by_provider) = world.key_with(&by_it, mine, wish(Some("acme"))).await;
    assert_eq!(world.with_key(&by_provider, acme).await, 200);
    let (_, unbound) = world.key_with(&by_it, mine, wish(None)).await;
    assert_eq!(world.with_key(&unbound, acme).await, 403);
}
