//! What a machine may have beside Freehold, made by the test: a service of the host, a metadata service, another
//! project's container, another host on the LAN. No packet is meant for an address that is not this machine's.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rand::RngExt;

use super::inside::Bystander;
use crate::houses::objects::docker;

/// Runs a program that changes or tells this machine's network; its output, trimmed.
pub fn host(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}; scripts/test installs it"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} (this takes root): {told}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Every address of this machine but loopback, with its interface.
pub fn addresses() -> Vec<(String, IpAddr)> {
    let told = host("ip", &["-o", "addr", "show"]);
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let interface = words.nth(1)?.to_owned();
        Some((interface, words.nth(1)?.split('/').next()?.parse().ok()?))
    };
    told.lines()
        .filter_map(address)
        .filter(|(_, address): &(String, IpAddr)| !address.is_loopback())
        .collect()
}

/// An interface of the host; it goes when this does.
pub struct Interface(String);

impl Interface {
    pub fn new(kind: &[&str]) -> Self {
        let own = Self(format!("fht{:08x}", rand::rng().random::<u32>()));
        host("ip", &[&["link", "add", &own.0, "type"][..], kind].concat());
        own
    }

    pub fn has(&self, address: &str) {
        // An address of IPv6 is used at once; nobody else can have it.
        let now: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        host("ip", &[&["addr", "add", address, "dev", &self.0][..], now].concat());
        host("ip", &["link", "set", &self.0, "up"]);
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        // That of another host is gone already when its container is.
        if let Err(error) = Command::new("ip").args(["link", "del", &self.0]).output() {
            eprintln!("{} stays behind: {error}", self.0);
        }
    }
}

/// Addresses of the host as a machine in a data centre has them.
pub struct Addresses {
    pub all: Vec<IpAddr>,
    _interface: Interface,
}

impl Addresses {
    pub fn new() -> Self {
        let mut rng = rand::rng();
        let mut octet = || rng.random_range(1..255u8);
        let metadata: IpAddr = "169.254.169.254".parse().expect("an address");
        let taken = addresses().iter().any(|(_, address)| *address == metadata);
        let link_local =
            if taken { format!("169.254.{}.{}", octet(), octet()) } else { metadata.to_string() };
        let all: Vec<IpAddr> = [
            link_local,
            format!("203.0.113.{}", octet()),
            format!("192.168.{}.{}", octet(), octet()),
            format!("172.{}.{}.{}", 16 + octet() % 16, octet(), octet()),
            format!("fd{:02x}:{:x}:{:x}::1", octet(), octet(), octet()),
        ]
        .iter()
        .map(|address| address.parse().expect("an address"))
        .collect();
        // A bridge that nothing hangs on: the one kind that every machine with Docker can make.
        let interface = Interface::new(&["bridge"]);
        for address in all.iter().filter(|address| address.is_ipv4() || has_ipv6()) {
            interface.has(&format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }));
        }
        Self {
            all: all.into_iter().filter(|address| address.is_ipv4() || has_ipv6()).collect(),
            _interface: interface,
        }
    }
}

/// Whether this machine speaks IPv6 at all.
pub fn has_ipv6() -> bool {
    std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|interfaces| !interfaces.is_empty())
}

/// A service of the host that listens on every address, over TCP and UDP, as any careless one does.
pub struct Service {
    pub port: u16,
    heard: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Service {
    /// Its threads go with the test's process.
    pub fn new() -> Self {
        let everywhere = if has_ipv6() { "[::]" } else { "0.0.0.0" };
        let (tcp, udp) = (0..20)
            .find_map(|_| {
                let tcp = TcpListener::bind(format!("{everywhere}:0")).ok()?;
                let udp = UdpSocket::bind(tcp.local_addr().ok()?).ok()?;
                Some((tcp, udp))
            })
            .expect("a port that is free for both");
        let port = tcp.local_addr().expect("its address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let by_tcp = Arc::clone(&heard);
        std::thread::spawn(move || {
            while let Ok((_, from)) = tcp.accept() {
                by_tcp.lock().expect("no panic").push(from);
            }
        });
        let by_udp = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut said = [0; 2048];
            while let Ok((length, from)) = udp.recv_from(&mut said) {
                by_udp.lock().expect("no panic").push(from);
                // Whether the answer gets back is the other side's to say.
                let _ = udp.send_to(&said[..length], from);
            }
        });
        Self { port, heard }
    }

    /// Who was heard until now.
    pub fn heard(&self) -> Vec<SocketAddr> {
        self.heard.lock().expect("no panic").clone()
    }
}

/// Runs `ip` in the network of a process.
fn in_network_of(pid: &str, arguments: &[&str]) -> String {
    host("nsenter", &[&["-t", pid, "-n", "ip"][..], arguments].concat())
}

/// Another project's container on this machine, which also stands for another host on the LAN: a cable leads to it
/// from the host, with private addresses at both ends.
pub struct Stranger {
    pub port: u16,
    /// Its own addresses, that in the engine's default network first.
    pub own: Vec<String>,
    /// The host's addresses at the other end of the cable.
    pub of_host: Vec<String>,
    container: Bystander,
    cable: Interface,
}

impl Stranger {
    pub fn new(image: &str) -> Self {
        let mut rng = rand::rng();
        let port = rng.random_range(20_000..30_000);
        let container = Bystander::listening(image, port);
        let inspect = |what: &str| docker(&["inspect", "-f", what, &container.0]);
        let pid = inspect("{{.State.Pid}}");
        let cable = Interface::new(&["veth", "peer", "name", "lan", "netns", &pid]);
        let inside = |arguments: &[&str]| in_network_of(&pid, arguments);
        let (mut own, mut of_host) = (vec![inspect("{{.NetworkSettings.IPAddress}}")], vec![]);
        for first in ["192.168", "172.30", "100.100", "198.51"] {
            let third = if first == "198.51" { 100 } else { rng.random_range(0..=255u8) };
            let fourth = rng.random_range(0..64u8) * 4;
            let [near, far] = [1, 2].map(|end| format!("{first}.{third}.{}", fourth + end));
            cable.has(&format!("{near}/30"));
            inside(&["addr", "add", &format!("{far}/30"), "dev", "lan"]);
            own.push(far);
            of_host.push(near);
        }
        inside(&["link", "set", "lan", "up"]);
        Self { port, own, of_host, container, cable }
    }

    pub fn name(&self) -> &str {
        &self.container.0
    }

    /// An address for it that is as public as any other, out of those that amateurs' radios try things with: packets
    /// for it go by the cable.
    pub fn at_a_public_address(&self) -> String {
        let mut rng = rand::rng();
        let (third, fourth) = (rng.random_range(0..=255u8), rng.random_range(0..64u8) * 4);
        let [near, far] = [1, 2].map(|end| format!("44.128.{third}.{}", fourth + end));
        self.cable.has(&format!("{near}/30"));
        let pid = docker(&["inspect", "-f", "{{.State.Pid}}", self.name()]);
        in_network_of(&pid, &["addr", "add", &format!("{far}/30"), "dev", "lan"]);
        far
    }

    /// Whom it heard until now, a line each.
    pub fn heard(&self) -> String {
        docker(&["logs", self.name()])
    }
}
