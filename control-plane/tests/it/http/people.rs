//! People for tests: users who are signed in, and members of tenants, put into the registry as they are.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, header};
use chrono::{TimeDelta, Utc};
use control_plane::identity::tokens::{Subject, USER_AUDIENCE};
use control_plane::model::ids::{SessionId, UserId};
use control_plane::model::role::Role;
use control_plane::store::users::{self, NewUser};
use control_plane::store::{Scope, memberships, tenants};
use serde_json::{Value, json};

use super::{Answer, HOST, World};

/// A user who is signed in.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "not every theme looks at all of it")]
pub(super) struct Person {
    pub id: UserId,
    pub email: String,
    pub session: SessionId,
    pub token: String,
}

/// An address that nobody has.
pub(super) fn new_address() -> String {
    format!("{}@example.com", uuid::Uuid::new_v4().simple())
}

impl World {
    /// A user with a proven address and no password, who is signed in.
    pub(super) async fn user(&self, email: &str) -> Person {
        let new = NewUser {
            email: email.parse().expect("an address"),
            name: email.split('@').next().expect("a name").to_owned(),
            password_hash: None,
            verified: true,
            terms: None,
        };
        let mut tx = self.registry.owner.begin(Scope::System).await.expect("begin");
        let user = users::create(&mut tx, &new).await.expect("a user");
        tx.commit().await.expect("commit");
        let session = self.session_of(user.id).await;
        let subject = Subject {
            id: user.id.to_string(),
            email: Some(email.to_owned()),
            session: Some(session),
            ..Subject::default()
        };
        let token = self.issuer.issue(subject, USER_AUDIENCE, 15).expect("a token");
        Person { id: user.id, email: email.to_owned(), session, token }
    }

    pub(super) async fn session_of(&self, user: UserId) -> SessionId {
        let session = SessionId::random();
        let mut sql = self.registry.superuser().await;
        sqlx::query(
            "insert into freehold.sessions (id, user_id, device, address, remembered, second_factor, refresh_hash,
                                            expires_at)
             values ($1, $2, 'a test', 'local', false, false, $3, $4)",
        )
        .bind(session.0)
        .bind(user.0)
        .bind(session.0.as_bytes().as_slice())
        .bind(Utc::now() + TimeDelta::days(1))
        .execute(&mut sql)
        .await
        .expect("a session");
        session
    }

    /// Makes somebody a member of the tenant with this slug.
    pub(super) async fn join(&self, person: &Person, slug: &str, role: Role) {
        let mut tx = self.registry.owner.begin(Scope::System).await.expect("begin");
        let tenant = tenants::by_slug(&mut tx, &slug.parse().expect("a slug")).await.expect("a tenant");
        memberships::add(&mut tx, tenant.id, person.id, role).await.expect("a member");
        tx.commit().await.expect("commit");
    }

    /// A new user who is a member of the tenant with this slug.
    pub(super) async fn member(&self, slug: &str, role: Role) -> Person {
        let person = self.user(&new_address()).await;
        self.join(&person, slug, role).await;
        person
    }

    /// Waits until somebody is answered so: that they gained or lost a place is heard of within moments.
    pub(super) async fn until(&self, person: &Person, path: &str, status: u16) {
        let answered = async || person.get(self, path).await.status == status;
        self.wait(answered, &format!("{path} never answered {status}")).await;
    }

    /// Waits until what somebody asks for is forbidden.
    pub(super) async fn until_refused(&self, person: &Person, path: &str, body: Value) {
        let answered = async || person.post(self, path, body.clone()).await.status == 403;
        self.wait(answered, &format!("{path} was never forbidden")).await;
    }

    async fn wait(&self, condition: impl AsyncFn() -> bool, otherwise: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition().await {
            assert!(Instant::now() < deadline, "{otherwise}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks with somebody's token; as nobody with none.
    pub(super) async fn ask_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        self.send(request.expect("request")).await
    }
}

impl Person {
    /// Asks with this person's token.
    pub(super) async fn ask(&self, world: &World, method: Method, path: &str, body: Option<Value>) -> Answer {
        world.ask_as(&self.token, method, path, body).await
    }

    pub(super) async fn get(&self, world: &World, path: &str) -> Answer {
        self.ask(world, Method::GET, path, None).await
    }

    pub(super) async fn post(&self, world: &World, path: &str, body: Value) -> Answer {
        self.ask(world, Method::POST, path, Some(body)).await
    }

    pub(super) async fn patch(&self, world: &World, path: &str, body: Value) -> Answer {
        self.ask(world, Method::PATCH, path, Some(body)).await
    }

    pub(super) async fn delete(&self, world: &World, path: &str) -> Answer {
        self.ask(world, Method::DELETE, path, None).await
    }
}

#[tokio::test]
async fn whoever_is_signed_in_sees_where_they_belong_and_nothing_else() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let ada = world.member("acme", Role::Viewer).await;
    assert_eq!(ada.get(&world, "/api/v1/tenants/acme").await.expect(200).body["slug"], "acme");
    ada.get(&world, "/api/v1/tenants/globex").await.expect(404);
    ada.patch(&world, "/api/v1/tenants/acme", json!({"name": "Mine"})).await.expect(403);
    ada.delete(&world, "/api/v1/tenants/acme").await.expect(403);
    ada.post(&world, "/api/v1/tenants/globex/suspend", json!({})).await.expect(404);
    world.ask_as("", Method::GET, "/api/v1/tenants/acme", None).await.expect(401);
}
