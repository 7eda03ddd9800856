//! A user who is signed in, and where they are let in: the rules that need nothing but what is known of them.

use std::sync::Arc;

use super::Result;
use super::error::Error;
use crate::identity::permissions::{Permission, allows};
use crate::model::email::Email;
use crate::model::ids::{ProviderId, SessionId, TenantId, UserId};
use crate::model::role::Role;
use crate::model::slug::Slug;
use crate::store::sessions;

/// A user who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub user: UserId,
    pub email: Email,
    pub name: Arc<str>,
    pub session: SessionId,
    /// Whether they gave a second factor when they signed in.
    pub second_factor: bool,
    /// Whether they have one.
    pub has_second_factor: bool,
    /// Whether it was proven to the platform that the address is theirs.
    pub verified: bool,
    /// The provider that they came by; none: by password.
    pub provider: Option<ProviderId>,
    /// The one tenant that the session is good in; none: all.
    pub only_tenant: Option<TenantId>,
    /// Where they belong, as far as the session is good there.
    pub memberships: Arc<[Membership]>,
}

/// What a user is in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub tenant: TenantId,
    pub slug: Slug,
    pub role: Role,
    pub suspended: bool,
    /// Whether the tenant lets nobody in without a second factor.
    pub second_factor_required: bool,
    /// The provider by which the tenant has its people come.
    pub required_provider: Option<ProviderId>,
}

/// How somebody came who asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Came {
    /// Whether they gave a second factor, or gave one when they made the key.
    pub second_factor: bool,
    pub by: By,
}

/// By what somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Password,
    Provider(ProviderId),
    /// A key; one that is bound acts in one tenant alone.
    Key {
        bound: bool,
    },
}

/// Why somebody is not let in where they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    Suspended,
    /// They came by something else than the provider that the tenant requires.
    Provider,
    SecondFactor,
}

impl From<sessions::BelongingRecord> for Membership {
    fn from(record: sessions::BelongingRecord) -> Self {
        Self {
            tenant: record.tenant_id,
            slug: record.slug,
            role: record.role,
            suspended: record.suspended,
            second_factor_required: record.second_factor_required,
            required_provider: record.required_provider,
        }
    }
}

impl Membership {
    /// Why somebody who came like this is not let in, if they are not. An owner may come with password and second factor
    /// where a provider is required: else nobody could say any more that it is not, once it is gone. A key is let in there
    /// that was made for this tenant, by somebody who was let in themselves; one that acts everywhere may have been made
    /// by somebody who was not.
    pub(super) fn lack(&self, came: Came) -> Option<Lack> {
        if self.suspended {
            return Some(Lack::Suspended);
        }
        let right_way = self.required_provider.is_none_or(|required| match came.by {
            By::Key { bound } => bound,
            By::Provider(provider) => provider == required,
            By::Password => self.role == Role::Owner && came.second_factor,
        });
        if !right_way {
            return Some(Lack::Provider);
        }
        (self.second_factor_required && !came.second_factor).then_some(Lack::SecondFactor)
    }
}

impl Principal {
    /// How they showed who they are, in the words of RFC 8176, as far as it is known: a provider need not tell.
    #[must_use]
    pub fn methods(&self) -> &'static [&'static str] {
        match (self.provider, self.second_factor) {
            (None, true) => &["pwd", "otp", "mfa"],
            (None, false) => &["pwd"],
            (Some(_), true) => &["mfa"],
            (Some(_), false) => &[],
        }
    }

    /// How they came.
    pub(super) fn came(&self) -> Came {
        Came { second_factor: self.second_factor, by: self.provider.map_or(By::Password, By::Provider) }
    }

    /// Why they are not let in to a tenant where they belong, if they are not.
    pub(super) fn lack(&self, tenant: TenantId) -> Option<Lack> {
        self.memberships.iter().find(|one| one.tenant == tenant)?.lack(self.came())
    }

    /// Whether their session is good in this tenant: one by a tenant's provider is good there alone.
    pub(super) fn is_good_in(&self, tenant: TenantId) -> bool {
        self.only_tenant.is_none_or(|only| only == tenant)
    }

    /// What they are in the tenant of this slug or id, if they may do this there.
    ///
    /// # Errors
    /// `NotFound` where they are no member, whether or not there is such a tenant; `Forbidden` where they are.
    pub fn may(&self, reference: &str, permission: Permission) -> Result<&Membership> {
        allowed(&self.memberships, self.came(), reference, permission)
    }
}

/// What somebody is in the tenant of this slug or id, if they may do this there.
///
/// # Errors
/// As [`Principal::may`].
pub(super) fn allowed<'a>(
    memberships: &'a [Membership],
    came: Came,
    reference: &str,
    permission: Permission,
) -> Result<&'a Membership> {
    let membership = memberships
        .iter()
        .find(|one| one.slug.as_str() == reference || one.tenant.to_string() == reference)
        .ok_or(Error::NotFound("tenant"))?;
    if let Some(lack) = membership.lack(came) {
        let text = match lack {
            Lack::Suspended => "you are suspended in this tenant; its admins can let you in again",
            Lack::Provider if matches!(came.by, By::Key { .. }) => {
                "this tenant requires signing in by its provider; a key is let in that was made for this tenant alone"
            }
            Lack::Provider => {
                "this tenant requires signing in by its provider; its owners may come with password and second factor"
            }
            Lack::SecondFactor => "this tenant requires a second factor; set one up and sign in with it",
        };
        return Err(Error::Forbidden(text.to_owned()));
    }
    if !allows(membership.role, permission) {
        return Err(Error::Forbidden(format!("a {} may not: {permission}", membership.role)));
    }
    Ok(membership)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::caller::{Caller, Origin, Who};

    fn principal(role: Role) -> (Principal, TenantId) {
        let tenant = TenantId::random();
        let membership = Membership {
            tenant,
            slug: "acme".parse().expect("a slug"),
            role,
            suspended: false,
            second_factor_required: false,
            required_provider: None,
        };
        let principal = Principal {
            user: UserId::random(),
            email: "ada@example.com".parse().expect("an address"),
            name: "Ada".into(),
            session: SessionId::random(),
            second_factor: false,
            has_second_factor: false,
            verified: true,
            provider: None,
            only_tenant: None,
            memberships: Arc::new([membership]),
        };
        (principal, tenant)
    }

    fn changed(user: &Principal, change: impl FnOnce(&mut Membership)) -> Principal {
        let mut membership = user.memberships[0].clone();
        change(&mut membership);
        Principal { memberships: Arc::new([membership]), ..user.clone() }
    }

    #[test]
    fn a_user_does_what_their_role_allows_where_they_are_a_member_and_sees_nothing_else() {
        let (user, tenant) = principal(Role::Member);
        for reference in ["acme".to_owned(), tenant.to_string()] {
            assert!(user.may(&reference, Permission::MembersRead).is_ok());
            assert!(matches!(user.may(&reference, Permission::MembersInvite), Err(Error::Forbidden(_))));
        }
        for reference in ["globex", "", "ACME", &TenantId::random().to_string()] {
            assert!(
                matches!(user.may(reference, Permission::TenantRead), Err(Error::NotFound(_))),
                "{reference}"
            );
        }
    }

    #[test]
    fn who_is_suspended_or_lacks_the_second_factor_may_nothing() {
        let (user, _) = principal(Role::Owner);
        let suspended = changed(&user, |membership| membership.suspended = true);
        assert!(matches!(suspended.may("acme", Permission::TenantRead), Err(Error::Forbidden(_))));
        let strict = changed(&user, |membership| membership.second_factor_required = true);
        assert!(matches!(strict.may("acme", Permission::TenantRead), Err(Error::Forbidden(_))));
        assert!(Principal { second_factor: true, ..strict }.may("acme", Permission::TenantRead).is_ok());
    }

    #[test]
    fn where_a_provider_is_required_its_people_come_in_and_owners_by_password_and_second_factor() {
        let (required, another) = (ProviderId::random(), ProviderId::random());
        for role in Role::ALL {
            let (user, tenant) = principal(*role);
            let user = changed(&user, |membership| membership.required_provider = Some(required));
            for second_factor in [false, true] {
                let by = |provider| Principal { second_factor, provider, ..user.clone() };
                let may = |provider| by(provider).may("acme", Permission::TenantRead).is_ok();
                assert!(may(Some(required)), "{role}");
                assert!(!may(Some(another)), "{role}");
                assert_eq!(may(None), *role == Role::Owner && second_factor, "{role} {second_factor}");
                assert_eq!(by(Some(required)).lack(tenant), None);
                assert_eq!(by(Some(another)).lack(tenant), Some(Lack::Provider));
            }
            // suspended is suspended, and a second factor that is required as well is missing as it was
            let suspended = changed(&user, |membership| membership.suspended = true);
            assert_eq!(suspended.lack(tenant), Some(Lack::Suspended));
            let strict = changed(&user, |membership| membership.second_factor_required = true);
            let strict = Principal { provider: Some(required), ..strict };
            assert_eq!(strict.lack(tenant), Some(Lack::SecondFactor));
            assert_eq!(Principal { second_factor: true, ..strict }.lack(tenant), None);
        }
    }

    #[test]
    fn what_is_a_persons_own_is_not_for_who_came_by_a_tenants_provider() {
        let (user, tenant) = principal(Role::Owner);
        let caller = |user| Caller { who: Who::User(user), origin: Origin::default() };
        let by_platforms = Principal { provider: Some(ProviderId::random()), ..user };
        assert!(caller(by_platforms.clone()).user().is_ok());
        assert!(by_platforms.is_good_in(tenant) && by_platforms.is_good_in(TenantId::random()));
        let by_tenants = Principal { only_tenant: Some(tenant), ..by_platforms };
        assert!(matches!(caller(by_tenants.clone()).user(), Err(Error::Forbidden(_))));
        assert!(caller(by_tenants.clone()).signed_in().is_ok());
        assert!(by_tenants.is_good_in(tenant) && !by_tenants.is_good_in(TenantId::random()));
    }
}
