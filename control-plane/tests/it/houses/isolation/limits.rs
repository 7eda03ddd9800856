//! What a container may use and do, as the kernel has it: the plan's limits, no privileges, no more to write to than
//! the stack file says.

use std::collections::BTreeSet;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::House;
use crate::houses::objects::{docker, psql};
use crate::houses::tenants::Admin;

pub async fn check(admin: &Admin<'_>, acme: &House, globex: &House) {
    let plans = admin.ask(Method::GET, "/api/v1/plans", Value::Null).await.json();
    let plans = plans["items"].as_array().expect("plans");
    let first = plans.iter().find(|plan| plan["default"] == true).expect("one is the default");
    let other = plans.iter().find(|plan| plan["name"] == "team").expect("another");
    are_the_kernels(acme, first);
    assert_ne!(kernel(&acme.app), of_plan(other), "a change of plan is a change of limits");
    let changed = admin.change(&acme.slug, json!({"plan": other["name"]})).await;
    assert_eq!(changed.status, StatusCode::ACCEPTED, "{changed:?}");
    admin.settle(&acme.slug, "running").await;
    are_the_kernels(acme, other);
    are_the_kernels(globex, first);
    for (container, writable) in [(&acme.app, WRITABLE), (&acme.db, WRITABLE_BY_DATABASE)] {
        no_privileges(container);
        nothing_to_write_to_but(container, writable);
        of_its_own(container);
    }
}

/// Limits in bytes, thousandths of a core, and processes; swap is that on top of memory.
#[derive(Debug, PartialEq)]
struct Limits {
    memory: u64,
    swap: u64,
    cpu_millis: u64,
    pids: u64,
}

fn of_plan(plan: &Value) -> Limits {
    let number = |name: &str| plan[name].as_u64().expect("a number");
    Limits {
        memory: number("memory_mib") << 20,
        swap: 0,
        cpu_millis: number("cpu_millis"),
        pids: number("pids"),
    }
}

fn are_the_kernels(house: &House, plan: &Value) {
    for container in [&house.app, &house.db] {
        assert_eq!(kernel(container), of_plan(plan), "{container}");
    }
    let connections = psql(&house.db, "select rolconnlimit from pg_roles where rolname = 'app'");
    assert_eq!(connections, plan["connections"].to_string());
}

/// Read from the container's own control group, of either version.
fn kernel(container: &str) -> Limits {
    let read = |files: &str| {
        let told = docker(&["exec", container, "sh", "-c", &format!("cd /sys/fs/cgroup && cat {files}")]);
        let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{files}: {told}"));
        told.split_whitespace().map(number).collect::<Vec<u64>>()
    };
    // a kernel that does not count swap can limit none, and the engine knows it
    let engine = docker(&["info", "-f", "{{.CgroupVersion}} {{.SwapLimit}}"]);
    let counts_swap = engine.ends_with("true");
    let (memory, swap, cpu, pids) = if engine.starts_with('2') {
        let swap = if counts_swap { read("memory.swap.max")[0] } else { 0 };
        (read("memory.max")[0], swap, read("cpu.max"), read("pids.max")[0])
    } else {
        let memory = read("memory/memory.limit_in_bytes")[0];
        let both = if counts_swap { read("memory/memory.memsw.limit_in_bytes")[0] } else { memory };
        let cpu = read("cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us");
        (memory, both - memory, cpu, read("pids/pids.max")[0])
    };
    Limits { memory, swap, cpu_millis: cpu[0] * 1000 / cpu[1], pids }
}

/// Every process is a plain user's, without any capability, under a filter of system calls, and cannot become more.
fn no_privileges(container: &str) {
    let told = docker(&["exec", container, "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null || true"]);
    let of = |name: &str| -> BTreeSet<&str> {
        told.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).collect()
    };
    for kind in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(of(kind), BTreeSet::from(["0000000000000000"]), "{kind} in {container}");
    }
    assert_eq!(of("NoNewPrivs"), BTreeSet::from(["1"]), "{container}");
    assert_eq!(of("Seccomp"), BTreeSet::from(["2"]), "{container}");
    for users in of("Uid").into_iter().chain(of("Gid")) {
        assert!(users.split_whitespace().all(|user| user != "0"), "{users} in {container}");
    }
    // nor by asking the kernel, also not for somebody who is called root in there
    for user in [None, Some("0:0")] {
        let attempts = [
            "unshare --user --map-root-user --net true",
            "unshare --net true",
            "unshare --mount true",
            "nsenter --target 1 --net true",
            "mount -t tmpfs none /tmp",
            "mount -o remount,rw /",
            "umount /proc/sys",
            "mknod /tmp/disk b 8 0",
            "/usr/sbin/chroot / true",
        ];
        let known = ["operation not permitted", "permission denied", "must be superuser"];
        all_refused(container, user, &attempts, &known);
    }
}

/// Where a container may write; the last one only where its volume is.
const WRITABLE: &[(&str, &str)] =
    &[("/tmp", "size=16384k"), ("/dev/shm", "size=65536k"), ("/dev/mqueue", "")];
const WRITABLE_BY_DATABASE: &[(&str, &str)] = &[
    ("/tmp", "size=16384k"),
    ("/dev/shm", "size=65536k"),
    ("/dev/mqueue", ""),
    ("/run/postgresql", "size=1024k"),
    ("/var/lib/postgresql/data", ""),
];

fn nothing_to_write_to_but(container: &str, known: &[(&str, &str)]) {
    let search = "find / -path /proc -prune -o -writable \\( -type d -o -type f \\) -print 2>/dev/null; \
                  find /proc/sys -writable";
    let found = docker(&["exec", container, "sh", "-c", search]);
    let (mut seen, below) =
        (BTreeSet::new(), |path: &str, place: &str| path == place || path.starts_with(&format!("{place}/")));
    for path in found.lines() {
        let place = known.iter().find(|(place, _)| below(path, place));
        seen.insert(place.unwrap_or_else(|| panic!("{container} can write to {path}")).0);
    }
    assert_eq!(seen, known.iter().map(|(place, _)| *place).collect(), "{container}");
    let mounts = docker(&["exec", container, "cat", "/proc/mounts"]);
    for (place, size) in known {
        let mount = mounts.lines().find(|line| line.split(' ').nth(1) == Some(place));
        assert!(mount.is_some_and(|mount| mount.contains(size)), "{place} in {container}: {mount:?}");
    }
    // what root owns is closed to root as well
    let attempts = ["touch /usr/x", "touch /x", "echo 1 > /proc/sys/net/ipv4/ip_forward"];
    all_refused(container, Some("0:0"), &attempts, &["read-only file system"]);
    let devices = docker(&[
        "exec",
        container,
        "sh",
        "-c",
        "find /dev -path /dev/pts -prune -o \\( -type b -o -type c \\) -print",
    ]);
    let devices: BTreeSet<&str> = devices.lines().collect();
    let harmless = ["full", "null", "random", "tty", "urandom", "zero"].map(|name| format!("/dev/{name}"));
    assert_eq!(devices, harmless.iter().map(String::as_str).collect(), "{container}");
}

/// None of its namespaces is the host's.
fn of_its_own(container: &str) {
    let paths = ["net", "pid", "ipc", "uts", "mnt"].map(|kind| format!("/proc/self/ns/{kind}"));
    let mut arguments = vec!["exec", container, "readlink"];
    arguments.extend(paths.iter().map(String::as_str));
    let inside = docker(&arguments);
    assert_eq!(inside.lines().count(), paths.len(), "{inside}");
    for (path, inside) in paths.iter().zip(inside.lines()) {
        let outside = std::fs::read_link(path).expect("a namespace");
        assert_ne!(outside.to_str(), Some(inside), "{container}");
    }
}

/// Fails unless each of these commands fails in a container, for one of these reasons.
fn all_refused(container: &str, user: Option<&str>, commands: &[&str], reasons: &[&str]) {
    let script: String = commands
        .iter()
        .map(|command| format!("if said=$( ({command}) 2>&1); then echo done; else echo refused $said; fi\n"))
        .collect();
    let mut arguments = vec!["exec"];
    arguments.extend(user.iter().flat_map(|user| ["-u", user]));
    arguments.extend([container, "sh", "-c", &script]);
    let told = docker(&arguments);
    assert_eq!(told.lines().count(), commands.len(), "{told}");
    for (command, outcome) in commands.iter().zip(told.lines()) {
        let outcome = outcome.to_lowercase();
        let known = outcome.starts_with("refused") && reasons.iter().any(|reason| outcome.contains(reason));
        assert!(known, "{command} in {container} as {user:?}: {outcome}");
    }
}
