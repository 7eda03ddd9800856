//! Members: listed, changed and removed by whoever may, and never so that a tenant is left without an owner.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::World;
use super::people::{Person, new_address};

const MEMBERS: &str = "/api/v1/tenants/acme/members";

fn of(person: &Person) -> String {
    format!("{MEMBERS}/{}", person.id)
}

/// What the audit log holds of an action: target and diff.
async fn told(world: &World, action: &str) -> Vec<(String, Option<Value>)> {
    let mut sql = world.registry.superuser().await;
    let rows: Vec<(String, Option<Value>)> =
        sqlx::query_as("select target, diff::jsonb from freehold.audit where action = $1 order by at, id")
            .bind(action)
            .fetch_all(&mut sql)
            .await
            .expect("the audit log");
    rows
}

#[tokio::test]
async fn members_are_listed_page_by_page_for_those_who_may() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let owner = world.member("acme", Role::Owner).await;
    let viewer = world.member("acme", Role::Viewer).await;
    let stranger = world.member("globex", Role::Owner).await;
    for role in [Role::Admin, Role::Developer, Role::Member] {
        world.member("acme", role).await;
    }
    let whole = owner.get(&world, MEMBERS).await.expect(200).body;
    let emails: Vec<&str> =
        whole["items"].as_array().expect("items").iter().filter_map(|one| one["email"].as_str()).collect();
    assert_eq!(emails.len(), 5);
    assert!(emails.is_sorted(), "{emails:?}");
    let mut paged = Vec::new();
    let mut path = format!("{MEMBERS}?limit=2");
    loop {
        let page = owner.get(&world, &path).await.expect(200).body;
        paged.extend(page["items"].as_array().expect("items").clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("{MEMBERS}?limit=2&cursor={next}");
    }
    assert_eq!(json!(paged), whole["items"]);
    let some = owner.get(&world, &format!("{MEMBERS}?role=owner,viewer")).await.expect(200).body;
    assert_eq!(some["items"].as_array().expect("items").len(), 2);
    let one = owner.get(&world, &format!("{MEMBERS}?search={}", &viewer.email[..12])).await.expect(200).body;
    assert_eq!(one["items"][0]["user"], viewer.id.to_string());
    assert_eq!(owner.get(&world, &of(&viewer)).await.expect(200).body["role"], "viewer");
    let by_email = owner.get(&world, &format!("{MEMBERS}/{}", viewer.email)).await.expect(200).body;
    assert_eq!(by_email["user"], viewer.id.to_string());
    // who may not, and who may not even know
    viewer.get(&world, MEMBERS).await.expect(403);
    stranger.get(&world, MEMBERS).await.expect(404);
    stranger.get(&world, &of(&viewer)).await.expect(404);
    owner.get(&world, &of(&stranger)).await.expect(404);
    world.ask_as("", Method::GET, MEMBERS, None).await.expect(401);
    for (query, field) in [("role=king", "role"), ("limit=0", "limit"), ("cursor=x", "cursor")] {
        let refused = owner.get(&world, &format!("{MEMBERS}?{query}")).await.expect(422);
        assert_eq!(refused.fields(), [field]);
    }
}

#[tokio::test]
async fn nobody_gives_or_takes_what_is_above_themselves() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let admin = world.member("acme", Role::Admin).await;
    let member = world.member("acme", Role::Member).await;
    admin.patch(&world, &of(&owner), json!({"role": "viewer"})).await.expect(403);
    admin.patch(&world, &of(&owner), json!({"suspended": true})).await.expect(403);
    admin.delete(&world, &of(&owner)).await.expect(403);
    admin.patch(&world, &of(&member), json!({"role": "owner"})).await.expect(403);
    admin.patch(&world, &of(&admin), json!({"role": "owner"})).await.expect(403);
    admin.patch(&world, &of(&admin), json!({"suspended": true})).await.expect(403);
    member.patch(&world, &of(&member), json!({"role": "admin"})).await.expect(403);
    member.delete(&world, &of(&admin)).await.expect(403);
    admin.patch(&world, &of(&member), json!({"role": "king"})).await.expect(422);
    admin.patch(&world, &of(&member), json!({"name": "x"})).await.expect(422);
    let raised = admin.patch(&world, &of(&member), json!({"role": "developer"})).await.expect(200).body;
    assert_eq!(raised["role"], "developer");
    // asked for again, it is so already and told no second time
    admin.patch(&world, &of(&member), json!({"role": "developer"})).await.expect(200);
    let diff = json!({"role": {"before": "member", "after": "developer"}});
    assert_eq!(told(&world, "member.update").await, [(member.email.clone(), Some(diff))]);
    let out = admin.patch(&world, &of(&member), json!({"suspended": true})).await.expect(200).body;
    assert_eq!(out["suspended"], true);
    world.until(&member, "/api/v1/tenants/acme", 403).await;
    admin.patch(&world, &of(&member), json!({"suspended": false})).await.expect(200);
    world.until(&member, "/api/v1/tenants/acme", 200).await;
    admin.delete(&world, &of(&member)).await.expect(204);
    world.until(&member, "/api/v1/tenants/acme", 404).await;
    admin.delete(&world, &of(&member)).await.expect(404);
    assert_eq!(told(&world, "member.remove").await.len(), 1);
}

#[tokio::test]
async fn a_tenant_keeps_an_owner_and_is_handed_over() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let admin = world.member("acme", Role::Admin).await;
    let idle = world.member("acme", Role::Owner).await;
    owner.patch(&world, &of(&idle), json!({"suspended": true})).await.expect(200);
    // an owner who is suspended is none who could act
    owner.delete(&world, &of(&owner)).await.expect(409);
    owner.patch(&world, &of(&owner), json!({"role": "admin"})).await.expect(409);
    for change in [json!({"role": "admin"}), json!({"suspended": true})] {
        world.ask(Method::PATCH, &of(&owner), Some(change)).await.expect(409);
    }
    world.ask(Method::DELETE, &of(&owner), None).await.expect(409);
    let ownership = "/api/v1/tenants/acme/ownership";
    admin.post(&world, ownership, json!({"user": admin.id.to_string()})).await.expect(403);
    owner.post(&world, ownership, json!({"user": idle.id.to_string()})).await.expect(409);
    owner.post(&world, ownership, json!({"user": owner.id.to_string()})).await.expect(409);
    let refused = owner.post(&world, ownership, json!({"user": new_address()})).await.expect(422);
    assert_eq!(refused.fields(), ["user"]);
    let heir = owner.post(&world, ownership, json!({"user": admin.email})).await.expect(200).body;
    assert_eq!((heir["user"].as_str(), heir["role"].as_str()), (Some(&*admin.id.to_string()), Some("owner")));
    assert_eq!(world.get(&of(&owner)).await.expect(200).body["role"], "admin");
    world.until_refused(&owner, ownership, json!({"user": owner.id.to_string()})).await;
    // now that there is another, they may go
    owner.delete(&world, &of(&owner)).await.expect(204);
    assert_eq!(told(&world, "member.leave").await.len(), 1);
    assert_eq!(told(&world, "ownership.hand_over").await[0].0, admin.email);
}

#[tokio::test]
async fn the_platform_adds_people_within_the_plan_and_may_empty_a_tenant() {
    let world = World::start_with(|settings| {
        for plan in settings.plans.values_mut() {
            plan.members = Some(2);
        }
    })
    .await;
    world.make("acme").await;
    let ada = world.user(&new_address()).await;
    let grace = world.user(&new_address()).await;
    let body = |email: &str, role: &str| json!({"email": email, "role": role});
    let nobody = world.post(MEMBERS, body(&new_address(), "owner")).await.expect(422);
    assert_eq!(nobody.fields(), ["email"]);
    world.post(MEMBERS, body(&ada.email.to_uppercase(), "owner")).await.expect(201);
    assert_eq!(world.post(MEMBERS, body(&ada.email, "viewer")).await.expect(409).body["code"], "not_now");
    world.until(&ada, "/api/v1/tenants/acme", 200).await;
    ada.post(&world, MEMBERS, body(&grace.email, "viewer")).await.expect(403);
    grace.post(&world, MEMBERS, body(&grace.email, "viewer")).await.expect(404);
    // two at once for the one place that is left
    for _ in 0..3 {
        let rival = world.user(&new_address()).await;
        let (one, two) = tokio::join!(
            world.post(MEMBERS, body(&grace.email, "viewer")),
            world.post(MEMBERS, body(&rival.email, "viewer")),
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text, two.text);
        let winner = if one.status == 201 { &grace } else { &rival };
        world.ask(Method::DELETE, &of(winner), None).await.expect(204);
    }
    world.ask(Method::DELETE, &of(&ada), None).await.expect(204);
    assert_eq!(world.get(MEMBERS).await.expect(200).body["items"], json!([]));
}

#[tokio::test]
async fn of_the_last_two_owners_who_leave_at_once_one_stays() {
    let world = World::start().await;
    world.make("acme").await;
    let mut one = world.member("acme", Role::Owner).await;
    let mut two = world.member("acme", Role::Owner).await;
    for round in 0..8 {
        let (mine, yours) = (of(&one), of(&two));
        let down = |path| one.patch(&world, path, json!({"role": "viewer"}));
        // leaving against leaving, stepping down against leaving, and each taking the other out
        let (first, second) = match round % 3 {
            0 => tokio::join!(one.delete(&world, &mine), two.delete(&world, &yours)),
            1 => tokio::join!(down(&mine), two.delete(&world, &yours)),
            _ => tokio::join!(one.delete(&world, &yours), two.delete(&world, &mine)),
        };
        let done = [&first, &second].iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(done, 1, "round {round}: {} {}", first.text, second.text);
        let owners = world.get(&format!("{MEMBERS}?role=owner")).await.expect(200).body;
        assert_eq!(owners["items"].as_array().expect("items").len(), 1, "{owners}");
        let left = owners["items"][0]["user"].as_str().expect("an id").to_owned();
        let gone = if left == one.id.to_string() { &mut two } else { &mut one };
        *gone = world.member("acme", Role::Owner).await;
    }
}
