//! The firewall's text: a pure function from an installation's addresses to one nftables table.
//!
//! Docker fences houses off from each other, but not from the host: it sets no INPUT rules, so whatever listens
//! there on all addresses answers a tenant, and everything the host can route to can be reached through it. A drop
//! in any base chain is final, whatever another table accepts, so this one table closes all of that without
//! touching a rule that is not ours.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};

use crate::model::ids::InstallationId;

/// Addresses that are nobody's public service: a house has no business with any of them but its own network's.
const INNER: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// What the table depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset {
    pub installation: InstallationId,
    /// All houses' networks come out of it.
    pub pool: Ipv4Net,
    /// The one address of the host that houses may dial, on the edge's port.
    pub platform_address: Ipv4Addr,
    pub edge_port: u16,
    /// Networks that the api may dial besides the public internet.
    pub reachable: Vec<Ipv4Net>,
}

/// A rule of the table, by the chain it stands in.
struct Rule {
    chain: &'static str,
    text: String,
}

/// The base chains with their hooks, and the chains they jump to, in the order they are written.
///
/// The first stands behind address translation of the destination (priority -100), so that what it judges is where
/// a packet really goes, also through a port that somebody published.
const CHAINS: &[(&str, &str)] = &[
    ("from_house", ""),
    ("from_api", ""),
    ("before_routing", "type filter hook prerouting priority 10; policy accept;"),
    ("to_host", "type filter hook input priority -10; policy accept;"),
    ("through_host", "type filter hook forward priority -10; policy accept;"),
];

impl Ruleset {
    /// The table's name; its family is `inet`.
    #[must_use]
    pub fn table(&self) -> String {
        table_name(&self.installation)
    }

    /// The bridges of the houses, as a pattern of nftables.
    fn houses(&self) -> String {
        format!("\"fh{}-*\"", self.installation)
    }

    /// The platform's own bridge. It is there for its address, and the api's container hangs on it.
    fn own_bridge(&self) -> String {
        format!("\"fh{}.plat\"", self.installation)
    }

    fn rules(&self) -> Vec<Rule> {
        let houses = self.houses();
        let own = self.own_bridge();
        let edge = format!("ip daddr {} tcp dport {}", self.platform_address, self.edge_port);
        let rule = |chain, text: String| Rule { chain, text };
        let mut rules = vec![
            // Where a packet that comes from a house may go at all.
            rule("before_routing", format!("iifname {houses} jump from_house")),
            rule("from_house", "meta nfproto ipv6 drop".into()),
            // What comes from a house bears an address of that house: the way back leads out where it came in. Else
            // one that can forge packets speaks in a neighbour's name, and is let through by a neighbour's connection.
            rule("from_house", "fib saddr . iif oif missing drop".into()),
            // Not what is only related: an error may be about anybody's connection, whoever sends it.
            rule("from_house", "ct state established accept".into()),
            rule("from_house", "fib daddr type local accept".into()),
            // The way to the destination leads out where the packet came in: inside one house's own network.
            rule("from_house", "fib daddr . iif oif exists accept".into()),
            // A set without a name: the host's own nft may be older than the helper's, and some (1.0.6) crash at
            // a named set that a newer one made.
            rule("from_house", format!("ip daddr {{ {} }} drop", self.inner())),
            // What a house may ask of the host itself.
            rule("to_host", format!("iifname {houses} ct state established accept")),
            rule("to_host", format!("iifname {houses} {edge} accept")),
            rule("to_host", format!("iifname {houses} drop")),
            // Nobody from outside reaches into a house; those of the host go by another hook.
            rule("through_host", format!("iifname {houses} oifname {houses} accept")),
            rule("through_host", format!("oifname {houses} ct state established,related accept")),
            rule("through_host", format!("oifname {houses} drop")),
            rule("through_host", format!("oifname {own} ct state established,related accept")),
            rule("through_host", format!("oifname {own} drop")),
        ];
        rules.extend(self.of_the_api(&own));
        rules
    }

    /// What the api may dial: providers, and whoever tells it where their names lead. Its own code judges each address
    /// before; this stands where that fails.
    fn of_the_api(&self, own: &str) -> Vec<Rule> {
        let rule = |chain, text: String| Rule { chain, text };
        let mut rules = vec![
            rule("before_routing", format!("iifname {own} jump from_api")),
            rule("from_api", "meta nfproto ipv6 drop".into()),
            rule("from_api", "fib saddr . iif oif missing drop".into()),
            rule("from_api", "ct state established accept".into()),
            rule("from_api", format!("ip daddr {} drop", self.pool.trunc())),
            // The engine asks for names from inside the container's own network, mostly at a private address, and which
            // one it asks it does not tell.
            rule("from_api", "meta l4proto { tcp, udp } th dport 53 accept".into()),
            rule("from_api", "meta l4proto != tcp drop".into()),
            rule("to_host", format!("iifname {own} ct state established accept")),
            rule("to_host", format!("iifname {own} meta l4proto {{ tcp, udp }} th dport 53 accept")),
        ];
        if let Some(reachable) = self.reachable() {
            // As it was dialled: behind a port that somebody published, the destination is another one.
            rules.push(rule("from_api", format!("ct original ip daddr {{ {reachable} }} accept")));
            rules.push(rule("to_host", format!("iifname {own} ip daddr {{ {reachable} }} accept")));
        }
        rules.push(rule("from_api", format!("ip daddr {{ {} }} drop", self.inner())));
        rules.push(rule("to_host", format!("iifname {own} drop")));
        rules
    }

    /// What the operator opened for the api, without what another part of it holds already.
    fn reachable(&self) -> Option<String> {
        let nets = Ipv4Net::aggregate(&self.reachable);
        let nets: Vec<String> = nets.iter().map(ToString::to_string).collect();
        (!nets.is_empty()).then(|| nets.join(", "))
    }

    /// The addresses that are closed, the pool among them wherever it was laid.
    fn inner(&self) -> String {
        let mut ranges: Vec<String> = INNER.iter().map(|range| (*range).to_owned()).collect();
        let covered = INNER
            .iter()
            .filter_map(|range| range.parse::<Ipv4Net>().ok())
            .any(|range| range.contains(&self.pool));
        if !covered {
            ranges.push(self.pool.trunc().to_string());
        }
        ranges.join(", ")
    }

    /// Twelve hex digits over everything the table says. Every rule carries it in its comment, with the rule's
    /// number, so that a look at the table tells whether it is this one and whole.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (name, hook) in CHAINS {
            hash.update(format!("{name}:{hook}\n"));
        }
        for rule in self.rules() {
            hash.update(format!("{}:{}\n", rule.chain, rule.text));
        }
        hex::encode(hash.finalize()).chars().take(12).collect()
    }

    /// The comments a table in force has, in the order of its rules, by chain.
    #[must_use]
    pub fn expected(&self) -> Vec<(&'static str, Vec<String>)> {
        let fingerprint = self.fingerprint();
        CHAINS
            .iter()
            .map(|(chain, _)| {
                let count = self.rules().iter().filter(|rule| rule.chain == *chain).count();
                (*chain, (0..count).map(|number| format!("{fingerprint}/{number}")).collect())
            })
            .collect()
    }

    /// A script for `nft -f`: it puts this table in the place of whatever stood there, in one transaction, so that
    /// no packet ever meets half a table.
    #[must_use]
    pub fn script(&self) -> String {
        let fingerprint = self.fingerprint();
        let rules = self.rules();
        let mut text = format!("{}table inet {} {{\n", remove_script(&self.installation), self.table());
        for (chain, hook) in CHAINS {
            text.push_str(&format!("\tchain {chain} {{\n"));
            if !hook.is_empty() {
                text.push_str(&format!("\t\t{hook}\n"));
            }
            for (number, rule) in rules.iter().filter(|rule| rule.chain == *chain).enumerate() {
                text.push_str(&format!("\t\t{} comment \"{fingerprint}/{number}\"\n", rule.text));
            }
            text.push_str("\t}\n");
        }
        text.push_str("}\n");
        text
    }
}

/// The name of an installation's table.
#[must_use]
pub fn table_name(installation: &InstallationId) -> String {
    format!("freehold_{installation}")
}

/// A script for `nft -f` that leaves no table of the installation, whether there was one or not.
#[must_use]
pub fn remove_script(installation: &InstallationId) -> String {
    let table = table_name(installation);
    // Naming the table first makes it, if need be, so that there is always one to delete.
    format!("table inet {table}\ndelete table inet {table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Ruleset {
        Ruleset {
            installation: "abc234".parse().expect("id"),
            pool: "10.201.0.0/16".parse().expect("pool"),
            platform_address: Ipv4Addr::new(10, 201, 0, 1),
            edge_port: 8080,
            reachable: Vec::new(),
        }
    }

    #[test]
    fn the_table_is_as_it_was_looked_at() {
        let sample = sample();
        let text = sample.script().replace(&sample.fingerprint(), "F");
        assert_eq!(text, include_str!("golden.nft"));
    }

    #[test]
    fn a_pool_of_public_looking_addresses_is_closed_as_well() {
        let mut ruleset = sample();
        ruleset.pool = "44.0.0.0/20".parse().expect("pool");
        assert!(ruleset.script().contains("240.0.0.0/4, 44.0.0.0/20 } drop"));
    }

    #[test]
    fn what_is_opened_is_opened_for_the_api_alone() {
        let mut ruleset = sample();
        // A set takes no two that overlap.
        ruleset.reachable = ["10.7.0.0/16", "10.7.1.0/24", "192.168.7.9/32"]
            .map(|net| net.parse().expect("a network"))
            .to_vec();
        let script = ruleset.script();
        let opened: Vec<&str> = script.lines().filter(|line| line.contains("10.7.0.0/16")).collect();
        assert_eq!(opened.len(), 2, "{script}");
        for line in opened {
            assert!(line.contains("{ 10.7.0.0/16, 192.168.7.9/32 } accept"), "{line}");
            assert!(!line.contains("fhabc234-*"), "{line}");
        }
    }

    #[test]
    fn everything_counts_in_the_fingerprint() {
        let base = sample();
        let mut others = vec![base.clone(); 5];
        others[0].edge_port = 8081;
        others[1].platform_address = Ipv4Addr::new(10, 201, 0, 2);
        others[2].installation = "xyz234".parse().expect("id");
        others[3].pool = "44.0.0.0/20".parse().expect("pool");
        others[4].reachable = vec!["10.7.0.0/16".parse().expect("a network")];
        for other in others {
            assert_ne!(base.fingerprint(), other.fingerprint());
        }
    }

    #[test]
    fn removing_names_nothing_but_our_table() {
        assert_eq!(
            remove_script(&sample().installation),
            "table inet freehold_abc234\ndelete table inet freehold_abc234\n"
        );
    }
}
