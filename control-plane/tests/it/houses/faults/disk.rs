//! The disk that a tenant's volume is on fills up: first rows find no room any more, then the log of the database.

use std::io::Write;
use std::process::{Command, Stdio};

use hyper::StatusCode;

use super::super::load::Load;
use super::super::objects::{containers, docker, house_of, psql};
use super::super::tenants::Admin;
use super::super::visitor::Answer;
use super::super::wait;

/// Room for the database and some rows more.
const SIZE: &str = "o=size=96m,uid=999,gid=999,mode=0700";

/// A small disk of its own in place of a volume: the same name, labels and content. A container that does nothing else
/// keeps it there when nobody uses it.
struct SmallDisk {
    keeper: String,
}

impl SmallDisk {
    /// The house must be at rest. Its database's container goes: it would hold the volume.
    fn in_place_of_the_volume(admin: &Admin<'_>, house: &str) -> Self {
        let database = containers(admin.installation, house, "db").remove(0);
        let image = docker(&["inspect", "-f", "{{.Image}}", &database]);
        let of = format!("label=freehold.house={house}");
        let volume =
            docker(&["volume", "ls", "-q", "--filter", &of, "--filter", "label=freehold.service=db"]);
        let labels = docker(&[
            "volume",
            "inspect",
            "-f",
            "{{range $key, $value := .Labels}}{{$key}}={{$value}}\n{{end}}",
            &volume,
        ]);
        docker(&["rm", "-f", &database]);
        let mount = format!("{volume}:/disk");
        let copy = ["run", "--rm", "--user", "0", "--network", "none", "-v", &mount, "--entrypoint", "tar"];
        let content = Command::new("docker")
            .args(copy)
            .args([&image, "-c", "-C", "/disk", "."])
            .output()
            .expect("docker runs");
        assert!(content.status.success(), "{}", String::from_utf8_lossy(&content.stderr));
        docker(&["volume", "rm", &volume]);
        let mut make =
            vec!["volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", SIZE];
        make.extend(labels.lines().flat_map(|label| ["--label", label]));
        make.push(&volume);
        docker(&make);
        let keeper = format!("fh-test-{}", uuid::Uuid::new_v4().simple());
        let keep = ["--user", "0", "--network", "none", "-v", &mount, "--entrypoint", "sleep"];
        docker(&[&["run", "-d", "--name", &keeper][..], &keep, &[&image, "infinity"]].concat());
        let disk = Self { keeper };
        let mut unpack = Command::new("docker")
            .args(["exec", "-i", &disk.keeper, "tar", "-x", "-C", "/disk"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("docker runs");
        unpack.stdin.take().expect("its input").write_all(&content.stdout).expect("written");
        assert!(unpack.wait().expect("its end").success());
        disk
    }

    /// Something else takes all the room that is left.
    fn fill(&self) {
        let fill = "dd if=/dev/zero of=/disk/something-else bs=4k 2>&1 | grep -q 'No space left'";
        docker(&["exec", &self.keeper, "bash", "-c", fill]);
    }

    fn make_room(&self) {
        docker(&["exec", &self.keeper, "rm", "/disk/something-else"]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-f", &self.keeper]).output();
    }
}

/// Adds vehicles until one is not taken: that answer, and how many were.
async fn until_refused(admin: &Admin<'_>, slug: &str) -> (Answer, usize) {
    for number in 0..2000 {
        let answer = admin.add_vehicle(slug, &format!("Car {number}")).await;
        if answer.status != StatusCode::CREATED {
            return (answer, number);
        }
    }
    panic!("the disk never fills");
}

pub async fn fills(admin: &Admin<'_>, slug: &str, visitors: &Load) {
    let house = house_of(admin.installation, slug);
    admin.verb(slug, "sleep", "asleep").await;
    let disk = SmallDisk::in_place_of_the_volume(admin, &house);
    admin.answers(slug, "/api/vehicles", "").await;
    admin.settle(slug, "running").await;

    // first in the app's list, which has pages
    assert_eq!(admin.add_vehicle(slug, "A bus").await.status, StatusCode::CREATED);

    // no room for rows: the app says so, and what is there can be read
    disk.fill();
    let (refused, taken) = until_refused(admin, slug).await;
    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE, "{refused:?}");
    assert!(refused.body.contains("Your storage is used up"), "{refused:?}");
    admin.answers(slug, "/api/vehicles", "A bus").await;

    // no room for the log: the database cannot even start, and whoever must look is told why
    let database = containers(admin.installation, &house, "db").remove(0);
    let log =
        "select pg_logical_emit_message(false, 'test', repeat('x', 1000000)) from generate_series(1, 40)";
    let script = "PGPASSWORD=$(cat /run/secrets/POSTGRES_PASSWORD) exec psql -U postgres -d app -c \"$0\"";
    let written = Command::new("docker").args(["exec", &database, "sh", "-c", script, log]).output();
    let told = String::from_utf8_lossy(&written.expect("docker runs").stderr).into_owned();
    assert!(told.contains("No space left on device"), "{told}");
    let stuck = admin.settle(slug, "stuck").await;
    let reason = stuck["stuck_reason"].as_str().expect("a reason");
    assert!(reason.contains("db") && reason.contains("the disk that its volume is on is full"), "{reason}");
    assert!(reason.contains("its last words") && reason.contains("No space left on device"), "{reason}");
    let away = admin.visit(slug, "/api/vehicles").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE, "{away:?}");

    visitors.goes_on(20).await;

    disk.make_room();
    admin.verb(slug, "retry", "running").await;
    admin.answers(slug, "/api/vehicles", "A bus").await;
    let database = containers(admin.installation, &house, "db").remove(0);
    let vehicles = psql(&database, "select count(*) from app.vehicles");
    assert_eq!(vehicles, (taken + 1).to_string(), "what was taken is there, and what was refused is not");
    wait::until("writes are taken again", || async {
        let answer = admin.add_vehicle(slug, "One more").await;
        if answer.status == StatusCode::CREATED { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}
