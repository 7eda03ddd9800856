//! What the platform listens on, as the kernel has it: the edge on two TCP ports, and nothing else on any network.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::houses::installation::Installation;
use crate::houses::objects::docker;

pub fn check(installation: &Installation) {
    let back_door = docker(&[
        "network",
        "inspect",
        "-f",
        "{{(index .IPAM.Config 0).Gateway}}",
        &format!("fh-{}-platform", installation.id),
    ]);
    let mut found = BTreeSet::new();
    for role in ["postgres", "api", "gateway", "worker", "edge"] {
        let names = installation.platform_containers(role);
        assert!(!names.is_empty(), "a {role} runs");
        for name in names {
            let told = docker(&["top", &name, "-eo", "pid"]);
            for pid in told.lines().skip(1).map(str::trim) {
                found.extend(of_process(pid).into_iter().map(|socket| format!("{role} {socket}")));
            }
        }
    }
    let wanted = ["127.0.0.1", &back_door].map(|own| format!("edge tcp {own}:{}", installation.port));
    assert_eq!(found, BTreeSet::from(wanted));
}

/// The sockets of one process that anybody could send something to.
fn of_process(pid: &str) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        let gone = !std::path::Path::new(&format!("/proc/{pid}")).exists();
        assert!(gone, "the files of process {pid} are not to be seen (this takes root)");
        return vec![];
    };
    let own: BTreeSet<String> = files
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut all = vec![];
    for kind in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{kind}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (words[1], words[3], words[9]);
            // 0A is a listening one; the others of TCP are single connections
            if own.contains(inode) && (state == "0A" || !kind.starts_with("tcp")) {
                all.push(format!("{kind} {}", address(local)));
            }
        }
    }
    all
}

/// `0100007F:1F90` is `127.0.0.1:8080`; longer ones are left as they are.
fn address(text: &str) -> String {
    let parsed = text.split_once(':').and_then(|(host, port)| {
        let host = u32::from_str_radix(host, 16).ok()?;
        Some(SocketAddrV4::new(Ipv4Addr::from(host.to_ne_bytes()), u16::from_str_radix(port, 16).ok()?))
    });
    parsed.map_or_else(|| text.to_owned(), |address| address.to_string())
}
