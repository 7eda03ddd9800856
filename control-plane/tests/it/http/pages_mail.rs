//! The pages that links in mails lead to: opening one takes nothing.

use super::pages::{Site, is_page};
use super::people::new_address;
use super::people_sign_up::PASSWORD;

impl super::World {
    /// The link in the latest letter of a kind to an address, without the host.
    pub(super) async fn link(&self, to: &str, kind: &str) -> String {
        let letters = self.letters(to, kind).await;
        let link = letters.first().and_then(|letter| letter["link"].as_str()).expect("a link");
        format!("/{}", link.splitn(4, '/').nth(3).expect("a path"))
    }
}

#[tokio::test]
async fn an_address_is_confirmed_by_the_button_and_not_by_the_link() {
    let site = Site::start().await;
    let email = new_address();
    site.world.register(&email).await.expect(202);
    let link = site.world.link(&email, "verify_email").await;
    assert!(link.starts_with("/verify-email?token="), "{link}");
    let mut window = site.window();
    for _ in 0..3 {
        let page = window.get(&link).await;
        is_page(&page, 200, "Confirm your address");
        assert_eq!(page.header("referrer-policy"), Some("strict-origin"), "the secret goes nowhere");
    }
    assert_eq!(site.window().sign_in(&email, PASSWORD).await.status, 403, "nothing was confirmed");
    let page = window.get(&link).await;
    is_page(&window.submit(&page, &[]).await, 200, "Your address is confirmed");
    is_page(&window.submit(&page, &[]).await, 422, "This link is good no more");
    assert_eq!(site.window().sign_in(&email, PASSWORD).await.status, 303);

    // Another mail, for whoever lost the first; the same answer for everybody.
    let other = new_address();
    site.world.register(&other).await.expect(202);
    for (address, letters) in [(&other, 2), (&new_address(), 0)] {
        let page = window.get("/verify-email").await;
        is_page(&window.submit(&page, &[("email", address)]).await, 200, "Look into your mail");
        assert_eq!(site.world.letters(address, "verify_email").await.len(), letters);
    }
    let page = window.get("/verify-email").await;
    is_page(&window.submit(&page, &[("email", "nobody")]).await, 422, "Confirm your address");
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_and_the_browser_is_signed_out() {
    let site = Site::start().await;
    let email = site.world.registered().await;
    let mut window = site.window();
    window.sign_in(&email, PASSWORD).await;
    let mut answers = Vec::new();
    for address in [&email, &new_address()] {
        let page = window.get("/forgot-password").await;
        let answer = window.submit(&page, &[("email", address)]).await;
        is_page(&answer, 200, "Look into your mail");
        let nonce = answer.body.split_once("nonce=\"").expect("a nonce").1[..43].to_owned();
        answers.push(answer.body.replace(&nonce, ""));
    }
    assert_eq!(answers[0], answers[1]);
    // Whoever remembers it after all goes on to where they were about to go.
    let to = "to=%2Fjoin%2Facme";
    let page = window.get(&format!("/forgot-password?{to}")).await;
    let sent = window.submit(&page, &[("email", &new_address())]).await;
    for page in [&page, &sent] {
        assert!(page.body.contains(&format!("/sign-in?{to}\"")), "{}", page.body);
    }

    let link = site.world.link(&email, "reset_password").await;
    for _ in 0..3 {
        is_page(&window.get(&link).await, 200, "Set a new password");
    }
    let page = window.get(&link).await;
    assert_eq!(page.header("referrer-policy"), Some("strict-origin"));
    assert!(page.body.contains("autocomplete=\"new-password\""));
    let weak = window.submit(&page, &[("password", "password1234")]).await;
    is_page(&weak, 422, "Set a new password");
    assert!(
        weak.body.contains("id=\"password-error\"") && !weak.body.contains("password1234"),
        "{}",
        weak.body
    );
    let password = "seven geese over the pond";
    is_page(&window.submit(&weak, &[("password", password)]).await, 200, "Your password is set");
    assert!(window.cookies.is_empty());
    assert_eq!(window.get("/account").await.status, 303);
    is_page(&window.submit(&weak, &[("password", password)]).await, 422, "This link is good no more");
    assert_eq!(site.window().sign_in(&email, PASSWORD).await.status, 422);
    assert_eq!(site.window().sign_in(&email, password).await.status, 303);
    is_page(&window.get("/reset-password").await, 400, "This link is good no more");
}
