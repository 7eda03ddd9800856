//! Which addresses may be dialled, for whom. Pure: a name's addresses are judged here, and then dialled as they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::provider::Trust;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(head: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(head[0], head[1], head[2], 0, 0, 0, 0, 0), prefix)
}

/// What is nobody's public service (IANA's registry of special addresses).
const INNER_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// What of IPv6 is given out to the public at all. Loopback, link-local, private and multicast addresses are outside of
/// it, and so are those that hold one of IPv4: mapped, compatible and translated (NAT64).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// What is no public service in there: protocols (Teredo among them, which holds addresses of IPv4), documentation, and
/// 6to4, which holds them as well.
const INNER_V6: [Ipv6Net; 4] =
    [v6([0x2001, 0, 0], 23), v6([0x2001, 0xdb8, 0], 32), v6([0x2002, 0, 0], 16), v6([0x3fff, 0, 0], 20)];

/// Whether an address is open to the whole internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !INNER_V4.iter().any(|inner| inner.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !INNER_V6.iter().any(|inner| inner.contains(&address))
        }
    }
}

/// What may be dialled besides public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// For the platform's providers.
    pub platform: Vec<IpNet>,
    /// For tenants' providers. No setting leads here, since a tenant's owner names what is dialled: tests have their
    /// providers on loopback.
    pub tenants: Vec<IpNet>,
}

impl Reach {
    /// Whether an address may be dialled, in the open or encrypted. What is open to the world is dialled encrypted alone.
    #[must_use]
    pub fn allows(&self, address: IpAddr, trust: Trust, encrypted: bool) -> bool {
        let address = address.to_canonical();
        (encrypted && is_public(address)) || self.besides(trust).iter().any(|net| net.contains(&address))
    }

    /// Whether a name that leads to these addresses may be dialled. One that may not be dialled refuses them all: which of
    /// them is tried is not for whoever answers for the name to choose.
    #[must_use]
    pub fn allows_all(&self, addresses: &[SocketAddr], trust: Trust, encrypted: bool) -> bool {
        !addresses.is_empty() && addresses.iter().all(|one| self.allows(one.ip(), trust, encrypted))
    }

    /// Whether anything at all may be dialled in the open.
    #[must_use]
    pub fn in_the_open(&self, trust: Trust) -> bool {
        !self.besides(trust).is_empty()
    }

    fn besides(&self, trust: Trust) -> &[IpNet] {
        match trust {
            Trust::Platform => &self.platform,
            Trust::Tenant(_) => &self.tenants,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TenantId;

    fn tenants() -> Trust {
        Trust::Tenant(TenantId::random())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn what_is_public_is_told_from_all_else() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "3ffe::1",
        ] {
            assert!(is_public(address(public)), "{public}");
        }
        for inner in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.17.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            // unspecified, loopback, compatible
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            // mapped
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            // translated
            "64:ff9b::10.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::10.0.0.1",
            // discard, dummy
            "100::1",
            "100:0:0:1::1",
            // protocols, Teredo, benchmarks, ORCHID
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            // documentation
            "2001:db8::1",
            "3fff::1",
            "3fff:fff::1",
            // 6to4
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:808:808::1",
            // segment routing, unique local, link-local, site-local, multicast
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ] {
            assert!(!is_public(address(inner)), "{inner}");
        }
    }

    #[test]
    fn a_name_that_leads_to_one_inner_address_among_public_ones_leads_nowhere() {
        let reach = Reach { platform: vec!["10.1.0.0/16".parse().expect("a network")], ..Reach::default() };
        let all = |addresses: &[&str], trust| {
            let addresses: Vec<_> = addresses.iter().map(|one| SocketAddr::new(address(one), 443)).collect();
            reach.allows_all(&addresses, trust, true)
        };
        let public = ["8.8.8.8", "2606:4700:4700::1111"];
        for trust in [Trust::Platform, tenants()] {
            assert!(all(&public, trust) && !all(&[], trust), "{trust:?}");
            for inner in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"] {
                for place in 0..=public.len() {
                    let mut mixed = public.to_vec();
                    mixed.insert(place, inner);
                    assert!(!all(&mixed, trust), "{mixed:?}");
                }
            }
        }
        let opened = ["8.8.8.8", "10.1.2.3"];
        assert!(all(&opened, Trust::Platform) && !all(&opened, tenants()));
    }

    #[test]
    fn what_is_opened_is_open_to_those_it_was_opened_for() {
        let nets = |text: &str| vec![text.parse().expect("a network")];
        let reach = Reach { platform: nets("10.1.0.0/16"), ..Reach::default() };
        let inner = address("10.1.2.3");
        for encrypted in [true, false] {
            assert!(reach.allows(inner, Trust::Platform, encrypted));
            assert!(reach.allows(address("::ffff:10.1.2.3"), Trust::Platform, encrypted));
            assert!(!reach.allows(inner, tenants(), encrypted));
            for other in ["10.2.0.1", "127.0.0.1", "::1", "64:ff9b::10.1.2.3"] {
                assert!(!reach.allows(address(other), Trust::Platform, encrypted), "{other}");
            }
            for trust in [Trust::Platform, tenants()] {
                assert_eq!(reach.allows(address("8.8.8.8"), trust, encrypted), encrypted, "{trust:?}");
            }
        }
        assert!(reach.in_the_open(Trust::Platform) && !reach.in_the_open(tenants()));
        let loopback = Reach { tenants: nets("127.0.0.0/8"), ..Reach::default() };
        assert!(loopback.allows(address("127.0.0.1"), tenants(), false));
        assert!(!loopback.allows(address("127.0.0.1"), Trust::Platform, true));
    }
}
