//! What may become of a member, by whose hand. Nobody gives or takes what is above themselves, and a tenant that has
//! people has an owner among them who can act.

use crate::identity::permissions::{MOST_BY_KEY, may_regrade};
use crate::model::role::Role;

/// Who changes something about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A platform admin, who stands above all tenants.
    Platform,
    /// A member of the tenant, by role.
    Member(Role),
    /// A key, which stands as this role.
    Key(Role),
    /// The member themselves.
    Oneself,
}

/// What somebody is in a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub suspended: bool,
}

impl Standing {
    fn owns(self) -> bool {
        self.role == Role::Owner && !self.suspended
    }

    /// Whether somebody who becomes this is raised, or let in again.
    fn is_more_than(self, before: Self) -> bool {
        self.role > before.role || (before.suspended && !self.suspended)
    }
}

/// The rest of a tenant's people, seen from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Others {
    pub members: i64,
    /// Owners who can act.
    pub owners: i64,
}

/// Why something does not become of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("nobody gives or takes a role that is above their own")]
    Above,
    #[error("an API key lets nobody in as admin or owner; this is for a person who is signed in")]
    ByKey,
    #[error("nobody raises or suspends themselves")]
    Oneself,
    #[error("a tenant has an owner: hand it over to another member first")]
    LastOwner,
}

/// Whether a member may become what they are to be; nothing for one who is to be none any more. That the actor may
/// do such things at all is known by then.
///
/// # Errors
/// The [`Refusal`].
pub fn check(actor: Actor, before: Standing, after: Option<Standing>, others: Others) -> Result<(), Refusal> {
    match (actor, after) {
        (Actor::Platform, _) | (Actor::Oneself, None) => {}
        (Actor::Oneself, Some(after)) => {
            if after.role > before.role || after.suspended != before.suspended {
                return Err(Refusal::Oneself);
            }
        }
        (Actor::Key(_), Some(after)) if after.is_more_than(before) && after.role > MOST_BY_KEY => {
            return Err(Refusal::ByKey);
        }
        (Actor::Member(role) | Actor::Key(role), after) => {
            if !may_regrade(role, before.role, after.map_or(before.role, |after| after.role)) {
                return Err(Refusal::Above);
            }
        }
    }
    let owned = others.owners > 0 || after.is_some_and(Standing::owns);
    // The platform may empty a tenant; nobody leaves one behind that only it can open again.
    let emptied = actor == Actor::Platform && after.is_none() && others.members == 0;
    if before.owns() && !owned && !emptied { Err(Refusal::LastOwner) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALONE: Others = Others { members: 0, owners: 0 };
    const AMONG_OWNERS: Others = Others { members: 3, owners: 2 };

    fn active(role: Role) -> Standing {
        Standing { role, suspended: false }
    }

    fn suspended(role: Role) -> Standing {
        Standing { role, suspended: true }
    }

    #[test]
    fn the_last_owner_stays_one() {
        let owner = active(Role::Owner);
        let others = Others { members: 5, owners: 0 };
        for actor in [Actor::Oneself, Actor::Member(Role::Owner), Actor::Platform] {
            for after in [None, Some(active(Role::Admin))] {
                assert_eq!(check(actor, owner, after, others), Err(Refusal::LastOwner), "{actor:?}");
                assert_eq!(check(actor, owner, after, AMONG_OWNERS), Ok(()), "{actor:?}");
            }
        }
        for actor in [Actor::Member(Role::Owner), Actor::Platform] {
            let after = Some(suspended(Role::Owner));
            assert_eq!(check(actor, owner, after, others), Err(Refusal::LastOwner), "{actor:?}");
        }
        assert_eq!(check(Actor::Oneself, owner, None, ALONE), Err(Refusal::LastOwner));
        assert_eq!(check(Actor::Platform, owner, None, ALONE), Ok(()), "the platform may empty a tenant");
    }

    #[test]
    fn an_owner_who_cannot_act_is_none_that_is_missed() {
        let others = Others { members: 1, owners: 0 };
        assert_eq!(check(Actor::Platform, suspended(Role::Owner), None, others), Ok(()));
    }

    #[test]
    fn one_steps_down_or_leaves_but_does_not_raise_or_suspend_oneself() {
        let admin = active(Role::Admin);
        assert_eq!(check(Actor::Oneself, admin, Some(active(Role::Viewer)), AMONG_OWNERS), Ok(()));
        assert_eq!(check(Actor::Oneself, admin, None, AMONG_OWNERS), Ok(()));
        for after in [active(Role::Owner), suspended(Role::Admin)] {
            assert_eq!(check(Actor::Oneself, admin, Some(after), AMONG_OWNERS), Err(Refusal::Oneself));
        }
    }

    #[test]
    fn by_a_key_nobody_becomes_an_admin_or_is_one_again() {
        let key = Actor::Key(Role::Admin);
        let (admin, developer) = (active(Role::Admin), active(Role::Developer));
        for (before, after, expected) in [
            (developer, active(Role::Admin), Err(Refusal::ByKey)),
            (developer, active(Role::Owner), Err(Refusal::ByKey)),
            (suspended(Role::Admin), admin, Err(Refusal::ByKey)),
            (suspended(Role::Admin), developer, Ok(())),
            (admin, suspended(Role::Admin), Ok(())),
            (admin, active(Role::Viewer), Ok(())),
            (active(Role::Viewer), developer, Ok(())),
            (suspended(Role::Viewer), active(Role::Viewer), Ok(())),
            (active(Role::Owner), admin, Err(Refusal::Above)),
        ] {
            assert_eq!(check(key, before, Some(after), AMONG_OWNERS), expected, "{before:?} {after:?}");
        }
        assert_eq!(check(key, admin, None, AMONG_OWNERS), Ok(()));
        assert_eq!(check(key, active(Role::Owner), None, AMONG_OWNERS), Err(Refusal::Above));
    }

    fn role() -> impl Strategy<Value = Role> {
        prop::sample::select(Role::ALL)
    }

    prop_compose! {
        fn standing()(role in role(), suspended: bool) -> Standing {
            Standing { role, suspended }
        }
    }

    proptest! {
        #[test]
        fn no_member_touches_whoever_is_above(actor in role(), before in standing(), after in prop::option::of(standing())) {
            let top = after.map_or(before.role, |after| after.role).max(before.role);
            if top > actor {
                prop_assert!(check(Actor::Member(actor), before, after, AMONG_OWNERS).is_err());
            }
        }

        #[test]
        fn nothing_takes_the_last_owner_from_people(
            before in standing(), after in prop::option::of(standing()), members in 1i64..9, actor in 0usize..3,
        ) {
            let actor = [Actor::Platform, Actor::Member(Role::Owner), Actor::Oneself][actor];
            let others = Others { members, owners: 0 };
            if before.owns() && check(actor, before, after, others).is_ok() {
                prop_assert!(after.is_some_and(Standing::owns));
            }
        }
    }
}
