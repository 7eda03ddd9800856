//! The wire: nobody in a house takes a neighbour's name or address, not even somebody who broke out of a container
//! and can forge any packet.

use std::collections::BTreeSet;
use std::net::TcpStream;

use super::House;
use super::inside::{self, Bystander};
use super::stand_ins::host;
use crate::houses::installation::Installation;
use crate::houses::objects::docker;
use crate::houses::wait;

pub async fn check(installation: &Installation, acme: &House, globex: &House) {
    let thief = Bystander::in_network(&format!("container:{}", acme.app), &acme.image);
    let app = Bystander::in_network(&format!("container:{}", globex.app), &acme.image);
    let db = Bystander::in_network(&format!("container:{}", globex.db), &acme.image);
    nobody_may_try(acme, globex, &thief);
    in_a_neighbours_name(installation, acme, globex, &thief, &app, &db);
    about_a_neighbours_connection(acme, globex, &thief);
    with_a_neighbours_hardware_address(acme, globex, &thief).await;
}

/// What a tenant's own processes may do to the wire: nothing, not even as root; it is the capability that they lack.
fn nobody_may_try(acme: &House, globex: &House, thief: &Bystander) {
    for container in [&acme.app, &acme.db] {
        for user in [None, Some("0:0")] {
            for (what, outcome) in inside::powers(container, user, &globex.app_address) {
                let refused: &[&str] = if what.starts_with("packet from") {
                    &["Network is unreachable", "Invalid argument"]
                } else {
                    &["Operation not permitted"]
                };
                assert!(refused.contains(&outcome.as_str()), "{container} as {user:?}: {what}: {outcome}");
            }
        }
    }
    for (what, outcome) in inside::powers(&thief.0, None, &globex.app_address) {
        assert_eq!(outcome, "done", "{what}");
    }
}

/// Packets from acme's network that say they are globex's, or the platform's, reach neither the back door nor globex.
fn in_a_neighbours_name(
    installation: &Installation,
    acme: &House,
    globex: &House,
    thief: &Bystander,
    app: &Bystander,
    db: &Bystander,
) {
    let edge = installation.port;
    let found = docker(&["exec", &acme.app, "getent", "hosts", "platform.internal"]);
    let platform = found.split_whitespace().next().expect("an address");
    let (own, theirs, their_db) = (&acme.app_address, &globex.app_address, &globex.db_address);
    // a connection between the two, for the firewall to remember
    app.forge(&[format!("udp:{theirs}:30001:{their_db}:30002")]);
    db.forge(&[format!("udp:{their_db}:30002:{theirs}:30001")]);

    let ends = [
        format!("tcp {platform}:{edge}>{theirs}:30003 flags 18"),
        format!("udp {their_db}:30004>{theirs}:30005"),
    ];
    let witness = app.witness(":300[0-9][0-9]( |$)", &ends);
    thief.forge(&[
        format!("syn:{theirs}:30011:{platform}:{edge}"),
        format!("udp:{their_db}:30002:{theirs}:30001"),
        format!("udp:{their_db}:30012:{theirs}:30013"),
        format!("udp:{own}:30014:{theirs}:30015"),
        format!("udp:{platform}:30016:{theirs}:30017"),
        format!("udp:{}:30018:{theirs}:30019", globex.gateway),
        format!("udp:203.0.113.1:30020:{theirs}:30021"),
        format!("refusal:{own}:{theirs}:udp:{theirs}:30001:{their_db}:30002"),
        format!("refusal:{their_db}:{theirs}:udp:{theirs}:30001:{their_db}:30002"),
    ]);
    // the same by those whose addresses they are
    app.forge(&[format!("syn:{theirs}:30003:{platform}:{edge}")]);
    db.forge(&[format!("udp:{their_db}:30004:{theirs}:30005")]);
    assert_eq!(witness.seen(), BTreeSet::from(ends), "what globex saw");

    // and in its own name the thief is let through where it may go, so its packets are well made
    let answer = [format!("tcp {platform}:{edge}>{own}:30031 flags 18")];
    let witness = thief.witness(":30031 ", &answer);
    thief.forge(&[format!("syn:{own}:30031:{platform}:{edge}")]);
    assert_eq!(witness.seen(), BTreeSet::from(answer));
}

/// The host believes no error about a connection that is not the sender's.
fn about_a_neighbours_connection(acme: &House, globex: &House, thief: &Bystander) {
    let at_host = Bystander::in_network("host", &acme.image);
    let connection =
        TcpStream::connect((globex.app_address.as_str(), 8080)).expect("the host reaches globex");
    let near = connection.local_addr().expect("its address");
    let about = format!("tcp:{near}:{}:8080", globex.app_address);
    let end = format!("icmp about {near}>{}:8080 from {}", globex.app_address, near.ip());
    let witness = at_host.witness(&format!("icmp about {near}>"), std::slice::from_ref(&end));
    thief.forge(&[
        format!("refusal:{}:{}:{about}", acme.app_address, near.ip()),
        format!("refusal:{}:{}:{about}", globex.app_address, near.ip()),
        format!("refusal:{}:{}:{about}", acme.gateway, near.ip()),
    ]);
    at_host.forge(&[format!("refusal:{}:{}:{about}", near.ip(), near.ip())]);
    assert_eq!(witness.seen(), BTreeSet::from([end]), "what the host saw");
}

/// Who has an address is asked and answered within one house: a lie in acme's is believed there and nowhere else.
async fn with_a_neighbours_hardware_address(acme: &House, globex: &House, thief: &Bystander) {
    let nobody = acme.subnet.hosts().last().expect("a subnet has hosts").to_string();
    let known = |container: &str, address: &str| {
        let table = docker(&["exec", container, "cat", "/proc/net/arp"]);
        let line = table.lines().find(|line| line.starts_with(&format!("{address} "))).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().nth(3).map(str::to_owned))
    };
    let own = |container: &str| docker(&["exec", container, "cat", "/sys/class/net/eth0/address"]);
    // before, so that there is something to be overwritten
    inside::must_reach(&globex.db, &[format!("tcp/{}/8080", globex.app_address)]);
    thief.forge(&[
        format!("arp:{nobody}:{}", acme.db_address),
        format!("arp:{}:{}", globex.app_address, acme.gateway),
        format!("arp:{}:{}", globex.app_address, globex.gateway),
        format!("arp:{}:{}", globex.app_address, globex.db_address),
        format!("arp:{}:{}", globex.db_address, globex.app_address),
    ]);
    wait::until("acme's database believes the lie", || async {
        match known(&acme.db, &nobody) {
            Some(address) if address == own(&acme.app) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(known(&globex.db, &globex.app_address), Some(own(&globex.app)));
    let at_host = host("ip", &["neigh", "show", &globex.app_address, "dev", &globex.bridge]);
    assert!(at_host.contains(&own(&globex.app)), "{at_host}");
    let way = host("ip", &["route", "get", &globex.app_address]);
    assert!(way.contains(&format!("dev {} ", globex.bridge)), "{way}");
}
