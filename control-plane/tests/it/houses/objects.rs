//! What the engine has of an installation, seen with its own command line, not with our code.

use std::process::Command;

use super::installation::Installation;

/// Runs the engine's command line; the output, trimmed.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker runs");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
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

/// Everything that carries the installation's label and belongs to a house, sorted, volumes of secrets left out.
pub fn of_houses(installation: &Installation) -> Vec<String> {
    let label = format!("label=freehold.installation={}", installation.id);
    let mut all = Vec::new();
    for (kind, arguments) in [
        ("container", vec!["ps", "-a", "--format", "{{.Names}} {{.Label \"freehold.house\"}}"]),
        ("network", vec!["network", "ls", "--format", "{{.Name}} {{.Label \"freehold.house\"}}"]),
        (
            "volume",
            vec![
                "volume",
                "ls",
                "--format",
                "{{.Name}} {{.Label \"freehold.house\"}} {{.Label \"freehold.secrets\"}}",
            ],
        ),
    ] {
        let mut arguments = arguments;
        arguments.extend(["--filter", &label]);
        for line in docker(&arguments).lines() {
            let parts: Vec<&str> = line.split_whitespace().collect();
            if parts.len() == 2 {
                all.push(format!("{kind} {}", parts[0]));
            }
        }
    }
    all.sort();
    all
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
