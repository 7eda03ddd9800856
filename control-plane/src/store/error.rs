//! What can go wrong between a use case and the registry.

use std::fmt;

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row, or not for this caller.
    #[error("not found")]
    NotFound,
    /// What was asked contradicts what is there.
    #[error("{0}")]
    Conflict(Conflict),
    /// The cursor was not made by this list, or for another order.
    #[error("the cursor does not belong to this list")]
    InvalidCursor,
    /// The database cannot be reached or was busy; the same may succeed later.
    #[error("the registry is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused a statement, or holds what this version cannot read.
    #[error("the registry failed")]
    Database(#[source] sqlx::Error),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What contradicts a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// Another tenant has this slug, or had it and is not erased yet.
    SlugTaken,
    /// Another tenant is reached by this host name.
    HostTaken,
    /// An admin or a user with this email exists.
    EmailTaken,
    /// The user is a member of the tenant already.
    MemberAlready,
    /// The user is no member of the tenant.
    NoMember,
    /// It was asked for, or offered, already.
    PendingAlready,
    /// A project of the tenant has this slug.
    ProjectTaken,
    /// A provider of the same tenant, or of the platform, has this name.
    ProviderTaken,
    /// Another provider takes tokens of this issuer for this audience.
    BearerTaken,
    /// A tenant requires the provider.
    ProviderRequired,
    /// The subject, or the user, is linked to another at this provider.
    LinkedAlready,
    /// The pool has no free subnet; it must be enlarged or a tenant erased.
    NoSubnetLeft,
    /// The tenant is deleted; it can only be restored or erased.
    Deleted,
    /// The tenant is not deleted, so there is nothing to restore.
    NotDeleted,
    /// The retention has passed or erasure was asked for: nothing can be restored any more.
    Purged,
    /// The operation has begun, is over, or was followed by another; it cannot be withdrawn.
    OperationBegun,
    /// The key was used before, for another request.
    IdempotencyKeyReused,
    /// Another release has this version.
    VersionTaken,
    /// The release that was named is not registered.
    UnknownRelease,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SlugTaken => "the slug is taken",
            Self::HostTaken => "the host name is taken",
            Self::EmailTaken => "the email is taken",
            Self::MemberAlready => "they are a member already",
            Self::NoMember => "they are no member of the tenant",
            Self::PendingAlready => "it is pending already",
            Self::ProjectTaken => "a project has this slug",
            Self::ProviderTaken => "a provider has this name",
            Self::BearerTaken => "another provider takes tokens of this issuer for this audience",
            Self::ProviderRequired => "a tenant requires the provider",
            Self::LinkedAlready => "another is linked at this provider",
            Self::NoSubnetLeft => "no subnet is left in the address pool",
            Self::Deleted => "the tenant is deleted",
            Self::NotDeleted => "the tenant is not deleted",
            Self::Purged => "the tenant's data is no longer kept",
            Self::OperationBegun => "the operation can no longer be withdrawn",
            Self::IdempotencyKeyReused => "the idempotency key was used for another request",
            Self::VersionTaken => "the release's version is taken",
            Self::UnknownRelease => "the release is not registered",
        })
    }
}

impl Conflict {
    fn of_constraint(name: &str) -> Option<Self> {
        match name {
            "tenants_slug_key" => Some(Self::SlugTaken),
            "host_names_key" => Some(Self::HostTaken),
            "admins_email_key" | "users_email_key" => Some(Self::EmailTaken),
            "memberships_key" | "project_members_key" => Some(Self::MemberAlready),
            "project_members_member_fkey" => Some(Self::NoMember),
            "invitations_open_key" | "signups_join_key" | "signups_open_key" => Some(Self::PendingAlready),
            "projects_slug_key" => Some(Self::ProjectTaken),
            "providers_name_key" => Some(Self::ProviderTaken),
            "providers_bearer_key" => Some(Self::BearerTaken),
            "tenant_policies_provider_fkey" => Some(Self::ProviderRequired),
            "identities_subject_key" | "identities_user_key" => Some(Self::LinkedAlready),
            "releases_version_key" => Some(Self::VersionTaken),
            "tenants_release_fkey" => Some(Self::UnknownRelease),
            _ => None,
        }
    }
}

impl Error {
    /// Whether the same call may succeed a moment later without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(database) => {
                if let Some(conflict) = database.constraint().and_then(Conflict::of_constraint) {
                    return Self::Conflict(conflict);
                }
                let code = database.code().unwrap_or_default();
                // Connections lost or refused, shutdown, too many of them, deadlock, timeouts.
                let transient = ["08", "57P", "53"].iter().any(|class| code.starts_with(class))
                    || ["40001", "40P01", "55P03", "57014", "25P03"].contains(&code.as_ref());
                if transient { Self::Unavailable(error) } else { Self::Database(error) }
            }
            _ => Self::Database(error),
        }
    }
}
