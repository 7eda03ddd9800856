//! What clients are answered when they get nothing, in the words of the standards.

use crate::app;
use crate::identity::tokens::TokenError;
use crate::model::tenant::words;
use crate::store;

words!(
    /// Why (RFC 6749, 5.2 and 4.1.2.1; RFC 6750, 3.1; OpenID Connect Core, 3.1.2.6).
    Code {
        InvalidRequest = "invalid_request",
        InvalidClient = "invalid_client",
        InvalidGrant = "invalid_grant",
        InvalidScope = "invalid_scope",
        InvalidToken = "invalid_token",
        UnsupportedGrantType = "unsupported_grant_type",
        UnsupportedResponseType = "unsupported_response_type",
        AccessDenied = "access_denied",
        LoginRequired = "login_required",
        InteractionRequired = "interaction_required",
        RequestNotSupported = "request_not_supported",
        RequestUriNotSupported = "request_uri_not_supported",
        RegistrationNotSupported = "registration_not_supported",
        TemporarilyUnavailable = "temporarily_unavailable",
        ServerError = "server_error",
    }
);

/// Why a client gets nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// For a reason that it is told. The text is ours alone: nothing that was sent stands in it.
    #[error("{0}: {1}")]
    For(Code, &'static str),
    #[error(transparent)]
    App(#[from] app::Error),
}

pub(super) type Result<T, E = Refused> = std::result::Result<T, E>;

impl Refused {
    /// A code or token that is good for nothing, whatever the reason: who guesses shall not be told which.
    pub(super) fn grant() -> Self {
        Self::For(Code::InvalidGrant, "it is not valid, or not any more, or not for this client")
    }

    pub(super) fn token() -> Self {
        Self::For(Code::InvalidToken, "it is not valid, or not any more")
    }

    /// The same refusal for somebody who is nobody any more, or may not any more.
    pub(super) fn nobody(self, otherwise: Self) -> Self {
        match self {
            Self::App(app::Error::Unauthenticated | app::Error::NotFound(_) | app::Error::Forbidden(_)) => {
                otherwise
            }
            other => other,
        }
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::App(error.into())
    }
}

impl From<TokenError> for Refused {
    /// Of signing: what is checked is never turned into an error of ours.
    fn from(error: TokenError) -> Self {
        Self::App(app::Error::internal(error))
    }
}
