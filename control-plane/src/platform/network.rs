//! The address plan's first block: the platform's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::Ipv4Net;

use crate::config::Config;

/// The size of every block that networks are cut from the pool in.
pub const BLOCK: u8 = 28;

/// The platform's own block: the pool's first.
#[must_use]
pub fn platform_block(pool: Ipv4Net) -> Ipv4Net {
    Ipv4Net::new(pool.network(), pool.prefix_len().max(BLOCK)).unwrap_or(pool)
}

/// The one address of the host that houses may dial.
#[must_use]
pub fn platform_address(pool: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(pool.network()) + 1)
}

/// Where the edge is reached from this host: one that listens everywhere is dialled at loopback.
#[must_use]
pub fn public_address(config: &Config) -> SocketAddr {
    let address = match config.edge.listen {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(address, config.edge.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_listens_everywhere_is_dialled_at_loopback() {
        let mut config = Config::default();
        assert_eq!(public_address(&config), "127.0.0.1:8080".parse().expect("address"));
        config.edge.listen = "0.0.0.0".parse().expect("address");
        assert_eq!(public_address(&config), "127.0.0.1:8080".parse().expect("address"));
        config.edge.listen = "192.0.2.7".parse().expect("address");
        assert_eq!(public_address(&config), "192.0.2.7:8080".parse().expect("address"));
    }

    #[test]
    fn the_platform_has_the_first_block() {
        let pool = "10.201.0.0/16".parse().expect("pool");
        assert_eq!(platform_block(pool).to_string(), "10.201.0.0/28");
        assert_eq!(platform_address(pool), Ipv4Addr::new(10, 201, 0, 1));
        let cut_badly = "10.201.5.0/20".parse().expect("pool");
        assert_eq!(platform_block(cut_badly).to_string(), "10.201.0.0/28");
    }
}
