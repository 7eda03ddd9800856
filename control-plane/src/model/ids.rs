//! Identifiers. Each is its own type, so that one can never be taken for another.

use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {what}: {rule}")]
pub struct InvalidId {
    what: &'static str,
    value: String,
    rule: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one, ordered by the time it was made.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId {
                    what: $what,
                    value: text.to_owned(),
                    rule: "a UUID is expected",
                })
            }
        }
    };
}

uuid_id!(
    /// A customer, for as long as anything of theirs exists.
    TenantId,
    "tenant id"
);
uuid_id!(
    /// One change that somebody asked for.
    OperationId,
    "operation id"
);
uuid_id!(
    /// An immutable set of app image, migrations and stack file.
    ReleaseId,
    "release id"
);
uuid_id!(
    /// A platform admin.
    AdminId,
    "admin id"
);
uuid_id!(
    /// A person, in however many tenants.
    UserId,
    "user id"
);
uuid_id!(
    /// Somebody who is signed in on one device.
    SessionId,
    "session id"
);
uuid_id!(
    /// A key by which a program uses the API.
    KeyId,
    "key id"
);
uuid_id!(
    /// A part of a tenant with members of its own.
    ProjectId,
    "project id"
);
uuid_id!(
    /// A place in a tenant that was offered to an address.
    InvitationId,
    "invitation id"
);
uuid_id!(
    /// A wish to join a tenant or to open one.
    SignupId,
    "signup id"
);
uuid_id!(
    /// A mail to be sent.
    MailId,
    "mail id"
);
uuid_id!(
    /// An entry of the audit log.
    AuditId,
    "audit id"
);
uuid_id!(
    /// What one sign-in gave to a tenant's app.
    GrantId,
    "grant id"
);
uuid_id!(
    /// An OpenID provider outside.
    ProviderId,
    "provider id"
);
uuid_id!(
    /// A volume's row.
    VolumeId,
    "volume id"
);

/// Letters that cannot be mistaken for one another, all valid in names of the engine and of interfaces.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const LETTERS: usize = 23;

fn random_name(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|position| {
            let choices = if position == 0 { LETTERS } else { ALPHABET.len() };
            char::from(ALPHABET[rng.random_range(0..choices)])
        })
        .collect()
}

fn is_name(text: &str, length: usize) -> bool {
    text.len() == length
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && text.as_bytes()[0].is_ascii_lowercase()
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $length:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn random() -> Self {
                Self(random_name($length))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_name(text, $length) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { what: $what, value: text.to_owned(), rule: $rule })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

name_id!(
    /// The opaque name of a house. All objects of the engine are named by it, so a tenant may be renamed.
    HouseId,
    "house id",
    10,
    "ten lower-case letters and digits, beginning with a letter"
);
name_id!(
    /// One Freehold on one engine. Six characters, so that a bridge's name (15 at most) has room for it.
    InstallationId,
    "installation id",
    6,
    "six lower-case letters and digits, beginning with a letter"
);
name_id!(
    /// The public part of an API key, which it is recognised by.
    KeyPrefix,
    "key prefix",
    10,
    "ten lower-case letters and digits, beginning with a letter"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_valid_and_differ() {
        let first = HouseId::random();
        assert_eq!(first.as_str().parse(), Ok(first.clone()));
        assert_ne!(first, HouseId::random());
        assert!(InstallationId::random().as_str().len() == 6);
    }

    #[test]
    fn what_is_not_a_name_is_refused_with_the_rule() {
        for bad in ["", "short", "UPPERCASE1", "1234567890", "abc/../../x", "abcdefghij\n"] {
            let error = bad.parse::<HouseId>().expect_err(bad).to_string();
            assert!(error.contains("ten lower-case letters"), "{error}");
        }
        assert!("not-a-uuid".parse::<TenantId>().is_err());
    }
}
