//! What an operator gives and what cannot work: said before anything is touched, or by a stuck tenant, and out of the
//! way once it is put right. And a database image that is unlike ours, which is no bad input.

use std::path::{Path, PathBuf};
use std::process::Output;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::installation::Installation;
use super::objects::{Image, containers, docker, house_of, psql};
use super::tenants::Admin;
use super::wait;

fn stack(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks").join(name)
}

/// `freehold up` with these further settings.
fn up(installation: &Installation, settings: &[String]) -> Output {
    let mut arguments = installation.with_images("up");
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    installation.try_run(&arguments)
}

/// The same where it must work; the release that it made.
async fn release(admin: &Admin<'_>, settings: &[String]) -> String {
    let output = up(admin.installation, settings);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    releases(admin).await.swap_remove(0)
}

/// Versions of all releases, the newest first.
async fn releases(admin: &Admin<'_>) -> Vec<String> {
    let list = admin.ask(Method::GET, "/api/v1/releases", Value::Null).await.json();
    let items = list["items"].as_array().expect("releases").clone();
    items.iter().map(|one| one["version"].as_str().expect("a version").to_owned()).collect()
}

/// Everything of the installation that runs, and since when.
fn running(installation: &Installation) -> String {
    let of = format!("label=freehold.installation={}", installation.id);
    let ids = docker(&["ps", "-q", "--no-trunc", "--filter", &of]);
    let mut arguments = vec!["inspect", "-f", "{{.Name}} {{.Id}} {{.State.StartedAt}}"];
    arguments.extend(ids.lines());
    docker(&arguments)
}

async fn stuck(admin: &Admin<'_>, slug: &str) -> String {
    let tenant = admin.settle(slug, "stuck").await;
    tenant["stuck_reason"].as_str().expect("a reason").to_owned()
}

/// The same where the tenant was stuck before, for something else.
async fn stuck_anew(admin: &Admin<'_>, slug: &str, on: &str) -> String {
    wait::until(&format!("{slug} is stuck on {on}"), || async {
        let reason = stuck(admin, slug).await;
        if reason.contains(on) { Ok(reason) } else { Err(reason) }
    })
    .await
}

async fn move_to(admin: &Admin<'_>, slug: &str, release: &str) {
    assert_eq!(admin.change(slug, json!({"release": release})).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_cannot_work_says_why_and_is_out_of_the_way_once_put_right() {
    let installation = Installation::up_with(&format!("stack: {{ file: {} }}", stack("raw.yaml").display()));
    let admin = Admin::of(&installation);
    admin.create("acme").await;
    nothing_is_touched(&admin).await;
    one_mistake_after_the_other(&admin).await;
    a_database_as_official_images_are(&admin).await;
    admin.answers("acme", "/", "acme").await;
}

/// `up` with something that is wrong says what, and leaves all that runs as it is.
async fn nothing_is_touched(admin: &Admin<'_>) {
    let installation = admin.installation;
    let (before, known) = (running(installation), releases(admin).await);
    let refused = |what: &str, settings: &[String], says: &[&str]| {
        let output = up(installation, settings);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{what}: {said}");
        let error =
            said.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{what}: {said}"));
        assert!(says.iter().all(|part| error.contains(part)), "{what}: {error}");
        assert_eq!(running(installation), before, "{what}");
    };

    let text = std::fs::read_to_string(stack("raw.yaml")).expect("the stack");
    let file = installation.path("wrong.yaml");
    let slug = "\"{{ tenant.slug }}\"";
    for (from, to, says) in [
        ("port: 8080", "prot: 8080", &["services.app.prot", "there are: image, command"][..]),
        (slug, "\"{{ tenant.slug \"", &["TENANT_SLUG", "is not closed"]),
        ("freehold/test-raw:1", "http://raw", &["services.app.image", "is not an image's name, such as"]),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replacen(from, to, 1)).expect("written");
        let says: Vec<&str> = says.iter().chain(&["wrong.yaml, line "]).copied().collect();
        refused(to, &[format!("stack.file={}", file.display())], &says);
    }
    // nobody listens there
    std::fs::write(&file, text.replacen("freehold/test-raw:1", "127.0.0.1:1/nobody:1", 1)).expect("written");
    let says = ["127.0.0.1:1/nobody:1", "cannot be fetched", "build or load it first"];
    refused("an unknown image", &[format!("stack.file={}", file.display())], &says);
    refused(
        "no file",
        &["stack.file=/nowhere.yaml".to_owned()],
        &["stack.file /nowhere.yaml", "No such file"],
    );

    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("V1__a.sql"), "select 1; commit;").expect("written");
    let settings = [format!("stack.migrations={}", folder.path().display())];
    refused("a migration that commits", &settings, &["V1__a.sql", "COMMIT is not allowed"]);
    assert_eq!(releases(admin).await, known, "none of it became a release");
    admin.answers("acme", "/", "acme").await;
}

/// A tenant of whose release first the image is gone and then a migration fails. Each is said, and neither is in the
/// way of what comes after it, nor does it concern anybody else.
async fn one_mistake_after_the_other(admin: &Admin<'_>) {
    let folder = tempfile::tempdir().expect("a directory");
    let write = |name: &str, sql: &str| std::fs::write(folder.path().join(name), sql).expect("written");
    let migrations = format!("stack.migrations={}", folder.path().display());
    write("V1__cars.sql", "create table app.cars (id int primary key);\n");
    let doors = "create table app.doors (id int);\n\nalter table app.cars\n  add colum doors int;\n";
    write("V2__doors.sql", doors);

    // somebody has removed what the release was registered with
    let image = Image::build("FROM freehold/test-raw:1");
    let text = std::fs::read_to_string(stack("raw.yaml")).expect("the stack");
    let file = admin.installation.path("gone.yaml");
    std::fs::write(&file, text.replacen("freehold/test-raw:1", &image.0, 1)).expect("written");
    release(admin, &[format!("stack.file={}", file.display()), migrations.clone()]).await;
    image.remove();
    let asked = admin.ask(Method::POST, "/api/v1/tenants", json!({"name": "Globex", "slug": "globex"})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{asked:?}");
    let reason = stuck(admin, "globex").await;
    assert!(reason.contains(&format!("the image {} (sha256:", image.0)), "{reason}");
    assert!(reason.contains("is not on this engine any more; load it again"), "{reason}");

    // all of a migration that fails is taken back, and the one before stays
    let bad = release(admin, std::slice::from_ref(&migrations)).await;
    move_to(admin, "globex", &bad).await;
    let reason = stuck_anew(admin, "globex", "V2__doors.sql").await;
    assert!(reason.contains("V2__doors.sql, line 4: syntax error at or near \"int\""), "{reason}");
    assert!(!reason.contains("error returned from database"), "said twice: {reason}");
    admin.answers("acme", "/", "acme").await;
    let house = house_of(admin.installation, "globex");
    let database = containers(admin.installation, &house, "db").remove(0);
    let tables =
        || psql(&database, "select string_agg(tablename, ' ') from pg_tables where schemaname = 'app'");
    let version = || psql(&database, "select max(version) from freehold.schema_history");
    assert_eq!((tables().as_str(), version().as_str()), ("cars", "1"));
    let again = admin.ask(Method::POST, "/api/v1/tenants/globex/retry", Value::Null).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{again:?}");
    assert_eq!(stuck_anew(admin, "globex", "V2__doors.sql").await, reason, "as it was");

    write("V2__doors.sql", &doors.replace("colum ", "column "));
    let good = release(admin, &[migrations]).await;
    move_to(admin, "globex", &good).await;
    admin.settle("globex", "running").await;
    admin.answers("globex", "/", "globex").await;
    assert_eq!(version(), "2");
    assert_eq!(psql(&database, "select count(doors) from app.cars"), "0");
}

/// A database whose image begins as root and runs initdb, as official ones do.
async fn a_database_as_official_images_are(admin: &Admin<'_>) {
    release(admin, &[format!("stack.file={}", stack("official.yaml").display())]).await;
    admin.create("umbrella").await;
    assert_eq!(admin.add_vehicle("umbrella", "Old bus").await.status, StatusCode::CREATED);
    let house = house_of(admin.installation, "umbrella");
    let database = containers(admin.installation, &house, "db").remove(0);
    assert_eq!(docker(&["inspect", "-f", "{{.Config.User}}", &database]), "postgres", "never root");
    admin.verb("umbrella", "sleep", "asleep").await;
    admin.answers("umbrella", "/api/vehicles", "Old bus").await;
}
