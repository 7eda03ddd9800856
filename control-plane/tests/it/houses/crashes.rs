//! SIGKILL at every named point of every change: the real binary dies there, is started again, and gets to where it was
//! going without help; then what the engine has is what the registry knows, and nothing else.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::installation::Installation;
use super::objects::{containers, house_of, of_houses, psql};
use super::tenants::Admin;
use super::visitor;
use super::wait;
use control_plane::worker::fault;

/// A change and the points that lie on its way, in the order in which they are met.
const CHANGES: &[(&str, &[&str])] = &[
    (
        "create",
        &[
            "claimed",
            "resolved",
            "observed",
            "ensure_network:before",
            "ensure_volume:before",
            "ensure_network:after",
            "ensure_volume:after",
            "ensure_container:before",
            "ensure_container:after",
            "start_container:before",
            "start_container:after",
            "await_healthy:before",
            "await_healthy:after",
            "prepare_database:before",
            "prepare_database:after",
            "migrate:before",
            "migrate:after",
            "set_routes:before",
            "set_routes:after",
            "converged",
            "given_back",
        ],
    ),
    ("shrink", &["set_limits:before", "set_limits:after", "set_read_only:before", "set_read_only:after"]),
    (
        "sleep",
        &[
            "withdraw_routes:before",
            "withdraw_routes:after",
            "drain:before",
            "drain:after",
            "stop_container:before",
            "stop_container:after",
        ],
    ),
    (
        "erase",
        &[
            "remove_container:before",
            "remove_container:after",
            "remove_network:before",
            "remove_network:after",
            "drop_volume:before",
            "drop_volume:after",
        ],
    ),
];

#[test]
fn every_fault_point_has_a_case() {
    let tried: BTreeSet<String> =
        CHANGES.iter().flat_map(|(_, points)| points.iter().map(|point| (*point).to_owned())).collect();
    assert_eq!(tried, fault::points().into_iter().collect());
}

/// A control plane in the foreground.
struct Serving(Child);

impl Serving {
    fn begin(installation: &Installation, fault: Option<&str>) -> Self {
        let mut command = installation.command(&installation.with_images("serve"));
        if let Some(point) = fault {
            command.env(fault::VARIABLE, point);
        }
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts"),
        )
    }

    fn died(&mut self) -> bool {
        self.0.try_wait().expect("its state").is_some()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One change of one tenant after the other, until every point was met.
struct Trial<'a> {
    admin: &'a Admin<'a>,
    change: &'static str,
    number: usize,
}

impl Trial<'_> {
    fn slug(&self) -> String {
        format!("{}-{}", self.change, self.number)
    }

    /// A tenant for which the change can be asked.
    async fn prepare(&self) {
        if self.change == "create" {
            return;
        }
        let installation = self.admin.installation;
        let _serving = Serving::begin(installation, None);
        answers(installation).await;
        self.admin.create(&self.slug()).await;
        if self.change == "shrink" {
            let database = containers(installation, &house_of(installation, &self.slug()), "db").remove(0);
            psql(
                &database,
                "create table app.big as select i, repeat(md5(i::text), 30) from generate_series(1, 50000) i",
            );
        }
    }

    /// Asks for the change. The process may die before it answers; whether it was asked for is seen afterwards.
    async fn ask(&self) -> Result<(), String> {
        let slug = self.slug();
        let (method, path, body) = match self.change {
            "create" => (Method::POST, "/api/v1/tenants".to_owned(), json!({"name": slug, "slug": slug})),
            "shrink" => (Method::PATCH, format!("/api/v1/tenants/{slug}"), json!({"plan": "tiny"})),
            "sleep" => (Method::POST, format!("/api/v1/tenants/{slug}/sleep"), Value::Null),
            _ => (Method::DELETE, format!("/api/v1/tenants/{slug}?erase=true&slug={slug}"), Value::Null),
        };
        let answer = self.admin.try_ask(method, &path, body).await?;
        // asked again after a crash, it may be so already
        if answer.status.is_success()
            || answer.status == StatusCode::CONFLICT
            || answer.status == StatusCode::NOT_FOUND
        {
            Ok(())
        } else {
            Err(format!("{} {}", answer.status, answer.body))
        }
    }

    /// Whether the change was reached.
    async fn reached(&self) -> Result<bool, String> {
        let answer =
            self.admin.try_ask(Method::GET, &format!("/api/v1/tenants/{}", self.slug()), Value::Null).await?;
        if self.change == "erase" {
            return Ok(answer.status == StatusCode::NOT_FOUND);
        }
        if answer.status != StatusCode::OK {
            return Err(answer.body);
        }
        let tenant = answer.json();
        assert_ne!(tenant["status"], "stuck", "{tenant}");
        let still = tenant["generation"] == tenant["converged_generation"];
        Ok(still
            && match self.change {
                "sleep" => tenant["status"] == "asleep",
                "shrink" => {
                    tenant["status"] == "running" && tenant["plan"] == "tiny" && tenant["read_only"] == true
                }
                _ => tenant["status"] == "running",
            })
    }
}

async fn answers(installation: &Installation) {
    wait::until("the API answers", || async {
        let answer =
            visitor::get(installation.port, &format!("admin.{}", installation.domain), "/readyz").await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(answer.body) }
    })
    .await;
}

#[tokio::test]
async fn killed_at_every_point_it_gets_there_all_the_same() {
    let installation = Installation::up_with(
        "worker: { storage_seconds: 1, sweep_seconds: 2 }
plans:
  tiny: { memory_mib: 192, cpu_millis: 400, pids: 100, connections: 10, storage_mib: 32 }",
    );
    let admin = Admin::of(&installation);
    for (change, points) in CHANGES {
        let mut trial = Trial { admin: &admin, change, number: 0 };
        trial.prepare().await;
        let mut fresh = true;
        for point in *points {
            while !killed_at(&installation, &trial, point).await {
                // what the point lies on was done before: once more from the beginning
                assert!(!fresh, "{change} never comes by {point}");
                trial.number += 1;
                trial.prepare().await;
                fresh = true;
            }
            fresh = false;
        }
        let _serving = Serving::begin(&installation, None);
        answers(&installation).await;
        wait::until(&format!("{change} is reached"), || async {
            trial.ask().await?;
            if trial.reached().await? { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        nothing_else(&installation, &admin).await;
    }
}

/// Runs the control plane with this point armed until it dies there; `false` when the change was reached without.
async fn killed_at(installation: &Installation, trial: &Trial<'_>, point: &str) -> bool {
    let mut serving = Serving::begin(installation, Some(point));
    let mut asked = false;
    for _ in 0..1200 {
        if serving.died() {
            return true;
        }
        if !asked {
            asked = trial.ask().await.is_ok();
        } else if trial.reached().await.unwrap_or(false) && !serving.died() {
            // the last points lie behind the end that people see
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            return serving.died();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{}: neither reached nor killed at {point}", trial.slug());
}

/// The engine has what the registry's tenants need and nothing else.
async fn nothing_else(installation: &Installation, admin: &Admin<'_>) {
    wait::until("nothing is left over", || async {
        let tenants = admin.try_ask(Method::GET, "/api/v1/tenants?limit=200", Value::Null).await?.json();
        let mut wanted = (0, 0, 0);
        for tenant in tenants["items"].as_array().ok_or("no list")? {
            if tenant["generation"] != tenant["converged_generation"] {
                return Err(format!("{} is still changing", tenant["slug"]));
            }
            // a house that sleeps keeps its containers, stopped
            wanted = (wanted.0 + 2, wanted.1 + 1, wanted.2 + 1);
        }
        let all = of_houses(installation);
        let count = |kind: &str| all.iter().filter(|object| object.starts_with(kind)).count();
        let found = (count("container "), count("network "), count("volume "));
        if found == wanted { Ok(()) } else { Err(format!("{found:?} instead of {wanted:?}: {all:?}")) }
    })
    .await;
}
