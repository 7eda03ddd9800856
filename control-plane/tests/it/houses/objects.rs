//! What the engine has of an installation, seen with its own command line, not with our code.

use std::io::Write;
use std::process::{Command, Stdio};

use super::installation::Installation;

/// Runs the engine's command line; the output, trimmed.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker runs");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// An image of a test's own, gone when the test is.
pub struct Image(pub String);

impl Image {
    /// Builds one from the lines of a Dockerfile.
    pub fn build(lines: &str) -> Self {
        let name = format!("freehold/test-gone:{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let mut build = Command::new("docker")
            .args(["build", "-q", "-t", &name, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker runs");
        let lines = format!("{lines}\nLABEL freehold.test={name}\n");
        build.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("written");
        assert!(build.wait().expect("an end").success());
        Self(name)
    }

    pub fn remove(&self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Names of the tenants' containers, in whatever state, of one service.
pub fn containers(installation: &Installation, house: &str, service: &str) -> Vec<String> {
    let filters = [
        format!("label=freehold.installation={}", installation.id),
        format!("label=freehold.house={house}"),
        format!("label=freehold.service={service}"),
    ];
    let mut arguments = vec!["ps", "-a", "--format", "{{.Names}}"];
    for filter in &filters {
        arguments.extend(["--filter", filter]);
    }
    docker(&arguments).lines().map(str::to_owned).collect()
}

/// Everything of the installation that belongs to a house, sorted.
pub fn of_houses(installation: &Installation) -> Vec<String> {
    let mut all = Vec::new();
    for (kind, list) in [
        ("container", vec!["ps", "-a"]),
        ("network", vec!["network", "ls"]),
        ("volume", vec!["volume", "ls"]),
    ] {
        let name = if kind == "container" { "{{.Names}}" } else { "{{.Name}}" };
        let of = format!("label=freehold.installation={}", installation.id);
        let mut arguments = list;
        arguments.extend(["--filter", &of, "--filter", "label=freehold.house", "--format", name]);
        all.extend(docker(&arguments).lines().map(|name| format!("{kind} {name}")));
    }
    all.sort();
    all
}

/// Runs a statement in a tenant's database as its superuser.
pub fn psql(container: &str, statement: &str) -> String {
    let script =
        "PGPASSWORD=$(cat /run/secrets/POSTGRES_PASSWORD) exec psql -q -A -t -U postgres -d app -c \"$0\"";
    docker(&["exec", container, "sh", "-c", script, statement])
}

/// The house that a tenant lives in, by the container that its front door leads to.
pub fn house_of(installation: &Installation, slug: &str) -> String {
    let label = format!("label=freehold.installation={}", installation.id);
    let ids = docker(&["ps", "-aq", "--filter", &label, "--filter", "label=freehold.service=app"]);
    let wanted = format!("TENANT_SLUG={slug}");
    for id in ids.lines() {
        let seen = docker(&[
            "inspect",
            "--format",
            "{{json .Config.Env}} {{index .Config.Labels \"freehold.house\"}}",
            id,
        ]);
        if seen.contains(&format!("\"{wanted}\"")) {
            return seen.rsplit(' ').next().unwrap_or_default().to_owned();
        }
    }
    panic!("no app of {slug} among {ids}");
}
