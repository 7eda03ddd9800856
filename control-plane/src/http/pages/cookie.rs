//! The cookies of our own pages: whose browser it is, and how far its sign-in got.
//!
//! They are for this host alone, out of reach of scripts, and not sent with what other sites have a browser post. Where
//! the platform is reached by TLS their names begin with `__Host-`, so that no other host can set them, not even one
//! below ours.

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};

use crate::app::Settings;

/// Longest cookie of ours, in bytes: what leads somewhere is short.
const LONGEST: usize = 256;
/// Longest one that holds a way on, or what a provider said. Browsers keep no more than 4,096 bytes with its name and all that is said of it.
const LONGEST_WITH_MORE: usize = 3_900;

/// One of our cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Leads to a session.
    Session,
    /// Says that a password was right, or that a provider vouched for somebody.
    Ticket,
    /// Says to which provider somebody was sent, and where they go on.
    Errand,
}

impl Cookie {
    fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-freehold",
            (Self::Session, false) => "freehold",
            (Self::Ticket, true) => "__Host-freehold-ticket",
            (Self::Ticket, false) => "freehold-ticket",
            (Self::Errand, true) => "__Host-freehold-outside",
            (Self::Errand, false) => "freehold-outside",
        }
    }

    fn longest(self) -> usize {
        match self {
            Self::Session => LONGEST,
            Self::Ticket | Self::Errand => LONGEST_WITH_MORE,
        }
    }

    /// What a browser sent of it. One that comes twice is none: another host has set one of the two.
    pub(crate) fn of(self, headers: &HeaderMap, settings: &Settings) -> Option<SecretString> {
        let name = self.name(is_secure(settings));
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) if value.len() <= self.longest() => Some(value.into()),
            _ => None,
        }
    }

    /// Has a browser keep it, for as long as it is open unless said otherwise.
    pub(crate) fn set(
        self,
        settings: &Settings,
        value: &SecretString,
        kept_for: Option<TimeDelta>,
    ) -> HeaderValue {
        let age = kept_for.map(|age| format!("; Max-Age={}", age.num_seconds())).unwrap_or_default();
        let mut header = self.header(settings, value.expose_secret(), &age);
        header.set_sensitive(true);
        header
    }

    /// Has a browser forget it.
    pub(crate) fn forgotten(self, settings: &Settings) -> HeaderValue {
        self.header(settings, "", "; Max-Age=0")
    }

    fn header(self, settings: &Settings, value: &str, age: &str) -> HeaderValue {
        let is_secure = is_secure(settings);
        let (name, secure) = (self.name(is_secure), if is_secure { "; Secure" } else { "" });
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

fn is_secure(settings: &Settings) -> bool {
    settings.url_of(settings.domain.as_str()).starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_counts_once() {
        let settings = Settings::from(&Config::default());
        let found = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().expect("a header"));
            }
            Cookie::Session.of(&headers, &settings).map(|value| value.expose_secret().to_owned())
        };
        assert_eq!(found(&["freehold=a.b"]).as_deref(), Some("a.b"));
        assert_eq!(found(&["x=1; freehold=a.b;freehold-ticket=c"]).as_deref(), Some("a.b"));
        assert_eq!(found(&["xfreehold=a.b; Freehold=c; freehold-ticket=d; freehold"]), None);
        assert_eq!(found(&["freehold=a.b; freehold=c.d"]), None, "which is ours cannot be told");
        assert_eq!(found(&["freehold=a.b", "freehold=c.d"]), None);
        assert_eq!(found(&[&format!("freehold={}", "x".repeat(LONGEST + 1))]), None);
        let mut headers = HeaderMap::new();
        for (length, is_there) in [(LONGEST_WITH_MORE, true), (LONGEST_WITH_MORE + 1, false)] {
            let line = format!("freehold-outside={}", "x".repeat(length));
            headers.insert(header::COOKIE, line.parse().expect("a header"));
            assert_eq!(Cookie::Errand.of(&headers, &settings).is_some(), is_there, "{length}");
        }
    }

    #[test]
    fn a_cookie_is_for_this_host_and_for_no_script() {
        let settings = Settings::from(&Config::default());
        let set = Cookie::Session.set(&settings, &"a.b".into(), Some(TimeDelta::days(90)));
        assert_eq!(set.to_str().ok(), Some("freehold=a.b; Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000"));
        assert!(set.is_sensitive());
        let gone = Cookie::Ticket.forgotten(&settings);
        assert_eq!(gone.to_str().ok(), Some("freehold-ticket=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"));
        assert_eq!(Cookie::Session.name(true), "__Host-freehold");
    }
}
