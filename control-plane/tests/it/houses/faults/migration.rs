//! A migration that takes long is cut off: its runner dies, then its session, then the whole server. In the end it was
//! applied once, and nothing else changed.

use std::path::{Path, PathBuf};

use hyper::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::objects::{containers, docker, house_of, psql};
use super::super::tenants::Admin;
use super::super::wait;
use super::process::crash;

/// Applied by a release of the test's own. It lasts for as long as there is a gate, and is half done until then.
const MIGRATION: &str = "
create table app.marks (at timestamptz not null default clock_timestamp());
insert into app.marks default values;
do $$ begin
    while exists (select from pg_class where relname = 'gate') loop perform pg_sleep(0.05); end loop;
end $$;
insert into app.marks default values;
";

/// Migrations that a release is made of.
pub struct Folder(TempDir);

impl Folder {
    pub fn of_the_built_in_ones() -> Self {
        let folder = Self(TempDir::with_prefix("fh-test-").expect("a directory"));
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/tenant");
        for file in std::fs::read_dir(built_in).expect("the built-in migrations") {
            let path = file.expect("a file").path();
            std::fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
        }
        folder
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

/// The session that migrates, as the server numbers it, when it is another than this.
async fn runner(admin: &Admin<'_>, house: &str, but: &str) -> String {
    wait::until("the migration is under way", || async {
        let name = containers(admin.installation, house, "db").pop().ok_or("no container")?;
        let asked = "PGPASSWORD=$(cat /run/secrets/POSTGRES_PASSWORD) exec psql -qAt -U postgres -d app -c \
                     \"select pid from pg_stat_activity where usename = 'freehold_owner' and query like '%gate%'\"";
        let output = std::process::Command::new("docker").args(["exec", &name, "sh", "-c", asked]).output();
        let output = output.map_err(|error| error.to_string())?;
        let pid = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if pid.is_empty() || pid == but || pid.contains('\n') {
            return Err(format!("{pid:?} {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(pid)
    })
    .await
}

pub async fn is_cut_off_three_times(admin: &Admin<'_>, slug: &str, migrations: &Folder) {
    let installation = admin.installation;
    assert_eq!(admin.add_vehicle(slug, "Old bus").await.status, StatusCode::CREATED);
    std::fs::write(migrations.path().join("V5__marks.sql"), MIGRATION).expect("a migration");
    tokio::task::block_in_place(|| installation.bring_up());
    let releases: Value =
        serde_json::from_str(&installation.run(&["release", "list", "--json"])).expect("a list");
    let house = house_of(installation, slug);
    let database = || containers(installation, &house, "db").remove(0);
    psql(&database(), "create table public.gate ()");
    let latest = json!({"release": releases[0]["version"]});
    assert_eq!(admin.change(slug, latest).await.status, StatusCode::ACCEPTED);

    // whoever comes after a runner that died is not kept out by what it left behind
    let first = runner(admin, &house, "").await;
    crash(&installation.platform_containers("worker")[0]);
    // a session that is killed takes all others with it, and the server recovers
    let second = runner(admin, &house, &first).await;
    docker(&["exec", &database(), "sh", "-c", &format!("kill -9 {second}")]);
    let third = runner(admin, &house, &second).await;
    crash(&database());
    let fourth = runner(admin, &house, &third).await;
    psql(&database(), "drop table public.gate");

    let tenant = admin.settle(slug, "running").await;
    assert_eq!(tenant["status"], "running", "{fourth}: {tenant}");
    let history = psql(&database(), "select version from freehold.schema_history order by version");
    assert_eq!(history, "1\n2\n3\n4\n5");
    assert_eq!(psql(&database(), "select count(*) from app.marks"), "2", "whole, and once");
    admin.answers(slug, "/api/vehicles", "Old bus").await;
    assert_eq!(admin.add_vehicle(slug, "New bus").await.status, StatusCode::CREATED);
}
