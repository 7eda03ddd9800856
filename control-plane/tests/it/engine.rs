//! The engine's promises, on the real one: what is already so is success, what is not ours is not touched, and
//! secrets reach nobody but the container's own user.

use std::path::{Path, PathBuf};
use std::time::Duration;

use control_plane::engine::docker::Docker;
use control_plane::engine::names::{self, Labels};
use control_plane::engine::{
    BuildSpec, ContainerSpec, Content, ContextFile, Engine, Error, EventKind, Mount, NetworkMode,
    NetworkSpec, SecretFile, VolumeSpec,
};
use control_plane::model::ids::InstallationId;
use control_plane::model::observed::ContainerState;
use control_plane::model::plan::Limits;
use control_plane::platform::images::Images;
use futures_util::StreamExt;
use rand::RngExt;
use secrecy::SecretString;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

const SOCKET: &str = "/var/run/docker.sock";
const PATIENCE: Duration = Duration::from_secs(60);

/// An installation of this test alone; all that carries its label goes with it.
struct Installation {
    id: InstallationId,
    engine: Docker,
    image: String,
}

impl Installation {
    fn new() -> Self {
        let file = std::env::var("FREEHOLD_TEST_IMAGES")
            .expect("FREEHOLD_TEST_IMAGES names the file that `freehold images build --file` writes");
        let id = InstallationId::random();
        let engine = Docker::connect(Path::new(SOCKET), id.clone()).expect("Docker's socket");
        Self { id, engine, image: Images::load(Path::new(&file)).expect("images").postgres }
    }

    fn name(&self, what: &str) -> String {
        names::platform(&self.id, what)
    }

    async fn network(&self) -> NetworkSpec {
        for _ in 0..50 {
            let (third, fourth) = (rand::rng().random_range(0..=255), rand::rng().random_range(0..16) * 16);
            let subnet = format!("10.213.{third}.{fourth}/28").parse().expect("subnet");
            let spec = NetworkSpec {
                name: names::platform_network(&self.id),
                labels: Labels::new(),
                subnet,
                gateway: subnet.hosts().next().expect("host"),
                bridge: names::platform_bridge(&self.id),
                internal: false,
            };
            match self.engine.ensure_network(&spec).await {
                Ok(_) => return spec,
                Err(Error::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no block of addresses is free");
    }

    /// A container that runs a script instead of what the image is for.
    fn script(&self, name: &str, script: &str) -> ContainerSpec {
        ContainerSpec {
            entrypoint: Some(vec!["sh".into(), "-c".into()]),
            command: vec![script.into()],
            stop_signal: Some("SIGKILL".into()),
            ..ContainerSpec::new(self.name(name), &self.image)
        }
    }

    async fn logs_with(&self, id: &str, words: &str) -> String {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let logs = self.engine.logs(id, 100).await.expect("logs");
                if logs.contains(words) {
                    return logs;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{words:?} was never written"))
    }

    async fn sweep(&self) -> control_plane::engine::Result<()> {
        let all = Labels::new();
        for container in self.engine.containers(&all).await? {
            self.engine.remove_container(&container.id).await?;
        }
        for network in self.engine.networks(&all).await? {
            self.engine.remove_network(&network.id).await?;
        }
        for volume in self.engine.volumes(&all).await? {
            self.engine.remove_volume(&volume.name).await?;
        }
        self.engine.remove_stray_secrets().await.map(drop)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let own = Self { id: self.id.clone(), engine: self.engine.clone(), image: String::new() };
        let own = std::mem::ManuallyDrop::new(own);
        let swept = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("runtime").block_on(own.sweep())
        });
        match swept.join() {
            Ok(Ok(())) => {}
            other => eprintln!("objects of installation {} may stay behind: {other:?}", self.id),
        }
    }
}

#[tokio::test]
async fn a_container_lives_and_goes_and_every_call_may_be_repeated() {
    let own = Installation::new();
    let engine = &own.engine;
    let network = own.network().await;
    let network_id = engine.ensure_network(&network).await.expect("found");
    let volume = VolumeSpec { name: own.name("data"), labels: Labels::new() };
    for _ in 0..2 {
        engine.ensure_volume(&volume).await.expect("volume");
    }
    let script = "id -u; cat /run/secrets/key; stat -c ' %a %u' /run/secrets/key; touch /new || echo closed; \
                  grep -E 'CapEff|NoNewPrivs' /proc/self/status; echo end; sleep 1000";
    let mut spec = own.script("one", script);
    spec.network = NetworkMode::Network { name: network.name.clone(), aliases: vec!["one".into()] };
    spec.mounts = vec![Mount::Volume { name: volume.name.clone(), target: "/data".into() }];
    spec.limits = Some(Limits { memory_mib: 64, cpu_millis: 500, pids: 32 });
    spec.files = vec![SecretFile::new("key", SecretString::from("hush"))];
    spec.tmpfs.insert("/tmp".into(), 4);

    let id = engine.ensure_container(&spec).await.expect("made");
    assert_eq!(engine.ensure_container(&spec).await.expect("found"), id);
    assert_eq!(engine.inspect(&id).await.expect("there").state, ContainerState::Created);
    for _ in 0..2 {
        engine.start(&id).await.expect("started");
    }
    let logs = own.logs_with(&id, "end").await;
    assert!(logs.starts_with("999\nhush 400 999\n"), "{logs}");
    assert!(logs.contains("closed") && logs.contains("CapEff:\t0000000000000000"), "{logs}");
    assert!(logs.contains("NoNewPrivs:\t1"), "{logs}");

    let listed = engine.containers(&Labels::new()).await.expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id.as_str(), listed[0].state), (id.as_str(), ContainerState::Running));
    let place = &listed[0].networks[&network.name];
    assert_eq!(place.network_id, network_id);
    let address = place.address.expect("an address");
    assert!(network.subnet.contains(&address));
    let endpoint = engine.endpoint(&id, &network.name, 5432).await.expect("endpoint");
    assert_eq!(endpoint.to_string(), format!("{address}:5432"));
    let volumes = engine.volumes(&Labels::new()).await.expect("listed");
    assert_eq!(volumes.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), [volume.name.as_str()]);

    for memory_mib in [128, 48] {
        let limits = Limits { memory_mib, cpu_millis: 250, pids: 64 };
        engine.set_limits(&id, limits).await.expect("changed");
        assert_eq!(engine.inspect(&id).await.expect("there").limits, limits);
    }

    for _ in 0..2 {
        engine.stop(&id, Some(Duration::from_secs(1))).await.expect("stopped");
    }
    assert_eq!(engine.inspect(&id).await.expect("there").state, ContainerState::Exited);
    assert!(matches!(engine.endpoint(&id, &network.name, 1).await, Err(Error::NotFound(_))));
    assert!(matches!(engine.remove_volume(&volume.name).await, Err(Error::Conflict(_))));
    engine.start(&id).await.expect("started again");
    own.logs_with(&id, "end").await;

    // A network goes even when something still hangs in it; a container goes with its secrets.
    for _ in 0..2 {
        engine.remove_network(&network_id).await.expect("removed");
        engine.remove_container(&id).await.expect("removed");
        engine.remove_volume(&volume.name).await.expect("removed");
    }
    assert!(matches!(engine.inspect(&id).await, Err(Error::NotFound(_))));
    assert_eq!(engine.remove_stray_secrets().await.expect("swept"), 0);
}

#[tokio::test]
async fn what_belongs_to_another_installation_is_not_touched() {
    let (own, other) = (Installation::new(), Installation::new());
    let network = own.network().await;
    let network_id = own.engine.ensure_network(&network).await.expect("found");
    let volume = VolumeSpec { name: own.name("data"), labels: Labels::new() };
    own.engine.ensure_volume(&volume).await.expect("volume");
    let spec = own.script("one", "sleep 1000");
    let id = own.engine.ensure_container(&spec).await.expect("made");
    own.engine.start(&id).await.expect("started");

    let engine = &other.engine;
    assert!(engine.containers(&Labels::new()).await.expect("listed").is_empty());
    assert!(engine.networks(&Labels::new()).await.expect("listed").is_empty());
    assert!(engine.volumes(&Labels::new()).await.expect("listed").is_empty());
    let limits = Limits { memory_mib: 64, cpu_millis: 500, pids: 32 };
    let refused = [
        engine.ensure_network(&network).await.map(drop),
        engine.ensure_volume(&volume).await,
        engine.ensure_container(&spec).await.map(drop),
        engine.start(&id).await,
        engine.stop(&id, Some(Duration::ZERO)).await,
        engine.kill(&id, "SIGKILL").await,
        engine.set_limits(&id, limits).await,
        engine.logs(&id, 1).await.map(drop),
        engine.inspect(&id).await.map(drop),
        engine.remove_container(&id).await,
        engine.remove_network(&network_id).await,
        engine.remove_volume(&volume.name).await,
    ];
    for (number, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(Error::Conflict(_))), "call {number}: {result:?}");
    }
    assert_eq!(own.engine.inspect(&id).await.expect("there").state, ContainerState::Running);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let own = Installation::new();
    let id = own.engine.ensure_container(&own.script("exits", "exit 7")).await.expect("made");
    own.engine.start(&id).await.expect("started");
    assert_eq!(own.engine.wait_exit(&id, PATIENCE).await.expect("ended"), 7);
    let id = own.engine.ensure_container(&own.script("stays", "sleep 1000")).await.expect("made");
    own.engine.start(&id).await.expect("started");
    let waited = own.engine.wait_exit(&id, Duration::from_millis(100)).await;
    assert!(matches!(waited, Err(Error::Timeout { .. })), "{waited:?}");

    let mut other = own.script("stays", "sleep 1000");
    other.labels.insert(names::SPEC.into(), "another".into());
    assert!(matches!(own.engine.ensure_container(&other).await, Err(Error::Conflict(_))));
    other.name = own.name("third");
    other.image = "freehold/no-such-image:1".into();
    assert!(matches!(own.engine.ensure_container(&other).await, Err(Error::NotFound(_))));
    assert_eq!(own.engine.image_id(&other.image).await, Ok(None));
    assert!(matches!(own.engine.inspect("nobody").await, Err(Error::NotFound(_))));
    own.engine.remove_container("nobody").await.expect("gone is gone");

    let missing = Docker::connect(Path::new("/nonexistent/docker.sock"), own.id.clone());
    assert!(matches!(missing, Err(Error::Unreachable(_))), "{missing:?}");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("docker.sock");
    drop(tokio::net::UnixListener::bind(&path).expect("socket"));
    let dead = Docker::connect(&path, own.id.clone()).expect("there is a socket");
    let answer = dead.info().await;
    assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
}

#[tokio::test]
async fn events_tell_of_our_containers() {
    let own = Installation::new();
    let mut events = own.engine.events().await.expect("events");
    let id = own.engine.ensure_container(&own.script("one", "sleep 1000")).await.expect("made");
    // Whether the stream was there in time for the first event is the engine's affair: something happens until then.
    let seen = tokio::time::timeout(PATIENCE, async {
        loop {
            own.engine.start(&id).await.expect("started");
            own.engine.stop(&id, Some(Duration::ZERO)).await.expect("stopped");
            let next = tokio::time::timeout(Duration::from_secs(2), events.next()).await;
            if let Ok(event) = next {
                return event.expect("the stream goes on").expect("an event");
            }
        }
    });
    let event = seen.await.expect("an event in time");
    assert_eq!((event.kind, event.id.as_str()), (EventKind::Container, id.as_str()));
}

#[tokio::test]
async fn images_are_built_and_failures_say_what_was_printed() {
    let own = Installation::new();
    let file = |path: &str, text: &str| ContextFile {
        path: path.into(),
        executable: false,
        content: Content::Bytes(text.as_bytes().to_vec().into()),
    };
    let tag = format!("freehold-test/{}:1", own.id);
    let dockerfile = format!("FROM {}\nCOPY word /word\n", own.image);
    let mut spec = BuildSpec {
        tag: tag.clone(),
        labels: Labels::from([("a".to_owned(), "b".to_owned())]),
        files: vec![file("Dockerfile", &dockerfile), file("word", "hello")],
        arguments: [].into(),
        within: Duration::from_secs(300),
    };
    let lines = std::sync::Mutex::new(Vec::new());
    let log = |line: &str| lines.lock().expect("lines").push(line.to_owned());
    let id = own.engine.build(&spec, &log).await.expect("built");
    let image = own.engine.image(&tag).await.expect("asked").expect("there");
    assert_eq!((image.id, image.user.as_str(), image.labels["a"].as_str()), (id, "999:999", "b"));
    assert!(lines.lock().expect("lines").iter().any(|line| line.contains("COPY word")));
    own.engine.remove_image(&tag).await.expect("removed");
    own.engine.remove_image(&tag).await.expect("gone is gone");

    spec.files[0] = file("Dockerfile", &format!("FROM {}\nCOPY nothing /word\n", own.image));
    let error = own.engine.build(&spec, &log).await.expect_err("no such file").to_string();
    assert!(error.contains("nothing"), "{error}");
}

/// A tenant's database as a house has it.
fn database(own: &Installation, name: &str, network: &NetworkSpec, password: &str) -> ContainerSpec {
    let mut spec = ContainerSpec::new(own.name(name), &own.image);
    spec.network = NetworkMode::Network { name: network.name.clone(), aliases: vec![name.into()] };
    spec.mounts = vec![Mount::Volume { name: own.name(name), target: "/var/lib/postgresql/data".into() }];
    spec.tmpfs.insert("/var/run/postgresql".into(), 1);
    spec.limits = Some(Limits { memory_mib: 256, cpu_millis: 1000, pids: 128 });
    spec.environment = vec![("POSTGRES_PASSWORD_FILE".into(), "/run/secrets/password".into())];
    spec.files = vec![SecretFile::new("password", SecretString::from(password.to_owned()))];
    spec
}

async fn connect(
    own: &Installation,
    id: &str,
    network: &NetworkSpec,
    password: &str,
) -> sqlx::Result<PgConnection> {
    let endpoint = own.engine.endpoint(id, &network.name, 5432).await.expect("endpoint");
    let options = PgConnectOptions::new_without_pgpass()
        .host(&endpoint.ip().to_string())
        .port(endpoint.port())
        .username("postgres")
        .password(password)
        .database("app")
        .ssl_mode(sqlx::postgres::PgSslMode::Disable);
    PgConnection::connect_with(&options).await
}

/// Tries until it answers in words of its own, whatever they are.
async fn answered(
    own: &Installation,
    id: &str,
    network: &NetworkSpec,
    password: &str,
) -> sqlx::Result<PgConnection> {
    let tried = tokio::time::timeout(PATIENCE, async {
        loop {
            match connect(own, id, network, password).await {
                Err(sqlx::Error::Io(_)) => {}
                // It is starting up: 57P03.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => {}
                answer => return answer,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    tried.await.expect("the database answers in time")
}

#[tokio::test]
async fn each_database_has_its_own_identity_and_password() {
    let own = Installation::new();
    let network = own.network().await;
    let mut identities = Vec::new();
    for name in ["first", "second"] {
        let volume = VolumeSpec { name: own.name(name), labels: Labels::new() };
        own.engine.ensure_volume(&volume).await.expect("volume");
        let password = format!("it's \\ {name}");
        let id = own.engine.ensure_container(&database(&own, name, &network, &password)).await.expect("made");
        own.engine.start(&id).await.expect("started");
        let mut connection = answered(&own, &id, &network, &password).await.expect("the password works");
        for wrong in ["", "postgres", "it's \\ other"] {
            let refused = connect(&own, &id, &network, wrong).await.expect_err("another password");
            assert!(
                matches!(&refused, sqlx::Error::Database(e) if e.code().as_deref() == Some("28P01")),
                "{refused}"
            );
        }
        let identity: (i64, String) = sqlx::query_as(
            "SELECT system_identifier, current_setting('data_checksums') || current_setting('archive_mode') \
             FROM pg_control_system()",
        )
        .fetch_one(&mut connection)
        .await
        .expect("identity");
        assert_eq!(identity.1, "onon");
        identities.push(identity.0);
        sqlx::query("CREATE TABLE kept (word text)").execute(&mut connection).await.expect("created");
        drop(connection);

        own.engine.stop(&id, Some(Duration::from_secs(30))).await.expect("stopped");
        assert_eq!(own.engine.inspect(&id).await.expect("there").exit_code, 0, "a clean stop");
        own.engine.start(&id).await.expect("started");
        let mut connection = answered(&own, &id, &network, &password).await.expect("the password works");
        sqlx::query("SELECT * FROM kept").execute(&mut connection).await.expect("kept");
    }
    assert_ne!(identities[0], identities[1]);
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_begins_again() {
    let own = Installation::new();
    let network = own.network().await;
    for milliseconds in [30, 120, 300, 600] {
        let name = format!("cut-{milliseconds}");
        let volume = VolumeSpec { name: own.name(&name), labels: Labels::new() };
        own.engine.ensure_volume(&volume).await.expect("volume");
        let id = own.engine.ensure_container(&database(&own, &name, &network, "word")).await.expect("made");
        own.engine.start(&id).await.expect("started");
        // Wherever this falls, the outcome is the same.
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        own.engine.kill(&id, "SIGKILL").await.expect("killed");
        own.engine.wait_exit(&id, PATIENCE).await.expect("ended");
        own.engine.start(&id).await.expect("started");
        answered(&own, &id, &network, "word").await.expect("the password works");
        own.engine.remove_container(&id).await.expect("removed");
    }
    let id = {
        let mut spec = database(&own, "closed", &network, "");
        spec.environment.clear();
        spec.files.clear();
        own.engine
            .ensure_volume(&VolumeSpec { name: own.name("closed"), labels: Labels::new() })
            .await
            .expect("volume");
        own.engine.ensure_container(&spec).await.expect("made")
    };
    own.engine.start(&id).await.expect("started");
    assert_eq!(own.engine.wait_exit(&id, PATIENCE).await.expect("ended"), 64, "no password, no database");
}

#[tokio::test]
async fn an_imported_root_is_an_image() {
    let own = Installation::new();
    let folder = tempfile::tempdir().expect("folder");
    let path: PathBuf = folder.path().join("root.tar");
    let mut archive = tar::Builder::new(std::fs::File::create(&path).expect("file"));
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    archive.append_data(&mut header, "word", b"hello".as_slice()).expect("appended");
    archive.into_inner().expect("written");
    let tag = format!("freehold-test/{}:root", own.id);
    let id = own.engine.import(&path, &tag).await.expect("imported");
    let image = own.engine.image(&tag).await.expect("asked").expect("there");
    assert!(image.id == id && image.runs_as_root());
    own.engine.remove_image(&tag).await.expect("removed");
}
