//! Bringing Freehold up, mending it, replacing it, and taking it down, with the real binary and engine.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::houses::installation::Installation;
use super::houses::objects::docker;
use super::houses::visitor::get;

/// The services' containers. Helpers come and go as the worker looks at the firewall.
fn containers(installation: &Installation, running: bool) -> BTreeSet<String> {
    let label = format!("label=freehold.installation={}", installation.id);
    let mut found = BTreeSet::new();
    for role in ["postgres", "api", "gateway", "worker", "edge"] {
        let role = format!("label=freehold.role={role}");
        let all: &[&str] = if running { &[] } else { &["-a"] };
        let listed =
            docker(&[&["ps", "-q", "--no-trunc", "--filter", &label, "--filter", &role], all].concat());
        found.extend(listed.lines().map(str::to_owned));
    }
    found
}

/// The host's own nft: whether it did what it was asked. `None` where it is not installed or not allowed.
fn nft(arguments: &[&str]) -> Option<bool> {
    let run = |arguments: &[&str]| std::process::Command::new("nft").args(arguments).output().ok();
    run(&["list", "tables", "ip"])?.status.success().then_some(())?;
    Some(run(arguments)?.status.success())
}

fn pair((service, what): (&str, &str)) -> (String, String) {
    (service.to_owned(), what.to_owned())
}

#[tokio::test]
async fn up_is_repeated_without_effect_mends_what_is_broken_and_down_keeps_everything() {
    let installation = Installation::up();
    let host = installation.domain.clone();
    let healthy = async || get(installation.port, &host, "/healthz").await.expect("an answer").status;
    assert_eq!(healthy().await, 200);
    for secret in ["keys/master.key", "keys/people.key", "keys/prober.secret", "secrets/admin_password"] {
        let mode = std::fs::metadata(installation.path(secret)).expect(secret).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }

    let table = format!("freehold_{}", installation.id);
    // also by an nft that is older than the one that made it
    assert_ne!(nft(&["list", "table", "inet", &table]), Some(false), "the host can list the table");

    let before = containers(&installation, false);
    assert_eq!(installation.changed(), []);
    assert_eq!(containers(&installation, false), before, "no container was touched");
    installation.run(&["status"]);
    installation.run(&["doctor"]);

    // somebody removes a role and a socket's owner, and flushes the firewall
    for name in installation.platform_containers("api") {
        docker(&["rm", "-f", &name]);
    }
    for name in installation.platform_containers("gateway") {
        docker(&["stop", "-t", "5", &name]);
    }
    let flushed = nft(&["delete", "table", "inet", &table]) == Some(true);
    let findings: Vec<Value> =
        serde_json::from_slice(&installation.try_run(&["doctor", "--json"]).stdout).expect("JSON");
    let problems: BTreeSet<&str> = findings
        .iter()
        .filter(|finding| finding["state"] == "problem")
        .filter_map(|finding| finding["check"].as_str())
        .collect();
    assert!(problems.contains("api") && problems.contains("gateway"), "{problems:?}");
    assert_eq!(problems.contains("firewall"), flushed, "{problems:?}");
    assert_eq!(installation.changed(), [("api", "started"), ("gateway", "started")].map(pair));
    assert_eq!(healthy().await, 200);
    if flushed {
        assert_eq!(nft(&["list", "table", "inet", &table]), Some(true), "the firewall is in force again");
    }

    let password = std::fs::read(installation.path("secrets/admin_password")).expect("a password");
    installation.run(&["down"]);
    assert_eq!(containers(&installation, true), BTreeSet::new(), "the machine is quiet");
    assert!(!installation.try_run(&["status"]).status.success(), "and `status` says so");
    installation.bring_up();
    assert_eq!(healthy().await, 200);
    assert_eq!(std::fs::read(installation.path("secrets/admin_password")).expect("kept"), password);
    installation.run(&["token"]);

    installation.run(&["down", "--erase", "--yes"]);
    let label = format!("label=freehold.installation={}", installation.id);
    for list in [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]] {
        assert_eq!(docker(&[list, &["--filter", &label]].concat()), "", "{list:?}");
    }
    assert_ne!(nft(&["list", "table", "inet", &table]), Some(true), "the table is gone");
    assert!(!installation.path("keys").exists() && installation.path("config.yaml").exists());
    // What Drop erases once more must be there to be erased.
    std::fs::write(installation.path("installation"), &installation.id).expect("written");
}

#[test]
fn a_host_that_is_not_ready_is_told_what_to_do() {
    let home = tempfile::TempDir::new().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_freehold"))
        .arg("--home")
        .arg(home.path())
        .args(["--port", &port, "up"])
        .output()
        .expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("cannot be listened on") && told.contains("--port PORT"), "{told}");
    let id = std::fs::read_to_string(home.path().join("installation")).expect("an id");
    let label = format!("label=freehold.installation={}", id.trim());
    assert_eq!(docker(&["ps", "-aq", "--filter", &label]), "", "nothing was made");
}
