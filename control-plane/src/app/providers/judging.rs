//! Who somebody is whom a provider vouches for, and what they become in tenants by it: decided from what was found,
//! without looking at anything else.

use crate::app::membership_rules::Standing;
use crate::identity::outside::Arrival;
use crate::model::ids::UserId;
use crate::model::provider::{ClaimMap, Trust};
use crate::model::role::Role;

/// What a signup's status must be where a provider tells one.
const APPROVED: &str = "approved";
/// What it is while somebody has yet to decide.
const PENDING: &str = "pending";
/// The most that any provider's claims make of somebody. Owners are made and unmade by people alone.
const MOST: Role = Role::Admin;

/// Why somebody is not let in whom a provider vouches for. Told to them as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("your signup has yet to be approved; try again once you were told that it is")]
    Pending,
    #[error("your signup was not approved")]
    NotApproved,
    #[error("it tells no address of yours; have it tell one, or sign in another way")]
    NoAddress,
    #[error("it does not say that your address is verified; verify it there, or sign in another way")]
    NotVerified,
    #[error(
        "your address belongs to somebody else who signs in by this provider; an admin can unlink them, or sign in \
         another way"
    )]
    OtherSubject,
    #[error("this account is suspended; ask the platform's admins")]
    Suspended,
    #[error("you belong to no place that it leads to; ask an admin there to invite you")]
    NoMember,
    /// There is an account. Whoever runs a tenant's provider hears no more of it than of one that they invite.
    #[error("an invitation was mailed to your address; accept it, then sign in by this provider again")]
    Invited,
}

/// An account that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub user: UserId,
    /// Whether it was proven here that its address is theirs.
    pub verified: bool,
    pub suspended: bool,
}

/// What was found of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// The account that is linked with who they are at the provider.
    pub linked: Option<Known>,
    /// The account that has their address.
    pub addressed: Option<Known>,
    /// Whether that one is linked with somebody else at the same provider.
    pub taken: bool,
    /// Whether that one is a member of the tenant whose provider it is.
    pub member: bool,
}

/// How far a provider's word goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub trust: Trust,
    /// Whether its addresses count as verified without its saying so.
    pub trust_email: bool,
}

/// Who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    /// They came before.
    Linked(UserId),
    /// The account of their address, which is linked now. `emptied`: nobody had proven that it was theirs who set it up,
    /// so what they set up goes. `verified`: the address counts as proven from now on.
    Link { user: UserId, emptied: bool, verified: bool },
    /// Nobody yet: an account is made.
    New { verified: bool },
    /// The account of their address, which has nothing to do with the tenant whose provider it is: its owner is asked.
    Stranger(UserId),
}

/// What somebody becomes in a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Becoming {
    /// What they are, or are not.
    Same,
    Member(Role),
    Role(Role),
}

/// That the status of a signup, where the provider is to tell one, lets somebody in.
fn approved(map: &ClaimMap, arrival: &Arrival) -> Result<(), Refusal> {
    match (&map.signup_status, arrival.status.as_deref()) {
        (None, _) | (Some(_), Some(APPROVED)) => Ok(()),
        (Some(_), Some(PENDING)) => Err(Refusal::Pending),
        (Some(_), _) => Err(Refusal::NotApproved),
    }
}

/// Who it is.
///
/// # Errors
/// Why they are not let in.
pub(super) fn person(word: Word, map: &ClaimMap, arrival: &Arrival, found: Found) -> Result<Person, Refusal> {
    approved(map, arrival)?;
    if let Some(linked) = found.linked {
        return if linked.suspended { Err(Refusal::Suspended) } else { Ok(Person::Linked(linked.user)) };
    }
    if arrival.email.is_none() {
        return Err(Refusal::NoAddress);
    }
    let trusted = word.trust_email && word.trust == Trust::Platform;
    if !arrival.email_verified && !trusted {
        return Err(Refusal::NotVerified);
    }
    // Whoever holds a tenant may have its provider say anything.
    let verified = word.trust == Trust::Platform;
    match found.addressed {
        None => Ok(Person::New { verified }),
        // Before anything is told of the account.
        Some(known) if matches!(word.trust, Trust::Tenant(_)) && !found.member => {
            Ok(Person::Stranger(known.user))
        }
        Some(known) if known.suspended => Err(Refusal::Suspended),
        Some(_) if found.taken => Err(Refusal::OtherSubject),
        Some(known) => Ok(Person::Link {
            user: known.user,
            emptied: !known.verified,
            verified: verified && !known.verified,
        }),
    }
}

/// What they become in a tenant that the provider names them for, from what they are there.
pub(super) fn becoming(map: &ClaimMap, role: Option<Role>, standing: Option<Standing>) -> Becoming {
    let told = role.or(map.default_role).map(|role| role.min(MOST));
    match standing {
        // Somebody who was removed is none, too.
        None => match (map.default_role, told) {
            (Some(_), Some(role)) => Becoming::Member(role),
            _ => Becoming::Same,
        },
        // Who was suspended there is let in by those who did it.
        Some(standing) if standing.suspended || standing.role == Role::Owner => Becoming::Same,
        Some(standing) => match (&map.roles, told) {
            (Some(_), Some(role)) if role != standing.role => Becoming::Role(role),
            _ => Becoming::Same,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::model::ids::TenantId;

    const PLATFORM: Word = Word { trust: Trust::Platform, trust_email: false };
    const TENANT: Word = Word { trust: Trust::Tenant(TenantId(Uuid::nil())), trust_email: false };

    fn arrival(verified: bool) -> Arrival {
        Arrival {
            subject: "ada".to_owned(),
            email: "ada@example.com".parse().ok(),
            email_verified: verified,
            name: None,
            tenants: None,
            status: None,
            role: None,
            mfa: false,
        }
    }

    fn known(verified: bool, suspended: bool) -> Known {
        Known { user: UserId::random(), verified, suspended }
    }

    fn who(word: Word, arrival: &Arrival, found: Found) -> Result<Person, Refusal> {
        person(word, &ClaimMap::default(), arrival, found)
    }

    #[test]
    fn who_came_before_is_known_by_who_they_are_there_and_not_by_their_address() {
        let (ada, eve) = (known(true, false), known(true, false));
        let found = Found { linked: Some(ada), addressed: Some(eve), taken: true, member: false };
        for word in [PLATFORM, TENANT] {
            for verified in [true, false] {
                assert_eq!(who(word, &arrival(verified), found), Ok(Person::Linked(ada.user)));
            }
            let without = Arrival { email: None, ..arrival(false) };
            assert_eq!(who(word, &without, found), Ok(Person::Linked(ada.user)));
        }
        let found = Found { linked: Some(known(true, true)), ..Found::default() };
        assert_eq!(who(PLATFORM, &arrival(true), found), Err(Refusal::Suspended));
    }

    #[test]
    fn an_address_counts_when_it_is_verified_or_the_platform_trusts_its_own_provider() {
        let trusting = |trust| Word { trust, trust_email: true };
        for (word, verified, counts) in [
            (PLATFORM, true, true),
            (PLATFORM, false, false),
            (TENANT, true, true),
            (TENANT, false, false),
            (trusting(Trust::Platform), false, true),
            (trusting(TENANT.trust), false, false),
        ] {
            for addressed in [None, Some(known(true, false))] {
                let found = Found { addressed, ..Found::default() };
                let is = who(word, &arrival(verified), found);
                assert_eq!(is.is_ok(), counts, "{word:?} {verified}");
                assert!(counts || is == Err(Refusal::NotVerified));
            }
        }
        let without = Arrival { email: None, ..arrival(true) };
        assert_eq!(who(trusting(Trust::Platform), &without, Found::default()), Err(Refusal::NoAddress));
    }

    #[test]
    fn what_nobody_proved_goes_and_the_platforms_word_alone_proves_an_address() {
        let link = |word, account: Known| {
            who(word, &arrival(true), Found { addressed: Some(account), member: true, ..Found::default() })
        };
        for (word, verified, emptied, proves) in [
            (PLATFORM, true, false, false),
            (PLATFORM, false, true, true),
            (TENANT, true, false, false),
            (TENANT, false, true, false),
        ] {
            let account = known(verified, false);
            let expected = Person::Link { user: account.user, emptied, verified: proves };
            assert_eq!(link(word, account), Ok(expected), "{word:?} {verified}");
        }
        assert_eq!(who(PLATFORM, &arrival(true), Found::default()), Ok(Person::New { verified: true }));
        assert_eq!(who(TENANT, &arrival(true), Found::default()), Ok(Person::New { verified: false }));
        assert_eq!(link(PLATFORM, known(true, true)), Err(Refusal::Suspended));
    }

    #[test]
    fn a_tenants_provider_hears_nothing_of_the_account_of_somebody_who_is_no_member() {
        for (verified, suspended, taken) in
            [(true, false, false), (false, false, false), (true, true, false), (true, false, true)]
        {
            let account = known(verified, suspended);
            let found = Found { addressed: Some(account), taken, ..Found::default() };
            assert_eq!(who(TENANT, &arrival(true), found), Ok(Person::Stranger(account.user)));
            assert_eq!(who(TENANT, &arrival(false), found), Err(Refusal::NotVerified));
            assert!(!matches!(who(PLATFORM, &arrival(true), found), Ok(Person::Stranger(_))));
        }
    }

    #[test]
    fn one_account_is_one_person_at_a_provider() {
        let found = Found { addressed: Some(known(true, false)), taken: true, ..Found::default() };
        assert_eq!(who(PLATFORM, &arrival(true), found), Err(Refusal::OtherSubject));
    }

    #[test]
    fn where_a_status_is_told_only_the_approved_come_in() {
        let map = ClaimMap { signup_status: Some("status".to_owned()), ..ClaimMap::default() };
        let found = Found { linked: Some(known(true, false)), ..Found::default() };
        for (status, refused) in [
            (Some("approved"), None),
            (Some("pending"), Some(Refusal::Pending)),
            (Some("denied"), Some(Refusal::NotApproved)),
            (Some("Approved"), Some(Refusal::NotApproved)),
            (None, Some(Refusal::NotApproved)),
        ] {
            let arrival = Arrival { status: status.map(str::to_owned), ..arrival(true) };
            assert_eq!(person(PLATFORM, &map, &arrival, found).err(), refused, "{status:?}");
            assert!(person(PLATFORM, &ClaimMap::default(), &arrival, found).is_ok());
        }
    }

    fn map(roles: bool, default_role: Option<Role>) -> ClaimMap {
        ClaimMap { roles: roles.then(|| "roles".to_owned()), default_role, ..ClaimMap::default() }
    }

    fn is(role: Role) -> Option<Standing> {
        Some(Standing { role, suspended: false })
    }

    #[test]
    fn a_member_is_made_where_a_role_for_that_is_set_and_gets_the_role_that_is_told() {
        let open = map(true, Some(Role::Viewer));
        assert_eq!(becoming(&open, None, None), Becoming::Member(Role::Viewer));
        assert_eq!(becoming(&open, Some(Role::Developer), None), Becoming::Member(Role::Developer));
        assert_eq!(becoming(&map(true, None), Some(Role::Developer), None), Becoming::Same);
        assert_eq!(becoming(&open, Some(Role::Admin), is(Role::Member)), Becoming::Role(Role::Admin));
        assert_eq!(becoming(&open, None, is(Role::Admin)), Becoming::Role(Role::Viewer), "it told of none");
        assert_eq!(becoming(&map(true, None), None, is(Role::Admin)), Becoming::Same);
        let untold = map(false, Some(Role::Viewer));
        assert_eq!(becoming(&untold, Some(Role::Developer), is(Role::Admin)), Becoming::Same);
    }

    prop_compose! {
        fn standing()(role in prop::sample::select(Role::ALL), suspended: bool) -> Standing {
            Standing { role, suspended }
        }
    }

    proptest! {
        #[test]
        fn no_claim_makes_or_unmakes_an_owner_or_lets_in_who_is_suspended(
            role in prop::option::of(prop::sample::select(Role::ALL)),
            default_role in prop::option::of(prop::sample::select(Role::ALL)),
            standing in prop::option::of(standing()),
            roles: bool,
        ) {
            let becoming = becoming(&map(roles, default_role), role, standing);
            let stays = standing.is_some_and(|one| one.suspended || one.role == Role::Owner);
            prop_assert!(!stays || becoming == Becoming::Same);
            prop_assert!(!matches!(becoming, Becoming::Member(Role::Owner) | Becoming::Role(Role::Owner)));
        }
    }
}
