//! Platform admins' second factor: as users have it, at another door.

use axum::http::Method;
use serde_json::{Value, json};

use super::people_second_factor::{code, codes};
use super::{Answer, EMAIL, PASSWORD, World};

const MINE: &str = "/api/v1/me/second-factor";

impl World {
    async fn admin_signs_in(&self, second: Option<&str>) -> Answer {
        let mut body = json!({"email": EMAIL, "password": PASSWORD});
        if let Some(second) = second {
            body["second_factor"] = json!(second);
        }
        self.ask_as("", Method::POST, "/api/v1/admin/sessions", Some(body)).await
    }

    /// Has the admin set a second factor up; its secret and the recovery codes. Their token is an older one from now on.
    async fn admin_sets_up(&self) -> (String, Vec<String>) {
        let begun = self.ask(Method::POST, MINE, None).await.expect(200).body;
        let secret = begun["secret"].as_str().expect("a secret").to_owned();
        let confirmed =
            self.post(&format!("{MINE}/confirm"), json!({"code": code(&secret, -30)})).await.expect(200);
        let mut sql = self.registry.superuser().await;
        // The token that asked is from this second at the soonest.
        sqlx::query("update freehold.admin_second_factors set confirmed_at = now() + interval '1 second'")
            .execute(&mut sql)
            .await
            .expect("a second later");
        (secret, codes(&confirmed))
    }

    async fn set_up_long_ago(&self) {
        let mut sql = self.registry.superuser().await;
        sqlx::query("update freehold.admin_second_factors set confirmed_at = now() - interval '1 day'")
            .execute(&mut sql)
            .await
            .expect("a day ago");
    }
}

fn token(signed_in: &Value) -> String {
    signed_in["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn an_admin_signs_in_with_a_second_factor_and_each_code_is_good_once() {
    let mut world = World::start().await;
    world.post(&format!("{MINE}/confirm"), json!({"code": "123456"})).await.expect(409);
    let (secret, recovery) = world.admin_sets_up().await;
    assert_eq!(recovery.len(), 10);
    // What was given for the password alone is good no more.
    world.get("/api/v1/tenants").await.expect(401);
    world.set_up_long_ago().await;

    assert_eq!(world.admin_signs_in(None).await.expect(401).body["code"], "second_factor_required");
    let now = code(&secret, 0);
    let wrong = json!({"email": EMAIL, "password": "something else", "second_factor": now});
    let refused = world.ask_as("", Method::POST, "/api/v1/admin/sessions", Some(wrong)).await.expect(401);
    assert_eq!(refused.body["code"], "wrong_credentials", "the password comes first");
    world.token = token(&world.admin_signs_in(Some(&now)).await.expect(201).body);
    world.get("/api/v1/tenants").await.expect(200);
    let twice = world.admin_signs_in(Some(&now)).await.expect(401);
    assert_eq!(twice.body["code"], "wrong_second_factor");
    world.admin_signs_in(Some(&recovery[0])).await.expect(201);
    world.admin_signs_in(Some(&recovery[0])).await.expect(401);
    world.ask(Method::POST, MINE, None).await.expect(409);

    let renewed = world.post("/api/v1/me/recovery-codes", json!({"password": PASSWORD})).await.expect(200);
    world.admin_signs_in(Some(&recovery[1])).await.expect(401);
    let last = codes(&renewed).remove(0);
    let remove = |password: &str, code: &str| Some(json!({"password": password, "code": code}));
    let refused = world.ask(Method::DELETE, MINE, remove("something else", &last)).await.expect(422);
    assert_eq!(refused.fields(), ["password"]);
    let refused = world.ask(Method::DELETE, MINE, remove(PASSWORD, "none")).await.expect(422);
    assert_eq!(refused.fields(), ["code"]);
    world.ask(Method::DELETE, MINE, remove(PASSWORD, &last)).await.expect(204);
    world.admin_signs_in(None).await.expect(201);
    assert_eq!(world.letters(EMAIL, "second_factor_changed").await.len(), 2);
    assert_eq!(world.audited("second_factor.set_up", EMAIL).await, ["done"]);
    let tries = world.audited("admin.sign_in", EMAIL).await;
    assert_eq!(tries.iter().filter(|outcome| *outcome == "refused").count(), 4, "{tries:?}");
}

#[tokio::test]
async fn codes_of_an_admin_are_guessed_as_slowly_as_passwords() {
    let world = World::start().await;
    world.admin_sets_up().await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(world.admin_signs_in(Some("000000")).await.status.as_u16());
    }
    assert_eq!(answers[..5], [401; 5]);
    assert_eq!(answers[5], 429);
}

#[tokio::test]
async fn where_it_is_required_an_admin_without_one_may_set_one_up_and_nothing_else() {
    let mut world = World::start_with(|settings| settings.admins_need_second_factor = true).await;
    for path in ["/api/v1/tenants", "/api/v1/audit", "/api/v1/plans", "/api/v1/users"] {
        let refused = world.get(path).await.expect(403);
        assert!(refused.text.contains("second factor"), "{}", refused.text);
    }
    world.post("/api/v1/tenants", json!({"name": "acme"})).await.expect(403);
    let (secret, _) = world.admin_sets_up().await;
    world.set_up_long_ago().await;
    world.token = token(&world.admin_signs_in(Some(&code(&secret, 0))).await.expect(201).body);
    world.get("/api/v1/tenants").await.expect(200);
}
