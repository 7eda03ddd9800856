//! The edge's own image, run as the platform runs it, on a port and in a directory of the test's own.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use control_plane::edge::{Edge, EdgeSettings, Route, write_start_file};
use control_plane::render::nginx::{EdgeLimits, NginxContext, conf};

use super::house::until;

pub const SECRET: &str = "a-secret-of-the-prober-in-tests";

pub struct Nginx {
    name: String,
    home: tempfile::TempDir,
    pub public: SocketAddr,
    pub back_door: SocketAddr,
    pub edge: Edge,
}

impl Nginx {
    /// nginx with these routes in its start file, for the domain `example.test`.
    pub async fn start(routes: &[Route], limits: EdgeLimits) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        for folder in ["", "edge", "keys", "run", "run/edge", "run/gateway", "run/api"] {
            let path = home.path().join(folder);
            std::fs::create_dir_all(&path).expect("a directory");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("permissions");
        }
        let (public, back_door) = (free_address(), free_address());
        let settings = EdgeSettings {
            door: home.path().join("run/edge/door.sock"),
            routes_file: home.path().join("edge/routes.json"),
            public,
            prober_secret: SECRET.to_owned().into(),
        };
        let context = NginxContext {
            public,
            back_door: Some(back_door),
            domain: "example.test".parse().expect("a domain"),
            home: PathBuf::from("/var/lib/freehold"),
            limits,
        };
        std::fs::write(home.path().join("edge/nginx.conf"), conf(&context).expect("a configuration").text)
            .expect("written");
        std::fs::write(home.path().join("keys/prober.secret"), SECRET).expect("written");
        write_start_file(&settings.routes_file, routes).await.expect("written");

        let name = format!("fh-test-edge-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let nginx = Self { name, home, public, back_door, edge: Edge::new(settings) };
        let mount = format!("{}:/var/lib/freehold", nginx.home.path().display());
        docker(&[
            "run",
            "--detach",
            "--name",
            &nginx.name,
            "--label",
            "freehold.test=edge",
            "--network",
            "host",
            "--read-only",
            "--tmpfs",
            "/tmp",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--user",
            "64103:64103",
            "--group-add",
            "64100",
            "--volume",
            &mount,
            &image(),
        ]);
        nginx.until_healthy().await;
        nginx
    }

    pub async fn until_healthy(&self) {
        until("nginx answers at its door", async || {
            let healthy = self.edge.healthy().await.is_ok();
            assert!(healthy || self.running(), "nginx ended: {}", self.logs());
            healthy
        })
        .await;
    }

    pub fn run_path(&self, path: &str) -> PathBuf {
        self.home.path().join("run").join(path)
    }

    /// The processes of master and workers.
    pub fn processes(&self) -> String {
        docker(&["top", &self.name, "-o", "pid"])
    }

    pub fn restart(&self) {
        docker(&["restart", "--time", "20", &self.name]);
    }

    pub fn kill(&self) {
        docker(&["kill", &self.name]);
        docker(&["start", &self.name]);
    }

    pub fn logs(&self) -> String {
        let output = Command::new("docker").args(["logs", &self.name]).output().expect("docker");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    fn running(&self) -> bool {
        docker(&["inspect", "--format", "{{.State.Running}}", &self.name]).trim() == "true"
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("nginx said:\n{}", self.logs());
        }
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.name]).output();
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker can be run");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The image under test, as `freehold images build --file` has written it down.
fn image() -> String {
    let named = std::env::var("FREEHOLD_TEST_IMAGES")
        .expect("FREEHOLD_TEST_IMAGES names the file that `freehold images build --file` writes");
    let text = if named.trim_start().starts_with('{') {
        named
    } else {
        std::fs::read_to_string(Path::new(&named)).unwrap_or_else(|error| panic!("{named}: {error}"))
    };
    let images: serde_json::Value = serde_json::from_str(&text).expect("the images' names as JSON");
    images["edge"].as_str().expect("the edge's image").to_owned()
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}
