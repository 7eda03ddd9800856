//! What a tenant's containers reach over the network, by TCP, UDP and ICMP, in IPv4 and IPv6.

use std::net::IpAddr;

use rand::RngExt;

use super::House;
use super::inside::{self, Bystander};
use super::stand_ins::{Addresses, Service, Stranger, addresses, has_ipv6, host};
use crate::houses::installation::Installation;
use crate::houses::objects::docker;
use crate::houses::wait;

/// All ways to one port, and to whoever has it.
pub fn ways(address: impl std::fmt::Display, port: u16) -> Vec<String> {
    let mut ways = on_port(&address, port);
    ways.push(format!("ping/{address}"));
    ways
}

pub fn on_port(address: impl std::fmt::Display, port: u16) -> Vec<String> {
    vec![format!("tcp/{address}/{port}"), format!("udp/{address}/{port}")]
}

/// What stands around the two houses.
struct Ground<'a> {
    installation: &'a Installation,
    acme: &'a House,
    globex: &'a House,
    addresses: Addresses,
    service: Service,
    stranger: Stranger,
    /// A port that something listens on inside of acme's database and globex's app.
    inner: u16,
}

pub async fn check(installation: &Installation, acme: &House, globex: &House) {
    let ground = Ground {
        installation,
        acme,
        globex,
        addresses: Addresses::new(),
        service: Service::new(),
        stranger: Stranger::new(&acme.image),
        inner: rand::rng().random_range(20_000..30_000),
    };
    inside::listen(&acme.db, ground.inner);
    inside::listen(&globex.app, ground.inner);
    own_house(&ground).await;
    names(&ground);
    let at_host = Bystander::in_network("host", &acme.image);
    let forbidden = ground.forbidden();
    let (by_app, by_db) = std::thread::scope(|scope| {
        let by_db = scope.spawn(|| inside::reached(&acme.db, &forbidden));
        (inside::reached(&acme.app, &forbidden), by_db.join().expect("no panic"))
    });
    assert!(
        by_app.is_empty() && by_db.is_empty(),
        "reached by the app: {by_app:?}, by the database: {by_db:?}"
    );
    forced_ipv6(&ground).await;
    assert_eq!(ground.service.heard(), [], "the host's service heard a tenant");
    assert_eq!(ground.stranger.heard(), "", "another host heard a tenant");

    // all of them answer whom they should, by the same program, so it was not that nobody was there
    inside::must_reach(&at_host.0, &ground.open_to_the_host());
    let from_afar: Vec<String> = ground.stranger.of_host.iter().map(|own| format!("ping/{own}")).collect();
    inside::must_reach(ground.stranger.name(), &from_afar);
    let inside_globex =
        [ways(&globex.app_address, ground.inner), vec![format!("tcp/{}/8080", globex.app_address)]];
    inside::must_reach(&globex.db, &inside_globex.concat());
    let inside_globex = [format!("tcp/{}/5432", globex.db_address), format!("ping/{}", globex.db_address)];
    inside::must_reach(&globex.app, &inside_globex);
    assert!(!ground.service.heard().is_empty() && !ground.stranger.heard().is_empty());
}

/// A house's own services and the back door, so that what is refused proves something.
async fn own_house(ground: &Ground<'_>) {
    let back_door = format!("tcp/platform.internal/{}", ground.installation.port);
    // it takes a moment to begin to listen
    wait::until("acme's database listens as it was told", || async {
        let place = format!("tcp/db/{}", ground.inner);
        if inside::reached(&ground.acme.app, &[place]).is_empty() {
            Err("not yet".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    let of_app = [ways("db", ground.inner), vec!["tcp/db/5432".to_owned(), back_door.clone()]].concat();
    inside::must_reach(&ground.acme.app, &of_app);
    let of_db = ["tcp/app/8080".to_owned(), "ping/app".to_owned(), back_door];
    inside::must_reach(&ground.acme.db, &of_db);

    // the back door leads to the platform, and to no tenant by any name
    let port = ground.installation.port;
    let answer = |name: &str| {
        let script = format!(
            "exec 3<>/dev/tcp/platform.internal/{port}; printf 'GET /.well-known/jwks.json HTTP/1.1\\r\\n\
             Host: {name}:{port}\\r\\nConnection: close\\r\\n\\r\\n' >&3; head -n 1 <&3"
        );
        docker(&["exec", &ground.acme.app, "timeout", "20", "bash", "-c", &script])
    };
    let domain = &ground.installation.domain;
    assert!(answer("platform.internal").starts_with("HTTP/1.1 200"), "{}", answer("platform.internal"));
    for other in [&ground.acme.slug, &ground.globex.slug, "admin"] {
        let refused = answer(&format!("{other}.{domain}"));
        assert!(refused.starts_with("HTTP/1.1 404"), "{other}: {refused}");
    }
}

/// In a house's network are its own two containers, and a service's name is theirs.
fn names(ground: &Ground<'_>) {
    for house in [ground.acme, ground.globex] {
        let inspected =
            docker(&["network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{end}}", &house.network]);
        let mut there: Vec<&str> = inspected.split_whitespace().collect();
        there.sort_unstable();
        assert_eq!(there, [house.app.as_str(), house.db.as_str()]);
        let found = docker(&["exec", &house.app, "getent", "ahostsv4", "db"]);
        assert!(found.lines().all(|line| line.starts_with(&format!("{} ", house.db_address))), "{found}");
        // what it could be dialled by in IPv6: nothing
        for name in [&house.app, &house.db] {
            let interfaces = docker(&["exec", name, "sh", "-c", "cat /proc/net/if_inet6 || true"]);
            assert!(interfaces.lines().all(|line| line.ends_with(" lo")), "{interfaces}");
        }
    }
    // no socket of the platform or of the engine is in there, but the database's own is
    let sockets = |name: &str| {
        docker(&["exec", name, "sh", "-c", "find / -type s -not -path '/proc/*' 2>/dev/null || true"])
    };
    assert_eq!(sockets(&ground.acme.app), "");
    assert_eq!(sockets(&ground.acme.db), "/run/postgresql/.s.PGSQL.5432");
}

impl Ground<'_> {
    /// Everything that a tenant has no business with.
    fn forbidden(&self) -> Vec<String> {
        let (service, edge) = (self.service.port, self.installation.port);
        let back_door = format!("fh{}.plat", self.installation.id);
        // its neighbour
        let mut all = ways(&self.globex.app_address, self.inner);
        all.push(format!("tcp/{}/8080", self.globex.app_address));
        all.push(format!("tcp/{}/5432", self.globex.db_address));
        all.push(format!("ping/{}", self.globex.db_address));
        // the host, by every address it has: gateways, the engine's bridges, the LAN's, a metadata service's
        for (interface, address) in addresses() {
            match address {
                IpAddr::V4(_) => all.extend(ways(address, service)),
                IpAddr::V6(address) if address.is_unicast_link_local() => {
                    all.extend(on_port(format!("{address}%eth0"), service));
                }
                IpAddr::V6(_) => all.extend(on_port(address, service)),
            }
            if address.is_ipv4() && interface != back_door {
                all.push(format!("tcp/{address}/{edge}"));
            }
        }
        // to nobody and to all: the host is in every network of ours
        let own = self.acme.subnet.broadcast().to_string();
        for address in [own.as_str(), "255.255.255.255", "224.0.0.1"] {
            all.push(format!("udp/{address}/{service}"));
        }
        // other containers of this machine and other hosts of its LAN
        all.extend(self.stranger.own.iter().flat_map(|address| ways(address, self.stranger.port)));
        all
    }

    /// The same places, as far as they do not come and go with other tests, from where the host itself sees them.
    fn open_to_the_host(&self) -> Vec<String> {
        let service = self.service.port;
        let of_bridges = [&self.acme.gateway, &self.globex.gateway].into_iter().cloned();
        let own = self.addresses.all.iter().map(ToString::to_string);
        let of_cable = self.stranger.of_host.iter().cloned();
        let mut all: Vec<String> =
            own.chain(of_bridges).chain(of_cable).flat_map(|address| on_port(address, service)).collect();
        if has_ipv6() {
            all.extend(on_port(format!("{}%{}", self.acme.link_local(), self.acme.bridge), service));
        }
        all.extend(self.stranger.own.iter().flat_map(|address| on_port(address, self.stranger.port)));
        all.push(format!("tcp/{}/8080", self.globex.app_address));
        all.push(format!("tcp/{}/5432", self.globex.db_address));
        all
    }
}

impl House {
    /// The host's own IPv6 address at the house's network.
    fn link_local(&self) -> IpAddr {
        let found = addresses()
            .into_iter()
            .find(|(interface, address)| *interface == self.bridge && address.is_ipv6());
        found.expect("a bridge has one where IPv6 is on").1
    }
}

/// Somebody who is root in the container's network switches IPv6 on there: even then nothing answers.
async fn forced_ipv6(ground: &Ground<'_>) {
    if !has_ipv6() {
        return;
    }
    let app = &ground.acme.app;
    let pid = docker(&["inspect", "-f", "{{.State.Pid}}", app]);
    let as_root = |arguments: &[&str]| host("nsenter", &[&["-t", &pid, "-n"][..], arguments].concat());
    as_root(&["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6"]);
    let gateway = ground.acme.link_local().to_string();
    wait::until("the container has an address of IPv6", || async {
        let told = as_root(&["ip", "-6", "-o", "addr", "show", "dev", "eth0"]);
        if told.contains("fe80:") && !told.contains("tentative") { Ok(()) } else { Err(told) }
    })
    .await;
    as_root(&["ip", "-6", "route", "add", "default", "via", &gateway, "dev", "eth0"]);
    let service = ground.service.port;
    let mut places = on_port(format!("{gateway}%eth0"), service);
    let own = ground.addresses.all.iter().find(|address| address.is_ipv6()).expect("one of IPv6");
    places.extend(on_port(own, service));
    let reached = inside::reached(app, &places);
    assert!(reached.is_empty(), "{reached:?}");
    as_root(&["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6"]);
}
