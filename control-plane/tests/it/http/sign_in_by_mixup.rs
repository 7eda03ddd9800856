//! Two providers, one of which has people come back from the other (RFC 9700, 4.4). Neither says who it is (`iss`).

use axum::http::Method;
use control_plane::model::ids::ProviderId;
use serde_json::json;

use super::pages::{Site, is_page, leads_to};
use super::people::new_address;
use super::sign_in_by::{path_of, sent, site, verified};
use crate::outside::mock::Mock;
use crate::outside::nasty::{Key, Nasty};
use crate::outside::value;

/// Has a public client at the honest provider be ours there, known by the address that people are sent back to.
async fn registered(site: &Site, mock: &Mock, provider: ProviderId) -> String {
    let there = sent(&mut site.window(), provider, "").await;
    let back = value(&there, "redirect_uri").expect("an address");
    let client = mock.client(&back).await;
    sqlx::query("update freehold.providers set client_id = $2, key_version = null, nonce = null, sealed = null where id = $1")
        .bind(provider.0)
        .bind(&client)
        .execute(&mut site.world.registry.superuser().await)
        .await
        .expect("a client");
    back
}

#[tokio::test]
async fn a_code_that_came_to_one_providers_address_is_shown_to_no_other() {
    let (site, mock) = (site().await, Mock::start());
    let evil = Nasty::start(&[&Key::p256("one")]).await;
    let (acme, globex) = (site.world.tenant("acme").await, site.world.tenant("globex").await);
    let email = new_address();
    mock.person("ada", &verified(&email)).await;
    for (theirs, owner) in [(None, Some(acme)), (Some(globex), Some(acme)), (Some(acme), None)] {
        let honest = site.world.provider(&mock.url, theirs, |_| {}).await;
        let own_address = registered(&site, &mock, honest).await;
        let other = site.world.provider(&evil.url, owner, |_| {}).await;
        let before = evil.asked("/token");

        // Whoever runs the other one begins at the honest one, and has somebody who came to theirs end that for them.
        let begun = sent(&mut site.window(), honest, "").await;
        let mut victim = site.window();
        let there = sent(&mut victim, other, "").await;
        let state = value(&there, "state").expect("a state");
        let led = begun.replace(&value(&begun, "state").expect("a state"), &state);
        let home = mock.sign_in(&led, Some("ada")).await;
        assert_eq!(value(&home, "state").as_deref(), Some(state.as_str()));
        let answer = victim.get(&path_of(&site, &home)).await;
        assert_eq!(evil.asked("/token"), before, "it was shown the code: {}", answer.body);
        is_page(&answer, 400, "This sign-in cannot go on");
        assert!(victim.cookies.is_empty(), "what was begun is over");
        // The honest one sends nobody to the other's address.
        let back = value(&there, "redirect_uri").expect("an address");
        assert_ne!(back, own_address);
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let elsewhere = led.replace(&encoded(&own_address), &encoded(&back));
        assert_ne!(elsewhere, led);
        assert_eq!(mock.answer(&elsewhere, Some("ada")).await.status(), 400);

        // No other address will do for an answer, be it a good one or not, and the same name at another's is another.
        let (path, name) = (path_of(&site, &back), back.rsplit('/').next().expect("a name"));
        let wrong = [
            (path_of(&site, &own_address), "code=x"),
            (format!("/sign-in/callback/{globex}/{name}"), "code=x"),
            (format!("/sign-in/callback/x/{name}"), "error=access_denied"),
            (format!("{path}/"), "code=x"),
            (path.to_uppercase().replace("/SIGN-IN/CALLBACK/", "/sign-in/callback/"), "error=access_denied"),
        ];
        // Once: they are counted by the address of whoever tries them.
        for (wrong, brought) in wrong.iter().filter(|_| theirs.is_none()) {
            let mut window = site.window();
            let there = sent(&mut window, other, "").await;
            let state = value(&there, "state").expect("a state");
            let answer = window.get(&format!("{wrong}?state={state}&{brought}")).await;
            is_page(&answer, 400, "This sign-in cannot go on");
        }
        assert_eq!(evil.asked("/token"), before);
        let mut window = site.window();
        let there = sent(&mut window, other, "").await;
        let state = value(&there, "state").expect("a state");
        assert_eq!(window.get(&format!("/sign-in/callback?state={state}&code=x")).await.status, 404);
        is_page(&window.get(&format!("{path}?state={state}&code=x")).await, 409, "Sign in");
        assert_eq!(evil.asked("/token"), before + 1, "at its own address it is asked");
    }
    // By themselves people come in by the honest one, at the address that it was told.
    let honest = site.world.provider(&mock.url, None, |_| {}).await;
    let mut window = site.window();
    let there = sent(&mut window, honest, "").await;
    let own_address = value(&there, "redirect_uri").expect("an address");
    let home = mock.sign_in(&there, Some("ada")).await;
    assert!(home.starts_with(&own_address), "{home}");
    leads_to(&window.get(&path_of(&site, &home)).await, "/account");
}

#[tokio::test]
async fn whoever_sets_a_provider_up_is_told_the_address_that_it_sends_people_back_to() {
    let (site, mock) = (site().await, Mock::start());
    let acme = site.world.tenant("acme").await;
    for (tenant, path, expected) in [
        (None, "/api/v1/providers".to_owned(), String::new()),
        (Some(acme), "/api/v1/tenants/acme/providers".to_owned(), format!("{acme}/")),
    ] {
        let provider = site.world.provider(&mock.url, tenant, |_| {}).await;
        let listed = site.world.get(&path).await.expect(200).body;
        let name = listed["items"][0]["name"].as_str().expect("a name").to_owned();
        let address = json!(format!("{}/sign-in/callback/{expected}{name}", site.url()));
        let there = sent(&mut site.window(), provider, "").await;
        assert_eq!(json!(value(&there, "redirect_uri")), address);
        assert_eq!(listed["items"][0]["redirect_uri"], address);
        let one = format!("{path}/{name}");
        assert_eq!(site.world.get(&one).await.expect(200).body["redirect_uri"], address);
        let check = site.world.ask(Method::POST, &format!("{one}/check"), None).await.expect(200).body;
        assert_eq!(check["redirect_uri"], address, "{check}");
    }
}
