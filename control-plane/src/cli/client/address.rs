//! Where the API is, and how a connection to it is made.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::net::TcpStream;

use crate::cli::Error;
use crate::model::hostname::HostName;

/// The API's address: plain HTTP at a host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(HostName),
    Ip(IpAddr),
}

impl Address {
    /// # Errors
    /// [`crate::cli::Exit::Usage`] for anything but `http://host[:port]`.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::usage(format!("--url: {url:?} {why}"));
        let Some(rest) = url.strip_prefix("http://") else {
            let why = if url.starts_with("https://") {
                "is https, which this client does not speak yet; reach the edge itself, for instance through an SSH \
                 tunnel"
            } else {
                "does not begin with http://"
            };
            return Err(wrong(why));
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(wrong("has a path; only host and port are expected"));
        }
        if authority.contains('@') {
            return Err(wrong("holds credentials; use --token-file or FREEHOLD_TOKEN"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong("has a port that is none"))?)
            }
            _ => (authority, 80),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = match bare.parse::<IpAddr>() {
            Ok(ip) => Host::Ip(ip),
            Err(_) => Host::Name(HostName::from_header(host).map_err(|error| wrong(&error.to_string()))?),
        };
        Ok(Self { host, port })
    }

    /// Whether nothing that is sent there leaves this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.host {
            Host::Name(name) => name.is_loopback(),
            Host::Ip(ip) => ip.is_loopback(),
        }
    }

    /// Whether it is this name or a name under it.
    pub(super) fn is_under(&self, domain: &HostName) -> bool {
        match &self.host {
            Host::Name(name) => {
                name == domain
                    || name.as_str().strip_suffix(domain.as_str()).is_some_and(|s| s.ends_with('.'))
            }
            Host::Ip(_) => false,
        }
    }

    /// What goes into the `Host` header.
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.to_string(),
            Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }

    /// Names under `localhost` mean this machine, whatever its resolver says (RFC 6761); many say nothing.
    pub(super) async fn dial(&self) -> std::io::Result<TcpStream> {
        match &self.host {
            Host::Name(name) if name.is_loopback() => {
                match TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await {
                    Ok(stream) => Ok(stream),
                    Err(error) => {
                        TcpStream::connect((Ipv6Addr::LOCALHOST, self.port)).await.map_err(|_| error)
                    }
                }
            }
            Host::Name(name) => TcpStream::connect((name.as_str(), self.port)).await,
            Host::Ip(ip) => TcpStream::connect((*ip, self.port)).await,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

/// A text as one segment of a path or one value of a query (RFC 3986).
pub(in crate::cli) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, authority) in [
            ("http://admin.freehold.localhost:8080", "admin.freehold.localhost:8080"),
            ("http://Admin.Example.com/", "admin.example.com"),
            ("http://127.0.0.1:81", "127.0.0.1:81"),
            ("http://[::1]:81/", "[::1]:81"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(Address::parse(url).expect(url).authority(), authority);
        }
        for (url, why) in [
            ("https://example.com", "does not speak yet"),
            ("example.com", "does not begin with http://"),
            ("http://example.com/api", "has a path"),
            ("http://user:word@example.com", "credentials"),
            ("http://example.com:none", "port"),
            ("http://", "not a host name"),
            ("http://exa mple.com", "not a host name"),
        ] {
            let error = Address::parse(url).expect_err(url).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_password_goes_only_where_it_belongs() {
        let domain: HostName = "example.com".parse().expect("a name");
        let under = |url: &str| Address::parse(url).expect(url).is_under(&domain);
        assert!(under("http://example.com") && under("http://admin.example.com"));
        assert!(!under("http://evilexample.com") && !under("http://example.com.evil.org"));
        assert!(Address::parse("http://admin.freehold.localhost:1").expect("an address").is_local());
        assert!(!Address::parse("http://10.0.0.1").expect("an address").is_local());
    }

    #[test]
    fn what_is_not_plain_is_encoded() {
        assert_eq!(encode("acme"), "acme");
        assert_eq!(encode("../a b?c=d&ä"), "..%2Fa%20b%3Fc%3Dd%26%C3%A4");
    }
}
