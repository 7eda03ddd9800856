//! What the api's container reaches, and whoever stands where it stands.

use std::io::Write;
use std::net::IpAddr;

use rand::RngExt;

use super::House;
use super::inside::{self, Bystander};
use super::network::{on_port, ways};
use super::stand_ins::{Addresses, Service, Stranger, addresses};
use crate::houses::installation::Installation;

pub fn check(installation: &Installation, acme: &House) {
    let (others, service, stranger) = (Addresses::new(), Service::new(), Stranger::new(&acme.image));
    let inner = rand::rng().random_range(20_000..30_000);
    for container in [&acme.app, &acme.db] {
        inside::listen(container, inner);
    }
    inside::listen(stranger.name(), 53);
    let public = stranger.at_a_public_address();
    // One on the LAN and one of the host's own; the operator of an installation that stands opens them.
    let (near, own) = (stranger.own[1].clone(), others.all[2].to_string());
    let file = installation.path("config.yaml");
    let mut settings = std::fs::File::options().append(true).open(file).expect("the settings");
    writeln!(settings, "providers: {{ reachable: [{near}/32, {own}/32] }}").expect("written");
    installation.bring_up();

    let mut forbidden = ways(&acme.app_address, inner);
    forbidden.extend([format!("tcp/{}/8080", acme.app_address), format!("tcp/{}/5432", acme.db_address)]);
    for (_, address) in addresses().into_iter().filter(|(_, address)| address.is_ipv4()) {
        if address.to_string() != own {
            forbidden.extend(ways(address, service.port));
            forbidden.push(format!("tcp/{address}/{}", installation.port));
        }
    }
    let closed = stranger.own.iter().filter(|address| **address != near);
    forbidden.extend(closed.flat_map(|address| ways(address, stranger.port)));
    // What is open is open to what providers speak.
    forbidden.extend([
        format!("udp/{near}/{}", stranger.port),
        format!("ping/{near}"),
        format!("ping/{public}"),
    ]);
    forbidden.extend([format!("udp/{public}/{}", stranger.port), format!("udp/{own}/{}", service.port)]);
    forbidden.extend(["255.255.255.255", "224.0.0.1"].map(|all| format!("udp/{all}/{}", service.port)));
    assert!(others.all.iter().any(IpAddr::is_ipv4) && forbidden.len() > 20, "{forbidden:?}");
    let open = [
        format!("tcp/{near}/{}", stranger.port),
        format!("tcp/{own}/{}", service.port),
        format!("tcp/{public}/{}", stranger.port),
    ];
    let mut names = on_port(&stranger.own[2], 53);
    names.extend(on_port(&near, 53));

    let apis = installation.platform_containers("api");
    let [api] = apis.as_slice() else { panic!("one api: {apis:?}") };
    let beside = Bystander::in_network(&format!("fh-{}-platform", installation.id), &acme.image);
    for container in [api, &beside.0] {
        inside::must_reach(container, &[&open[..], &names].concat());
        let reached = inside::reached(container, &forbidden);
        assert!(reached.is_empty(), "{container} reaches {reached:?}");
    }
    // Nobody reaches it, either: not its neighbours of the host, and no house.
    inside::listen(&beside.0, inner);
    let there = address_of(&beside.0);
    let at_house = inside::reached(&acme.app, &ways(&there, inner));
    let from_afar = inside::reached(stranger.name(), &ways(&there, inner));
    assert!(at_house.is_empty() && from_afar.is_empty(), "{at_house:?} {from_afar:?}");
    // All that is closed answers the host, by the same program.
    let at_host = Bystander::in_network("host", &acme.image);
    let house = [format!("tcp/{}/8080", acme.app_address), format!("tcp/{there}/{inner}")];
    let all = others.all.iter().filter(|address| address.is_ipv4());
    let own: Vec<String> = all.flat_map(|address| on_port(address, service.port)).collect();
    inside::must_reach(&at_host.0, &[&house[..], &own].concat());
}

fn address_of(container: &str) -> String {
    crate::houses::objects::docker(&[
        "inspect",
        "-f",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        container,
    ])
}
