//! What somebody breaks by hand is whole again, with every row.

use hyper::StatusCode;

use super::installation::Installation;
use super::objects::{containers, docker, house_of, of_houses};
use super::tenants::Admin;
use super::wait;

#[tokio::test]
async fn what_is_removed_by_hand_comes_back() {
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    admin.create("acme").await;
    assert_eq!(admin.add_vehicle("acme", "Old bus").await.status, StatusCode::CREATED);
    let house = house_of(&installation, "acme");
    let whole = of_houses(&installation);

    for (service, removed) in [("app", false), ("app", true), ("db", false), ("db", true)] {
        let name = containers(&installation, &house, service).remove(0);
        let before = docker(&["inspect", "-f", "{{.Id}} {{.State.StartedAt}}", &name]);
        if removed {
            docker(&["rm", "-f", &name]);
        } else {
            docker(&["kill", &name]);
        }
        wait::until(&format!("{service} is back"), || async {
            let names = containers(&installation, &house, service);
            let Some(name) = names.first() else { return Err("no container".to_owned()) };
            let seen = std::process::Command::new("docker")
                .args(["inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Running}}", name])
                .output()
                .map_err(|error| error.to_string())?;
            let now = String::from_utf8_lossy(&seen.stdout).trim().to_owned();
            if now.ends_with(" true") && !now.starts_with(&before) { Ok(()) } else { Err(now) }
        })
        .await;
        admin.answers("acme", "/api/vehicles", "Old bus").await;
    }

    // the network, with everything torn out of it
    let network = docker(&["network", "ls", "-q", "--filter", &format!("label=freehold.house={house}")]);
    for service in ["app", "db"] {
        for name in containers(&installation, &house, service) {
            docker(&["network", "disconnect", "-f", &network, &name]);
        }
    }
    docker(&["network", "rm", &network]);
    admin.answers("acme", "/api/vehicles", "Old bus").await;
    wait::until("the house is whole", || async {
        let now = of_houses(&installation);
        if now == whole { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;

    // what belongs to no house goes; a volume is only reported
    let label = format!("freehold.installation={}", installation.id);
    let stray = format!("fh-{}-nobodyhere", installation.id);
    let image = docker(&["inspect", "-f", "{{.Image}}", &containers(&installation, &house, "app")[0]]);
    docker(&["volume", "create", "--label", &label, "--label", "freehold.house=nobodyhere", &stray]);
    docker(&[
        "create",
        "--name",
        &stray,
        "--label",
        &label,
        "--label",
        "freehold.house=nobodyhere",
        "--label",
        "freehold.service=app",
        &image,
    ]);
    wait::until("the stray container is gone", || async {
        let now = of_houses(&installation);
        if now.contains(&format!("container {stray}")) { Err(format!("{now:?}")) } else { Ok(()) }
    })
    .await;
    assert!(of_houses(&installation).contains(&format!("volume {stray}")));
    admin.answers("acme", "/api/vehicles", "Old bus").await;
}
