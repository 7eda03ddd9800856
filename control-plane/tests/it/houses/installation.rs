//! A whole Freehold of a test's own, brought up by the real binary and erased when the test ends, however it ends.

use std::path::PathBuf;
use std::process::{Command, Output};

use rand::RngExt;
use serde_json::Value;
use tempfile::TempDir;

use super::objects::docker;

/// Tests ask more often than people do.
const UNLIMITED: &str = "limits: { user_per_minute: 1000000, tenant_per_minute: 1000000 }";

/// An installation that answers.
pub struct Installation {
    pub id: String,
    pub port: u16,
    pub domain: String,
    home: TempDir,
    images: Option<String>,
}

impl Installation {
    /// Brings one up with settings of its own only where two installations would get into each other's way.
    pub fn up() -> Self {
        Self::up_with("")
    }

    /// The same with more settings, in YAML.
    pub fn up_with(settings: &str) -> Self {
        let home = TempDir::with_prefix("fh-test-").expect("a directory");
        let mut rng = rand::rng();
        // a /20 of 10.64.0.0/10, away from where people's installations begin
        let (second, third) = (64 + rng.random_range(0..64u8), rng.random_range(0..16u8) * 16);
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a port")
            .port();
        let common = format!(
            "edge: {{ port: {port} }}\nnetwork: {{ pool: 10.{second}.{third}.0/20 }}\n{UNLIMITED}\n{settings}\n"
        );
        let file = home.path().join("config.yaml");
        std::fs::write(&file, common).expect("the settings are written");
        let images = std::env::var("FREEHOLD_TEST_IMAGES").ok();
        let mut installation =
            Self { id: String::new(), port, domain: "freehold.localhost".to_owned(), home, images };
        installation.bring_up();
        let id = installation.home.path().join("installation");
        installation.id = std::fs::read_to_string(id).expect("an installation has an id").trim().to_owned();
        installation
    }

    /// `freehold up`, once more or for the first time.
    pub fn bring_up(&self) {
        self.run(&self.with_images("up"));
    }

    /// `freehold up`, once more: what it did about the services that it did not leave alone.
    pub fn changed(&self) -> Vec<(String, String)> {
        let mut arguments = self.with_images("up");
        arguments.push("--json");
        let summary: Value = serde_json::from_str(&self.run(&arguments)).expect("JSON");
        let services: Vec<(String, String)> =
            serde_json::from_value(summary["services"].clone()).expect("pairs");
        services.into_iter().filter(|(_, what)| what != "unchanged").collect()
    }

    /// The arguments of a command that takes images made before.
    pub fn with_images<'a>(&'a self, command: &'a str) -> Vec<&'a str> {
        match &self.images {
            Some(file) => vec![command, "--images", file],
            None => vec![command],
        }
    }

    /// The binary, for this installation.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_freehold"));
        command.arg("--home").arg(self.home.path()).args(arguments);
        // settings of whoever runs the tests are not this installation's
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FREEHOLD_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs the binary; what it prints, if it succeeds.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        assert!(
            output.status.success(),
            "freehold {arguments:?}: {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// Names of the platform's containers of one role that run.
    pub fn platform_containers(&self, role: &str) -> Vec<String> {
        let (of, role) =
            (format!("label=freehold.installation={}", self.id), format!("label=freehold.role={role}"));
        let names = docker(&["ps", "--format", "{{.Names}}", "--filter", &of, "--filter", &role]);
        names.lines().map(str::to_owned).collect()
    }

    pub fn path(&self, inner: &str) -> PathBuf {
        self.home.path().join(inner)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        let output = self.try_run(&["down", "--erase", "--yes"]);
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && !std::thread::panicking() {
            panic!("the installation could not be erased: {told}");
        } else if !output.status.success() {
            eprintln!("the installation could not be erased: {told}");
        }
    }
}

impl Installation {
    /// What the platform's services said last, for whoever reads why a test failed.
    fn tell(&self) {
        for role in ["worker", "gateway", "api", "edge"] {
            for name in self.platform_containers(role) {
                if let Ok(output) = Command::new("docker").args(["logs", "--tail", "12", &name]).output() {
                    eprintln!(
                        "--- {role}\n{}{}",
                        String::from_utf8_lossy(&output.stdout),
                        String::from_utf8_lossy(&output.stderr)
                    );
                }
            }
        }
    }
}
