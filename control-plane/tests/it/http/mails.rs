//! Mails, as platform admins see them.

use axum::http::Method;
use control_plane::model::letter::Letter;
use control_plane::model::role::Role;
use control_plane::store::mails;
use serde_json::{Value, json};

use super::World;
use super::people::new_address;

const MAILS: &str = "/api/v1/mails";

impl World {
    /// A letter that is queued to this address; its id.
    pub(super) async fn letter(&self, to: &str) -> String {
        let letter = Letter::PasswordChanged { name: "Ada".to_owned(), address: "local".to_owned() };
        let mut tx = self.registry.api().await;
        let id =
            mails::queue(&mut tx, None, &to.parse().expect("an address"), &letter).await.expect("queued");
        tx.commit().await.expect("commit");
        id.to_string()
    }

    /// Has a mail given up, as the worker does.
    pub(super) async fn give_up(&self, id: &str) {
        let mut sql = self.registry.superuser().await;
        sqlx::query(
            "update freehold.mails set state = 'dead', ended_at = now(), attempts = 8, last_error = 'no room'
              where id = $1::uuid",
        )
        .bind(id)
        .execute(&mut sql)
        .await
        .expect("given up");
    }
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().map(|mail| mail["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn admins_see_what_waits_and_what_was_given_up_and_have_it_tried_again() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let (ada, bob) = (new_address(), new_address());
    let (waits, dead, late) = (world.letter(&ada).await, world.letter(&bob).await, world.letter(&bob).await);
    world.give_up(&dead).await;
    world.give_up(&late).await;

    let all = world.get(MAILS).await.expect(200).body;
    assert_eq!(ids(&all), [&*late, &dead, &waits]);
    let given_up = world.get(&format!("{MAILS}?state=dead&limit=1")).await.expect(200).body;
    assert_eq!(ids(&given_up), [&*late]);
    let cursor = given_up["next"].as_str().expect("more");
    let rest = world.get(&format!("{MAILS}?state=dead&limit=1&cursor={cursor}")).await.expect(200).body;
    assert_eq!((ids(&rest), &rest["next"]), (vec![&*dead], &Value::Null));
    let shown = &rest["items"][0];
    assert_eq!(
        (&shown["recipient"], &shown["kind"], &shown["state"], &shown["attempts"], &shown["last_error"]),
        (&json!(bob), &json!("password_changed"), &json!("dead"), &json!(8), &json!("no room"))
    );
    assert_eq!(shown["can_retry"], true);
    let found = world.get(&format!("{MAILS}?search={ada}")).await.expect(200).body;
    assert_eq!(ids(&found), [&*waits]);
    for (query, field) in [("state=lost", "state"), ("limit=0", "limit"), ("cursor=x", "cursor")] {
        assert_eq!(world.get(&format!("{MAILS}?{query}")).await.expect(422).fields(), [field]);
    }

    let one = world.get(&format!("{MAILS}/{waits}")).await.expect(200).body;
    assert_eq!(
        (&one["state"], &one["can_retry"], &one["text"]),
        (&json!("queued"), &json!(false), &Value::Null)
    );
    assert!(one["due_at"].is_string());
    for nothing in ["none", "00000000-0000-4000-8000-000000000000"] {
        world.get(&format!("{MAILS}/{nothing}")).await.expect(404);
    }
    // What a letter holds, such as a link, is never among it.
    assert!(!world.get(&format!("{MAILS}/{dead}")).await.expect(200).text.contains("Ada"));

    let retry = |id: &str| format!("{MAILS}/{id}/retry");
    owner.post(&world, &retry(&dead), json!({})).await.expect(403);
    owner.get(&world, MAILS).await.expect(403);
    let again = world.ask(Method::POST, &retry(&dead), None).await.expect(200).body;
    assert_eq!((&again["state"], &again["attempts"]), (&json!("queued"), &json!(0)));
    let twice = world.ask(Method::POST, &retry(&dead), None).await.expect(409);
    assert!(twice.text.contains("waits to be sent already"), "{}", twice.text);
    world.ask(Method::POST, &retry(&waits), None).await.expect(409);
    // What it said is emptied after a while; then nobody can have it sent.
    let mut sql = world.registry.superuser().await;
    sqlx::query("update freehold.mails set letter = null where id = $1::uuid")
        .bind(&late)
        .execute(&mut sql)
        .await
        .expect("emptied");
    assert_eq!(world.get(&format!("{MAILS}/{late}")).await.expect(200).body["can_retry"], false);
    let gone = world.ask(Method::POST, &retry(&late), None).await.expect(409);
    assert!(gone.text.contains("what it said is gone"), "{}", gone.text);
    let target = format!("password_changed {bob}");
    assert_eq!(world.audited("mail.retry", &target).await, ["done"]);
}
