//! The names this tenant is reached by.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Host of an authority, without its port and final dot, in lower case. `None` when it is no host name
/// at all. Brackets of an IPv6 address stay.
#[must_use]
pub fn normalise(authority: &str) -> Option<String> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    (!host.is_empty() && host.len() <= 253 && host.bytes().all(allowed)).then(|| host.to_ascii_lowercase())
}

/// A request that was meant for somebody else.
#[derive(Debug, PartialEq, Eq)]
pub struct ForAnother;

/// The tenant's host names, and the origins that its own pages have.
#[derive(Debug, Clone)]
pub struct OwnNames {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl OwnNames {
    /// All names share the scheme and the port of the public address.
    #[must_use]
    pub fn new(secure: bool, port: Option<u16>, hosts: Vec<String>) -> Self {
        let scheme = if secure { "https" } else { "http" };
        let default = if secure { 443 } else { 80 };
        let suffix = port.filter(|p| *p != default).map(|p| format!(":{p}")).unwrap_or_default();
        let origins = hosts.iter().map(|host| format!("{scheme}://{host}{suffix}")).collect();
        Self { hosts, origins }
    }

    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own == host)
    }

    /// Is a request with these headers for us? The edge's `X-Forwarded-Host` is the name the visitor
    /// used; without it `Host` is. The edge drops what came in under that name from outside.
    ///
    /// # Errors
    /// [`ForAnother`] for another's name, for several, and for none.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ForAnother> {
        self.visited(headers).map(|_| ())
    }

    /// Scheme, host and port of the name that the visitor used: what leads back to it.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn visited(&self, headers: &HeaderMap) -> Result<&str, ForAnother> {
        let name = if headers.contains_key("x-forwarded-host") { "x-forwarded-host" } else { HOST.as_str() };
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(ForAnother);
        };
        let host = value.to_str().ok().and_then(normalise).ok_or(ForAnother)?;
        let place = self.hosts.iter().position(|own| *own == host).ok_or(ForAnother)?;
        self.origins.get(place).map(String::as_str).ok_or(ForAnother)
    }

    /// May a request with these headers change something? Browsers say where a request comes from:
    /// `Sec-Fetch-Site`, or else `Origin`. Another tenant's pages are same-site with ours, so only the
    /// same origin will do. A client that sends neither is no browser and carries no one's cookies.
    #[must_use]
    pub fn may_change(&self, headers: &HeaderMap) -> bool {
        if let Some(site) = headers.get("sec-fetch-site") {
            return matches!(site.as_bytes(), b"same-origin" | b"none");
        }
        headers.get(ORIGIN).is_none_or(|origin| self.is_own(origin.as_bytes()))
    }

    /// As [`Self::may_change`] for a request that brings a cookie. Whoever sends one is a browser, and must
    /// say that it was on our own page.
    #[must_use]
    pub fn may_change_with_a_cookie(&self, headers: &HeaderMap) -> bool {
        match headers.get("sec-fetch-site") {
            Some(site) => site.as_bytes() == b"same-origin",
            None => headers.get(ORIGIN).is_some_and(|origin| self.is_own(origin.as_bytes())),
        }
    }

    fn is_own(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|own| own.as_bytes() == origin)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn acme() -> OwnNames {
        OwnNames::new(false, Some(8080), vec!["acme.example.org".into(), "cars.example.com".into()])
    }

    #[test]
    fn names_are_compared_without_port_case_and_final_dot() {
        for host in ["acme.example.org", "ACME.example.org:8080", "acme.example.org.", "cars.example.com:1"] {
            assert!(acme().check(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        let visited = headers(&[("host", "cars.example.com:8080")]);
        assert_eq!(acme().visited(&visited), Ok("http://cars.example.com:8080"));
        for host in ["globex.example.org", "acme.example.org.evil.test", "acme", "10.0.0.2:8080", "[::1]", ""]
        {
            assert_eq!(acme().check(&headers(&[("host", host)])), Err(ForAnother), "{host}");
        }
    }

    #[test]
    fn the_edges_word_goes_before_host_and_two_words_are_none() {
        let own = acme();
        assert!(
            own.check(&headers(&[("host", "10.0.0.2"), ("x-forwarded-host", "acme.example.org")])).is_ok()
        );
        assert!(
            own.check(&headers(&[("host", "acme.example.org"), ("x-forwarded-host", "globex.example.org")]))
                .is_err()
        );
        assert!(own.check(&headers(&[("host", "acme.example.org"), ("host", "acme.example.org")])).is_err());
        assert!(own.check(&headers(&[])).is_err());
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let own = acme();
        assert!(own.may_change(&headers(&[])));
        assert!(own.may_change(&headers(&[("origin", "http://acme.example.org:8080")])));
        assert!(own.may_change(&headers(&[("sec-fetch-site", "same-origin")])));
        for pair in [
            ("origin", "http://globex.example.org:8080"),
            ("origin", "https://acme.example.org:8080"),
            ("origin", "http://acme.example.org"),
            ("origin", "null"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert!(!own.may_change(&headers(&[pair])), "{pair:?}");
            assert!(!own.may_change_with_a_cookie(&headers(&[pair])), "{pair:?}");
        }
        // With a cookie, saying nothing is not enough.
        assert!(!own.may_change_with_a_cookie(&headers(&[])));
        assert!(!own.may_change_with_a_cookie(&headers(&[("sec-fetch-site", "none")])));
        assert!(own.may_change_with_a_cookie(&headers(&[("sec-fetch-site", "same-origin")])));
        assert!(own.may_change_with_a_cookie(&headers(&[("origin", "http://acme.example.org:8080")])));
        assert!(!own.may_change(&headers(&[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://acme.example.org:8080")
        ])));
    }

    #[test]
    fn default_ports_are_not_part_of_an_origin() {
        let own = OwnNames::new(true, Some(443), vec!["acme.example.org".into()]);
        assert!(own.may_change(&headers(&[("origin", "https://acme.example.org")])));
    }
}
