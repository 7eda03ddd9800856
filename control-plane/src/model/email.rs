//! An email address, as it is compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest address, in bytes (RFC 5321, 4.5.3.1.3 less the angle brackets).
pub const MAX_BYTES: usize = 254;
/// Longest part before the `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_BYTES: usize = 64;

/// Why a text is no email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    #[error("an email address has 3 to {MAX_BYTES} characters")]
    Length,
    #[error("an email address is name@domain, such as ada@example.com")]
    Shape,
    #[error("an email address holds no spaces, quotes, brackets or letters beyond ASCII")]
    Character,
}

/// An address, trimmed and in lower case: two that differ in nothing else are one person's. No mail server that
/// people use tells them apart by case, and whoever could would be taken for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        if !(3..=MAX_BYTES).contains(&text.len()) {
            return Err(InvalidEmail::Length);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail::Shape)?;
        if !local.bytes().all(is_atom)
            || !domain.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
        {
            return Err(InvalidEmail::Character);
        }
        let dotted = |part: &str| !part.split('.').any(str::is_empty);
        let label = |label: &str| label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-');
        if local.len() > LOCAL_BYTES || !dotted(local) || !dotted(domain) || !domain.split('.').all(label) {
            return Err(InvalidEmail::Shape);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// What stands before the `@` without quotes (RFC 5322, 3.2.3: atext and the dot).
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_compared_without_case_and_blanks() {
        let email: Email = "  Ada.Lovelace+tag@Example.COM ".parse().expect("an address");
        assert_eq!((email.as_str(), email.domain()), ("ada.lovelace+tag@example.com", "example.com"));
        assert!("admin@freehold.localhost".parse::<Email>().is_ok());
        assert!("root@localhost".parse::<Email>().is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let long = format!("{}@example.com", "a".repeat(65));
        for (text, why) in [
            ("", InvalidEmail::Length),
            ("ada", InvalidEmail::Shape),
            ("@example.com", InvalidEmail::Shape),
            ("ada@", InvalidEmail::Shape),
            ("ada..l@example.com", InvalidEmail::Shape),
            ("ada@example..com", InvalidEmail::Shape),
            ("ada@-example.com", InvalidEmail::Shape),
            ("ada l@example.com", InvalidEmail::Character),
            ("ada@exam\nple.com", InvalidEmail::Character),
            ("ada@example.com>,<eve@example.com", InvalidEmail::Character),
            ("\"ada\"@example.com", InvalidEmail::Character),
            ("adä@example.com", InvalidEmail::Character),
            ("ada@bob@example.com", InvalidEmail::Character),
            (&long, InvalidEmail::Shape),
        ] {
            assert_eq!(text.parse::<Email>(), Err(why), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_one_line_one_address_and_itself_again(text in "[ -~]{0,12}@[ -~]{0,12}") {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert_eq!(email.as_str().matches('@').count(), 1);
                prop_assert!(!email.as_str().contains(char::is_whitespace));
                prop_assert_eq!(email.as_str().parse::<Email>().expect("again"), email);
            }
        }
    }
}
