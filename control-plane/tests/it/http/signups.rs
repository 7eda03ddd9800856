//! Signups: people ask to join a tenant or to open one, and whoever may decides once.

use axum::http::Method;
use control_plane::model::role::Role;
use control_plane::model::signup::SignupMode;
use serde_json::{Value, json};

use super::people::{Person, new_address};
use super::{Answer, World};

pub(super) const JOINS: &str = "/api/v1/tenants/acme/signups";
pub(super) const OPENINGS: &str = "/api/v1/signups";

pub(super) async fn set_mode(world: &World, slug: &str, mode: SignupMode) {
    let mut sql = world.registry.superuser().await;
    sqlx::query(
        "insert into freehold.tenant_policies (tenant_id, signups)
         select id, $2 from freehold.tenants where slug = $1
         on conflict (tenant_id) do update set signups = excluded.signups",
    )
    .bind(slug)
    .bind(mode.as_str())
    .execute(&mut sql)
    .await
    .expect("a policy");
}

/// The kinds of the letters that an address was sent, in their order.
pub(super) async fn letters(world: &World, email: &str) -> Vec<String> {
    let mut sql = world.registry.superuser().await;
    sqlx::query_scalar("select kind from freehold.mails where recipient = $1 order by created_at, id")
        .bind(email)
        .fetch_all(&mut sql)
        .await
        .expect("the mails")
}

fn id(signup: &Value) -> &str {
    signup["id"].as_str().expect("an id")
}

fn decide(base: &str, signup: &Value, verb: &str) -> String {
    format!("{base}/{}/{verb}", id(signup))
}

async fn mine(world: &World, person: &Person) -> Vec<Value> {
    let page = person.get(world, "/api/v1/me/signups").await.expect(200).body;
    page["items"].as_array().expect("items").clone()
}

fn statuses(one: &Answer, two: &Answer) -> [u16; 2] {
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn somebody_asks_to_join_and_those_who_may_decide() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let owner = world.member("acme", Role::Owner).await;
    let admin = world.member("acme", Role::Admin).await;
    let member = world.member("acme", Role::Member).await;
    let stranger = world.member("globex", Role::Owner).await;
    let ada = world.user(&new_address()).await;
    ada.post(&world, "/api/v1/tenants/nowhere/signups", json!({})).await.expect(404);
    let long = json!({"message": "x".repeat(1001)});
    assert_eq!(ada.post(&world, JOINS, long).await.expect(422).fields(), ["message"]);
    world.ask_as("none", Method::POST, JOINS, Some(json!({}))).await.expect(401);
    world.post(JOINS, json!({})).await.expect(403);
    member.post(&world, JOINS, json!({})).await.expect(409);
    let wish = ada.post(&world, JOINS, json!({"message": "I drive at night"})).await.expect(201).body;
    assert_eq!((wish["state"].as_str(), wish["kind"].as_str()), (Some("pending"), Some("join")));
    ada.post(&world, JOINS, json!({})).await.expect(409);
    assert_eq!(letters(&world, &ada.email).await, ["signup_pending"]);
    for decider in [&owner, &admin] {
        assert_eq!(letters(&world, &decider.email).await, ["signup_asked"]);
    }
    assert_eq!(letters(&world, &member.email).await, Vec::<String>::new());
    // it is seen by whoever decides and by who asked, and is not there for others
    member.get(&world, JOINS).await.expect(403);
    stranger.get(&world, JOINS).await.expect(404);
    let listed = admin.get(&world, &format!("{JOINS}?state=pending")).await.expect(200).body;
    assert_eq!(
        (id(&listed["items"][0]), listed["items"][0]["email"].as_str()),
        (id(&wish), Some(&*ada.email))
    );
    assert_eq!(mine(&world, &ada).await.len(), 1);
    assert_eq!(mine(&world, &stranger).await.len(), 0);
    let foreign = decide("/api/v1/tenants/globex/signups", &wish, "approve");
    stranger.post(&world, &foreign, json!({})).await.expect(404);
    let approve = decide(JOINS, &wish, "approve");
    member.post(&world, &approve, json!({})).await.expect(403);
    admin.post(&world, &approve, json!({"role": "owner"})).await.expect(403);
    ada.post(&world, &decide(OPENINGS, &wish, "approve"), json!({})).await.expect(403);
    let decided = admin.post(&world, &approve, json!({"role": "developer"})).await.expect(200).body;
    assert_eq!(
        (decided["state"].as_str(), decided["decided_by"].as_str()),
        (Some("approved"), Some(&*admin.email))
    );
    world.until(&ada, "/api/v1/tenants/acme", 200).await;
    let place = format!("/api/v1/tenants/acme/members/{}", ada.id);
    assert_eq!(world.get(&place).await.expect(200).body["role"], "developer");
    assert_eq!(letters(&world, &ada.email).await, ["signup_pending", "signup_approved"]);
    admin.post(&world, &approve, json!({})).await.expect(409);
    // a no needs a reason, which the person is told
    let grace = world.user(&new_address()).await;
    let wish = grace.post(&world, JOINS, json!({})).await.expect(201).body;
    let reject = decide(JOINS, &wish, "reject");
    assert_eq!(owner.post(&world, &reject, json!({"reason": " "})).await.expect(422).fields(), ["reason"]);
    owner.post(&world, &reject, json!({"reason": "We know you not"})).await.expect(200);
    assert_eq!(letters(&world, &grace.email).await, ["signup_pending", "signup_rejected"]);
    let told = mine(&world, &grace).await;
    assert_eq!(
        (told[0]["state"].as_str(), told[0]["reason"].as_str()),
        (Some("rejected"), Some("We know you not"))
    );
    owner.post(&world, &reject, json!({"reason": "again"})).await.expect(409);
    // who was declined does not ask again at once, and is told when
    let early = grace.post(&world, JOINS, json!({})).await.expect(409);
    assert!(early.text.contains("ask again from"), "{}", early.text);
    let mut sql = world.registry.superuser().await;
    sqlx::query(
        "update freehold.signups set decided_at = decided_at - interval '24 hours' where state = 'rejected'",
    )
    .execute(&mut sql)
    .await
    .expect("a day later");
    // a platform admin may decide here, too
    let wish = grace.post(&world, JOINS, json!({})).await.expect(201).body;
    world.post(&decide(OPENINGS, &wish, "approve"), json!({})).await.expect(200);
    world.until(&grace, "/api/v1/tenants/acme", 200).await;
}

#[tokio::test]
async fn a_tenant_is_closed_or_lets_everybody_in_as_it_says() {
    let world = World::start_with(|settings| {
        for plan in settings.plans.values_mut() {
            plan.members = Some(2);
        }
    })
    .await;
    world.make("acme").await;
    world.member("acme", Role::Owner).await;
    let ada = world.user(&new_address()).await;
    set_mode(&world, "acme", SignupMode::Closed).await;
    ada.post(&world, JOINS, json!({})).await.expect(403);
    set_mode(&world, "acme", SignupMode::Automatic).await;
    let joined = ada.post(&world, JOINS, json!({})).await.expect(201).body;
    assert_eq!(
        (joined["state"].as_str(), joined["decided_by"].as_str()),
        (Some("approved"), Some("automatic"))
    );
    world.until(&ada, "/api/v1/tenants/acme", 200).await;
    let late = world.user(&new_address()).await;
    let full = late.post(&world, JOINS, json!({})).await.expect(409);
    assert!(full.text.contains("room for 2 members"), "{}", full.text);
    assert_eq!(mine(&world, &late).await.len(), 0, "what was refused was not asked");
}

#[tokio::test]
async fn somebody_asks_for_a_tenant_and_gets_it_as_every_tenant_is_made() {
    let world = World::start_with(|settings| {
        settings.people.tenants_max = 4;
        settings.people.tenants_per_person = 2;
        for (name, plan) in &mut settings.plans {
            plan.signups = (name.as_str() == "team").then_some(SignupMode::Automatic);
        }
    })
    .await;
    world.make("acme").await;
    let ada = world.user(&new_address()).await;
    let open = |name: &str, plan: &str| json!({"name": name, "plan": plan, "message": "for the fleet"});
    world.post(OPENINGS, open("Mine", "starter")).await.expect(403);
    ada.post(&world, OPENINGS, open("Mine", "business")).await.expect(403);
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"name": "x", "slug": "admin"}), "slug"),
        (json!({"name": "x", "plan": "golden"}), "plan"),
    ] {
        assert_eq!(ada.post(&world, OPENINGS, body).await.expect(422).fields(), [field]);
    }
    assert_eq!(
        ada.post(&world, OPENINGS, open("Acme", "starter")).await.expect(409).body["code"],
        "slug_taken"
    );
    let wish = ada.post(&world, OPENINGS, json!({"name": "Night Fleet"})).await.expect(201).body;
    assert_eq!((wish["tenant"].as_str(), wish["plan"].as_str()), (Some("night-fleet"), Some("starter")));
    assert_eq!(letters(&world, super::EMAIL).await, ["signup_asked"]);
    world.get("/api/v1/tenants/night-fleet").await.expect(404);
    let other = world.user(&new_address()).await;
    other.post(&world, OPENINGS, json!({"name": "Night Fleet"})).await.expect(409);
    ada.get(&world, OPENINGS).await.expect(403);
    let listed = world.get(&format!("{OPENINGS}?kind=open&state=pending")).await.expect(200).body;
    assert_eq!(id(&listed["items"][0]), id(&wish));
    let approve = decide(OPENINGS, &wish, "approve");
    assert_eq!(world.post(&approve, json!({"role": "viewer"})).await.expect(422).fields(), ["role"]);
    world.post(&approve, json!({})).await.expect(200);
    world.until(&ada, "/api/v1/tenants/night-fleet", 200).await;
    let place = format!("/api/v1/tenants/night-fleet/members/{}", ada.id);
    assert_eq!(ada.get(&world, &place).await.expect(200).body["role"], "owner");
    assert_eq!(letters(&world, &ada.email).await, ["signup_pending", "signup_approved"]);
    // its house is wanted like every other
    assert!(world.claim().await.len() >= 2);
    // on this plan it is made at once; then there are as many as one person opens
    let made = ada.post(&world, OPENINGS, open("Day Fleet", "team")).await.expect(201).body;
    assert_eq!((made["state"].as_str(), made["decided_by"].as_str()), (Some("approved"), Some("automatic")));
    let enough = ada.post(&world, OPENINGS, open("Third", "team")).await.expect(409);
    assert!(enough.text.contains("at most 2"), "{}", enough.text);
    // two people come for the last tenant that there may be
    let (one, two) = tokio::join!(other.post(&world, OPENINGS, open("Fourth", "team")), async {
        world.user(&new_address()).await.post(&world, OPENINGS, open("Fifth", "team")).await
    },);
    assert_eq!(statuses(&one, &two), [201, 409], "{} {}", one.text, two.text);
}

#[tokio::test]
async fn of_two_decisions_at_once_one_counts() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let admin = world.member("acme", Role::Admin).await;
    for round in 0..6 {
        let person = world.user(&new_address()).await;
        let open = json!({"name": format!("Fleet {round}")});
        let (base, wish) = if round % 2 == 0 {
            (JOINS, person.post(&world, JOINS, json!({})).await.expect(201).body)
        } else {
            (OPENINGS, person.post(&world, OPENINGS, open).await.expect(201).body)
        };
        let approve = decide(base, &wish, "approve");
        let (verb, body) =
            if round % 3 == 0 { ("reject", json!({"reason": "no"})) } else { ("approve", json!({})) };
        let second = decide(base, &wish, verb);
        let (one, two) = if base == JOINS {
            tokio::join!(owner.post(&world, &approve, json!({})), admin.post(&world, &second, body))
        } else {
            tokio::join!(world.post(&approve, json!({})), world.post(&second, body))
        };
        assert_eq!(statuses(&one, &two), [200, 409], "round {round}: {} {}", one.text, two.text);
        let said = if one.status == 200 { &one } else { &two };
        assert_eq!(mine(&world, &person).await[0]["state"], said.body["state"]);
        let decisions = letters(&world, &person.email).await;
        assert_eq!(decisions.len(), 2, "{decisions:?}");
    }
}
