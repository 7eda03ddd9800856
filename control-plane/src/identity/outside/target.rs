//! An address on the web that somebody else wrote down.

use http::Uri;

use super::OutsideError;
use crate::model::provider::Trust;

use super::address::Reach;

/// Longest address, in bytes.
const LONGEST: usize = 2_048;

/// An address that may be asked, as far as its text tells: where it leads is judged when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encrypted: bool,
    /// Host and port as they were written.
    pub(super) authority: String,
    pub(super) path: String,
}

impl Target {
    /// Reads an address; `what` it is of is said in errors.
    pub(super) fn parse(
        what: &'static str,
        text: &str,
        trust: Trust,
        reach: &Reach,
    ) -> Result<Self, OutsideError> {
        let refused = |why| OutsideError::Address { what, why };
        if text.len() > LONGEST {
            return Err(refused("it is too long"));
        }
        if text.contains('#') {
            return Err(refused("it has a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| refused("it is no URL"))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused("it does not begin with https://")),
        };
        if !encrypted && !reach.in_the_open(trust) {
            return Err(refused("it does not begin with https://"));
        }
        let authority = uri.authority().ok_or(refused("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("it has a user's name in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refused("it has no host"));
        }
        let port = authority.as_str().rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        if port.is_some() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(refused("its port is none"));
        }
        Ok(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            encrypted,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TenantId;

    #[test]
    fn addresses_are_read_or_refused() {
        let none = Reach::default();
        let inner = Reach { platform: vec!["10.0.0.0/8".parse().expect("a network")], ..Reach::default() };
        let read = |text: &str, reach| Target::parse("it", text, Trust::Platform, reach);
        let plain = read("https://id.example/keys?a=b", &none).expect("an address");
        assert_eq!((plain.host.as_str(), plain.port, plain.path.as_str()), ("id.example", 443, "/keys?a=b"));
        let six = read("https://[2606:4700::1]:8443", &none).expect("an address");
        assert_eq!((six.host.as_str(), six.port, six.path.as_str()), ("2606:4700::1", 8443, "/"));
        assert_eq!(six.authority, "[2606:4700::1]:8443");
        assert!(read("http://id.example/", &none).is_err());
        assert!(!read("http://id.example/", &inner).expect("an address").encrypted);
        assert!(
            Target::parse("it", "http://id.example/", Trust::Tenant(TenantId::random()), &inner).is_err()
        );
        for bad in [
            "",
            "id.example",
            "/keys",
            "ftp://id.example/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:25/",
            "https://",
            "https://id.example/#a",
            "https://user@id.example/",
            "https://user:pass@id.example/",
            "https://id.example@10.0.0.1/",
            "https://id.example/a b",
            "https://id.example/\r\nX: y",
            "https://id.example:99999/",
            "https://id.example:0/",
            "https://id.example:/",
            &format!("https://id.example/{}", "x".repeat(3_000)),
        ] {
            assert!(read(bad, &inner).is_err(), "{bad:?}");
        }
    }
}
