//! What two people do at once.

use std::time::Duration;

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::World;

/// Waits until so many sessions of the api wait for a lock.
pub(super) async fn waiting(sql: &mut PgConnection, many: i64) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let now: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'freehold_api'",
        )
        .fetch_one(&mut *sql)
        .await
        .expect("the activity");
        if now == many {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{now} wait, not {many}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_is_removed_while_writing_has_written_before_it_or_not_at_all() {
    let world = World::start().await;
    let mut sql = world.registry.superuser().await;
    for removed_first in [false, true] {
        let slug = if removed_first { "acme" } else { "globex" };
        world.make(slug).await;
        let leaving = world.member(slug, Role::Admin).await;
        world.member(slug, Role::Owner).await;
        let tenant = format!("/api/v1/tenants/{slug}");
        let member = format!("{tenant}/members/{}", leaving.id);
        // in the cache, as somebody who was just here
        leaving.get(&world, &tenant).await.expect(200);

        // somebody else holds the tenant, so that both wait, in this order
        let mut holder = world.registry.superuser().await;
        let mut tx = holder.begin().await.expect("a transaction");
        sqlx::query("select from freehold.tenants where slug = $1 for update")
            .bind(slug)
            .execute(&mut *tx)
            .await
            .expect("held");
        let write = leaving.ask(&world, Method::PATCH, &tenant, Some(json!({ "name": "Mine" })));
        let remove = world.ask(Method::DELETE, &member, None);
        let (write, remove) = if removed_first {
            let (remove, write) = tokio::join!(remove, async {
                waiting(&mut sql, 1).await;
                let release = async {
                    waiting(&mut sql, 2).await;
                    tx.commit().await.expect("released");
                };
                tokio::join!(write, release).0
            });
            (write, remove)
        } else {
            tokio::join!(write, async {
                waiting(&mut sql, 1).await;
                let release = async {
                    waiting(&mut sql, 2).await;
                    tx.commit().await.expect("released");
                };
                tokio::join!(remove, release).0
            })
        };
        remove.expect(204);
        write.expect(if removed_first { 404 } else { 202 });
        let name = world.get(&tenant).await.expect(200).body["name"].clone();
        assert_eq!(name, if removed_first { slug } else { "Mine" });
        leaving.get(&world, &tenant).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_who_is_made_less_while_they_wait_has_no_say_any_more() {
    let world = World::start().await;
    let mut sql = world.registry.superuser().await;
    world.make("acme").await;
    world.member("acme", Role::Owner).await;
    let tenant = "/api/v1/tenants/acme";
    let invitations = format!("{tenant}/invitations");
    let depot = world.post(&format!("{tenant}/projects"), json!({"name": "Depot"})).await.expect(201).body;
    let open = world.post(&invitations, json!({"email": "open@example.com", "role": "viewer"})).await;
    let open = format!("{invitations}/{}", open.expect(201).body["id"].as_str().expect("an id"));
    let project = format!("{tenant}/projects/{}", depot["slug"].as_str().expect("a slug"));
    let invited = json!({"email": "new@example.com", "role": "viewer"});
    for (method, path, body) in [
        (Method::POST, invitations.clone(), Some(invited)),
        (Method::POST, format!("{open}/resend"), None),
        (Method::DELETE, open.clone(), None),
        (Method::POST, format!("{tenant}/projects"), Some(json!({"name": "Mine"}))),
        (Method::PATCH, project.clone(), Some(json!({"name": "Mine"}))),
        (Method::DELETE, project.clone(), None),
    ] {
        let admin = world.member("acme", Role::Admin).await;
        let member = format!("{tenant}/members/{}", admin.id);
        admin.get(&world, tenant).await.expect(200);
        let mut holder = world.registry.superuser().await;
        let mut tx = holder.begin().await.expect("a transaction");
        sqlx::query("select from freehold.tenants for update").execute(&mut *tx).await.expect("held");
        let demote = world.ask(Method::PATCH, &member, Some(json!({"role": "viewer"})));
        let (demoted, write) = tokio::join!(demote, async {
            waiting(&mut sql, 1).await;
            let release = async {
                waiting(&mut sql, 2).await;
                tx.commit().await.expect("released");
            };
            tokio::join!(admin.ask(&world, method.clone(), &path, body), release).0
        });
        demoted.expect(200);
        assert!([403, 404].contains(&write.status.as_u16()), "{method} {path}: {}", write.text);
    }
}
