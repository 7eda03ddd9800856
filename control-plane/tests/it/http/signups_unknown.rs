//! Asking without an account: what is asked for counts once the address is proven, and is seen by nobody before.

use axum::http::Method;
use control_plane::model::role::Role;
use control_plane::model::signup::SignupMode;
use control_plane::store::{Scope, unproven_signups};
use serde_json::{Value, json};

use super::people::new_address;
use super::people_sign_up::PASSWORD;
use super::signups::{JOINS, OPENINGS, letters, set_mode};
use super::{Answer, World};

fn account(email: &str) -> Value {
    json!({"email": email, "name": "Ada", "password": PASSWORD, "terms": "2026-11"})
}

impl World {
    async fn ask_unknown(&self, path: &str, email: &str, mut body: Value) -> Answer {
        body["account"] = account(email);
        self.ask_as("", Method::POST, path, Some(body)).await
    }

    async fn prove(&self, email: &str) -> Answer {
        let token = self.mailed(email, "verify_email").await;
        self.anyone("verify-email", json!({"token": token})).await
    }

    async fn token_of(&self, email: &str) -> String {
        let signed_in = self.log_in(email, PASSWORD).await.expect(200).body;
        signed_in["access_token"].as_str().expect("a token").to_owned()
    }

    async fn signups(&self, path: &str) -> Vec<Value> {
        let page = self.get(path).await.expect(200).body;
        page["items"].as_array().expect("items").clone()
    }

    async fn wishes_kept(&self) -> i64 {
        let mut sql = self.registry.superuser().await;
        sqlx::query_scalar("select count(*) from freehold.unproven_signups")
            .fetch_one(&mut sql)
            .await
            .expect("a count")
    }
}

#[tokio::test]
async fn a_wish_of_somebody_unknown_is_put_before_admins_once_the_address_is_proven() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let email = new_address();
    let asked = world.ask_unknown(JOINS, &email, json!({"message": "I drive at night"})).await.expect(202);
    assert!(asked.body["message"].is_string());

    // Nobody hears of it: not the admins, not the tenant's audit log, not whoever tries to sign in.
    assert_eq!(letters(&world, &owner.email).await, Vec::<String>::new());
    assert_eq!(world.signups(JOINS).await.len() + world.signups(OPENINGS).await.len(), 0);
    let told = owner.get(&world, "/api/v1/tenants/acme/audit").await.expect(200).text;
    assert!(!told.contains(&email), "{told}");
    world.log_in(&email, PASSWORD).await.expect(403);
    let letter = world.letters(&email, "verify_email").await.remove(0);
    assert_eq!(letter["tenant"], "acme", "whoever answers the mail knows what they ask for");

    world.prove(&email).await.expect(204);
    let wish = world.signups(JOINS).await.remove(0);
    assert_eq!((&wish["email"], &wish["message"]), (&json!(email), &json!("I drive at night")));
    assert_eq!((&wish["state"], &wish["kind"]), (&json!("pending"), &json!("join")));
    assert_eq!(letters(&world, &owner.email).await, ["signup_asked"]);
    assert_eq!(letters(&world, &email).await, ["verify_email", "signup_pending"]);
    assert_eq!(world.audited("signup.ask", "acme").await, ["done"]);
    assert_eq!(world.wishes_kept().await, 0);
    let approve = format!("{JOINS}/{}/approve", wish["id"].as_str().expect("an id"));
    owner.post(&world, &approve, json!({})).await.expect(200);
    let token = world.token_of(&email).await;
    world.ask_as(&token, Method::GET, "/api/v1/tenants/acme", None).await.expect(200);
}

#[tokio::test]
async fn nobody_finds_out_by_asking_who_has_an_account_and_nothing_about_one_is_changed() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let (known, unknown) = (world.registered().await, new_address());
    for (path, body) in [(JOINS, json!({})), (OPENINGS, json!({"name": "Night Fleet"}))] {
        let strange = json!({"email": known, "name": "Eve", "password": "somebody elses secret 7"});
        let mut asked = body.clone();
        asked["account"] = strange;
        let one = world.ask_as("", Method::POST, path, Some(asked)).await.expect(202);
        let other = world.ask_unknown(path, &unknown, body).await.expect(202);
        assert_eq!(one.text, other.text);
        let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&one), names(&other));
    }
    let told = world.letters(&known, "already_registered").await;
    assert_eq!((told.len(), &told[1]["tenant"]), (2, &json!("acme")));
    world.log_in(&known, "somebody elses secret 7").await.expect(401);
    world.log_in(&known, PASSWORD).await.expect(200);
    assert_eq!(letters(&world, &owner.email).await, Vec::<String>::new());
    assert_eq!(world.wishes_kept().await, 1, "the one whose address is not proven, as it was last");
    let token = world.token_of(&known).await;
    let mine = world.ask_as(&token, Method::GET, "/api/v1/me/signups", None).await.expect(200).body;
    assert_eq!(mine["items"], json!([]));
}

#[tokio::test]
async fn only_what_the_last_who_registered_asked_for_is_asked() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let email = new_address();
    world.ask_unknown(JOINS, &email, json!({"message": "let me in, says a stranger"})).await.expect(202);
    let first = world.mailed(&email, "verify_email").await;
    world.ask_unknown("/api/v1/tenants/globex/signups", &email, json!({})).await.expect(202);
    world.anyone("verify-email", json!({"token": first})).await.expect(422);
    world.anyone("resend-verification", json!({"email": email})).await.expect(202);
    assert_eq!(world.letters(&email, "verify_email").await[0]["tenant"], "globex");
    world.prove(&email).await.expect(204);
    let slugs: Vec<Value> =
        world.signups(OPENINGS).await.iter().map(|signup| signup["tenant"].clone()).collect();
    assert_eq!(slugs, ["globex"]);
    // Who registers without a wish takes it back.
    let other = new_address();
    world.ask_unknown(JOINS, &other, json!({})).await.expect(202);
    world.register(&other).await.expect(202);
    world.prove(&other).await.expect(204);
    assert_eq!(world.signups(OPENINGS).await.len(), 1);
}

#[tokio::test]
async fn proven_twice_at_once_it_is_asked_once() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    set_mode(&world, "acme", SignupMode::Automatic).await;
    for _ in 0..4 {
        let email = new_address();
        world.ask_unknown(JOINS, &email, json!({})).await.expect(202);
        let members = format!("/api/v1/tenants/acme/members?search={email}");
        assert_eq!(owner.get(&world, &members).await.expect(200).body["items"], json!([]), "not before");
        let (one, other) = tokio::join!(world.prove(&email), world.prove(&email));
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 422], "{} {}", one.text, other.text);
        assert_eq!(letters(&world, &email).await, ["verify_email", "signup_approved"]);
        let found = owner.get(&world, &members).await.expect(200).body;
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn what_cannot_be_had_any_more_is_declined_by_mail_and_the_address_proven_all_the_same() {
    let world = World::start_with(|settings| settings.people.tenants_per_person = 0).await;
    world.make("acme").await;
    let (joiner, opener) = (new_address(), new_address());
    world.ask_unknown(JOINS, &joiner, json!({})).await.expect(202);
    world.ask_unknown(OPENINGS, &opener, json!({"name": "Night Fleet"})).await.expect(202);
    set_mode(&world, "acme", SignupMode::Closed).await;
    for (email, why) in [(&joiner, "takes nobody"), (&opener, "at most 0")] {
        world.prove(email).await.expect(204);
        world.log_in(email, PASSWORD).await.expect(200);
        assert_eq!(letters(&world, email).await, ["verify_email", "signup_rejected"]);
        let letter = world.letters(email, "signup_rejected").await.remove(0);
        assert!(letter["reason"].as_str().expect("why").contains(why), "{letter}");
    }
    assert_eq!(world.signups(OPENINGS).await.len(), 0);
    assert_eq!(world.audited("signup.ask", "acme").await, ["refused"]);
    assert_eq!(world.wishes_kept().await, 0);
}

#[tokio::test]
async fn a_tenant_is_opened_by_somebody_unknown_once_the_address_is_proven() {
    let world = World::start_with(|settings| {
        for plan in settings.plans.values_mut() {
            plan.signups = Some(SignupMode::Automatic);
        }
    })
    .await;
    let email = new_address();
    world.ask_unknown(OPENINGS, &email, json!({"name": "Night Fleet", "slug": "night"})).await.expect(202);
    world.get("/api/v1/tenants/night").await.expect(404);
    assert_eq!(world.letters(&email, "verify_email").await[0]["tenant"], "Night Fleet");
    world.prove(&email).await.expect(204);
    let token = world.token_of(&email).await;
    world.ask_as(&token, Method::GET, "/api/v1/tenants/night", None).await.expect(200);
    // What is taken is known by its host name, and told at once.
    let taken = world.ask_unknown(OPENINGS, &new_address(), json!({"name": "x", "slug": "night"})).await;
    assert_eq!(taken.expect(409).body["code"], "slug_taken");
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_is_told_before_anything_is_done() {
    let world = World::start().await;
    world.make("acme").await;
    let email = new_address();
    let nobody = async |path: &str, body: Value| world.ask_as("", Method::POST, path, Some(body)).await;
    assert_eq!(nobody(JOINS, json!({})).await.expect(422).fields(), ["account"]);
    assert_eq!(nobody(OPENINGS, json!({"name": "x"})).await.expect(422).fields(), ["account"]);
    let weak = json!({"account": {"email": email, "name": "Ada", "password": "password1234"}});
    assert_eq!(nobody(JOINS, weak).await.expect(422).fields(), ["password"]);
    let long = json!({"message": "x".repeat(1001)});
    assert_eq!(world.ask_unknown(JOINS, &email, long).await.expect(422).fields(), ["message"]);
    world.ask_unknown("/api/v1/tenants/nowhere/signups", &email, json!({})).await.expect(404);
    let plan = json!({"name": "x", "plan": "golden"});
    assert_eq!(world.ask_unknown(OPENINGS, &email, plan).await.expect(422).fields(), ["plan"]);
    set_mode(&world, "acme", SignupMode::Closed).await;
    world.ask_unknown(JOINS, &email, json!({})).await.expect(403);
    let ada = world.user(&new_address()).await;
    let both = json!({"account": account(&email)});
    assert_eq!(ada.post(&world, JOINS, both).await.expect(422).fields(), ["account"]);
    assert_eq!(letters(&world, &email).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_wish_that_no_mail_can_prove_any_more_is_forgotten() {
    let world = World::start().await;
    world.make("acme").await;
    let (late, waiting) = (new_address(), new_address());
    for email in [&late, &waiting] {
        world.ask_unknown(JOINS, email, json!({})).await.expect(202);
    }
    let mut sql = world.registry.superuser().await;
    sqlx::query("update freehold.mailed_tokens set expires_at = now() where email = $1")
        .bind(&late)
        .execute(&mut sql)
        .await
        .expect("past its time");
    world.prove(&late).await.expect(422);
    let mut tx = world.registry.api.begin(Scope::System).await.expect("begin");
    unproven_signups::tidy(&mut tx).await.expect("tidied");
    tx.commit().await.expect("commit");
    assert_eq!(world.wishes_kept().await, 1);
    world.prove(&waiting).await.expect(204);
    assert_eq!(world.signups(JOINS).await.len(), 1);
}
