//! Signing out in an app, and with it here; and that nobody does it to somebody else.

use axum::body::Body;
use axum::http::{Request, header};
use control_plane::identity::oauth::params::Params;
use control_plane::model::role::Role;
use serde_json::json;

use super::oauth::location;
use super::{Answer, HOST, World};

/// What a browser is answered that posts a form to the end of a session, from this site.
pub(super) async fn posts(world: &World, form: &Params, cookie: &str, site: &str) -> Answer {
    let request = Request::post("/oauth/end-session")
        .header(header::HOST, HOST)
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", site)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    world.send(request.body(Body::from(form.to_query())).expect("a request")).await
}

#[tokio::test]
async fn an_app_that_shows_this_very_sign_in_ends_it_and_gets_its_person_back() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (_, cookie) = world.visitor("acme", Role::Viewer).await;
    let tokens = world.signed_in(&client, &cookie).await;
    let params = Params::default()
        .with("id_token_hint", tokens["id_token"].as_str().expect("a token"))
        .with("post_logout_redirect_uri", &client.signed_out)
        .with("state", "s");
    let answer = world.browse(&params.at("/oauth/end-session"), &cookie).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let (address, back) = location(&answer);
    assert_eq!((address, back.get("state")), (client.signed_out.clone(), Some("s")));
    assert!(answer.header("set-cookie").starts_with("freehold=;"), "{}", answer.header("set-cookie"));
    assert_eq!(world.introspect(&client, &tokens["access_token"]).await, json!({"active": false}));
    assert_eq!(location(&world.authorize(&client.asks(), &cookie).await).0, "/sign-in");
    // Once more changes nothing, and leads back as well.
    let again = world.browse(&params.at("/oauth/end-session"), &cookie).await;
    assert_eq!(location(&again).0, client.signed_out);
}

#[tokio::test]
async fn nobody_is_signed_out_by_a_link_that_somebody_made_up() {
    let world = World::start().await;
    let (client, other) = (world.client("acme").await, world.client("globex").await);
    let (_, cookie) = world.visitor("acme", Role::Viewer).await;
    let (_, evil) = world.visitor("globex", Role::Owner).await;
    let tokens = world.signed_in(&client, &cookie).await;
    let theirs = world.signed_in(&other, &evil).await;
    let hint = theirs["id_token"].as_str().expect("a token");
    for params in [
        Params::default(),
        Params::default().with("client_id", &client.id),
        Params::default().with("client_id", &client.id).with("post_logout_redirect_uri", &client.signed_out),
        Params::default().with("id_token_hint", hint).with("post_logout_redirect_uri", &other.signed_out),
        // What is no ID token of ours proves nothing, and is as none.
        Params::default().with("id_token_hint", tokens["access_token"].as_str().expect("a token")),
        Params::default()
            .with("id_token_hint", "x.y.z")
            .with("post_logout_redirect_uri", "http://evil.example/"),
    ] {
        let answer = world.browse(&params.at("/oauth/end-session"), &cookie).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.contains("<form"), "they are asked");
        let policy = answer.header("content-security-policy");
        assert!(!policy.contains("evil.example"), "{policy}");
        for site in ["cross-site", "same-site"] {
            let posted = posts(&world, &params, &cookie, site).await;
            assert_eq!(posted.status, 303);
            assert!(posted.header("location").starts_with("/oauth/end-session"), "asked again by a GET");
        }
        assert_eq!(world.introspect(&client, &tokens["access_token"]).await["active"], true);
    }
    // Nor is anybody led where it is not the app's own.
    for params in [
        Params::default().with("post_logout_redirect_uri", "http://evil.example/"),
        Params::default().with("post_logout_redirect_uri", &client.signed_out),
        Params::default().with("client_id", &client.id).with("post_logout_redirect_uri", &other.signed_out),
        Params::default().with("client_id", &client.id).with("post_logout_redirect_uri", &client.back),
        Params::default().with("client_id", &client.id).with("id_token_hint", hint),
        Params::default()
            .with("id_token_hint", "x.y.z")
            .with("client_id", &client.id)
            .with("post_logout_redirect_uri", &other.signed_out),
    ] {
        for cookie in [cookie.as_str(), ""] {
            let answer = world.browse(&params.at("/oauth/end-session"), cookie).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{params:?}");
        }
    }
    // Whose it is cannot be told of an address beside what proves nothing: nobody is led there.
    let nowhere =
        Params::default().with("id_token_hint", "x.y.z").with("post_logout_redirect_uri", &client.signed_out);
    let (_, bobs) = world.visitor("acme", Role::Viewer).await;
    let answer = posts(&world, &nowhere, &bobs, "same-origin").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/sign-in"));
    assert_eq!(location(&world.authorize(&client.asks(), &bobs).await).0, "/sign-in", "and they are out");
    // Who says yes on our own page is signed out, and gets back.
    let params =
        Params::default().with("client_id", &client.id).with("post_logout_redirect_uri", &client.signed_out);
    let asked = world.browse(&params.at("/oauth/end-session"), &cookie).await;
    let policy = asked.header("content-security-policy");
    assert!(policy.contains("form-action 'self' http://acme.freehold.localhost:8080;"), "{policy}");
    let answer = posts(&world, &params, &cookie, "same-origin").await;
    assert_eq!((answer.status.as_u16(), location(&answer).0), (303, client.signed_out.clone()));
    assert_eq!(world.introspect(&client, &tokens["access_token"]).await, json!({"active": false}));
}
