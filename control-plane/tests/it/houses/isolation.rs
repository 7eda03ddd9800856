//! From inside a tenant's container, with a shell and every tool of its image: what must not be reached is not.

use hyper::StatusCode;

use super::installation::Installation;
use super::objects::{containers, docker, house_of};
use super::tenants::Admin;

/// Those of these that a TCP connection opens to from inside a container, within two seconds each, all at once.
fn opens(container: &str, places: &[(String, u16)]) -> Vec<String> {
    let tries: String = places
        .iter()
        .map(|(host, port)| {
            format!(
                "(timeout 2 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null && echo {host}:{port}) &\n"
            )
        })
        .collect();
    let script = format!("{tries}wait");
    docker(&["exec", container, "bash", "-c", &script]).lines().map(str::to_owned).collect()
}

fn address(container: &str) -> String {
    docker(&["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container])
}

#[tokio::test]
async fn a_tenant_reaches_its_own_house_the_back_door_and_nothing_else() {
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"));
    let (acme, globex) = (house_of(&installation, "acme"), house_of(&installation, "globex"));
    let inside = containers(&installation, &acme, "app").remove(0);
    let own_database = containers(&installation, &acme, "db").remove(0);

    // what it must reach, so that what follows proves something
    let needed = [("db".to_owned(), 5432), ("platform.internal".to_owned(), installation.port)];
    assert_eq!(opens(&inside, &needed).len(), 2, "its own database and the back door");

    // a listener of this host on every address, as any careless service is
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    let mut forbidden = vec![];
    for service in ["app", "db"] {
        let name = containers(&installation, &globex, service).remove(0);
        let listens = if service == "db" { 5432 } else { 8080 };
        forbidden.push((address(&name), listens));
    }
    let gateway_of = |name: &str| {
        docker(&["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", name])
    };
    let neighbour = containers(&installation, &globex, "app").remove(0);
    forbidden.push((gateway_of(&inside), port));
    forbidden.push((gateway_of(&neighbour), port));
    forbidden.push((gateway_of(&inside), installation.port));
    forbidden.push(("platform.internal".to_owned(), port));
    let back_door = format!("fh{}.plat", installation.id);
    for (interface, own) in host_addresses() {
        forbidden.push((own.clone(), port));
        if interface != back_door {
            forbidden.push((own, installation.port));
        }
    }
    assert_eq!(opens(&inside, &forbidden), Vec::<String>::new(), "reached from the app");
    assert_eq!(opens(&own_database, &forbidden), Vec::<String>::new(), "reached from the database");
    // the same addresses answer to the host itself, so it was the firewall and not the listener
    drop(std::net::TcpStream::connect(("127.0.0.1", port)).expect("the listener listens"));

    // no capability, no way to more, no socket of the engine, a root it cannot write to
    let status = docker(&["exec", &inside, "cat", "/proc/1/status"]);
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
    let listing =
        docker(&["exec", &inside, "bash", "-c", "ls /var/run/docker.sock /run/docker.sock 2>&1 || true"]);
    assert!(listing.contains("No such file"), "{listing}");
    let written = docker(&["exec", &inside, "bash", "-c", "touch /usr/x 2>&1 || true"]);
    assert!(written.contains("Read-only"), "{written}");

    // the limits that the kernel has are the plan's
    let limits = docker(&[
        "inspect",
        "-f",
        "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}",
        &inside,
    ]);
    let plan = admin.ask(hyper::Method::GET, "/api/v1/plans", serde_json::Value::Null).await.json();
    let plan = plan["items"]
        .as_array()
        .expect("plans")
        .iter()
        .find(|plan| plan["default"] == true)
        .expect("one")
        .clone();
    let memory = plan["memory_mib"].as_u64().expect("a number") * 1024 * 1024;
    let wanted = format!(
        "{memory} {memory} {} {}",
        plan["cpu_millis"].as_u64().expect("a number") * 1_000_000,
        plan["pids"]
    );
    assert_eq!(limits, wanted);
    let kernel = docker(&[
        "exec",
        &inside,
        "bash",
        "-c",
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true",
    ]);
    assert!(kernel.lines().any(|line| line == memory.to_string()), "{kernel}");

    // the app's role reads and writes rows, and that is all
    let url = docker(&["exec", &inside, "cat", "/run/secrets/DATABASE_URL"]);
    let as_app = |statement: &str| {
        let output = std::process::Command::new("docker")
            .args(["exec", &own_database, "psql", &url.replace("@db:", "@127.0.0.1:"), "-c", statement])
            .output()
            .expect("docker runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(as_app("select count(*) from app.vehicles").0, "{:?}", as_app("select 1"));
    for refused in [
        "create table app.mine ()",
        "create table public.mine ()",
        "create temporary table mine ()",
        "create schema mine",
        "drop table app.vehicles",
        "alter table app.vehicles add column mine int",
        "set role freehold_owner",
        "create role mine",
        "create database mine",
        "copy app.vehicles to '/tmp/x'",
        "select pg_read_file('/etc/passwd')",
        "update freehold.schema_history set version = 0",
        "select rolpassword from pg_authid",
    ] {
        let (worked, error) = as_app(refused);
        assert!(!worked && error.contains("ERROR"), "{refused}: {error}");
    }
    let other = url.replace("@db:", "@127.0.0.1:").replace("/app", "/postgres");
    let output = std::process::Command::new("docker")
        .args(["exec", &own_database, "psql", &other, "-c", "select 1"])
        .output()
        .expect("docker runs");
    assert!(!output.status.success(), "the app read another database");

    // all of it is still in order for the people outside
    assert_eq!(admin.visit("acme", "/healthz").await.status, StatusCode::OK);
}

/// Every IPv4 address of this machine but loopback, with its interface.
fn host_addresses() -> Vec<(String, String)> {
    let output =
        std::process::Command::new("ip").args(["-4", "-o", "addr", "show"]).output().expect("ip runs");
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let interface = words.nth(1)?.to_owned();
        Some((interface, words.nth(1)?.split('/').next()?.to_owned()))
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(address)
        .filter(|(_, address)| !address.starts_with("127."))
        .collect()
}
