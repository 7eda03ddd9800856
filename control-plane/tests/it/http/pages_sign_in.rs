//! Signing in and out with a browser.

use axum::http::Method;
use control_plane::config::LimitsConfig;
use control_plane::model::role::Role;
use serde_json::json;

use super::World;
use super::pages::{Site, Window, encoded, is_page, leads_to};
use super::people::{Person, new_address};
use super::people_second_factor::code;
use super::people_sign_up::PASSWORD;

const COOKIE: &str = "freehold";
const TICKET: &str = "freehold-ticket";

impl World {
    /// Makes the user with this address a member.
    pub(super) async fn join_by_address(&self, email: &str, slug: &str, role: Role) {
        let mut sql = self.registry.superuser().await;
        let id: uuid::Uuid = sqlx::query_scalar("select id from freehold.users where email = $1")
            .bind(email)
            .fetch_one(&mut sql)
            .await
            .expect("the user");
        let id = control_plane::model::ids::UserId(id);
        let session = control_plane::model::ids::SessionId::random();
        let person = Person { id, email: email.to_owned(), session, token: String::new() };
        self.join(&person, slug, role).await;
    }

    async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.registry.superuser().await).await.expect(statement);
    }
}

async fn is_signed_in(window: &mut Window<'_>) -> bool {
    match window.get("/account").await.status {
        200 => true,
        303 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn somebody_signs_in_sees_where_they_belong_and_signs_out() {
    let site = Site::start().await;
    site.world
        .post("/api/v1/tenants", json!({"name": "Acme <b>Fleet</b>", "slug": "acme"}))
        .await
        .expect(202);
    site.world.make("globex").await;
    let email = site.world.registered().await;
    site.world.join_by_address(&email, "acme", Role::Member).await;

    let mut window = site.window();
    leads_to(&window.get("/account").await, "/sign-in");
    let page = window.get("/sign-in").await;
    is_page(&page, 200, "Sign in");
    for part in ["autocomplete=\"username\"", "autocomplete=\"current-password\"", "<label for=\"email\">"] {
        assert!(page.body.contains(part), "{part}");
    }

    // A cookie that somebody else put there is no session of theirs later.
    window.cookies.insert(COOKIE.to_owned(), format!("{}.{}", uuid::Uuid::now_v7(), "x".repeat(43)));
    let planted = window.cookies.clone();
    let answer = window.submit(&page, &[("email", &email.to_uppercase()), ("password", PASSWORD)]).await;
    leads_to(&answer, "/account");
    let set = answer.header("set-cookie").expect("a cookie");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
    assert_ne!(window.cookies[COOKIE], planted[COOKIE]);
    let account = window.get("/account").await;
    is_page(&account, 200, "You are signed in");
    assert!(account.body.contains("Acme &lt;b&gt;Fleet&lt;/b&gt;"), "{}", account.body);
    assert!(
        account.body.contains(&format!("http://acme.{}", site.host()).replace('/', "&#x2F;"))
            || account.body.contains(&format!("http://acme.{}", site.host()))
    );
    assert!(!account.body.contains("globex"));

    // Signed in anew, the session before is over.
    let before = window.clone();
    let typed = [("email", email.as_str()), ("password", PASSWORD)];
    let typed = typed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    leads_to(&window.post("/sign-in", &typed).await, "/account");
    assert!(is_signed_in(&mut window).await && !is_signed_in(&mut before.clone()).await);

    // A link signs nobody out; the form does, for good.
    is_page(&window.get("/sign-out").await, 200, "Sign out?");
    assert!(is_signed_in(&mut window).await);
    let page = window.get("/account").await;
    let stale = window.clone();
    is_page(&window.submit(&page, &[]).await, 200, "You are signed out");
    assert!(!window.cookies.contains_key(COOKIE));
    assert!(!is_signed_in(&mut stale.clone()).await, "the cookie is good no more");
    assert_eq!(site.world.audited("user.sign_in", &email).await, ["done", "done"]);
    assert_eq!(site.world.audited("user.sign_out", &email).await, ["done"]);
}

#[tokio::test]
async fn what_is_wrong_is_told_alike_whether_or_not_there_is_an_account() {
    let site = Site::start().await;
    let (known, unknown) = (site.world.registered().await, new_address());
    let mut answers = Vec::new();
    for email in [&known, &unknown] {
        let mut window = site.window();
        let answer = window.sign_in(email, "something else entirely").await;
        is_page(&answer, 422, "Sign in");
        assert!(answer.body.contains("Email or password is wrong."), "{}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{email}\"")), "the address is kept");
        assert!(!answer.body.contains("something else entirely"), "the password is not");
        assert!(window.cookies.is_empty());
        let nonce = answer.body.split_once("nonce=\"").expect("a nonce").1[..43].to_owned();
        answers.push(answer.body.replace(email.as_str(), "").replace(&nonce, ""));
    }
    assert_eq!(answers[0], answers[1]);
    let odd = site.window().sign_in("nobody", PASSWORD).await;
    is_page(&odd, 422, "Sign in");
    assert!(odd.body.contains("id=\"email-error\""));

    // Whoever has the password may know how the account stands.
    site.world.sql("update freehold.users set verified_at = null").await;
    let answer = site.window().sign_in(&known, PASSWORD).await;
    is_page(&answer, 403, "Sign in");
    assert!(answer.body.contains("/verify-email") || answer.body.contains("verify-email"));
    site.world.sql("update freehold.users set verified_at = now(), suspended_at = now()").await;
    let answer = site.window().sign_in(&known, PASSWORD).await;
    is_page(&answer, 403, "Sign in");
    assert!(answer.body.contains("suspended"));
}

#[tokio::test]
async fn whoever_guesses_is_told_on_the_page_how_long_to_wait() {
    let site = Site::start().await;
    let email = site.world.registered().await;
    let mut window = site.window();
    for _ in 0..5 {
        is_page(&window.sign_in(&email, "something else").await, 422, "Sign in");
    }
    site.world.sql("update freehold.sign_in_failures set until = now() + interval '10 minutes' where until > last_at").await;
    let answer = window.sign_in(&email, PASSWORD).await;
    is_page(&answer, 429, "Sign in");
    assert!(answer.body.contains("Too many sign-ins failed; try again in "), "{}", answer.body);
    assert!(!window.cookies.contains_key(COOKIE));

    // By address, whatever is guessed.
    let limits = LimitsConfig { sign_in_per_minute: 2, ..LimitsConfig::default() };
    let limited = World::started(|_| {}, &limits).await;
    for status in [403, 403, 429] {
        let request = limited.request(Method::POST, "/sign-in").header("x-forwarded-for", "203.0.113.9");
        let answer = limited.send(request.body(axum::body::Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("retry-after").is_empty(), status == 403);
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_from_the_sign_in_and_an_app_gets_its_person_back() {
    let site = Site::start().await;
    let made = site.world.post(
        "/api/v1/tenants",
        json!({"name": "Acme Fleet", "slug": "acme", "settings": {"color": "#aa3377"}}),
    );
    let id = made.await.expect(202).body["tenant_id"].as_str().map(str::to_owned);
    let id = match id {
        Some(id) => id,
        None => site.world.get("/api/v1/tenants/acme").await.expect(200).body["id"]
            .as_str()
            .expect("an id")
            .to_owned(),
    };
    let email = site.world.registered().await;
    for bad in [
        "https://evil.example/",
        "//evil.example",
        "/oauth/authorize",
        "/\\evil.example",
        "/oauth/authorize?\r\nX: y",
    ] {
        let mut window = site.window();
        let page = window.get(&format!("/sign-in?to={}", encoded(bad))).await;
        is_page(&page, 200, "Sign in");
        assert!(!page.body.contains("evil.example"), "{bad}");
        let fields = [("email", email.as_str()), ("password", PASSWORD), ("to", bad)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        leads_to(&window.post("/sign-in", &fields).await, "/account");
    }

    let back = format!("http://acme.{}", site.host());
    let to = format!(
        "/oauth/authorize?client_id={id}&state=%22x%22&login_hint=ada%40example.com&redirect_uri={}",
        encoded(&format!("{back}/auth/callback"))
    );
    let mut window = site.window();
    let page = window.get(&format!("/sign-in?to={}", encoded(&to))).await;
    is_page(&page, 200, "Sign in to Acme Fleet");
    assert!(page.body.contains("--brand: #aa3377"), "{}", page.body);
    assert!(page.body.contains("value=\"ada@example.com\""), "whom the app expects");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains(&format!("form-action 'self' {back};")), "{policy}");
    let wrong = window.submit(&page, &[("email", &email), ("password", "something else")]).await;
    is_page(&wrong, 422, "Sign in to Acme Fleet");
    leads_to(&window.submit(&wrong, &[("email", &email), ("password", PASSWORD)]).await, &to);
    // An app may ask once more.
    let page = window.get(&format!("/sign-in?to={}", encoded(&to))).await;
    assert!(page.body.contains(&format!("You are signed in as {email}.")), "{}", page.body);
    assert!(page.body.contains("sign in as whom this place means"), "{}", page.body);
    leads_to(&window.get("/sign-in").await, "/account");
}

#[tokio::test]
async fn a_browsers_session_is_like_any_other_and_no_tokens_come_of_it() {
    let site = Site::start().await;
    let email = site.world.registered().await;
    let token = site.world.log_in(&email, PASSWORD).await.expect(200).body["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let mut window = site.window();
    let page = window.get("/sign-in").await;
    let answer =
        window.submit(&page, &[("email", &email), ("password", PASSWORD), ("remember", "yes")]).await;
    assert!(
        answer.header("set-cookie").is_some_and(|set| set.ends_with("; Max-Age=7776000")),
        "{}",
        answer.head
    );
    let cookie = window.cookies[COOKIE].clone();
    let id = cookie.split('.').next().expect("an id").to_owned();

    // It is no refresh token, and whoever knows its id cannot end it by that door.
    site.world.anyone("refresh", json!({"refresh_token": cookie})).await.expect(401);
    assert!(is_signed_in(&mut window).await);
    let listed = site.world.ask_as(&token, Method::GET, "/api/v1/me/sessions", None).await.expect(200);
    let mine = listed.body["items"].as_array().expect("sessions").iter().find(|one| one["id"] == id.as_str());
    let mine = mine.expect("it is listed");
    assert_eq!((&mine["device"], &mine["remembered"]), (&json!("Firefox on Linux"), &json!(true)));

    // It lasts on with each use, and not past its longest.
    site.world.sql("update freehold.sessions set last_used_at = now() - interval '2 minutes', expires_at = now() + interval '1 hour'").await;
    assert!(is_signed_in(&mut window).await);
    let left: i64 = sqlx::query_scalar("select extract(day from expires_at - now())::bigint from freehold.sessions where browser_hash is not null")
        .fetch_one(&mut site.world.registry.superuser().await)
        .await
        .expect("the session");
    assert_eq!(left, 29);

    for other in [format!("{id}.{}", "A".repeat(43)), id.clone(), String::new(), ".".to_owned()] {
        let mut thief = site.window();
        thief.cookies.insert(COOKIE.to_owned(), other);
        assert!(!is_signed_in(&mut thief).await);
    }
    site.world.ask_as(&token, Method::DELETE, &format!("/api/v1/me/sessions/{id}"), None).await.expect(204);
    assert!(!is_signed_in(&mut window).await);

    // Signed out everywhere.
    window.sign_in(&email, PASSWORD).await;
    let page = window.get("/account").await;
    is_page(&window.submit(&page, &[("everywhere", "yes")]).await, 200, "You are signed out");
    site.world.ask_as(&token, Method::GET, "/api/v1/me", None).await.expect(401);

    window.sign_in(&email, PASSWORD).await;
    site.world.sql("update freehold.sessions set expires_at = now()").await;
    // What was remembered of them is forgotten by the session's end, too.
    assert!(!is_signed_in(&mut window).await);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_on_a_page_of_its_own_and_its_ticket_is_good_once() {
    let site = Site::start().await;
    let email = site.world.registered().await;
    let token = site.world.log_in(&email, PASSWORD).await.expect(200).body["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let ask = async |path: &str, body| {
        site.world
            .ask_as(&token, Method::POST, &format!("/api/v1/me/second-factor{path}"), body)
            .await
            .expect(200)
    };
    let secret = ask("", None).await.body["secret"].as_str().expect("a secret").to_owned();
    let confirmed = ask("/confirm", Some(json!({"code": code(&secret, -30)}))).await;
    let recovery: Vec<String> = serde_json::from_value(confirmed.body["codes"].clone()).expect("codes");

    let mut window = site.window();
    leads_to(&window.get("/sign-in/code").await, "/sign-in");
    leads_to(&window.sign_in(&email, PASSWORD).await, "/sign-in/code");
    assert!(!window.cookies.contains_key(COOKIE), "not signed in yet");
    assert!(!is_signed_in(&mut window).await);
    let page = window.get("/sign-in/code").await;
    is_page(&page, 200, "Enter your code");
    assert!(page.body.contains("autocomplete=\"one-time-code\""));
    is_page(&window.submit(&page, &[("code", "000000")]).await, 422, "Enter your code");
    is_page(&window.submit(&page, &[("code", " ")]).await, 422, "Enter your code");
    let ticket = window.cookies[TICKET].clone();
    leads_to(&window.submit(&page, &[("code", &code(&secret, 0))]).await, "/account");
    assert!(is_signed_in(&mut window).await);
    assert!(!window.cookies.contains_key(TICKET));

    // The ticket is spent, also with a good code.
    let with_ticket = async |ticket: &str, code: &str| {
        let mut window = site.window();
        window.cookies.insert(TICKET.to_owned(), ticket.to_owned());
        let page = window.get("/sign-in/code").await;
        let answer = window.submit(&page, &[("code", code)]).await;
        (answer, window.cookies.contains_key(COOKIE))
    };
    let (answer, signed_in) = with_ticket(&ticket, &recovery[0]).await;
    is_page(&answer, 422, "Sign in");
    assert!(!signed_in && answer.body.contains("That took too long"), "{}", answer.body);
    assert!(is_signed_in(&mut window).await, "who signed in by it stays so");

    // A ticket is of a moment and of a password; a recovery code is as good as a code.
    let fresh = async || {
        let mut window = site.window();
        window.sign_in(&email, PASSWORD).await;
        window.cookies[TICKET].clone()
    };
    let one = fresh().await;
    let (_, signed_in) = with_ticket(&one, &recovery[0]).await;
    assert!(signed_in, "a ticket that was refused took no code");
    let old = fresh().await;
    let forged = old.replacen(".0.", ".1.", 1);
    assert!(!with_ticket(&forged, &recovery[1]).await.1);
    site.world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    let mailed = site.world.mailed(&email, "reset_password").await;
    site.world
        .anyone("reset-password", json!({"token": mailed, "password": "seven geese over the pond"}))
        .await
        .expect(204);
    assert!(!with_ticket(&old, &recovery[1]).await.1, "the password that was right is no more");
    assert!(!is_signed_in(&mut window).await, "a new password ends all sessions");
}
