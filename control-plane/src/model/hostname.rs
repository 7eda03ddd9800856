//! Host names, normalised once where they come in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::slug::Slug;

/// Why a text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name: labels of a-z, 0-9 and '-' joined by dots, 253 characters at most")]
pub struct InvalidHostName(String);

/// A DNS name in lower case, without port and trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a tenant under the tenants' domain.
    ///
    /// # Errors
    /// When both together are longer than a DNS name may be.
    pub fn of_tenant(slug: &Slug, domain: &HostName) -> Result<Self, InvalidHostName> {
        format!("{slug}.{domain}").parse()
    }

    /// Whether clients take this name to loopback by themselves, whatever a resolver says (RFC 6761).
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.0 == "localhost" || self.0.ends_with(".localhost")
    }

    /// The name that a `Host` header or request target means: port and one trailing dot dropped, lower case.
    ///
    /// # Errors
    /// When what is left is not a host name.
    pub fn from_header(value: &str) -> Result<Self, InvalidHostName> {
        let host = match value.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => value,
        };
        host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase().parse()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if (1..=253).contains(&text.len()) && text.split('.').all(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHostName(text.chars().take(260).collect()))
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidHostName;

    fn try_from(text: String) -> Result<Self, InvalidHostName> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_normalised() {
        for value in [
            "acme.example.com",
            "ACME.example.com",
            "acme.example.com.",
            "acme.example.com:8080",
            "Acme.Example.Com.:80",
        ] {
            assert_eq!(HostName::from_header(value).expect(value).as_str(), "acme.example.com");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a b",
            "a_b.c",
            "[::1]",
            "a/b",
            "a@b",
            "acme.example.com:80:80",
            "ä.de",
            "a.b..",
            &"a.".repeat(140),
        ] {
            assert!(HostName::from_header(bad).is_err(), "{bad:?}");
        }
    }
}
