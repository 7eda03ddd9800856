//! What each role may do: the one table, which the documentation is made from.

use crate::model::role::Role;
use crate::model::tenant::words;

words!(
    /// Something that a member may do in a tenant.
    Permission {
        /// See the tenant, its plan and what becomes of its changes.
        TenantRead = "tenant.read",
        /// Change its name and settings.
        TenantUpdate = "tenant.update",
        /// Change what it asks of those who sign in or want to join.
        SecurityUpdate = "security.update",
        /// See who is in it.
        MembersRead = "members.read",
        /// Invite people, and see and withdraw invitations.
        MembersInvite = "members.invite",
        /// Give other roles, suspend and let in again.
        MembersUpdate = "members.update",
        /// Remove people.
        MembersRemove = "members.remove",
        /// See who asks to join, and decide.
        SignupsDecide = "signups.decide",
        /// Hand the tenant over to another owner.
        OwnershipHandOver = "ownership.hand_over",
        /// See the tenant's API keys.
        KeysRead = "keys.read",
        /// Make, rotate and revoke the tenant's API keys.
        KeysManage = "keys.manage",
        /// See by which providers of its own people sign in.
        ProvidersRead = "providers.read",
        /// Set such providers up and take them away.
        ProvidersManage = "providers.manage",
        /// See projects that one is not in, and who is in them.
        ProjectsRead = "projects.read",
        /// Make projects.
        ProjectsCreate = "projects.create",
        /// Change and end every project, and say who is in it.
        ProjectsManage = "projects.manage",
        /// See what was done in the tenant, and by whom.
        AuditRead = "audit.read",
        /// Read in the tenant's app.
        DataRead = "data.read",
        /// Write in the tenant's app, in every project.
        DataWrite = "data.write",
    }
);

/// The least role that may. Whoever is more may what is allowed to those who are less.
#[must_use]
pub const fn least(permission: Permission) -> Role {
    match permission {
        Permission::TenantRead | Permission::DataRead => Role::Viewer,
        Permission::MembersRead | Permission::ProjectsRead => Role::Member,
        Permission::ProjectsCreate | Permission::DataWrite => Role::Developer,
        Permission::TenantUpdate
        | Permission::SecurityUpdate
        | Permission::MembersInvite
        | Permission::MembersUpdate
        | Permission::MembersRemove
        | Permission::SignupsDecide
        | Permission::KeysRead
        | Permission::KeysManage
        | Permission::ProvidersRead
        | Permission::ProjectsManage
        | Permission::AuditRead => Role::Admin,
        Permission::OwnershipHandOver | Permission::ProvidersManage => Role::Owner,
    }
}

/// Whether somebody of this role may.
#[must_use]
pub fn allows(role: Role, permission: Permission) -> bool {
    role >= least(permission)
}

/// Whether an API key can be given it. What makes more keys, says who somebody is or how they show it, or gives the whole
/// tenant away, is for a person who is signed in: who finds a key shall not be able to stay, or to take all.
#[must_use]
pub const fn for_keys(permission: Permission) -> bool {
    !matches!(
        permission,
        Permission::SecurityUpdate
            | Permission::OwnershipHandOver
            | Permission::KeysRead
            | Permission::KeysManage
            | Permission::ProvidersManage
    )
}

/// The most that anybody becomes by an API key: who finds one shall not make themselves an admin, who could make more.
pub const MOST_BY_KEY: Role = Role::Developer;

/// Everything that somebody of this role may, in the table's order.
pub fn of(role: Role) -> impl Iterator<Item = Permission> {
    Permission::ALL.iter().copied().filter(move |permission| allows(role, *permission))
}

/// Whether somebody of role `actor` may make of somebody of role `from` one of role `to`: nobody gives or takes what
/// is above themselves.
#[must_use]
pub fn may_regrade(actor: Role, from: Role, to: Role) -> bool {
    allows(actor, Permission::MembersUpdate) && from <= actor && to <= actor
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that people read, made of the table.
    fn page() -> String {
        let roles: Vec<Role> = Role::ALL.iter().rev().copied().collect();
        let heads: String = roles.iter().map(|role| format!(" {role} |")).collect();
        let lines: String = Permission::ALL
            .iter()
            .map(|permission| {
                let mark = |yes: bool| if yes { " yes |" } else { " |" };
                let marks: String = roles.iter().map(|role| mark(allows(*role, *permission))).collect();
                format!("| `{permission}` |{marks}{}\n", mark(for_keys(*permission)))
            })
            .collect();
        format!(
            "# Permissions\n\nWhat each role may do in its tenant, and what an \
             [API key](api-keys.md) can be given. Made from the table in \
             `control-plane/src/identity/permissions.rs`; a test keeps the two equal.\n\n\
             | permission |{heads} keys |\n|---|{}\n{lines}",
            "---|".repeat(roles.len() + 1)
        )
    }

    #[test]
    fn the_page_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/permissions.md");
        if std::env::var_os("FREEHOLD_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(path, page()).expect("written");
        }
        assert_eq!(std::fs::read_to_string(path).expect("the page"), page());
    }

    #[test]
    fn nobody_gives_or_takes_what_is_above_themselves() {
        use Role::{Admin, Member, Owner, Viewer};
        assert!(may_regrade(Owner, Owner, Viewer) && may_regrade(Owner, Viewer, Owner));
        assert!(may_regrade(Admin, Admin, Viewer) && may_regrade(Admin, Viewer, Admin));
        assert!(!may_regrade(Admin, Owner, Viewer) && !may_regrade(Admin, Viewer, Owner));
        assert!(!may_regrade(Member, Viewer, Viewer));
    }

    #[test]
    fn more_is_never_less() {
        for roles in Role::ALL.windows(2) {
            let less: Vec<_> = of(roles[0]).collect();
            assert!(less.iter().all(|permission| allows(roles[1], *permission)), "{roles:?}");
            assert!(of(roles[1]).count() > less.len(), "{roles:?} may the same");
        }
    }
}
