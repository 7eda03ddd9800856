//! What a key does in a tenant's own matters: it lets nobody in as more than a developer, and is let in as its maker was.

use axum::http::Method;
use control_plane::model::role::Role;
use control_plane::store::Scope;
use control_plane::store::second_factors::{self, Owner};
use serde_json::{Value, json};

use super::World;
use super::api_keys::{ACME, KEYS};
use super::people::{Person, new_address};
use super::people_principals::soon;

#[tokio::test]
async fn whoever_finds_a_key_makes_nobody_an_admin_and_takes_no_owners_place() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let second = world.member("acme", Role::Owner).await;
    let (admin, developer) =
        (world.member("acme", Role::Admin).await, world.member("acme", Role::Developer).await);
    let scopes = ["members.update", "members.invite", "members.remove", "signups.decide"];
    let (_, secret) = world.key(&owner, KEYS, &scopes).await;
    let ask = async |method: Method, path: &str, body: Value| {
        world.ask_as(&secret, method, &format!("{ACME}{path}"), Some(body)).await
    };
    let member = |one: &Person| format!("/members/{}", one.id);
    // an owner's place it takes from nobody, nor from whoever made it
    for one in [&owner, &second] {
        ask(Method::DELETE, &member(one), Value::Null).await.expect(403);
        for change in [json!({"role": "admin"}), json!({"suspended": true}), json!({"role": "viewer"})] {
            ask(Method::PATCH, &member(one), change).await.expect(403);
        }
    }
    // an admin's place it gives nobody, and gives nobody back
    for role in ["owner", "admin"] {
        let refused = ask(Method::PATCH, &member(&developer), json!({"role": role})).await.expect(403);
        assert!(refused.text.contains("an API key"), "{}", refused.text);
        let invite = json!({"email": new_address(), "role": role});
        ask(Method::POST, "/invitations", invite.clone()).await.expect(403);
        let invited = owner.post(&world, &format!("{ACME}/invitations"), invite).await.expect(201).body;
        let resend = format!("/invitations/{}/resend", invited["id"].as_str().expect("an id"));
        ask(Method::POST, &resend, json!({})).await.expect(403);
    }
    ask(Method::PATCH, &member(&admin), json!({"suspended": true})).await.expect(200);
    ask(Method::PATCH, &member(&admin), json!({"suspended": false})).await.expect(403);
    ask(Method::PATCH, &member(&admin), json!({"role": "developer", "suspended": false})).await.expect(200);
    ask(Method::PATCH, &member(&developer), json!({"role": "viewer"})).await.expect(200);
    ask(Method::PATCH, &member(&developer), json!({"role": "developer"})).await.expect(200);
    ask(Method::POST, "/invitations", json!({"email": new_address(), "role": "developer"})).await.expect(201);
    let grace = world.user(&new_address()).await;
    let wish = grace.post(&world, &format!("{ACME}/signups"), json!({})).await.expect(201).body;
    let approve = format!("/signups/{}/approve", wish["id"].as_str().expect("an id"));
    ask(Method::POST, &approve, json!({"role": "admin"})).await.expect(403);
    ask(Method::POST, &approve, json!({"role": "member"})).await.expect(200);
    ask(Method::DELETE, &member(&developer), Value::Null).await.expect(204);
    // nor does it change what is asked of those who sign in, also one that was given that
    world.alter("update freehold.api_keys set scopes = scopes || '{security.update}'").await;
    world.alter("update freehold.users set name = name || ' again'").await;
    ask(Method::PATCH, "/security", json!({"require_second_factor": false})).await.expect(403);
    ask(Method::PATCH, "/security", json!({"required_provider": null})).await.expect(403);
}

#[tokio::test]
async fn a_key_is_let_in_where_a_second_factor_is_required_if_its_maker_gave_one() {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let (_, without) = world.key(&admin, KEYS, &["tenant.read"]).await;
    world.alter("update freehold.sessions set second_factor = true").await;
    world
        .alter(
            "insert into freehold.second_factors (user_id, key_version, nonce, sealed, confirmed_at) \
              select id, 1, '', '', now() from freehold.users",
        )
        .await;
    world
        .alter(
            "insert into freehold.tenant_policies (tenant_id, require_second_factor) \
              select id, true from freehold.tenants",
        )
        .await;
    soon(&world.router, &without, ACME, 403).await;
    world.until(&admin, ACME, 200).await;
    let (_, with) = world.key(&admin, KEYS, &["tenant.read"]).await;
    assert_eq!(world.with_key(&with, ACME).await, 200);
    // another factor is not the one that was given
    let mut tx = world.registry.api.begin(Scope::Person(admin.id)).await.expect("begin");
    second_factors::remove(&mut tx, Owner::User(admin.id)).await.expect("removed");
    tx.commit().await.expect("commit");
    soon(&world.router, &with, ACME, 403).await;
}
