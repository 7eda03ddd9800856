//! Signing in by a tenant's own provider: good in that tenant alone; what claims make of somebody; second factors.

use axum::http::Method;
use control_plane::app::Settings;
use control_plane::model::role::Role;
use control_plane::store::providers::ProviderRecord;
use serde_json::{Value, json};

use super::pages::{is_page, leads_to};
use super::people::new_address;
use super::people_second_factor::code;
use super::people_sign_up::PASSWORD;
use super::sign_in_by::{come, site, site_with, verified, with};
use crate::outside::mock::Mock;

#[tokio::test]
async fn who_came_by_a_tenants_provider_is_signed_in_to_that_tenant_alone() {
    let (site, mock) = (site().await, Mock::start());
    let (acme, globex) = (site.world.client("acme").await, site.world.client("globex").await);
    let own = acme.id.parse().expect("an id");
    let provider = site.world.provider(&mock.url, Some(own), |_| {}).await;
    // An owner of both; whoever holds one of them has its provider say that they are them.
    let email = site.world.registered().await;
    for slug in ["acme", "globex"] {
        site.world.join_by_address(&email, slug, Role::Owner).await;
    }
    mock.person("eve", &verified(&email)).await;
    let mut window = site.window();
    leads_to(&come(&site, &mut window, &mock, provider, ("eve", "")).await, "/account");

    let ask = async |method: Method, path: &str| site.world.ask_in(&window, method, path).await;
    let me = ask(Method::GET, "/api/v1/me").await.expect(200).body;
    let slugs: Vec<&Value> =
        me["memberships"].as_array().expect("memberships").iter().map(|one| &one["slug"]).collect();
    assert_eq!(slugs, ["acme"]);
    ask(Method::GET, "/api/v1/tenants/acme/members").await.expect(200);
    ask(Method::GET, "/api/v1/tenants/globex").await.expect(404);
    for (method, path, body) in [
        (Method::GET, "/api/v1/me/sessions", ""),
        (Method::DELETE, "/api/v1/me/sessions", ""),
        (Method::DELETE, "/api/v1/me/sessions/0199f0c2-1c1f-7c1b-b0f2-5b7f7c0e9d11", ""),
        (Method::GET, "/api/v1/me/keys", ""),
        (Method::POST, "/api/v1/me/keys", r#"{"name":"k","scopes":["tenant.read"]}"#),
        (Method::POST, "/api/v1/me/password", r#"{"current_password":"x","password":"y"}"#),
        (Method::POST, "/api/v1/me/second-factor", ""),
        (Method::POST, "/api/v1/me/recovery-codes", r#"{"password":"x"}"#),
        (Method::GET, "/api/v1/me/identities", ""),
        (Method::DELETE, &format!("/api/v1/me/identities/{provider}"), ""),
        (Method::GET, "/api/v1/me/signups", ""),
        (Method::POST, "/api/v1/signups", r#"{"name":"Depot","slug":"depot"}"#),
        (Method::POST, "/api/v1/tenants/globex/signups", "{}"),
    ] {
        let body = if body.is_empty() { None } else { Some(serde_json::from_str(body).expect("JSON")) };
        let answer = site.world.ask_with(&window, method.clone(), path, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (403, &json!("forbidden")),
            "{method} {path}"
        );
        assert!(answer.text.contains("good in that tenant alone"), "{method} {path}: {}", answer.text);
    }
    let invited = json!({"email": email, "role": "viewer"});
    site.world.make("depot").await;
    site.world.post("/api/v1/tenants/depot/invitations", invited).await.expect(201);
    let token = site.world.mailed(&email, "invitation").await;
    let body = Some(json!({"token": token}));
    site.world.ask_with(&window, Method::POST, "/api/v1/invitations/accept", body).await.expect(403);

    // Its own tenant's app lets them in, another's asks who they are.
    let port = site.address.port();
    let mut lead = async |client: &super::oauth::Client, slug: &str| {
        let back = format!("http://{slug}.freehold.localhost:{port}/auth/callback");
        let to = client.asks().but("redirect_uri", &back).params.at("/oauth/authorize");
        let answer = window.get(&to).await;
        answer.header("location").expect("somewhere").to_owned()
    };
    assert!(lead(&acme, "acme").await.contains("code="));
    assert!(lead(&globex, "globex").await.starts_with("/sign-in?to="));
    let account = window.get("/account").await;
    assert!(account.body.contains("acme.") && !account.body.contains("globex."), "{}", account.body);
    assert!(!account.body.contains("everywhere"));
    is_page(&window.submit(&account, &[]).await, 200, "You are signed out");
    // Nothing of theirs was touched.
    leads_to(&site.window().sign_in(&email, PASSWORD).await, "/account");
}

#[tokio::test]
async fn an_account_that_a_tenants_provider_made_is_proven_by_mail_alone() {
    let (site, mock) = (site().await, Mock::start());
    let acme = site.world.tenant("acme").await;
    let joins = |one: &mut ProviderRecord| {
        one.claims.default_role = Some(Role::Member);
    };
    let provider = site.world.provider(&mock.url, Some(acme), joins).await;
    let email = new_address();
    mock.person("ada", &verified(&email)).await;
    let mut window = site.window();
    leads_to(&come(&site, &mut window, &mock, provider, ("ada", "")).await, "/account");
    let (user, has_password, is_verified) = site.world.account(&email).await.expect("an account");
    assert!(!has_password && !is_verified);
    assert_eq!(site.world.standing(&email, "acme").await, Some(("member".to_owned(), false)));

    // Nobody lets a password of theirs in by registering with the address: its owner is told of the account.
    site.world.register(&email).await.expect(202);
    assert_eq!(site.world.letters(&email, "verify_email").await.len(), 0);
    assert_eq!(site.world.letters(&email, "already_registered").await.len(), 1);
    assert_eq!(site.world.account(&email).await, Some((user, false, false)));
    site.world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    let token = site.world.mailed(&email, "reset_password").await;
    site.world.anyone("reset-password", json!({"token": token, "password": PASSWORD})).await.expect(204);
    assert_eq!(site.world.account(&email).await, Some((user, true, true)));

    assert_eq!(site.world.letters(&email, "identity_linked").await.len(), 1);
}

#[tokio::test]
async fn a_tenants_provider_links_its_members_alone_and_who_has_an_account_is_asked_by_mail() {
    let (site, mock) = (site().await, Mock::start());
    let acme = site.world.tenant("acme").await;
    site.world.make("globex").await;
    let joins = |one: &mut ProviderRecord| {
        one.claims.roles = Some("roles".to_owned());
        one.claims.role_of = [("dev".to_owned(), Role::Developer)].into();
        one.claims.default_role = Some(Role::Member);
    };
    let open = site.world.provider(&mock.url, Some(acme), joins).await;
    let closed = site.world.provider(&mock.url, Some(acme), |_| {}).await;
    let (ada, suspended, unproven) =
        (site.world.registered().await, site.world.registered().await, new_address());
    site.world.post(&format!("/api/v1/users/{suspended}/suspend"), json!(null)).await.expect(200);
    let account = json!({"email": unproven, "name": "Bo", "password": PASSWORD});
    let wish = Some(json!({"account": account}));
    site.world.ask_as("", Method::POST, "/api/v1/tenants/globex/signups", wish).await.expect(202);

    let why = "An invitation was mailed to your address";
    for email in [&ada, &suspended, &unproven] {
        let before = site.world.account(email).await;
        mock.person(email, &with(email, "roles", json!("dev"))).await;
        // What it may not say of them is heard of by nobody, and twice is no more than once.
        let answer = come(&site, &mut site.window(), &mock, closed, (email, "")).await;
        assert!(answer.status == 403 && answer.body.contains("You belong to no place"), "{}", answer.body);
        for _ in 0..2 {
            let mut window = site.window();
            let answer = come(&site, &mut window, &mock, open, (email, "")).await;
            is_page(&answer, 403, "Sign in");
            assert!(answer.body.contains(why) && !answer.body.contains("suspended"), "{}", answer.body);
            assert!(!window.cookies.contains_key("freehold"));
        }
        let offered = site.world.letters(email, "invitation").await;
        assert_eq!(offered.len(), 1, "{offered:?}");
        assert_eq!((&offered[0]["role"], &offered[0]["tenant"]), (&json!("developer"), &json!("acme")));
        assert_eq!(site.world.audited("invitation.create", email).await, ["done"]);
        let refused = site.world.audited("user.sign_in", email).await;
        assert_eq!(refused.iter().filter(|outcome| *outcome == "refused").count(), 3, "{refused:?}");
        assert_eq!(site.world.account(email).await, before);
        assert_eq!(site.world.standing(email, "acme").await, None);
        assert_eq!(site.world.linked(open, email).await, None);
        assert_eq!(site.world.letters(email, "identity_linked").await.len(), 0);
    }

    // Whoever accepts comes in by the provider from then on.
    let token = site.world.log_in(&ada, PASSWORD).await.expect(200).body["access_token"].clone();
    let accepted = Some(json!({"token": site.world.mailed(&ada, "invitation").await}));
    let token = token.as_str().expect("a token");
    site.world.ask_as(token, Method::POST, "/api/v1/invitations/accept", accepted).await.expect(201);
    leads_to(&come(&site, &mut site.window(), &mock, open, (&ada, "")).await, "/account");
    assert_eq!(site.world.standing(&ada, "acme").await, Some(("developer".to_owned(), false)));
    let told = site.world.letters(&ada, "identity_linked").await;
    assert_eq!((&told[0]["tenant"], &told[0]["provider"]), (&json!("acme"), &json!("Acme SSO")));

    // What somebody has yet to prove goes on as if nobody had come: their password and what they asked for.
    let proof = site.world.mailed(&unproven, "verify_email").await;
    site.world.anyone("verify-email", json!({"token": proof})).await.expect(204);
    leads_to(&site.window().sign_in(&unproven, PASSWORD).await, "/account");
    assert_eq!(site.world.letters(&unproven, "signup_pending").await.len(), 1);
}

#[tokio::test]
async fn claims_make_members_and_roles_but_no_owner_and_let_nobody_in_who_was_suspended() {
    let (site, mock) = (site().await, Mock::start());
    for slug in ["acme", "globex", "depot"] {
        site.world.make(slug).await;
    }
    let provider = site
        .world
        .provider(&mock.url, None, |one| {
            one.claims.tenants = Some("https://freehold.example/tenant_id".to_owned());
            one.claims.roles = Some("roles".to_owned());
            one.claims.role_of =
                [("boss".to_owned(), Role::Owner), ("dev".to_owned(), Role::Developer)].into();
            one.claims.default_role = Some(Role::Viewer);
            one.claims.signup_status = Some("status".to_owned());
        })
        .await;
    let email = new_address();
    let said = async |tenants: Value, roles: Value, status: &str| {
        let mut claims = with(&email, "https://freehold.example/tenant_id", tenants);
        claims["roles"] = roles;
        claims["status"] = json!(status);
        mock.person("ada", &claims).await;
        let mut window = site.window();
        let answer = come(&site, &mut window, &mock, provider, ("ada", "")).await;
        (answer.status, answer.body)
    };
    let role = async |slug: &str| site.world.standing(&email, slug).await.map(|(role, _)| role);

    for (status, why) in
        [("pending", "yet to be approved"), ("denied", "was not approved"), ("", "was not approved")]
    {
        let (code, body) = said(json!(["acme"]), json!([]), status).await;
        assert!(code == 403 && body.contains(why), "{body}");
    }
    assert_eq!(site.world.account(&email).await, None, "nothing is made of who is not let in");
    let named = json!(["acme", "globex", "nothing", "../x", "acme"]);
    assert_eq!(said(named, json!([]), "approved").await.0, 303);
    assert_eq!(
        (role("acme").await, role("globex").await, role("depot").await),
        (Some("viewer".into()), Some("viewer".into()), None)
    );
    assert_eq!(said(json!("acme"), json!(["dev", "else"]), "approved").await.0, 303);
    assert_eq!(
        (role("acme").await.as_deref(), role("globex").await.as_deref()),
        (Some("developer"), Some("viewer"))
    );
    assert_eq!(said(json!("acme"), json!("boss"), "approved").await.0, 303);
    assert_eq!(role("acme").await.as_deref(), Some("admin"), "no claim makes an owner");
    assert_eq!(site.world.audited("member.add", &email).await, ["done", "done"]);
    assert_eq!(site.world.audited("member.update", &email).await, ["done", "done"]);

    let member = |slug: &str| format!("/api/v1/tenants/{slug}/members/{email}");
    let set = async |slug: &str, body: Value| {
        site.world.ask(Method::PATCH, &member(slug), Some(body)).await.expect(200)
    };
    // Suspended stays suspended, removed comes again where claims make members, an owner stays one.
    set("acme", json!({"suspended": true})).await;
    set("globex", json!({"role": "owner"})).await;
    assert_eq!(said(json!(["acme", "globex"]), json!("dev"), "approved").await.0, 303);
    assert_eq!(site.world.standing(&email, "acme").await, Some(("admin".to_owned(), true)));
    assert_eq!(role("globex").await.as_deref(), Some("owner"));
    site.world.ask(Method::DELETE, &member("acme"), None).await.expect(204);
    assert_eq!(said(json!(["acme"]), json!("dev"), "approved").await.0, 303);
    assert_eq!(site.world.standing(&email, "acme").await, Some(("developer".to_owned(), false)));
    // What a claim does not name any more is not taken away.
    assert_eq!(said(json!([]), json!([]), "approved").await.0, 303);
    assert_eq!(role("acme").await.as_deref(), Some("developer"));
}

#[tokio::test]
async fn a_tenants_provider_speaks_of_that_tenant_and_lets_in_whom_it_has_room_for() {
    let (site, mock) = (site().await, Mock::start());
    let acme = site.world.tenant("acme").await;
    let other = site.world.tenant("globex").await;
    let claims = |one: &mut ProviderRecord| {
        one.claims.tenants = Some("tenants".to_owned());
        one.claims.default_role = Some(Role::Member);
    };
    let provider = site.world.provider(&mock.url, Some(acme), claims).await;
    let closed = site.world.provider(&mock.url, Some(acme), |_| {}).await;
    let email = new_address();
    let tried = async |provider, claims: Value| {
        mock.person("ada", &claims).await;
        let mut window = site.window();
        let answer = come(&site, &mut window, &mock, provider, ("ada", "")).await;
        (answer.status, answer.body)
    };
    for (provider, tenants) in
        [(provider, json!(["globex", other])), (provider, json!([])), (closed, json!(["acme"]))]
    {
        let (status, body) = tried(provider, with(&email, "tenants", tenants.clone())).await;
        assert!(status == 403 && body.contains("You belong to no place"), "{tenants}: {body}");
    }
    assert_eq!(site.world.account(&email).await, None);
    assert_eq!(tried(provider, with(&email, "tenants", json!(["globex", acme]))).await.0, 303);
    assert_eq!(site.world.standing(&email, "acme").await, Some(("member".to_owned(), false)));
    assert_eq!(site.world.standing(&email, "globex").await, None);
}

#[tokio::test]
async fn claims_let_in_as_many_as_the_plan_has_room_for() {
    let one_each = |settings: &mut Settings| {
        settings.plans.values_mut().for_each(|plan| plan.members = Some(1));
    };
    let (site, mock) = (site_with(one_each).await, Mock::start());
    let acme = site.world.tenant("acme").await;
    site.world.make("globex").await;
    let joins = |one: &mut ProviderRecord| one.claims.default_role = Some(Role::Member);
    let own = site.world.provider(&mock.url, Some(acme), joins).await;
    let platforms = site
        .world
        .provider(&mock.url, None, |one| {
            joins(one);
            one.claims.tenants = Some("tenants".to_owned());
        })
        .await;
    let (first, second) = (new_address(), new_address());
    mock.person("first", &verified(&first)).await;
    mock.person("second", &with(&second, "tenants", json!(["acme", "globex"]))).await;
    leads_to(&come(&site, &mut site.window(), &mock, own, ("first", "")).await, "/account");
    let answer = come(&site, &mut site.window(), &mock, own, ("second", "")).await;
    is_page(&answer, 409, "Sign in");
    assert!(answer.body.contains("has room for 1 members"), "{}", answer.body);
    assert_eq!(site.world.account(&second).await, None, "nothing of it is done");
    // By the platform's they come in where there is room.
    leads_to(&come(&site, &mut site.window(), &mock, platforms, ("second", "")).await, "/account");
    assert_eq!(site.world.standing(&second, "acme").await, None);
    assert_eq!(site.world.standing(&second, "globex").await, Some(("member".to_owned(), false)));
    assert_eq!(site.world.audited("member.add", &second).await, ["refused", "done"]);
}

#[tokio::test]
async fn our_second_factor_is_asked_for_unless_the_provider_asked_for_one() {
    let (site, mock) = (site().await, Mock::start());
    let acme = site.world.tenant("acme").await;
    let provider = site.world.provider(&mock.url, Some(acme), |_| {}).await;
    let email = site.world.registered().await;
    site.world.join_by_address(&email, "acme", Role::Member).await;
    let token = site.world.log_in(&email, PASSWORD).await.expect(200).body["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let ask = async |path: &str, body| {
        let path = format!("/api/v1/me/second-factor{path}");
        site.world.ask_as(&token, Method::POST, &path, body).await.expect(200).body
    };
    let secret = ask("", None).await["secret"].as_str().expect("a secret").to_owned();
    let codes = ask("/confirm", Some(json!({"code": code(&secret, -30)}))).await["codes"].clone();
    let recovery: Vec<String> = serde_json::from_value(codes).expect("codes");
    mock.person("ada", &verified(&email)).await;

    let mut window = site.window();
    let to = "/join/acme";
    let answer = come(&site, &mut window, &mock, provider, ("ada", to)).await;
    let there = answer.header("location").expect("the code's page").to_owned();
    assert!(answer.status == 303 && there.starts_with("/sign-in/code?to="), "{there}");
    assert!(!window.cookies.contains_key("freehold"), "not signed in yet");
    let page = window.get(&there).await;
    is_page(&page, 200, "Enter your code");
    let thief = window.clone();
    leads_to(&window.submit(&page, &[("code", &recovery[0])]).await, to);
    let me = site.world.ask_in(&window, Method::GET, "/api/v1/me").await.expect(200).body;
    assert_eq!(me["second_factor"], true);
    site.world.ask_in(&window, Method::GET, "/api/v1/me/keys").await.expect(403);
    assert_eq!(me["memberships"].as_array().map(Vec::len), Some(1));
    // The ticket is spent, and good for nothing once the provider knows them no more.
    let mut thief = thief;
    is_page(&thief.submit(&page, &[("code", &recovery[1])]).await, 422, "Sign in to acme");
    let mut late = site.window();
    come(&site, &mut late, &mock, provider, ("ada", to)).await;
    let path = format!("/api/v1/users/{email}/identities/{provider}");
    site.world.ask(Method::DELETE, &path, None).await.expect(204);
    is_page(&late.submit(&page, &[("code", &recovery[1])]).await, 422, "Sign in to acme");
    assert!(!late.cookies.contains_key("freehold"));

    // To whom they are new gets no further without our code, whatever it says: they are not linked before.
    site.world.make("globex").await;
    let names = |one: &mut ProviderRecord| {
        one.claims.tenants = Some("tenants".to_owned());
        one.claims.default_role = Some(Role::Viewer);
    };
    let platforms = site.world.provider(&mock.url, None, names).await;
    let mut claims = with(&email, "amr", json!(["pwd", "mfa"]));
    claims["tenants"] = json!("globex");
    mock.person("ada", &claims).await;
    let user = site.world.account(&email).await.expect("an account").0;
    for (provider, code) in [(provider, &recovery[1]), (platforms, &recovery[2])] {
        let mut waiting = Vec::new();
        for _ in 0..2 {
            let mut window = site.window();
            leads_to(&come(&site, &mut window, &mock, provider, ("ada", to)).await, &there);
            assert!(!window.cookies.contains_key("freehold"), "not signed in yet");
            waiting.push(window);
        }
        is_page(&waiting[0].submit(&page, &[("code", "no code")]).await, 422, "Enter your code");
        assert_eq!(site.world.linked(provider, "ada").await, None);
        assert_eq!(site.world.standing(&email, "globex").await, None);
        leads_to(&waiting[1].submit(&page, &[("code", code)]).await, to);
        assert_eq!(site.world.linked(provider, "ada").await, Some(user));
        // From now on it is believed.
        let mut window = site.window();
        leads_to(&come(&site, &mut window, &mock, provider, ("ada", to)).await, to);
        let me = site.world.ask_in(&window, Method::GET, "/api/v1/me").await.expect(200).body;
        assert_eq!(me["second_factor"], true);
    }
    assert_eq!(site.world.standing(&email, "globex").await, Some(("viewer".to_owned(), false)));
    assert_eq!(site.world.letters(&email, "identity_linked").await.len(), 3);

    // What it said is done as it was checked, or not at all.
    let path = format!("/api/v1/users/{email}/identities/{platforms}");
    site.world.ask(Method::DELETE, &path, None).await.expect(204);
    let mut late = site.window();
    leads_to(&come(&site, &mut late, &mock, platforms, ("ada", to)).await, &there);
    sqlx::query(
        "update freehold.providers set issuer = 'https://else.example/', updated_at = now() where id = $1",
    )
    .bind(platforms.0)
    .execute(&mut site.world.registry.superuser().await)
    .await
    .expect("another issuer");
    is_page(&late.submit(&page, &[("code", &recovery[3])]).await, 422, "Sign in to acme");
    assert_eq!(site.world.linked(platforms, "ada").await, None);
}
