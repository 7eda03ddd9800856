//! What a client asks to be told of a person.

use std::fmt;

use crate::model::tenant::words;

words!(
    /// One thing to be told, or to be let do.
    ScopeName {
        /// That somebody is who they say: without it, it is no OpenID Connect.
        Openid = "openid",
        /// Their name.
        Profile = "profile",
        /// Their address.
        Email = "email",
        /// To ask for further tokens while the session lasts.
        OfflineAccess = "offline_access",
    }
);

/// The scopes that are known out of those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<ScopeName>);

impl Scopes {
    /// Reads a list with spaces between. What is not known is left out, as it may be (RFC 6749, 3.3).
    #[must_use]
    pub fn read(text: &str) -> Self {
        let asked: Vec<&str> = text.split(' ').collect();
        let known = ScopeName::ALL.iter().copied();
        Self(known.filter(|scope| asked.contains(&scope.as_str())).collect())
    }

    #[must_use]
    pub fn has(&self, scope: ScopeName) -> bool {
        self.0.contains(&scope)
    }

    /// Whether there is nothing in it that the other one lacks.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.has(*scope))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_kept_in_one_order_and_once() {
        let scopes = Scopes::read("email admin openid email  OPENID");
        assert_eq!(scopes.to_string(), "openid email");
        assert!(scopes.within(&Scopes::read("openid email profile")));
        assert!(!Scopes::read("openid profile").within(&scopes));
        assert!(!Scopes::read("").has(ScopeName::Openid));
    }
}
