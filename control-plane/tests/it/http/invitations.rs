//! Invitations: offered by mail, accepted once, by whoever has the mailbox.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::people::{Person, new_address};
use super::{Answer, World};

const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";
const ACCEPT: &str = "/api/v1/invitations/accept";
const PREVIEW: &str = "/api/v1/invitations/preview";
const SECRET: &str = "seven brave otters sing at noon";

/// The secret in the last invitation that was sent to an address.
pub(super) async fn mailed(world: &World, email: &str) -> String {
    let mut sql = world.registry.superuser().await;
    let link: String = sqlx::query_scalar(
        "select letter->>'link' from freehold.mails where recipient = $1 and kind = 'invitation'
          order by created_at desc, id desc limit 1",
    )
    .bind(email)
    .fetch_one(&mut sql)
    .await
    .expect("a mail");
    let (page, secret) = link.split_once("?token=").expect("a secret");
    assert_eq!(page, "http://freehold.localhost:8080/invitations");
    secret.to_owned()
}

async fn invite(world: &World, by: &Person, email: &str, role: &str) -> Value {
    by.post(world, INVITATIONS, json!({"email": email, "role": role})).await.expect(201).body
}

async fn accept(world: &World, token: &str, body: Value) -> Answer {
    world.ask_as(token, Method::POST, ACCEPT, Some(body)).await
}

fn account(secret: &str) -> Value {
    json!({"token": secret, "name": "Grace Hopper", "password": SECRET})
}

#[tokio::test]
async fn an_invitation_is_offered_by_whoever_may_and_not_above_themselves() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let owner = world.member("acme", Role::Owner).await;
    let admin = world.member("acme", Role::Admin).await;
    let member = world.member("acme", Role::Member).await;
    let stranger = world.member("globex", Role::Owner).await;
    let email = new_address();
    let body = |role: &str| json!({"email": email, "role": role});
    member.post(&world, INVITATIONS, body("viewer")).await.expect(403);
    stranger.post(&world, INVITATIONS, body("viewer")).await.expect(404);
    admin.post(&world, INVITATIONS, body("owner")).await.expect(403);
    let wrong = json!({"email": "no address", "role": "viewer"});
    assert_eq!(owner.post(&world, INVITATIONS, wrong).await.expect(422).fields(), ["email"]);
    let there = json!({"email": member.email, "role": "viewer"});
    owner.post(&world, INVITATIONS, there).await.expect(409);
    let made = invite(&world, &owner, &email.to_uppercase(), "owner").await;
    assert_eq!((made["status"].as_str(), made["email"].as_str()), (Some("pending"), Some(&*email)));
    owner.post(&world, INVITATIONS, body("viewer")).await.expect(409);
    // what is above oneself is not taken back or sent again either
    let path = format!("{INVITATIONS}/{}", made["id"].as_str().expect("an id"));
    admin.delete(&world, &path).await.expect(403);
    admin.post(&world, &format!("{path}/resend"), json!({})).await.expect(403);
    stranger.delete(&world, &path).await.expect(404);
    // each sending has a secret of its own, and only the last is good
    let first = mailed(&world, &email).await;
    let offer = world.ask_as("", Method::POST, PREVIEW, Some(json!({"token": first}))).await.expect(200).body;
    assert_eq!((offer["tenant"].as_str(), offer["role"].as_str()), (Some("acme"), Some("owner")));
    owner.post(&world, &format!("{path}/resend"), json!({})).await.expect(200);
    let second = mailed(&world, &email).await;
    assert_ne!(first, second);
    accept(&world, "", account(&first)).await.expect(404);
    accept(&world, "", account("nothing")).await.expect(404);
    accept(&world, "", account(&"x".repeat(500))).await.expect(404);
    owner.delete(&world, &path).await.expect(204);
    owner.delete(&world, &path).await.expect(204);
    accept(&world, "", account(&second)).await.expect(409);
    owner.post(&world, &format!("{path}/resend"), json!({})).await.expect(409);
    // nothing is told of the secrets, in no list and no log
    let listed = owner.get(&world, &format!("{INVITATIONS}?status=revoked")).await.expect(200);
    assert_eq!(listed.body["items"].as_array().expect("items").len(), 1);
    assert!(!listed.text.contains(&second));
    let mut sql = world.registry.superuser().await;
    let told: Vec<String> = sqlx::query_scalar(
        "select row_to_json(a)::text from freehold.audit a where action like 'invitation.%'",
    )
    .fetch_all(&mut sql)
    .await
    .expect("the audit log");
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|one| !one.contains(&first) && !one.contains(&second)), "{told:?}");
    member.get(&world, INVITATIONS).await.expect(403);
    assert_eq!(owner.get(&world, &format!("{INVITATIONS}?status=x")).await.expect(422).fields(), ["status"]);
}

#[tokio::test]
async fn it_is_accepted_by_its_address_alone_with_an_account_or_a_new_one() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    // somebody with an account signs in first, and nobody else can take their place
    let ada = world.user(&new_address()).await;
    let other = world.user(&new_address()).await;
    invite(&world, &owner, &ada.email, "developer").await;
    let secret = mailed(&world, &ada.email).await;
    let known = accept(&world, "", account(&secret)).await.expect(401);
    assert!(known.text.contains("sign in"), "{}", known.text);
    let foreign = accept(&world, &other.token, json!({"token": secret})).await.expect(403);
    assert!(
        foreign.text.contains("another address") && !foreign.text.contains(&ada.email),
        "{}",
        foreign.text
    );
    accept(&world, &world.token, json!({"token": secret})).await.expect(403);
    accept(&world, "no token", json!({"token": secret})).await.expect(401);
    let joined = accept(&world, &ada.token, json!({"token": secret})).await.expect(201).body;
    assert_eq!((joined["tenant"].as_str(), joined["role"].as_str()), (Some("acme"), Some("developer")));
    assert_eq!(joined["url"], "http://acme.freehold.localhost:8080");
    world.until(&ada, "/api/v1/tenants/acme", 200).await;
    accept(&world, &ada.token, json!({"token": secret})).await.expect(409);
    // somebody without one gets it, with the address proven
    let email = new_address();
    invite(&world, &owner, &email, "viewer").await;
    let secret = mailed(&world, &email).await;
    let missing = accept(&world, "", json!({"token": secret})).await.expect(422);
    assert_eq!(missing.fields(), ["name", "password"]);
    let weak = json!({"token": secret, "name": "Grace", "password": "password1234"});
    assert_eq!(accept(&world, "", weak).await.expect(422).fields(), ["password"]);
    accept(&world, "", account(&secret)).await.expect(201);
    let login = json!({"email": email, "password": SECRET});
    world.ask_as("", Method::POST, "/api/v1/auth/login", Some(login)).await.expect(200);
    let role = world.get(&format!("/api/v1/tenants/acme/members/{email}")).await.expect(200).body;
    assert_eq!((role["role"].as_str(), role["name"].as_str()), (Some("viewer"), Some("Grace Hopper")));
    // an account that somebody registered with the address and never proved is no obstacle, and not theirs
    let email = new_address();
    let squatter = json!({"email": email, "name": "Mallory", "password": "a wholly different phrase 7"});
    world.ask_as("", Method::POST, "/api/v1/auth/register", Some(squatter)).await.expect(202);
    invite(&world, &owner, &email, "viewer").await;
    accept(&world, "", account(&mailed(&world, &email).await)).await.expect(201);
    let stolen = json!({"email": email, "password": "a wholly different phrase 7"});
    world.ask_as("", Method::POST, "/api/v1/auth/login", Some(stolen)).await.expect(401);
}

#[tokio::test]
async fn an_invitation_expires_and_makes_room_for_another() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let email = new_address();
    let first = invite(&world, &owner, &email, "viewer").await;
    let days = |one: &Value| {
        let at = |field: &str| {
            chrono::DateTime::parse_from_rfc3339(one[field].as_str().expect("a time")).expect("a time")
        };
        (at("expires_at") - at("sent_at")).num_days()
    };
    assert_eq!(days(&first), 7);
    let mut sql = world.registry.superuser().await;
    let expire = "update freehold.invitations set expires_at = now() where accepted_at is null";
    sqlx::query(expire).execute(&mut sql).await.expect("expired");
    let secret = mailed(&world, &email).await;
    accept(&world, "", account(&secret)).await.expect(409);
    assert_eq!(
        owner.get(&world, &format!("{INVITATIONS}?status=expired")).await.expect(200).body["items"][0]["id"],
        first["id"]
    );
    // sent again it is good once more, under another secret
    let again = format!("{INVITATIONS}/{}/resend", first["id"].as_str().expect("an id"));
    assert_eq!(owner.post(&world, &again, json!({})).await.expect(200).body["status"], "pending");
    accept(&world, "", account(&secret)).await.expect(404);
    sqlx::query(expire).execute(&mut sql).await.expect("expired");
    let second = invite(&world, &owner, &email, "member").await;
    assert_ne!(first["id"], second["id"]);
    accept(&world, "", account(&mailed(&world, &email).await)).await.expect(201);
}

#[tokio::test]
async fn accepted_twice_at_once_it_is_accepted_once_and_the_plan_has_an_end() {
    let world = World::start_with(|settings| {
        for plan in settings.plans.values_mut() {
            plan.members = Some(6);
        }
    })
    .await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    for round in 0..4 {
        let email = new_address();
        invite(&world, &owner, &email, "viewer").await;
        let secret = mailed(&world, &email).await;
        let (one, two) = if round % 2 == 0 {
            tokio::join!(accept(&world, "", account(&secret)), accept(&world, "", account(&secret)))
        } else {
            let person = world.user(&email).await;
            let body = json!({"token": secret});
            tokio::join!(accept(&world, &person.token, body.clone()), accept(&world, &person.token, body))
        };
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text, two.text);
    }
    // one place is left, and two come for it
    let (ada, grace) = (world.user(&new_address()).await, world.user(&new_address()).await);
    let mut secrets = Vec::new();
    for person in [&ada, &grace] {
        invite(&world, &owner, &person.email, "viewer").await;
        secrets.push(mailed(&world, &person.email).await);
    }
    let (one, two) = tokio::join!(
        accept(&world, &ada.token, json!({"token": secrets[0]})),
        accept(&world, &grace.token, json!({"token": secrets[1]})),
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.text, two.text);
    let refused = if one.status == 409 { one } else { two };
    assert!(refused.text.contains("room for 6 members"), "{}", refused.text);
}
