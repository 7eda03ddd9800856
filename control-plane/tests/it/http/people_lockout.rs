//! Whoever guesses passwords must wait, and nobody can make somebody else wait for good.

use axum::body::Body;
use axum::http::{Method, header};
use serde_json::json;

use super::people::new_address;
use super::people_sign_up::PASSWORD;
use super::{Answer, World};

async fn from(world: &World, address: &str, path: &str, email: &str, password: &str) -> Answer {
    let request = axum::http::Request::builder()
        .method(Method::POST)
        .uri(format!("/api/v1/{path}"))
        .header(header::HOST, super::HOST)
        .header("x-forwarded-for", address)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(json!({"email": email, "password": password}).to_string()));
    world.send(request.expect("request")).await
}

/// Lets every delay pass.
async fn wait(world: &World) {
    let mut sql = world.registry.superuser().await;
    sqlx::query("update freehold.sign_in_failures set until = now()")
        .execute(&mut sql)
        .await
        .expect("waited");
}

/// Makes every delay that has begun last longer than the test.
async fn hold(world: &World) {
    let mut sql = world.registry.superuser().await;
    sqlx::query(
        "update freehold.sign_in_failures set until = now() + interval '10 minutes' where until > last_at",
    )
    .execute(&mut sql)
    .await
    .expect("held");
}

#[tokio::test]
async fn accounts_that_are_there_and_that_are_not_are_slowed_down_alike() {
    let world = World::start().await;
    let users = [world.registered().await, new_address()].map(|email| ("auth/login", email));
    let admins = [super::EMAIL.to_owned(), "nobody@freehold.localhost".to_owned()]
        .map(|email| ("admin/sessions", email));
    for (kind, pair) in [users, admins].iter().enumerate() {
        let mut answers = Vec::new();
        for (index, (path, email)) in pair.iter().enumerate() {
            let address = format!("203.0.113.{}", kind * 10 + index);
            for _ in 0..5 {
                from(&world, &address, path, email, "something else").await.expect(401);
            }
            hold(&world).await;
            // The right password is not looked at either.
            let password = if kind == 0 { PASSWORD } else { super::PASSWORD };
            let refused = from(&world, &address, path, email, password).await.expect(429);
            let wait: u32 = refused.header("retry-after").parse().expect("seconds");
            assert!((500..=600).contains(&wait), "{wait}");
            // From elsewhere neither.
            from(&world, "198.51.100.9", path, email, password).await.expect(429);
            answers.push(refused.body["code"].clone());
        }
        assert_eq!(answers[0], answers[1]);
    }
}

#[tokio::test]
async fn whoever_signed_in_from_there_is_not_delayed_by_what_others_do_from_elsewhere() {
    let world = World::start().await;
    let email = world.registered().await;
    let (home, thief) = ("203.0.113.7", "198.51.100.7");
    from(&world, home, "auth/login", &email, PASSWORD).await.expect(200);
    for _ in 0..9 {
        wait(&world).await;
        from(&world, thief, "auth/login", &email, "something else").await.expect(401);
    }
    from(&world, thief, "auth/login", &email, PASSWORD).await.expect(429);
    from(&world, "192.0.2.1", "auth/login", &email, PASSWORD).await.expect(429);
    from(&world, home, "auth/login", &email, PASSWORD).await.expect(200);
    // Whoever guesses from where the account is known waits, too.
    for _ in 0..5 {
        from(&world, home, "auth/login", &email, "something else").await.expect(401);
    }
    hold(&world).await;
    from(&world, home, "auth/login", &email, PASSWORD).await.expect(429);
}

#[tokio::test]
async fn whoever_reads_the_mail_gets_in_whatever_others_do() {
    let world = World::start().await;
    let email = world.registered().await;
    let mut sql = world.registry.superuser().await;
    sqlx::query("delete from freehold.sign_in_failures").execute(&mut sql).await.expect("nobody is known");
    for _ in 0..9 {
        wait(&world).await;
        from(&world, "198.51.100.7", "auth/login", &email, "something else").await.expect(401);
    }
    world.log_in(&email, PASSWORD).await.expect(429);
    world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    let token = world.mailed(&email, "reset_password").await;
    let password = "seven geese over the pond";
    world.anyone("reset-password", json!({"token": token, "password": password})).await.expect(204);
    world.log_in(&email, password).await.expect(200);
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_slowed_down_and_others_are_not() {
    let world = World::start().await;
    let email = world.registered().await;
    for _ in 0..20 {
        from(&world, "198.51.100.7", "auth/login", &new_address(), "something else").await.expect(401);
    }
    hold(&world).await;
    from(&world, "198.51.100.7", "auth/login", &new_address(), "something else").await.expect(429);
    from(&world, "198.51.100.8", "auth/login", &email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn many_guesses_at_once_are_no_more_than_a_few() {
    let world = World::start().await;
    let email = world.registered().await;
    let guesses = (0..20).map(|number| {
        let (world, email) = (&world, &email);
        async move {
            let guess = format!("guess number {number}");
            from(world, "198.51.100.7", "auth/login", email, &guess).await.status.as_u16()
        }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    // One more for each second that they take on a slow machine.
    assert!((5..=8).contains(&count(401)), "{statuses:?}");
    assert_eq!(count(401) + count(429), 20, "{statuses:?}");
}
