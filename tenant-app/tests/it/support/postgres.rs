//! A PostgreSQL server for one test, without a network: it is reached by its socket alone, and it goes with
//! the value that stands for it, also when the test fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::until;

const PASSWORD: &str = "only-for-this-test";

/// What the platform does before an app's migrations run: an owner of the schema, and an app that may
/// read and write rows and no more.
const PREPARATION: &str = "
    CREATE ROLE owner; CREATE ROLE app LOGIN PASSWORD 'only-for-this-test' CONNECTION LIMIT 10;
    CREATE SCHEMA app AUTHORIZATION owner; CREATE SCHEMA freehold AUTHORIZATION owner;
    REVOKE ALL ON SCHEMA public FROM public;
    GRANT USAGE ON SCHEMA app, freehold TO app;
    ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA freehold GRANT SELECT ON TABLES TO app;
    ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA app GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;";

const HISTORY: &str = "
    SET ROLE owner;
    CREATE TABLE freehold.schema_history
        (version int8 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255));
    INSERT INTO freehold.schema_history SELECT n, 'n', '', '' FROM generate_series(1, 4) AS n;
    RESET ROLE;";

pub struct Postgres {
    container: String,
    sockets: TempDir,
}

impl Postgres {
    /// A server that takes connections, with its roles made and nothing migrated.
    pub async fn start() -> Self {
        let sockets = tempfile::Builder::new().prefix("fh").tempdir().expect("a directory for the socket");
        fs::set_permissions(sockets.path(), fs::Permissions::from_mode(0o777)).expect("its mode");
        let container = format!("fh-test-app-{}", Uuid::new_v4().simple());
        let server = Self { container, sockets };
        let mount = format!("{}:/sockets", server.sockets.path().display());
        let password = format!("POSTGRES_PASSWORD={PASSWORD}");
        let image = image();
        docker(&[
            "run",
            "--detach",
            "--name",
            &server.container,
            "--label",
            "freehold.test=tenant-app",
            "--network",
            "none",
            "--volume",
            &mount,
            "--env",
            &password,
            &image,
            "postgres",
            "-c",
            "unix_socket_directories=/sockets",
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]);
        server.ready().await;
        server.run(PREPARATION).await;
        server
    }

    /// As [`Self::start`], with all migrations applied and written down.
    pub async fn migrated() -> Self {
        let server = Self::start().await;
        server.migrate().await;
        server
    }

    pub async fn migrate(&self) {
        self.run(HISTORY).await;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/tenant");
        let mut files: Vec<_> =
            fs::read_dir(folder).expect("migrations").map(|f| f.expect("a file").path()).collect();
        files.sort();
        for file in files {
            let text = fs::read_to_string(file).expect("a migration");
            self.run(&format!("SET ROLE owner; {text}; RESET ROLE;")).await;
        }
    }

    /// How the app reaches it.
    pub fn url(&self) -> String {
        self.url_of("app")
    }

    /// Runs statements as the superuser.
    pub async fn run(&self, script: &str) {
        let mut connection = self.superuser().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(&mut connection).await.expect(script);
        connection.close().await.expect("closed");
    }

    /// As the platform leaves it when the tenant's storage is used up, with no session of before.
    pub async fn is_full(&self) {
        self.run(
            "REVOKE INSERT, UPDATE ON ALL TABLES IN SCHEMA app FROM app; \
             ALTER ROLE app IN DATABASE app SET default_transaction_read_only = on",
        )
        .await;
        self.ends_sessions().await;
    }

    /// As the platform leaves it when there is room again.
    pub async fn has_room(&self) {
        self.run(
            "GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA app TO app; \
             ALTER ROLE app IN DATABASE app SET default_transaction_read_only = off",
        )
        .await;
        self.ends_sessions().await;
    }

    /// Waits until they have ended: one that only has been told to still takes a statement, and then breaks.
    async fn ends_sessions(&self) {
        self.run("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = 'app'").await;
    }

    /// One number.
    pub async fn count(&self, query: &'static str) -> i64 {
        let mut connection = self.superuser().await;
        sqlx::query_scalar(query).fetch_one(&mut connection).await.expect(query)
    }

    pub async fn superuser(&self) -> PgConnection {
        self.options().connect().await.expect("a connection")
    }

    /// Ends the server's process and leaves its data.
    pub fn stop(&self) {
        docker(&["stop", "--time", "30", &self.container]);
    }

    pub async fn start_again(&self) {
        docker(&["start", &self.container]);
        self.ready().await;
    }

    async fn ready(&self) {
        let options = self.options();
        until("the server takes connections", || async { options.connect().await.ok() }).await;
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::from_str(&self.url_of("postgres")).expect("a URL")
    }

    fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@localhost/app?host={}", self.sockets.path().display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.container]).output();
    }
}

/// The image of the JSON file that `FREEHOLD_TEST_IMAGES` names (`freehold images build --file` writes
/// it), or the latest one that was built here.
fn image() -> String {
    if let Some(file) = std::env::var_os("FREEHOLD_TEST_IMAGES") {
        let text = fs::read_to_string(file).expect("the file that FREEHOLD_TEST_IMAGES names");
        let images: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        return images["postgres"].as_str().expect("an image for postgres").to_owned();
    }
    let known = docker(&["images", "--quiet", "--filter", "reference=freehold/postgres"]);
    known.lines().next().expect("an image freehold/postgres; `freehold images build` makes it").to_owned()
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("the docker command");
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "docker {}: {complaint}", arguments[0]);
    said.into_owned()
}
