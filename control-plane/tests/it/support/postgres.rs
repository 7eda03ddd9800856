//! A PostgreSQL server of a test's own, and the registry in it. Gone with the value, also when the test fails.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control_plane::app::signing;
use control_plane::database::migrate;
use control_plane::identity::people_key::PeopleKey;
use control_plane::identity::random_secret;
use control_plane::store::bootstrap::{self, Passwords};
use control_plane::store::{self, Scope, Store, Tx};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;

use super::template;

/// The image that tests start servers from: the one `FREEHOLD_TEST_IMAGES` names (a JSON file as `freehold images
/// build --file` writes it), or else the latest one that was built here.
pub fn image() -> String {
    if let Some(file) = std::env::var_os("FREEHOLD_TEST_IMAGES") {
        let text = std::fs::read_to_string(&file).expect("the file that FREEHOLD_TEST_IMAGES names");
        let images: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        return images["postgres"].as_str().expect("an image for postgres").to_owned();
    }
    let known = docker(&["images", "--quiet", "--filter", "reference=freehold/postgres"]);
    known
        .lines()
        .next()
        .expect("an image freehold/postgres; build it with `freehold images build`")
        .to_owned()
}

pub(super) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("the docker command");
    assert!(
        output.status.success(),
        "docker {}: {}",
        arguments.first().unwrap_or(&""),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// A data directory that is gone with its container.
const MEMORY: &str = "/var/lib/postgresql/data:uid=999,gid=999,mode=0700";

/// A running server, reached through its socket alone.
pub struct Postgres {
    container: String,
    sockets: TempDir,
    password: SecretString,
}

impl Postgres {
    /// Starts a server with the data directory in this archive instead of the image's.
    async fn start_from(archive: &Path) -> Self {
        let baked = format!("{}:/var/lib/postgresql/baked.tar:ro", archive.display());
        Self::run(&["--tmpfs", MEMORY, "--volume", &baked]).await
    }

    /// One whose data directory is there still once it is stopped.
    pub(super) async fn start_to_keep() -> Self {
        Self::run(&["--volume", "/var/lib/postgresql/data"]).await
    }

    /// Starts a server and waits until it takes connections.
    async fn run(data: &[&str]) -> Self {
        let sockets = tempfile::Builder::new().prefix("fh").tempdir().expect("a directory for the socket");
        world_writable(sockets.path());
        let container = format!("fh-test-{}", uuid::Uuid::new_v4().simple());
        let password = random_secret();
        let server = Self { container, sockets, password };
        let mount = format!("{}:/sockets", server.sockets.path().display());
        let secret = format!("POSTGRES_PASSWORD={}", server.password.expose_secret());
        let container = ["run", "--detach", "--name", &server.container, "--label", "freehold.test=postgres"];
        let around = ["--network", "none", "--volume", &mount, "--env", &secret];
        // Roles' passwords are random here, and each test hashes several of them without optimisation.
        let settings =
            ["unix_socket_directories=/sockets", "listen_addresses=", "fsync=off", "scram_iterations=1"];
        let image = image();
        let mut arguments = [&container[..], data, &around, &[&image, "postgres"]].concat();
        arguments.extend(settings.iter().flat_map(|setting| ["-c", setting]));
        docker(&arguments);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match server.superuser("postgres").connect().await {
                Ok(connection) => {
                    connection.close().await.expect("closed");
                    return server;
                }
                Err(error) if Instant::now() > deadline => {
                    panic!("{error}\n{}", docker(&["logs", &server.container]))
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// How the superuser reaches a database.
    pub fn superuser(&self, database: &str) -> PgConnectOptions {
        self.options(database, "postgres", &self.password)
    }

    /// How a role reaches a database.
    pub fn options(&self, database: &str, role: &str, password: &SecretString) -> PgConnectOptions {
        store::connect_options(self.sockets.path(), database, role, password)
    }

    /// The container's name.
    pub(super) fn container(&self) -> &str {
        &self.container
    }

    /// The directory of its socket.
    pub fn sockets(&self) -> &Path {
        self.sockets.path()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = Command::new("docker")
            .args(["rm", "--force", "--volumes", &self.container])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// The server's user is not ours.
pub(super) fn world_writable(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o777)).expect("permissions");
}

/// A registry as `up` makes it, seen by each of its roles, with keys that sign tokens.
pub struct Registry {
    pub server: Postgres,
    /// What its signing keys are sealed by.
    pub key: PeopleKey,
    pub passwords: Passwords,
    pub api: Store,
    pub gateway: Store,
    pub worker: Store,
    /// Registers releases and migrates.
    pub owner: Store,
}

impl Registry {
    pub async fn start() -> Self {
        let archive = template::archive(async |server| {
            let passwords = prepare(server).await;
            let api = connect(server, store::API_ROLE, &passwords.api).await;
            signing::open(&api, &key(), "http://freehold.localhost").await.expect("keys that sign");
        });
        let server = Postgres::start_from(&archive.await).await;
        // The same once more changes nothing but the passwords.
        let passwords = prepare(&server).await;
        Self {
            api: connect(&server, store::API_ROLE, &passwords.api).await,
            gateway: connect(&server, store::GATEWAY_ROLE, &passwords.gateway).await,
            worker: connect(&server, store::WORKER_ROLE, &passwords.worker).await,
            owner: connect(&server, store::OWNER_ROLE, &passwords.owner).await,
            key: key(),
            passwords,
            server,
        }
    }

    /// A session that may do and see everything, for what no role may.
    pub async fn superuser(&self) -> PgConnection {
        self.server.superuser(store::DATABASE).connect().await.expect("the superuser")
    }

    /// A session of one of the roles, for what the store does not do.
    pub async fn session(&self, role: &str, password: &SecretString) -> PgConnection {
        self.server.options(store::DATABASE, role, password).connect().await.expect("a session")
    }

    pub async fn api(&self) -> Tx {
        self.api.begin(Scope::Platform).await.expect("a transaction")
    }

    pub async fn worker(&self) -> Tx {
        self.worker.begin(Scope::System).await.expect("a transaction")
    }
}

/// The same in every test, because one of them makes what the others start from.
fn key() -> PeopleKey {
    PeopleKey::from_file(&SecretString::from(STANDARD.encode([7; 32]))).expect("32 bytes")
}

/// Makes roles, database and tables as `up` does, with passwords of this call.
async fn prepare(server: &Postgres) -> Passwords {
    let passwords = Passwords {
        owner: random_secret(),
        api: random_secret(),
        gateway: random_secret(),
        worker: random_secret(),
    };
    let mut admin = server.superuser("postgres").connect().await.expect("the superuser");
    bootstrap::prepare(&mut admin, &passwords).await.expect("roles and database");
    admin.close().await.expect("closed");
    let mut owner = server
        .options(store::DATABASE, store::OWNER_ROLE, &passwords.owner)
        .connect()
        .await
        .expect("the owner");
    migrate_registry(&mut owner).await;
    owner.close().await.expect("closed");
    passwords
}

async fn connect(server: &Postgres, role: &str, password: &SecretString) -> Store {
    Store::connect(server.sockets(), store::DATABASE, role, password).await.expect(role)
}

async fn migrate_registry(owner: &mut PgConnection) {
    bootstrap::schema(owner).await.expect("the schema");
    let version = migrate::run(owner, store::HISTORY, &store::migrations(), None)
        .await
        .expect("the registry's migrations");
    assert_eq!(Some(version), store::migrations().last().map(|migration| migration.version));
}
