//! What a use case answers when it cannot do what was asked. No HTTP here: `http::error` says how each is told.

use std::time::Duration;

use crate::identity::passwords::PasswordError;
use crate::identity::signatures::Refusal;
use crate::store;

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Dotted path from the root of what was sent, e.g. `settings.theme`.
    pub field: String,
    /// What is wrong, in words that can be shown to whoever sent it.
    pub message: String,
}

impl Wrong {
    pub fn new(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }
}

/// Why a use case did not happen. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or the caller may not see it: the two are never told apart.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("what was sent is not valid")]
    Invalid(Vec<Wrong>),
    /// Another one has this name already.
    #[error("{}", .0.message)]
    Taken(Wrong),
    /// The caller saw an older generation than the current one.
    #[error("it has changed since: its generation is {current} now")]
    Stale { current: i64 },
    /// What is asked cannot be done from where it stands.
    #[error("{0}")]
    NotNow(String),
    /// An idempotency key was used before for something else.
    #[error("this idempotency key was used before with another request")]
    KeyReused,
    /// Email and password do not belong together, or nobody has this email.
    #[error("email or password is wrong")]
    WrongCredentials,
    /// The password is right, and a second factor is asked for.
    #[error("a second factor is needed")]
    SecondFactorRequired,
    /// The password is right, and the second factor is not.
    #[error("the second factor is wrong, or was used before")]
    WrongSecondFactor,
    /// The password is right, and the address is yet to be proven.
    #[error("the email address is not verified yet")]
    EmailNotVerified,
    #[error("too many failed sign-ins; try again in {} seconds", .0.as_secs())]
    TooManyFailures(Duration),
    /// It cannot be done at the moment, for this reason, and may be in the next.
    #[error("{0}; try again in a moment")]
    Busy(&'static str),
    /// It is for somebody who has an account, and has to show that it is theirs.
    #[error("{0}")]
    SignInFirst(String),
    /// The caller is known, and may not.
    #[error("{0}")]
    Forbidden(String),
    /// The token is missing, forged, expired, or its owner was disabled.
    #[error("a valid token is needed")]
    Unauthenticated,
    /// A signed request does not count.
    #[error(transparent)]
    Signature(#[from] Refusal),
    /// The platform has run out of something that an operator must extend.
    #[error("{0}")]
    Exhausted(String),
    /// The platform's database cannot be reached.
    #[error("the registry cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A mistake of ours.
    #[error("something went wrong inside the platform")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// One wrong field.
    pub fn wrong(field: impl Into<String>, message: impl ToString) -> Self {
        Self::Invalid(vec![Wrong::new(field, message)])
    }

    /// A mistake of ours, with what is known of it.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl From<PasswordError> for Error {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::TooShort | PasswordError::TooLong | PasswordError::TooWeak(_) => {
                Self::wrong("password", error)
            }
            PasswordError::Busy => Self::Busy("too many sign in at the same time"),
            PasswordError::Failed => Self::internal(error),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        use store::Conflict;
        match error {
            store::Error::NotFound => Self::internal(error),
            store::Error::InvalidCursor => Self::wrong("cursor", error),
            store::Error::Unavailable(_) => Self::Unavailable(Box::new(error)),
            store::Error::Database(_) => Self::internal(error),
            store::Error::Conflict(conflict) => match conflict {
                Conflict::SlugTaken | Conflict::HostTaken => Self::Taken(Wrong::new("slug", conflict)),
                Conflict::EmailTaken => Self::Taken(Wrong::new("email", conflict)),
                Conflict::ProjectTaken => Self::Taken(Wrong::new("slug", conflict)),
                Conflict::ProviderTaken => Self::Taken(Wrong::new("name", conflict)),
                Conflict::BearerTaken => Self::Taken(Wrong::new("bearer_audience", conflict)),
                Conflict::VersionTaken => Self::Taken(Wrong::new("version", conflict)),
                Conflict::UnknownRelease => Self::wrong("release", conflict),
                Conflict::NoSubnetLeft => Self::Exhausted(conflict.to_string()),
                Conflict::IdempotencyKeyReused => Self::KeyReused,
                Conflict::Deleted
                | Conflict::NotDeleted
                | Conflict::Purged
                | Conflict::OperationBegun
                | Conflict::MemberAlready
                | Conflict::NoMember
                | Conflict::ProviderRequired
                | Conflict::LinkedAlready
                | Conflict::PendingAlready => Self::NotNow(conflict.to_string()),
            },
        }
    }
}

/// Turns the store's "not there" into this room's, with the word for what was looked for.
pub(super) trait OrNotFound<T> {
    /// # Errors
    /// `NotFound(what)` for a row that is not there, else what the store said.
    fn or_not_found(self, what: &'static str) -> Result<T, Error>;
}

impl<T> OrNotFound<T> for Result<T, store::Error> {
    fn or_not_found(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| match error {
            store::Error::NotFound => Error::NotFound(what),
            other => other.into(),
        })
    }
}
