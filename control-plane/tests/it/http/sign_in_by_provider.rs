//! Signing in by a provider from its button to the app's code, and who somebody is by it.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::json;

use super::pages::{Site, Window, encoded, is_page, leads_to};
use super::people::new_address;
use super::people_sign_up::PASSWORD;
use super::sign_in_by::{come, path_of, sent, site, verified, with};
use crate::outside::mock::Mock;
use crate::outside::value;

const COOKIE: &str = "freehold";

#[tokio::test]
async fn somebody_comes_by_a_provider_is_known_again_and_is_unlinked() {
    let (site, mock) = (site().await, Mock::start());
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let email = new_address();
    mock.person("ada", &verified(&email)).await;

    let mut window = site.window();
    let page = window.get("/sign-in").await;
    is_page(&page, 200, "Sign in");
    assert!(
        page.body.contains(&format!("/sign-in/with/{provider}")) || page.body.contains(&provider.to_string())
    );
    assert!(page.body.contains("Sign in with Acme SSO") && page.body.contains("or with your password"));
    leads_to(&come(&site, &mut window, &mock, provider, ("ada", "")).await, "/account");
    let account = window.get("/account").await;
    is_page(&account, 200, "You are signed in");
    assert!(account.body.contains("Ada Lovelace") && account.body.contains(&email), "{}", account.body);
    assert!(!window.cookies.contains_key("freehold-outside"), "it is spent");
    let (user, has_password, is_verified) = site.world.account(&email).await.expect("an account");
    assert!(!has_password && is_verified);
    assert_eq!(site.world.linked(provider, "ada").await, Some(user));
    for action in ["user.create", "identity.link", "user.sign_in"] {
        assert_eq!(site.world.audited(action, &email).await, ["done"], "{action}");
    }
    let told = site.world.letters(&email, "identity_linked").await.remove(0);
    assert_eq!((&told["made"], &told["tenant"]), (&json!(true), &json!("")));

    // Known by who they are there from now on, whatever address they have.
    mock.person("ada", &json!({"email": new_address(), "email_verified": false})).await;
    let mut again = site.window();
    leads_to(&come(&site, &mut again, &mock, provider, ("ada", "")).await, "/account");
    assert!(again.get("/account").await.body.contains(&email));
    assert_eq!(site.world.audited("user.create", &email).await.len(), 1);
    assert_eq!(site.world.letters(&email, "identity_linked").await.len(), 1);

    let sessions = site.world.ask_in(&again, Method::GET, "/api/v1/me/sessions").await.expect(200);
    let items = sessions.body["items"].as_array().expect("sessions");
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|one| one["by"] == "Acme SSO" && one["only_tenant"].is_null()), "{items:?}");
    let mine = site.world.ask_in(&again, Method::GET, "/api/v1/me/identities").await.expect(200);
    assert_eq!(mine.body["items"][0]["provider_id"], json!(provider));
    assert_eq!(mine.body["items"][0]["title"], "Acme SSO");
    let listed = site.world.get(&format!("/api/v1/users/{email}/identities")).await.expect(200);
    assert_eq!(listed.body["items"], mine.body["items"]);

    let other = uuid::Uuid::new_v4();
    site.world.ask_in(&again, Method::DELETE, &format!("/api/v1/me/identities/{other}")).await.expect(404);
    let path = format!("/api/v1/me/identities/{provider}");
    site.world.ask_in(&again, Method::DELETE, &path).await.expect(204);
    leads_to(&again.get("/account").await, "/sign-in");
    leads_to(&window.get("/account").await, "/sign-in");
    assert_eq!(site.world.linked(provider, "ada").await, None);
    assert_eq!(site.world.audited("identity.unlink", &email).await, ["done"]);
    let path = format!("/api/v1/users/{email}/identities/{provider}");
    site.world.ask(Method::DELETE, &path, None).await.expect(404);

    // Whoever has no password sets one by mail.
    site.world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    let token = site.world.mailed(&email, "reset_password").await;
    site.world.anyone("reset-password", json!({"token": token, "password": PASSWORD})).await.expect(204);
    leads_to(&window.sign_in(&email, PASSWORD).await, "/account");
}

#[tokio::test]
async fn an_app_gets_its_person_who_came_by_a_provider() {
    let (site, mock) = (site().await, Mock::start());
    let client = site.world.client("acme").await;
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let email = site.world.registered().await;
    site.world.join_by_address(&email, "acme", Role::Member).await;
    mock.person("ada", &verified(&email)).await;
    let port = site.address.port();
    let back = format!("http://acme.freehold.localhost:{port}/auth/callback");
    let asked = client.asks().but("redirect_uri", &back);
    let to = asked.params.at("/oauth/authorize");

    let mut window = site.window();
    let answer = window.get(&to).await;
    let sign_in = answer.header("location").expect("to the page").to_owned();
    let page = window.get(&sign_in).await;
    is_page(&page, 200, "Sign in to acme");
    let href = page.body.split("href=\"").find(|part| part.contains(&provider.to_string())).expect("a link");
    let href = href.split('"').next().expect("its end").replace("&#x2F;", "/").replace("&amp;", "&");
    let answer = window.get(&href).await;
    let home = mock.sign_in(answer.header("location").expect("there"), Some("ada")).await;
    let answer = window.get(&path_of(&site, &home)).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let way = answer.header("location").expect("the way on").to_owned();
    assert!(way.starts_with("/oauth/authorize?"), "{way}");
    let answer = window.get(&way).await;
    let home = answer.header("location").expect("back to the app");
    assert!(home.starts_with(&back) && home.contains("code="), "{home}");
    let code = home.split(['?', '&']).find_map(|part| part.strip_prefix("code=")).expect("a code");
    let tokens = site.world.exchange(&client, &asked.exchange(code)).await.expect(200).body;
    let said = super::oauth::claims(&tokens["id_token"]);
    assert_eq!((&said["email"], &said["email_verified"]), (&json!(email), &json!(true)));
    assert!(said["amr"].is_null(), "how they showed it there is not known here");
}

#[tokio::test]
async fn an_app_that_asks_for_a_new_sign_in_gets_one_at_the_provider() {
    let (site, mock) = (site().await, Mock::start());
    let client = site.world.client("acme").await;
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let email = site.world.registered().await;
    site.world.join_by_address(&email, "acme", Role::Member).await;
    let back = format!("http://acme.freehold.localhost:{}/auth/callback", site.address.port());
    let asked = client.asks().but("redirect_uri", &back);
    let signed_in = async |seconds_ago: i64| {
        let at = json!(chrono::Utc::now().timestamp() - seconds_ago);
        mock.person("ada", &with(&email, "auth_time", at)).await;
    };
    for (asked, fresh) in
        [(asked.but("prompt", "login"), true), (asked.but("max_age", "60"), true), (asked, false)]
    {
        let mut window = site.window();
        let answer = window.get(&asked.params.at("/oauth/authorize")).await;
        let to = value(answer.header("location").expect("to the page"), "to").expect("a way on");
        let there = sent(&mut window, provider, &to).await;
        for (name, asked) in [("prompt", "login"), ("max_age", "0")] {
            assert_eq!(value(&there, name).as_deref(), fresh.then_some(asked), "{there}");
        }
        signed_in(0).await;
        leads_to(&come(&site, &mut window, &mock, provider, ("ada", &to)).await, &to);
        // What the provider says of when they signed in counts, whatever became of the question on its way.
        signed_in(3_600).await;
        let answer = come(&site, &mut site.window(), &mock, provider, ("ada", &to)).await;
        if fresh {
            is_page(&answer, 409, "Sign in to acme");
        } else {
            leads_to(&answer, &to);
        }
    }
}

/// Whether a browser is let in, by what the page says if it is not.
async fn tried(
    site: &Site,
    mock: &Mock,
    provider: control_plane::model::ids::ProviderId,
    subject: &str,
) -> Result<String, String> {
    let mut window = site.window();
    let answer = come(site, &mut window, mock, provider, (subject, "")).await;
    if answer.status == 303 {
        return Ok(window.cookies[COOKIE].clone());
    }
    assert!(!window.cookies.contains_key(COOKIE), "{}", answer.body);
    is_page(&answer, answer.status, "Sign in");
    Err(answer.body.split_once("role=\"alert\"").expect("what is wrong").1.to_owned())
}

#[tokio::test]
async fn an_account_is_linked_by_its_verified_address_and_by_nothing_else() {
    let (site, mock) = (site().await, Mock::start());
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let trusted = site.world.provider(&mock.url, None, |one| one.trust_email = true).await;
    let email = site.world.registered().await;
    let (user, ..) = site.world.account(&email).await.expect("an account");

    for unverified in [json!({"email": email}), json!({"email": email, "email_verified": false})] {
        mock.person("eve", &unverified).await;
        let why = tried(&site, &mock, provider, "eve").await.expect_err("refused");
        assert!(why.contains("does not say that your address is verified"), "{why}");
    }
    mock.person("eve", &json!({"email_verified": true})).await;
    let why = tried(&site, &mock, provider, "eve").await.expect_err("refused");
    assert!(why.contains("tells no address"), "{why}");
    assert_eq!(site.world.linked(provider, "eve").await, None);

    mock.person("ada", &verified(&email.to_uppercase())).await;
    assert!(tried(&site, &mock, provider, "ada").await.is_ok());
    assert_eq!(site.world.linked(provider, "ada").await, Some(user));
    assert!(site.window().sign_in(&email, PASSWORD).await.status == 303, "the password goes on");

    // Somebody else at the same provider who has the address now.
    mock.person("eve", &verified(&email)).await;
    let why = tried(&site, &mock, provider, "eve").await.expect_err("refused");
    assert!(why.contains("belongs to somebody else"), "{why}");
    assert_eq!(
        site.world.audited("user.sign_in", &email).await.iter().filter(|one| *one == "refused").count(),
        3
    );

    // Where a platform admin trusts the addresses.
    mock.person("entra", &json!({"email": email})).await;
    assert!(tried(&site, &mock, trusted, "entra").await.is_ok());
    assert_eq!(site.world.linked(trusted, "entra").await, Some(user));
    // Their owner is told of both, and of what came to nothing not at all.
    let told = site.world.letters(&email, "identity_linked").await;
    assert!(told.len() == 2 && told.iter().all(|one| one["made"] == false), "{told:?}");

    site.world.post(&format!("/api/v1/users/{email}/suspend"), json!(null)).await.expect(200);
    let why = tried(&site, &mock, provider, "ada").await.expect_err("refused");
    assert!(why.contains("suspended"), "{why}");
}

#[tokio::test]
async fn what_somebody_set_up_with_an_address_that_is_not_theirs_is_gone_when_its_owner_comes() {
    let (site, mock) = (site().await, Mock::start());
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let email = new_address();
    site.world.register(&email).await.expect(202);
    let proof = site.world.mailed(&email, "verify_email").await;
    // As if they had got further than they can.
    let (user, has_password, is_verified) = site.world.account(&email).await.expect("an account");
    assert!(has_password && !is_verified);
    let mut sql = site.world.registry.superuser().await;
    for statement in [
        "insert into freehold.sessions (id, user_id, device, address, remembered, second_factor, refresh_hash, expires_at)
         values (gen_random_uuid(), $1, 'x', 'x', false, false, '\\x00', now() + interval '1 day')",
        "insert into freehold.second_factors (user_id, key_version, nonce, sealed, confirmed_at)
         values ($1, 1, '\\x00', '\\x00', now())",
    ] {
        sqlx::query(statement).bind(user.0).execute(&mut sql).await.expect(statement);
    }
    mock.person("ada", &verified(&email)).await;
    assert!(tried(&site, &mock, provider, "ada").await.is_ok());
    assert_eq!(site.world.account(&email).await, Some((user, false, true)));
    let live: i64 = sqlx::query_scalar(
        "select (select count(*) from freehold.sessions where user_id = $1 and revoked_at is null and provider_id is null)
              + (select count(*) from freehold.second_factors where user_id = $1)",
    )
    .bind(user.0)
    .fetch_one(&mut sql)
    .await
    .expect("counts");
    assert_eq!(live, 0);
    site.world.anyone("verify-email", json!({"token": proof})).await.expect(422);
    assert_eq!(site.window().sign_in(&email, PASSWORD).await.status, 422, "the password is not theirs");
}

#[tokio::test]
async fn of_two_who_come_first_at_once_one_account_is_made_and_both_are_in_it() {
    let (site, mock) = (site().await, Mock::start());
    let tenant = site.world.tenant("acme").await;
    let provider = site
        .world
        .provider(&mock.url, Some(tenant), |one| one.claims.default_role = Some(Role::Member))
        .await;
    for round in 0..4 {
        let (email, subject) = (new_address(), format!("ada{round}"));
        mock.person(&subject, &verified(&email)).await;
        let mut windows: Vec<Window<'_>> = (0..4).map(|_| site.window()).collect();
        let mut homes = Vec::new();
        for window in &mut windows {
            let there = sent(window, provider, "").await;
            homes.push(path_of(&site, &mock.sign_in(&there, Some(&subject)).await));
        }
        let comes = windows.iter_mut().zip(&homes).map(|(window, home)| window.get(home));
        for answer in futures_util::future::join_all(comes).await {
            leads_to(&answer, "/account");
        }
        let user = site.world.linked(provider, &subject).await.expect("linked");
        assert_eq!(site.world.account(&email).await.expect("one account").0, user);
        for action in ["user.create", "identity.link", "member.add"] {
            assert_eq!(site.world.audited(action, &email).await, ["done"], "{action}");
        }
        assert_eq!(site.world.audited("user.sign_in", &email).await.len(), 4);
    }
}

#[tokio::test]
async fn the_sign_in_page_keeps_to_what_a_tenant_offers_and_requires() {
    let (site, mock) = (site().await, Mock::start());
    let (acme, globex) = (site.world.client("acme").await, site.world.client("globex").await);
    let own = acme.id.parse().expect("an id");
    let theirs = site.world.provider(&mock.url, Some(own), |one| one.title = "<i>Acme".to_owned()).await;
    let off = site.world.provider(&mock.url, Some(own), |one| one.enabled = false).await;
    let platform = site.world.provider(&mock.url, None, |one| one.title = "Anybody".to_owned()).await;
    let at = async |id: &str| {
        let to = format!("/oauth/authorize?client_id={id}");
        site.window().get(&format!("/sign-in?to={}", encoded(&to))).await.body
    };
    let offered = |page: &str| [theirs, off, platform].map(|one| page.contains(&one.to_string()));
    let page = at(&acme.id).await;
    assert_eq!(offered(&page), [true, false, true]);
    assert!(page.contains("Sign in with &lt;i&gt;Acme") && !page.contains("<details"));
    assert_eq!(offered(&at(&globex.id).await), [false, false, true]);
    assert_eq!(offered(&site.window().get("/sign-in").await.body), [false, false, true]);

    sqlx::query(
        "insert into freehold.tenant_policies (tenant_id, signups, required_provider) values ($1, 'closed', $2)",
    )
    .bind(acme.id.parse::<uuid::Uuid>().expect("an id"))
    .bind(theirs.0)
    .execute(&mut site.world.registry.superuser().await)
    .await
    .expect("required");
    let page = at(&acme.id).await;
    assert_eq!(offered(&page), [true, false, false]);
    assert!(page.contains("<details>") && page.contains("For owners"), "{page}");

    // One that is not offered signs nobody in.
    for id in [off.to_string(), uuid::Uuid::new_v4().to_string(), "nothing".to_owned()] {
        let answer = site.window().get(&format!("/sign-in/with/{id}")).await;
        is_page(&answer, 404, "Sign in");
        assert!(answer.body.contains("Nobody signs in by this provider any more"), "{}", answer.body);
    }
}
