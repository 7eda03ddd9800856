//! `freehold member`, `invite`, `signup`, `user`, `provider`, `mail` and `audit` against the real API, over a socket.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use control_plane::model::role::Role;
use control_plane::store::{Scope, identities};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::people::new_address;
use super::people_second_factor::code;
use super::{PASSWORD, World};

/// The command line as a platform admin has it.
pub(super) struct Freehold {
    pub(super) home: tempfile::TempDir,
    pub(super) url: String,
    pub(super) token: String,
    pub(super) second_factor: String,
    /// What the API was asked for, in order: method and target.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

impl Freehold {
    pub(super) async fn of(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://admin.freehold.localhost:{}", listener.local_addr().expect("bound").port());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let note = from_fn(move |request: Request, next: Next| {
            let target = format!("{} {}", request.method(), request.uri());
            log.lock().expect("nobody failed").push(target);
            next.run(request)
        });
        let router = world.router.clone().layer(note);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            home: tempfile::tempdir().expect("a directory"),
            url,
            token: world.token.clone(),
            second_factor: String::new(),
            asked,
        }
    }

    /// Runs it, expects this exit code, and gives standard output.
    pub(super) async fn ends(&self, code: i32, arguments: &[&str]) -> String {
        self.says(code, arguments).await.0
    }

    /// The same, with standard error.
    pub(super) async fn says(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
        command
            .env_clear()
            .env("FREEHOLD_HOME", self.home.path())
            .env("FREEHOLD_URL", &self.url)
            .env("FREEHOLD_PASSWORD", PASSWORD);
        for (name, value) in
            [("FREEHOLD_TOKEN", &self.token), ("FREEHOLD_SECOND_FACTOR", &self.second_factor)]
        {
            if !value.is_empty() {
                command.env(name, value);
            }
        }
        let output = command
            .args(arguments)
            .current_dir(self.home.path())
            .kill_on_drop(true)
            .output()
            .await
            .expect("it runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        (out.into_owned(), err.into_owned())
    }

    pub(super) async fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ends(0, &[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&out).expect("JSON")
    }
}

#[tokio::test]
async fn people_are_run_from_the_command_line() {
    let world = World::start().await;
    world.make("acme").await;
    let freehold = Freehold::of(&world).await;
    let ada = world.user(&new_address()).await;
    let email = ada.email.as_str();
    let added = freehold.ends(0, &["member", "add", "acme", email, "--role", "owner"]).await;
    assert_eq!(added, format!("{email} is owner\n"));
    freehold.ends(4, &["member", "role", "acme", email, "viewer"]).await;
    freehold.ends(2, &["member", "role", "acme", email, "king"]).await;
    freehold.ends(3, &["member", "show", "acme", "nobody@example.com"]).await;
    let grace = world.member("acme", Role::Member).await;
    freehold.ends(0, &["member", "role", "acme", &grace.email, "developer"]).await;
    let out = freehold.ends(0, &["member", "suspend", "acme", &grace.email]).await;
    assert_eq!(out, format!("{} is developer, suspended\n", grace.email));
    freehold.ends(0, &["member", "resume", "acme", &grace.email]).await;
    let shown = freehold.json(&["member", "show", "acme", &grace.email]).await;
    assert_eq!((shown["role"].as_str(), shown["suspended"].as_bool()), (Some("developer"), Some(false)));
    let listed = freehold.json(&["member", "list", "acme", "--role", "owner,developer"]).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    freehold.ends(0, &["member", "remove", "acme", &grace.email]).await;
    let table = freehold.ends(0, &["member", "list", "acme"]).await;
    assert!(table.starts_with("EMAIL") && table.contains(email) && !table.contains(&grace.email), "{table}");

    let made = freehold.json(&["invite", "create", "acme", &grace.email, "--role", "admin"]).await;
    let id = made["id"].as_str().expect("an id");
    freehold.ends(4, &["invite", "create", "acme", &grace.email]).await;
    let again = freehold.ends(0, &["invite", "resend", "acme", id]).await;
    assert!(again.starts_with(&format!("{} is invited as admin until ", grace.email)), "{again}");
    freehold.ends(0, &["invite", "revoke", "acme", id]).await;
    let listed = freehold.json(&["invite", "list", "acme", "--status", "revoked"]).await;
    assert_eq!(listed[0]["id"], made["id"]);

    let join = grace.post(&world, "/api/v1/tenants/acme/signups", json!({})).await.expect(201).body;
    let open = grace.post(&world, "/api/v1/signups", json!({"name": "Globex"})).await.expect(201).body;
    let listed = freehold.json(&["signup", "list", "--tenant", "acme"]).await;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &join["id"]));
    let out = freehold.ends(0, &["signup", "approve", join["id"].as_str().expect("an id")]).await;
    assert_eq!(out, format!("{}: a place in acme was approved\n", grace.email));
    let wish = open["id"].as_str().expect("an id");
    let out = freehold.ends(0, &["signup", "reject", wish, "--reason", "we are full"]).await;
    assert_eq!(out, format!("{}: the tenant globex was rejected\n", grace.email));
    freehold.ends(4, &["signup", "approve", wish]).await;
    assert_eq!(freehold.json(&["signup", "list", "--state", "pending"]).await, json!([]));
}

#[tokio::test]
async fn users_mails_and_the_audit_log_are_run_from_the_command_line() {
    let world = World::start().await;
    world.make("acme").await;
    let freehold = Freehold::of(&world).await;
    let ada = world.member("acme", Role::Owner).await;
    let email = ada.email.as_str();
    let shown = freehold.json(&["user", "show", email]).await;
    assert_eq!((&shown["email"], &shown["memberships"][0]["slug"]), (&json!(email), &json!("acme")));
    let out = freehold.ends(0, &["user", "suspend", email]).await;
    assert_eq!(out, format!("{email} is suspended, and signed in nowhere\n"));
    ada.get(&world, "/api/v1/me").await.expect(401);
    freehold.ends(0, &["user", "resume", email]).await;
    let listed = freehold.json(&["user", "list", "--search", email]).await;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(ada.id.to_string())));
    freehold.ends(3, &["user", "show", "nobody@example.com"]).await;

    let to = new_address();
    let mail = world.letter(&to).await;
    freehold.ends(4, &["mail", "retry", &mail]).await;
    world.give_up(&mail).await;
    let listed = freehold.json(&["mail", "list", "--state", "dead"]).await;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(mail)));
    let table = freehold.ends(0, &["mail", "list", "--search", &to]).await;
    assert!(table.starts_with("ID") && table.contains("no room"), "{table}");
    let out = freehold.ends(0, &["mail", "retry", &mail]).await;
    assert!(out.contains("queued"), "{out}");
    assert_eq!(freehold.json(&["mail", "show", &mail]).await["state"], "queued");
    freehold.ends(3, &["mail", "show", "none"]).await;

    let listed = freehold.json(&["audit", "list", "--action", "user"]).await;
    let actions: Vec<&str> =
        listed.as_array().expect("entries").iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["user.resume", "user.suspend"]);
    let of_tenant = freehold.json(&["audit", "list", "--tenant", "acme"]).await;
    assert_eq!(of_tenant.as_array().map(Vec::len), Some(1), "{of_tenant}");
    let out = freehold.ends(0, &["audit", "export", "--action", "mail.retry"]).await;
    assert!(out.contains(&to), "{out}");
    freehold.ends(0, &["audit", "verify"]).await;
}

#[tokio::test]
async fn an_admin_has_other_keys_sign_from_the_command_line() {
    let world = World::start().await;
    let freehold = Freehold::of(&world).await;
    let listed = freehold.json(&["keys", "list"]).await;
    let first = listed[0]["kid"].as_str().expect("a name").to_owned();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    freehold.ends(4, &["keys", "withdraw", &first]).await;
    let table = freehold.ends(0, &["keys", "rotate"]).await;
    assert!(table.starts_with("KID") && table.matches("waiting").count() == 2, "{table}");
    freehold.ends(4, &["keys", "rotate"]).await;
    let sooner = freehold.json(&["keys", "rotate", "--now"]).await;
    let waiting = sooner[0]["kid"].as_str().expect("a name").to_owned();
    let out = freehold.ends(0, &["keys", "withdraw", &waiting]).await;
    assert!(out.contains(&waiting), "{out}");
    freehold.ends(3, &["keys", "withdraw", "none"]).await;
    let table = freehold.ends(0, &["keys", "list"]).await;
    assert!(table.contains("withdrawn") && table.contains("signing"), "{table}");
}

#[tokio::test]
async fn an_admin_sets_a_second_factor_up_from_the_command_line() {
    let world = World::start().await;
    let mut freehold = Freehold::of(&world).await;
    let begun = freehold.json(&["second-factor", "begin"]).await;
    let secret = begun["secret"].as_str().expect("a secret");
    freehold.ends(4, &["second-factor", "confirm", "none"]).await;
    let codes = freehold.ends(0, &["second-factor", "confirm", &code(secret, -30)]).await;
    assert_eq!(codes.lines().count(), 10, "{codes}");
    // Without a token it signs in, which needs a code now.
    freehold.token.clear();
    freehold.ends(5, &["token"]).await;
    let recovery = codes.lines().next().expect("a code");
    freehold.second_factor = recovery.to_owned();
    freehold.token = freehold.ends(0, &["token"]).await.trim().to_owned();
    freehold.ends(0, &["tenant", "list"]).await;
    freehold.ends(0, &["second-factor", "recovery-codes"]).await;
    let out = freehold.ends(0, &["second-factor", "remove", &code(secret, 0)]).await;
    assert_eq!(out, "the second factor was taken away\n");
}

#[tokio::test]
async fn an_operator_sees_by_which_providers_somebody_is_known_and_unlinks_them() {
    let world = World::start().await;
    let freehold = Freehold::of(&world).await;
    let ada = world.user(&new_address()).await;
    let provider = world.provider("https://login.example.com", None, |_| {}).await.to_string();
    let mut tx = world.registry.api.begin(Scope::System).await.expect("begin");
    let id = provider.parse().expect("an id");
    identities::link(&mut tx, id, "ada", ada.id, Some("\u{1b}[31mada@there")).await.expect("linked");
    tx.commit().await.expect("commit");
    let listed = freehold.ends(0, &["user", "identities", &ada.email]).await;
    assert!(
        listed.contains(&provider) && listed.contains("Acme SSO") && !listed.contains('\u{1b}'),
        "{listed}"
    );
    let listed = freehold.ends(0, &["user", "identities", &ada.email, "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed[0]["provider_id"], provider.as_str());
    let unlink = ["user", "unlink", &ada.email, &provider];
    assert!(freehold.ends(0, &unlink).await.contains("knows"));
    freehold.ends(3, &unlink).await;
    assert_eq!(world.audited("identity.unlink", &ada.email).await, ["done"]);
}

#[tokio::test]
async fn providers_are_run_from_the_command_line() {
    let world = World::start().await;
    world.make("acme").await;
    let freehold = Freehold::of(&world).await;
    std::fs::write(freehold.home.path().join("secret.txt"), "the-clients-own-secret\n").expect("a file");
    let issuer = ["--issuer", "https://login.example.com/", "--client-id", "us"];
    let add =
        |name: &'static str, more: &[&'static str]| [&["provider", "add", name][..], &issuer, more].concat();
    let of_acme = ["--tenant", "acme"];
    let made = freehold.json(&add("main", &["--secret-file", "secret.txt", "--trust-email"])).await;
    assert_eq!((&made["has_secret"], &made["trust_email"]), (&json!(true), &json!(true)));
    let claims = r#"{"default_role": "member"}"#;
    let own =
        add("entra", &["--tenant", "acme", "--secret-file", "secret.txt", "--claims", claims, "--disabled"]);
    let shown = freehold.ends(0, &own).await;
    let address =
        format!("http://freehold.localhost:8080/sign-in/callback/{}/entra", world.id_of("acme").await);
    assert!(shown.contains(&format!("redirect uri     {address}")), "{shown}");
    assert!(shown.contains("secret           kept") && !shown.contains("own-secret"), "{shown}");
    freehold.ends(4, &own).await;
    freehold.ends(2, &add("other", &["--claims", "{\"emial\": 1}"])).await;
    freehold.ends(4, &add("other", &["--tenant", "acme", "--trust-email"])).await;
    freehold.ends(1, &add("other", &["--secret-file", "nowhere.txt"])).await;
    let set = ["provider", "update", "entra", "--enable", "--title", "Ours", "--no-secret"];
    let changed = freehold.json(&[&set[..], &of_acme].concat()).await;
    assert_eq!((&changed["enabled"], &changed["has_secret"]), (&json!(true), &json!(false)));
    assert_eq!(changed["claims"]["default_role"], "member");
    let table = freehold.ends(0, &[&["provider", "list"][..], &of_acme].concat()).await;
    assert!(table.contains("Ours") && !table.contains("main"), "{table}");
    assert_eq!(freehold.json(&["provider", "show", "main"]).await["id"], made["id"]);
    assert!(
        made["redirect_uri"].as_str().is_some_and(|uri| uri.ends_with("/sign-in/callback/main")),
        "{made}"
    );
    freehold.ends(3, &["provider", "check", "other"]).await;
    freehold.ends(0, &["provider", "remove", "main"]).await;
    freehold.ends(3, &["provider", "show", "main"]).await;
}

#[tokio::test]
async fn what_a_tenant_asks_of_people_is_set_from_the_command_line() {
    let world = World::start().await;
    world.make("acme").await;
    let provider = world.put_provider(Some("acme"), "entra").await;
    let freehold = Freehold::of(&world).await;
    let shown = freehold.json(&["tenant", "security", "acme"]).await;
    assert_eq!((&shown["required_provider"], &shown["require_second_factor"]), (&Value::Null, &json!(false)));
    let set = ["tenant", "set-security", "acme"];
    let (_, told) = freehold.says(2, &set).await;
    assert!(told.contains("nothing to change") && told.contains("--provider"), "{told}");
    freehold.ends(2, &[&set[..], &["--provider", "entra", "--no-provider"]].concat()).await;
    freehold.ends(2, &[&set[..], &["--signups", "sometimes"]].concat()).await;
    let (_, told) = freehold.says(4, &[&set[..], &["--provider", "nowhere"]].concat()).await;
    assert!(told.contains("required_provider"), "{told}");
    let changed = freehold.json(&[&set[..], &["--provider", "entra", "--second-factor"]].concat()).await;
    assert_eq!(changed["required_provider"], json!(provider));
    assert_eq!((&changed["require_second_factor"], &changed["signups"]), (&json!(true), &shown["signups"]));
    let told = freehold.ends(0, &["tenant", "security", "acme"]).await;
    assert!(told.contains("entra") && told.contains("required"), "{told}");
    let changed = freehold.json(&[&set[..], &["--no-provider", "--signups", "manual"]].concat()).await;
    assert_eq!((&changed["required_provider"], &changed["signups"]), (&Value::Null, &json!("manual")));
    assert_eq!(changed["require_second_factor"], true);
    let told = freehold.ends(0, &[&set[..], &["--no-second-factor"]].concat()).await;
    assert!(told.contains("manual") && !told.contains("entra"), "{told}");
    freehold.ends(3, &["tenant", "security", "nowhere"]).await;
}
