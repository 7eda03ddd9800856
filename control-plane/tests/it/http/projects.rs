//! Projects: seen by those who are in them or may see all, and run by their maintainers.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::World;
use super::people::Person;

const PROJECTS: &str = "/api/v1/tenants/acme/projects";

fn path(slug: &str) -> String {
    format!("{PROJECTS}/{slug}")
}

fn place(slug: &str, person: &Person) -> String {
    format!("{PROJECTS}/{slug}/members/{}", person.id)
}

fn slugs(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().filter_map(|one| one["slug"].as_str()).collect()
}

async fn put(world: &World, by: &Person, path: &str, role: &str) -> super::Answer {
    by.ask(world, Method::PUT, path, Some(json!({ "role": role }))).await
}

#[tokio::test]
async fn a_project_is_made_seen_and_run_by_whoever_may() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let admin = world.member("acme", Role::Admin).await;
    let maker = world.member("acme", Role::Developer).await;
    let member = world.member("acme", Role::Member).await;
    let viewer = world.member("acme", Role::Viewer).await;
    let stranger = world.member("globex", Role::Owner).await;
    member.post(&world, PROJECTS, json!({"name": "No"})).await.expect(403);
    stranger.post(&world, PROJECTS, json!({"name": "No"})).await.expect(404);
    let made = maker.post(&world, PROJECTS, json!({"name": "Night shift"})).await.expect(201).body;
    assert_eq!((made["slug"].as_str(), made["role"].as_str()), (Some("night-shift"), Some("maintainer")));
    let again = maker.post(&world, PROJECTS, json!({"name": "Night  Shift!"})).await.expect(409);
    assert_eq!(again.body["code"], "slug_taken");
    world.post(PROJECTS, json!({"name": "Depot", "slug": "depot"})).await.expect(201);
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "x", "slug": "A B"}), "slug"),
        (json!({"name": "x", "slug": made["id"]}), "slug"),
        (json!({"name": "日本"}), "slug"),
        (json!({"name": "x", "role": "x"}), "role"),
    ] {
        assert_eq!(maker.post(&world, PROJECTS, body).await.expect(422).fields(), [field]);
    }
    // another tenant's project of the same slug is another
    world.post("/api/v1/tenants/globex/projects", json!({"name": "Night shift"})).await.expect(201);
    there_are_a_thousand_at_the_most(&world, &maker).await;
    let all = member.get(&world, PROJECTS).await.expect(200).body;
    assert_eq!(slugs(&all), ["depot", "night-shift"]);
    let first = member.get(&world, &format!("{PROJECTS}?limit=1")).await.expect(200).body;
    let next = format!("{PROJECTS}?limit=1&cursor={}", first["next"].as_str().expect("more"));
    assert_eq!(slugs(&member.get(&world, &next).await.expect(200).body), ["night-shift"]);
    // who may not see all sees those they are in, and nothing of the others
    assert_eq!(slugs(&viewer.get(&world, PROJECTS).await.expect(200).body), Vec::<&str>::new());
    viewer.get(&world, &path("night-shift")).await.expect(404);
    viewer.get(&world, &path("night-shift/members")).await.expect(404);
    viewer.patch(&world, &path("night-shift"), json!({"name": "Mine"})).await.expect(404);
    put(&world, &maker, &place("night-shift", &viewer), "editor").await.expect(200);
    assert_eq!(slugs(&viewer.get(&world, PROJECTS).await.expect(200).body), ["night-shift"]);
    assert_eq!(viewer.get(&world, &path("night-shift")).await.expect(200).body["role"], "editor");
    viewer.get(&world, &path("depot")).await.expect(404);
    // its maintainers run it, whatever they are in the tenant; so do the tenant's admins
    viewer.patch(&world, &path("night-shift"), json!({"name": "Mine"})).await.expect(403);
    member.delete(&world, &path("night-shift")).await.expect(403);
    maker.delete(&world, &path("depot")).await.expect(403);
    put(&world, &maker, &place("night-shift", &viewer), "maintainer").await.expect(200);
    let renamed = viewer.patch(&world, &path("night-shift"), json!({"name": "Late"})).await.expect(200).body;
    assert_eq!((renamed["name"].as_str(), renamed["slug"].as_str()), (Some("Late"), Some("night-shift")));
    admin.delete(&world, &path("depot")).await.expect(204);
    admin.get(&world, &path("depot")).await.expect(404);
    let mut sql = world.registry.superuser().await;
    let told: Vec<String> =
        sqlx::query_scalar("select action from freehold.audit where action like 'project%' order by at, id")
            .fetch_all(&mut sql)
            .await
            .expect("the audit log");
    let verbs: Vec<&str> = told.iter().filter_map(|one| one.strip_prefix("project.")).collect();
    assert_eq!(verbs.join(" "), "create create create create create delete create delete update delete");
    assert_eq!(told.iter().filter(|one| *one == "project_member.put").count(), 2);
}

/// Of a tenant that has two: a third is the last, and another's count is another.
async fn there_are_a_thousand_at_the_most(world: &World, maker: &Person) {
    let mut sql = world.registry.superuser().await;
    let many = "insert into freehold.projects (id, tenant_id, slug, name)
                select gen_random_uuid(), id, 'many-' || n, 'Many' from freehold.tenants, generate_series(1, 997) n
                where slug = 'acme'";
    sqlx::query(many).execute(&mut sql).await.expect("projects");
    maker.post(world, PROJECTS, json!({"name": "Last"})).await.expect(201);
    let refused = maker.post(world, PROJECTS, json!({"name": "One more"})).await.expect(409);
    assert_eq!(refused.body["code"], "not_now");
    assert!(refused.text.contains("there are 1000 projects"), "{}", refused.text);
    world.post("/api/v1/tenants/globex/projects", json!({"name": "Late"})).await.expect(201);
    maker.delete(world, &path("last")).await.expect(204);
    maker.post(world, PROJECTS, json!({"name": "One more"})).await.expect(201);
    maker.delete(world, &path("one-more")).await.expect(204);
    sqlx::query("delete from freehold.projects where slug like 'many-%'")
        .execute(&mut sql)
        .await
        .expect("gone");
}

#[tokio::test]
async fn who_is_in_a_project_belongs_to_the_tenant() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let maker = world.member("acme", Role::Developer).await;
    let member = world.member("acme", Role::Member).await;
    let stranger = world.member("globex", Role::Member).await;
    maker.post(&world, PROJECTS, json!({"name": "Depot"})).await.expect(201);
    put(&world, &maker, &place("depot", &stranger), "viewer").await.expect(404);
    put(&world, &maker, &place("depot", &member), "king").await.expect(422);
    put(&world, &member, &place("depot", &member), "maintainer").await.expect(403);
    put(&world, &maker, &format!("{PROJECTS}/depot/members/{}", member.email), "viewer").await.expect(200);
    let members = maker.get(&world, &path("depot/members")).await.expect(200).body;
    assert_eq!(members["items"].as_array().expect("items").len(), 2);
    let first = maker.get(&world, &path("depot/members?limit=1")).await.expect(200).body;
    let next = path(&format!("depot/members?cursor={}", first["next"].as_str().expect("more")));
    let rest = maker.get(&world, &next).await.expect(200).body;
    assert_eq!(rest["items"][0], members["items"][1]);
    // one may go oneself, and whoever leaves the tenant leaves its projects
    member.delete(&world, &place("depot", &maker)).await.expect(403);
    member.delete(&world, &place("depot", &member)).await.expect(204);
    maker.delete(&world, &place("depot", &member)).await.expect(404);
    put(&world, &maker, &place("depot", &member), "editor").await.expect(200);
    world.ask(Method::DELETE, &format!("/api/v1/tenants/acme/members/{}", member.id), None).await.expect(204);
    let left = maker.get(&world, &path("depot/members")).await.expect(200).body;
    assert_eq!(left["items"].as_array().expect("items").len(), 1);
}

#[tokio::test]
async fn whoever_is_removed_while_being_put_into_a_project_is_not_in_it() {
    let world = World::start().await;
    world.make("acme").await;
    let maker = world.member("acme", Role::Developer).await;
    maker.post(&world, PROJECTS, json!({"name": "Depot"})).await.expect(201);
    for _ in 0..6 {
        let member = world.member("acme", Role::Member).await;
        let target = place("depot", &member);
        let gone = format!("/api/v1/tenants/acme/members/{}", member.id);
        let (put, removed) =
            tokio::join!(put(&world, &maker, &target, "editor"), world.ask(Method::DELETE, &gone, None));
        removed.expect(204);
        assert!([200, 404, 409].contains(&put.status.as_u16()), "{}", put.text);
        let left = maker.get(&world, &path("depot/members")).await.expect(200).body;
        assert_eq!(left["items"].as_array().expect("items").len(), 1, "{left}");
    }
}
