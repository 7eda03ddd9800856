//! `freehold key` and how a token is given, against the real API, over a socket.

use control_plane::model::role::Role;

use super::World;
use super::people_cli::Freehold;

#[tokio::test]
async fn keys_are_made_rotated_and_revoked_from_the_command_line() {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let freehold = Freehold { token: admin.token.clone(), ..Freehold::of(&world).await };
    let of = ["--tenant", "acme"];
    let create = ["key", "create", "deploy", "--scope", "tenant.read,members.read"];
    let secret = freehold.ends(0, &[&create[..], &of].concat()).await;
    // nothing but the secret, so that it can be kept without being seen
    let secret = secret.strip_suffix('\n').expect("a line");
    assert_eq!(world.with_key(secret, "/api/v1/tenants/acme/members").await, 200);
    // the key is a token for the command line, too
    let by_key = Freehold { token: secret.to_owned(), ..Freehold::of(&world).await };
    assert_eq!(by_key.json(&["member", "list", "acme"]).await[0]["email"], admin.email);
    by_key.ends(5, &["key", "list", "--tenant", "acme"]).await;
    let listed = freehold.json(&[&["key", "list"], &of[..]].concat()).await;
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    let rotated = freehold.json(&[&["key", "rotate", &id, "--overlap", "0"], &of[..]].concat()).await;
    assert_eq!(world.with_key(secret, "/api/v1/tenants/acme").await, 401);
    let next = rotated["secret"].as_str().expect("a secret");
    let table = freehold.ends(0, &[&["key", "list"], &of[..]].concat()).await;
    assert!(table.starts_with("NAME") && table.contains("expired") && table.contains("active"), "{table}");
    // whoever has a key and nothing else names it by that, and what is secret of it goes nowhere
    let shown = freehold.json(&[&["key", "show", next], &of[..]].concat()).await;
    assert_eq!(shown["id"], rotated["key"]["id"]);
    let name = &next[..14];
    let told = freehold.ends(0, &[&["key", "show", name], &of[..]].concat()).await;
    assert!(told.contains(name) && told.contains("tenant.read, members.read"), "{told}");
    freehold.ends(3, &["key", "show", name]).await;
    freehold.ends(0, &[&["key", "revoke", next], &of[..]].concat()).await;
    freehold.ends(3, &[&["key", "revoke", name], &of[..]].concat()).await;
    freehold.ends(3, &[&["key", "revoke", "fhk_"], &of[..]].concat()).await;
    assert_eq!(world.with_key(next, "/api/v1/tenants/acme").await, 401);
    let asked = freehold.asked.lock().expect("nobody failed").join("\n");
    assert!(asked.contains(&format!("DELETE /api/v1/tenants/acme/keys/{name}")), "{asked}");
    assert!(!asked.contains(&next[14..]) && !asked.contains(&next[15..40]), "{asked}");
    freehold
        .ends(0, &["key", "create", "mine", "--scope", "tenant.read", "--only-in", "acme", "--days", "3"])
        .await;
    freehold.ends(2, &["key", "create", "mine", "--scope", "everything"]).await;
    freehold.ends(4, &["key", "create", "mine", "--scope", "keys.manage"]).await;
    assert_eq!(freehold.json(&["key", "list"]).await.as_array().map(Vec::len), Some(1));
    // a platform admin has no keys, and is told whose there are
    let operator = Freehold::of(&world).await;
    let (_, told) = operator.says(5, &["key", "list"]).await;
    assert!(told.contains("--tenant"), "{told}");
}

#[tokio::test]
async fn a_token_comes_from_the_environment_or_a_file_and_never_stands_among_the_arguments() {
    let world = World::start().await;
    let mut freehold = Freehold::of(&world).await;
    let token = std::mem::take(&mut freehold.token);
    std::fs::write(freehold.home.path().join("token.txt"), format!("{token}\n")).expect("a file");
    freehold.ends(0, &["plan", "list", "--token-file", "token.txt"]).await;
    freehold.ends(2, &["plan", "list", "--token", &token]).await;
    let (_, told) = freehold.says(1, &["plan", "list", "--token-file", "nowhere.txt"]).await;
    assert!(told.contains("nowhere.txt"), "{told}");
    // a file that is named counts for more than what is in the environment
    freehold.token = "none".to_owned();
    freehold.ends(5, &["plan", "list"]).await;
    freehold.ends(0, &["plan", "list", "--token-file", "token.txt"]).await;
}
