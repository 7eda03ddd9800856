//! The slug: a tenant's DNS label.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Labels that the platform keeps for itself, or that visitors and mail servers expect to mean something else.
pub const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "admin",
    "api",
    "app",
    "apps",
    "assets",
    "auth",
    "autoconfig",
    "autodiscover",
    "backup",
    "billing",
    "blog",
    "cdn",
    "console",
    "dashboard",
    "dev",
    "dns",
    "docs",
    "edge",
    "email",
    "freehold",
    "ftp",
    "gateway",
    "help",
    "hostmaster",
    "imap",
    "internal",
    "localhost",
    "login",
    "logout",
    "mail",
    "metrics",
    "mta-sts",
    "mx",
    "news",
    "ns",
    "ns1",
    "ns2",
    "openid",
    "platform",
    "pop",
    "pop3",
    "postmaster",
    "root",
    "security",
    "signup",
    "smtp",
    "ssl",
    "staging",
    "static",
    "status",
    "support",
    "sysadmin",
    "test",
    "vpn",
    "webmail",
    "webmaster",
    "wpad",
    "www",
];

/// Why a text is not a slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlug {
    #[error("a slug has 1 to 63 characters, this one has {0}")]
    Length(usize),
    #[error("a slug holds only a-z, 0-9 and '-', not {0:?}")]
    Character(char),
    #[error("a slug begins and ends with a letter or digit, not '-'")]
    Hyphen,
    #[error("a slug has no '-' in both its third and fourth place: such names are reserved for encoded ones")]
    Encoded,
    #[error("{0:?} is reserved for the platform; choose another")]
    Reserved(String),
}

/// A DNS label of 1 to 63 characters that is not reserved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

impl Slug {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slug that a display name suggests: letters and digits kept, everything else one hyphen.
    ///
    /// # Errors
    /// When nothing usable is left of the name, or what is left is reserved.
    pub fn derive(name: &str) -> Result<Self, InvalidSlug> {
        let mut label = String::new();
        for character in name.chars() {
            let lower = character.to_ascii_lowercase();
            if lower.is_ascii_lowercase() || lower.is_ascii_digit() {
                label.push(lower);
            } else if !label.is_empty() && !label.ends_with('-') {
                label.push('-');
            }
        }
        label.truncate(40);
        let mut label = label.trim_matches('-').to_owned();
        if label.get(2..4) == Some("--") {
            label = label.replace("--", "-");
        }
        label.parse()
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Slug {
    type Err = InvalidSlug;

    fn from_str(text: &str) -> Result<Self, InvalidSlug> {
        let length = text.chars().count();
        if !(1..=63).contains(&length) {
            return Err(InvalidSlug::Length(length));
        }
        let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
        if let Some(bad) = text.chars().find(|c| !allowed(c)) {
            return Err(InvalidSlug::Character(bad));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(InvalidSlug::Hyphen);
        }
        if text.get(2..4) == Some("--") {
            return Err(InvalidSlug::Encoded);
        }
        if RESERVED.contains(&text) {
            return Err(InvalidSlug::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Slug {
    type Error = InvalidSlug;

    fn try_from(text: String) -> Result<Self, InvalidSlug> {
        text.parse()
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_are_accepted_and_everything_else_says_why() {
        for good in ["a", "acme", "a-1", "4u", &"x".repeat(63)] {
            assert_eq!(good.parse::<Slug>().expect(good).as_str(), good);
        }
        assert_eq!("".parse::<Slug>(), Err(InvalidSlug::Length(0)));
        assert_eq!("x".repeat(64).parse::<Slug>(), Err(InvalidSlug::Length(64)));
        assert_eq!("-a".parse::<Slug>(), Err(InvalidSlug::Hyphen));
        assert_eq!("a-".parse::<Slug>(), Err(InvalidSlug::Hyphen));
        assert_eq!("xn--abc".parse::<Slug>(), Err(InvalidSlug::Encoded));
        assert_eq!("admin".parse::<Slug>(), Err(InvalidSlug::Reserved("admin".into())));
        for bad in ["Acme", "a.b", "a_b", "a b", "ä", "a'--", "$(id)", "../x", "a\n", "a\0"] {
            assert!(matches!(bad.parse::<Slug>(), Err(InvalidSlug::Character(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_slug_is_derived_from_a_name() {
        assert_eq!(Slug::derive("Acme Fleet, Inc.").expect("slug").as_str(), "acme-fleet-inc");
        assert_eq!(Slug::derive("  42 & Söhne ").expect("slug").as_str(), "42-s-hne");
        assert!(Slug::derive("日本").is_err());
        assert!(Slug::derive("Admin").is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_derived_is_a_slug(name in "\\PC{0,80}") {
            if let Ok(slug) = Slug::derive(&name) {
                prop_assert_eq!(slug.as_str().parse::<Slug>(), Ok(slug.clone()));
            }
        }

        #[test]
        fn what_parses_is_a_dns_label(text in "\\PC{0,70}") {
            if let Ok(slug) = text.parse::<Slug>() {
                prop_assert!(slug.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
                prop_assert!(slug.as_str().len() <= 63);
            }
        }
    }
}
