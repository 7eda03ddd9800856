//! API keys: who comes by one, and what people do about theirs and their tenant's.
//!
//! A key acts for whoever made it: at each use it may do what its scopes name and its maker may in that tenant at that
//! moment, and no more. What would let whoever finds one stay (making keys, passwords, second factors, sessions, what is
//! asked of those who sign in, an admin's place), or take everything (an owner's place), no key can do.

mod manage;
mod recognise;

pub use manage::{Made, Of, Rotated, Turn, Wish};
pub(super) use recognise::Known;
pub use recognise::SignedRequest;

use std::num::NonZeroU32;

use super::Result;
use super::error::Error;
use super::principal::{By, Came, Membership, allowed};
use crate::identity::api_keys::MARK;
use crate::identity::permissions::{Permission, for_keys};
use crate::model::email::Email;
use crate::model::ids::{KeyId, KeyPrefix, UserId};
use crate::model::role::Role;

/// A key that is good, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub prefix: KeyPrefix,
    pub name: String,
    /// Who made it.
    pub user: UserId,
    /// Whether it acts in one tenant alone.
    pub bound: bool,
    pub email: Email,
    /// Whether they gave a second factor when they made it.
    pub second_factor: bool,
    pub scopes: Vec<Permission>,
    /// Requests in a minute.
    pub per_minute: NonZeroU32,
    /// What its maker is where it acts.
    pub memberships: Vec<Membership>,
}

impl Key {
    /// As it appears to people.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} of {}", shown(&self.name, &self.prefix), self.email)
    }

    /// What its maker is in the tenant of this slug or id, if both may do this there.
    ///
    /// # Errors
    /// `NotFound` where they are no member or it does not act; `Forbidden` for what one of them may not.
    pub fn may(&self, reference: &str, permission: Permission) -> Result<&Membership> {
        let came = Came { second_factor: self.second_factor, by: By::Key { bound: self.bound } };
        let membership = allowed(&self.memberships, came, reference, permission)?;
        if !for_keys(permission) {
            return Err(Error::Forbidden(format!(
                "this is for a person who is signed in; an API key cannot do it: {permission}"
            )));
        }
        if !self.scopes.contains(&permission) {
            return Err(Error::Forbidden(format!("this key has no such scope: {permission}")));
        }
        Ok(membership)
    }

    /// As what a key stands among members: an owner's place it can neither give nor take.
    #[must_use]
    pub fn rank(role: Role) -> Role {
        role.min(Role::Admin)
    }
}

/// A key's name, and what it is recognised by.
fn shown(name: &str, prefix: &KeyPrefix) -> String {
    format!("{name} ({MARK}{prefix})")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::identity::permissions::allows;
    use crate::model::ids::{ProviderId, TenantId};

    fn key(role: Role, scopes: &[Permission]) -> Key {
        let membership = Membership {
            tenant: TenantId::random(),
            slug: "acme".parse().expect("a slug"),
            role,
            suspended: false,
            second_factor_required: false,
            required_provider: None,
        };
        Key {
            id: KeyId::random(),
            prefix: KeyPrefix::random(),
            name: "deploy".to_owned(),
            user: UserId::random(),
            bound: true,
            email: "ada@example.com".parse().expect("an address"),
            second_factor: false,
            scopes: scopes.to_vec(),
            per_minute: NonZeroU32::MIN,
            memberships: vec![membership],
        }
    }

    proptest! {
        #[test]
        fn a_key_may_what_its_scopes_say_and_its_maker_may_and_nothing_else(
            role in select(Role::ALL),
            scopes in subsequence(Permission::ALL, 0..Permission::ALL.len()),
            asked in select(Permission::ALL),
        ) {
            let key = key(role, &scopes);
            let may = scopes.contains(&asked) && allows(role, asked) && for_keys(asked);
            prop_assert_eq!(key.may("acme", asked).is_ok(), may);
            prop_assert!(matches!(key.may("globex", asked), Err(Error::NotFound(_))));
            prop_assert!(Key::rank(role) <= role && Key::rank(role) < Role::Owner);
        }
    }

    #[test]
    fn a_key_made_without_a_second_factor_is_not_let_in_where_one_is_required() {
        let mut key = key(Role::Admin, Permission::ALL);
        key.memberships[0].second_factor_required = true;
        assert!(matches!(key.may("acme", Permission::TenantRead), Err(Error::Forbidden(_))));
        key.second_factor = true;
        assert!(key.may("acme", Permission::TenantRead).is_ok());
        key.memberships[0].suspended = true;
        assert!(matches!(key.may("acme", Permission::TenantRead), Err(Error::Forbidden(_))));
    }

    #[test]
    fn where_a_provider_is_required_a_key_goes_on_that_was_made_for_the_tenant_and_no_other() {
        for role in Role::ALL {
            for second_factor in [false, true] {
                let mut key = Key { second_factor, ..key(*role, Permission::ALL) };
                key.memberships[0].required_provider = Some(ProviderId::random());
                assert!(key.may("acme", Permission::TenantRead).is_ok(), "{role}");
                key.bound = false;
                let refused = key.may("acme", Permission::TenantRead);
                assert!(matches!(refused, Err(Error::Forbidden(_))), "{role} {second_factor}");
            }
        }
    }
}
