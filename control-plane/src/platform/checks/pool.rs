//! Whether the address pool is free on this host: against its routes and against other networks of the engine.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Something that already uses addresses, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub range: Ipv4Net,
    pub by: String,
}

/// Reads `/proc/net/route`: every route but the default one and those over interfaces with the given prefix.
#[must_use]
pub fn routes(table: &str, own_interfaces: &str) -> Vec<Taken> {
    table.lines().skip(1).filter_map(|line| route(line, own_interfaces)).collect()
}

fn route(line: &str, own_interfaces: &str) -> Option<Taken> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let interface = fields.first()?;
    // The kernel prints addresses as hex of their bytes in its own order, least significant first.
    let address = |text: &str| u32::from_str_radix(text, 16).ok().map(|raw| Ipv4Addr::from(raw.swap_bytes()));
    let destination = address(fields.get(1)?)?;
    let range = Ipv4Net::with_netmask(destination, address(fields.get(7)?)?).ok()?;
    (range.prefix_len() > 0 && !interface.starts_with(own_interfaces))
        .then(|| Taken { range, by: format!("a route over {interface}") })
}

/// What of the pool is taken.
#[must_use]
pub fn clashes(pool: Ipv4Net, taken: &[Taken]) -> Vec<&Taken> {
    taken.iter().filter(|other| overlap(pool, other.range)).collect()
}

/// A private range of the same size that nothing uses, to offer instead.
#[must_use]
pub fn alternative(pool: Ipv4Net, taken: &[Taken]) -> Option<Ipv4Net> {
    (64..=254u8).rev().find_map(|second| {
        let candidate = Ipv4Net::new(Ipv4Addr::new(10, second, 0, 0), pool.prefix_len().max(16)).ok()?;
        clashes(candidate, taken).is_empty().then_some(candidate)
    })
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
fhabc234-x\t1000C90A\t00000000\t0001\t0\t0\t0\tF0FFFFFF\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

    #[test]
    fn routes_are_read_and_our_own_are_not_in_the_way() {
        let found = routes(TABLE, "fhabc234");
        let ranges: Vec<String> = found.iter().map(|taken| taken.range.to_string()).collect();
        assert_eq!(ranges, ["172.17.0.0/16", "192.0.2.0/24"]);
        assert_eq!(routes(TABLE, "fhother1").len(), 3);
    }

    #[test]
    fn a_clash_is_seen_from_both_sides_and_an_alternative_is_offered() {
        let taken = vec![Taken { range: "10.201.7.0/24".parse().expect("range"), by: "a VPN".into() }];
        let pool = "10.201.0.0/16".parse().expect("pool");
        assert_eq!(clashes(pool, &taken).len(), 1);
        assert_eq!(clashes("10.201.7.16/28".parse().expect("pool"), &taken).len(), 1);
        let other = alternative(pool, &taken).expect("one is free");
        assert!(clashes(other, &taken).is_empty());
        assert_eq!(other.prefix_len(), 16);
    }
}
