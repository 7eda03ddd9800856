//! The page that an invitation's link leads to, and the one on which a second factor is set up.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::json;

use super::pages::{Site, encoded, is_page, leads_to};
use super::people::new_address;
use super::people_second_factor::code;
use super::people_sign_up::PASSWORD;
use crate::support::visitor::Answer;

const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";

/// Whether somebody of this address is a member of acme.
async fn belongs(site: &Site, email: &str) -> bool {
    let members = site.world.get("/api/v1/tenants/acme/members").await.expect(200).body;
    members["items"].as_array().expect("members").iter().any(|member| member["email"] == email)
}

async fn invited(site: &Site, email: &str) -> String {
    site.world.post(INVITATIONS, json!({"email": email, "role": "developer"})).await.expect(201);
    let link = site.world.link(email, "invitation").await;
    assert!(link.starts_with("/invitations?token="), "{link}");
    link
}

async fn site() -> Site {
    let site = Site::start().await;
    site.world.post("/api/v1/tenants", json!({"name": "Acme <b>Fleet", "slug": "acme"})).await.expect(202);
    site
}

#[tokio::test]
async fn whoever_is_invited_and_has_no_account_makes_one_on_the_page() {
    let site = site().await;
    let email = new_address();
    let link = invited(&site, &email).await;
    let mut window = site.window();
    for _ in 0..3 {
        let page = window.get(&link).await;
        is_page(&page, 200, "Join Acme &lt;b&gt;Fleet");
        assert!(page.body.contains("as developer") && page.body.contains(&email), "{}", page.body);
        assert_eq!(page.header("referrer-policy"), Some("strict-origin"), "the secret goes nowhere");
    }
    assert!(!belongs(&site, &email).await, "a link is followed by scanners, too");

    let page = window.get(&link).await;
    let weak = window.submit(&page, &[("name", "Grace"), ("password", "password1234")]).await;
    is_page(&weak, 422, "Join Acme &lt;b&gt;Fleet");
    assert!(weak.body.contains("id=\"password-error\"") && weak.body.contains("value=\"Grace\""));
    assert!(!weak.body.contains("password1234"), "no password is shown");
    let nameless = window.submit(&page, &[("name", ""), ("password", PASSWORD)]).await;
    assert!(nameless.status == 422 && nameless.body.contains("id=\"name-error\""), "{}", nameless.body);
    let joined = window.submit(&weak, &[("name", "Grace"), ("password", PASSWORD)]).await;
    is_page(&joined, 200, "You belong to Acme &lt;b&gt;Fleet");
    assert!(joined.body.contains(&format!("acme.{}", site.host())), "{}", joined.body);
    assert!(belongs(&site, &email).await);
    assert_eq!(window.sign_in(&email, PASSWORD).await.status, 303);
    for answer in [window.get(&link).await, window.submit(&page, &[]).await] {
        is_page(&answer, 409, "This invitation is good no more");
        assert!(answer.body.contains("The invitation was accepted already."), "{}", answer.body);
    }
}

#[tokio::test]
async fn whoever_has_an_account_signs_in_comes_back_and_joins() {
    let site = site().await;
    let (email, other) = (site.world.registered().await, site.world.registered().await);
    let link = invited(&site, &email).await;
    let mut window = site.window();
    let page = window.get(&link).await;
    // Nobody takes the account over with the mail alone.
    let first = window.submit(&page, &[("name", "Eve"), ("password", "seven geese over the pond")]).await;
    is_page(&first, 422, "Join Acme &lt;b&gt;Fleet");
    let way = format!("/sign-in?to={}", percent(&link));
    assert!(first.body.contains(&way) && page.body.contains(&way), "{}", first.body);
    assert!(!belongs(&site, &email).await);

    let mut another = site.window();
    another.sign_in(&other, PASSWORD).await;
    let page = another.get(&link).await;
    is_page(&page, 200, "Join Acme &lt;b&gt;Fleet");
    assert!(page.body.contains("/sign-out") && !page.body.contains("<form"), "{}", page.body);
    let fields = [("token".to_owned(), link.split_once('=').expect("a token").1.to_owned())];
    assert_eq!(another.post("/invitations", &fields).await.status, 403);
    assert!(!belongs(&site, &other).await);

    let page = window.get(&way).await;
    leads_to(&window.submit(&page, &[("email", &email), ("password", PASSWORD)]).await, &link);
    let page = window.get(&link).await;
    assert!(page.body.contains(&format!("You join as {email}.")), "{}", page.body);
    is_page(&window.submit(&page, &[]).await, 200, "You belong to Acme &lt;b&gt;Fleet");
    assert!(belongs(&site, &email).await && !belongs(&site, &other).await);
}

#[tokio::test]
async fn what_was_never_sent_or_taken_back_is_good_for_nothing() {
    let site = site().await;
    let mut window = site.window();
    let made_up = format!("/invitations?token={}", "x".repeat(43));
    let long = format!("/invitations?token={}", "x".repeat(3_000));
    for path in ["/invitations", "/invitations?token=", "/invitations?token=%3Cb%3E", &made_up, &long] {
        is_page(&window.get(path).await, 404, "This invitation is good no more");
    }
    let email = new_address();
    let link = invited(&site, &email).await;
    let page = window.get(&link).await;
    let id = site.world.get(INVITATIONS).await.expect(200).body["items"][0]["id"].clone();
    let path = format!("{INVITATIONS}/{}", id.as_str().expect("an id"));
    site.world.ask_as(&site.world.token, Method::DELETE, &path, None).await.expect(204);
    for answer in
        [window.get(&link).await, window.submit(&page, &[("name", "Grace"), ("password", PASSWORD)]).await]
    {
        is_page(&answer, 409, "This invitation is good no more");
    }
    assert!(!belongs(&site, &email).await);
}

fn percent(text: &str) -> String {
    text.replace('/', "%2F").replace('?', "%3F").replace('=', "%3D")
}

/// The secret that a page shows, without its spaces.
fn secret(page: &Answer) -> String {
    let code = page.body.split_once("<code>").expect("a secret").1;
    code.split_once("</code>").expect("its end").0.replace(' ', "")
}

#[tokio::test]
async fn a_second_factor_is_set_up_on_a_page_and_the_way_goes_on() {
    let site = site().await;
    let email = site.world.registered().await;
    site.world.join_by_address(&email, "acme", Role::Member).await;
    let mut window = site.window();
    leads_to(&window.get("/second-factor").await, "/sign-in?to=%2Fsecond-factor");
    let nobody = [("code".to_owned(), String::new())];
    leads_to(&window.post("/second-factor", &nobody).await, "/sign-in?to=%2Fsecond-factor");
    window.sign_in(&email, PASSWORD).await;
    assert!(window.get("/account").await.body.contains("/second-factor"));

    // The way on is one of our own.
    let evil = window.get(&format!("/second-factor?to={}", encoded("https://evil.example"))).await;
    assert!(!evil.body.contains("evil.example"), "{}", evil.body);
    let page = window.get("/second-factor?to=%2Fjoin%2Facme").await;
    is_page(&page, 200, "Set up a second factor");
    let shown = window.submit(&page, &[]).await;
    is_page(&shown, 200, "Scan this with your app");
    assert!(shown.body.contains("src=\"data:image"), "{}", shown.body);
    let wrong = window.submit(&shown, &[("code", "000000")]).await;
    is_page(&wrong, 422, "Confirm your second factor");
    assert!(wrong.body.contains("id=\"code-error\""), "{}", wrong.body);
    assert_eq!(window.clone().get("/account").await.status, 200);
    let done = window.submit(&wrong, &[("code", &code(&secret(&shown), -30))]).await;
    is_page(&done, 200, "Your second factor is set up");
    assert_eq!(done.body.matches("<code>").count(), 10, "{}", done.body);
    assert!(done.body.contains("href=\"/join/acme\"") || done.body.contains("href=\"&#x2F;join&#x2F;acme\""));
    is_page(&window.get("/second-factor").await, 200, "You have a second factor");
    let again = window.submit(&page, &[]).await;
    is_page(&again, 409, "Set up a second factor");

    // From now on it is asked for, and counts.
    let mut later = site.window();
    leads_to(&later.sign_in(&email, PASSWORD).await, "/sign-in/code");
    let page = later.get("/sign-in/code").await;
    leads_to(&later.submit(&page, &[("code", &code(&secret(&shown), 0))]).await, "/account");
    assert!(!later.get("/account").await.body.contains("/second-factor"));
}
