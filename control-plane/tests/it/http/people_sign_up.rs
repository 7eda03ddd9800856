//! Coming in: registering, proving an address, signing in, and what nobody can find out on the way.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use super::people::new_address;
use super::{Answer, World};

pub(super) const PASSWORD: &str = "wolkenkuckucksheim am see";

impl World {
    /// Asks as nobody.
    pub(super) async fn anyone(&self, path: &str, body: Value) -> Answer {
        self.ask_as("", Method::POST, &format!("/api/v1/auth/{path}"), Some(body)).await
    }

    /// The letters of a kind to an address, the latest first.
    pub(super) async fn letters(&self, to: &str, kind: &str) -> Vec<Value> {
        let mut sql = self.registry.superuser().await;
        sqlx::query_scalar(
            "select letter from freehold.mails where recipient = $1 and kind = $2 order by created_at desc, id desc",
        )
        .bind(to)
        .bind(kind)
        .fetch_all(&mut sql)
        .await
        .expect("letters")
    }

    /// The secret in the latest letter of a kind to an address.
    pub(super) async fn mailed(&self, to: &str, kind: &str) -> String {
        let letters = self.letters(to, kind).await;
        let link = letters.first().and_then(|letter| letter["link"].as_str()).expect("a link");
        link.split_once("?token=").expect("a secret").1.to_owned()
    }

    pub(super) async fn register(&self, email: &str) -> Answer {
        self.anyone("register", json!({"email": email, "name": "Ada", "password": PASSWORD})).await
    }

    /// A new user with a password and a proven address.
    pub(super) async fn registered(&self) -> String {
        let email = new_address();
        self.register(&email).await.expect(202);
        let token = self.mailed(&email, "verify_email").await;
        self.anyone("verify-email", json!({"token": token})).await.expect(204);
        email
    }

    pub(super) async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.anyone("login", json!({"email": email, "password": password})).await
    }

    pub(super) async fn audited(&self, action: &str, target: &str) -> Vec<String> {
        let mut sql = self.registry.superuser().await;
        sqlx::query_scalar(
            "select outcome from freehold.audit where action = $1 and target = $2 order by at, id",
        )
        .bind(action)
        .bind(target)
        .fetch_all(&mut sql)
        .await
        .expect("entries")
    }
}

#[tokio::test]
async fn somebody_comes_in_is_signed_in_and_goes() {
    let world = World::start().await;
    let email = new_address();
    let sent = json!({"email": format!(" {} ", email.to_uppercase()), "name": " Ada ", "password": PASSWORD,
                      "terms": "2026-11"});
    world.anyone("register", sent).await.expect(202);

    // Not before the address is proven; told to whoever has the password, and to nobody else.
    let early = world.log_in(&email, PASSWORD).await.expect(403);
    assert_eq!(early.body["code"], "email_not_verified");
    world.log_in(&email, "something else").await.expect(401);
    let token = world.mailed(&email, "verify_email").await;
    world.anyone("verify-email", json!({"token": token})).await.expect(204);
    let again = world.anyone("verify-email", json!({"token": token})).await.expect(422);
    assert_eq!(again.fields(), ["token"], "it is good once");

    let signed_in = world.log_in(&email, PASSWORD).await.expect(200).body;
    let access = signed_in["access_token"].as_str().expect("a token");
    let me = world.ask_as(access, Method::GET, "/api/v1/me", None).await.expect(200).body;
    assert_eq!((&me["email"], &me["name"]), (&json!(email), &json!("Ada")));
    assert_eq!((&me["id"], &me["memberships"]), (&signed_in["user_id"], &json!([])));
    world.ask_as(access, Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    world.ask_as(access, Method::GET, "/api/v1/me", None).await.expect(401);
    world.anyone("refresh", json!({"refresh_token": signed_in["refresh_token"]})).await.expect(401);

    assert_eq!(world.audited("user.register", &email).await, ["done"]);
    assert_eq!(world.audited("user.sign_in", &email).await, ["refused", "refused", "done"]);
    assert_eq!(world.audited("user.sign_out", &email).await, ["done"]);
    let mut sql = world.registry.superuser().await;
    let terms: String = sqlx::query_scalar("select terms_version from freehold.users where email = $1")
        .bind(&email)
        .fetch_one(&mut sql)
        .await
        .expect("the user");
    assert_eq!(terms, "2026-11");
}

/// An answer that does not come as soon as all is done, when its time would tell what that was.
async fn at_the_beat(answer: impl Future<Output = Answer>) -> Answer {
    let begun = Instant::now();
    let answer = answer.await;
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}: {}", begun.elapsed(), answer.text);
    answer
}

#[tokio::test]
async fn nobody_finds_out_who_has_an_account() {
    let world = World::start().await;
    let (known, unknown) = (world.registered().await, new_address());
    // Each for an address that has an account, and one that has none.
    let mut answers = Vec::new();
    for email in [&known, &unknown] {
        let asked = json!({"email": email});
        let weak = json!({"email": email, "name": "Ada", "password": "password1234"});
        answers.push([
            at_the_beat(world.anyone("forgot-password", asked.clone())).await.expect(202),
            at_the_beat(world.anyone("resend-verification", asked)).await.expect(202),
            at_the_beat(world.log_in(email, "something else")).await.expect(401),
            at_the_beat(world.register(email)).await.expect(202),
            at_the_beat(world.anyone("register", weak)).await.expect(422),
        ]);
    }
    let of_unknown = answers.pop().expect("two");
    let of_known = answers.pop().expect("two");
    for (one, other) in of_known.iter().zip(&of_unknown) {
        assert_eq!((one.status, &one.text), (other.status, &other.text));
        let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(one), names(other));
    }
    // Their owners are told what is theirs to know.
    assert_eq!(world.letters(&known, "already_registered").await.len(), 1);
    assert_eq!(world.letters(&known, "reset_password").await.len(), 1);
    assert_eq!(world.letters(&unknown, "verify_email").await.len(), 1);
    assert!(world.letters(&unknown, "reset_password").await.is_empty());
}

#[tokio::test]
async fn only_the_last_who_registered_an_address_is_let_in_by_its_mail() {
    let world = World::start().await;
    let email = new_address();
    let stranger = json!({"email": email, "name": "Eve", "password": "somebody elses secret 7"});
    world.anyone("register", stranger).await.expect(202);
    let first = world.mailed(&email, "verify_email").await;
    world.register(&email).await.expect(202);
    world.anyone("verify-email", json!({"token": first})).await.expect(422);
    let second = world.mailed(&email, "verify_email").await;
    world.anyone("verify-email", json!({"token": second})).await.expect(204);
    world.log_in(&email, "somebody elses secret 7").await.expect(401);
    world.log_in(&email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn two_who_register_one_address_at_once_are_both_accepted_and_nobody_is_flooded() {
    let world = World::start().await;
    let email = new_address();
    let (one, other) = tokio::join!(world.register(&email), world.register(&email));
    one.expect(202);
    other.expect(202);
    for _ in 0..5 {
        world.register(&email).await.expect(202);
        world.anyone("resend-verification", json!({"email": email})).await.expect(202);
    }
    assert_eq!(world.letters(&email, "verify_email").await.len(), 3);
    // The last one that was sent is good.
    let token = world.mailed(&email, "verify_email").await;
    world.anyone("verify-email", json!({"token": token})).await.expect(204);
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_is_told() {
    let world = World::start().await;
    let refused = async |body: Value| world.anyone("register", body).await.expect(422);
    let all = refused(json!({"email": "nobody", "name": "", "password": PASSWORD, "terms": ""})).await;
    assert_eq!(all.fields(), ["email", "name", "terms"]);
    let email = new_address();
    for (password, reason) in [
        ("short", "at least 10 characters"),
        ("password1234", "common password"),
        ("ada lovelace", "easy to guess"),
    ] {
        let answer = refused(json!({"email": email, "name": "Ada Lovelace", "password": password})).await;
        assert_eq!(answer.fields(), ["password"]);
        assert!(answer.text.contains(reason), "{}", answer.text);
    }
    assert!(world.letters(&email, "verify_email").await.is_empty());
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_anew_when_its_owner_signs_in() {
    use control_plane::config::Argon2Config;
    use control_plane::identity::passwords::Hasher;

    let world = World::start().await;
    let email = world.registered().await;
    let dear = Hasher::new(Argon2Config { iterations: 3, ..super::CHEAP }, 0);
    let hash = dear.hash(PASSWORD.into(), &[]).await.expect("hash");
    let mut sql = world.registry.superuser().await;
    sqlx::query("update freehold.users set password_hash = $2 where email = $1")
        .bind(&email)
        .bind(&hash)
        .execute(&mut sql)
        .await
        .expect("set");
    world.log_in(&email, PASSWORD).await.expect(200);
    let now: String = sqlx::query_scalar("select password_hash from freehold.users where email = $1")
        .bind(&email)
        .fetch_one(&mut sql)
        .await
        .expect("the user");
    assert!(now.contains("m=64,t=1,p=1"), "{now}");
    world.log_in(&email, PASSWORD).await.expect(200);
}
