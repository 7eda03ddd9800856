//! Roles: what somebody is in a tenant, and in one of its projects.

use super::tenant::words;

words!(
    /// What a member is in a tenant, the least first.
    Role {
        /// Looks.
        Viewer = "viewer",
        /// Takes part: reads everywhere, writes in the projects it is an editor of.
        Member = "member",
        /// Writes everywhere and makes projects.
        Developer = "developer",
        /// Runs the tenant: its people, its settings, its rules.
        Admin = "admin",
        /// Answers for the tenant; there is always one.
        Owner = "owner",
    }
);

words!(
    /// What a member is in a project, the least first.
    ProjectRole {
        Viewer = "viewer",
        /// Writes in it.
        Editor = "editor",
        /// Says who else is in it.
        Maintainer = "maintainer",
    }
);
