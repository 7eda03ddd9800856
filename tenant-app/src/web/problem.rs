//! The one way an error leaves this app: `application/problem+json`, of which the pages make a page.
//! Nothing of the database, of paths or of other tenants is in it.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::database::NotReady;
use crate::people::guests::SignInError;
use crate::records::input::{FieldError, FieldErrors};
use crate::tenant::token::TokenError;

/// What can go wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not found")]
    NotFound,
    #[error("method not allowed")]
    MethodNotAllowed,
    #[error("{} fields are wrong", .0.0.len())]
    Invalid(FieldErrors),
    #[error("{0}")]
    Malformed(&'static str),
    #[error("unsupported media type")]
    MediaType,
    #[error("too large")]
    TooLarge,
    #[error("the request is for another name")]
    Misdirected,
    #[error("the request comes from another site")]
    CrossSite,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("nobody is signed in")]
    SignInNeeded,
    #[error("the app was not told how people sign in")]
    NoSignIn,
    #[error("who it is cannot be asked at the moment")]
    WhoUnknown,
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    #[error("the database is read-only")]
    ReadOnly,
    #[error("the database is not available")]
    Unavailable,
    #[error("too many streams")]
    Crowded,
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error("internal error")]
    Internal,
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Invalid(errors)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sql;
        let meaning = match &error {
            Sql::RowNotFound => return Self::NotFound,
            Sql::Database(e) => match e.code().as_deref() {
                // read_only_sql_transaction, disk_full: the tenant's storage is used up.
                Some("25006" | "53100") => return Self::ReadOnly,
                // Cancelled by its deadline, a lock not got, deadlock, shutting down or starting,
                // connections used up, lost.
                Some(code)
                    if code.starts_with("08")
                        || code.starts_with("28")
                        || matches!(code, "57014" | "55P03" | "40001" | "40P01" | "53300")
                        || code.starts_with("57P") =>
                {
                    Self::Unavailable
                }
                _ => Self::Internal,
            },
            Sql::Io(_)
            | Sql::Tls(_)
            | Sql::Protocol(_)
            | Sql::PoolTimedOut
            | Sql::PoolClosed
            | Sql::WorkerCrashed => Self::Unavailable,
            _ => Self::Internal,
        };
        if matches!(meaning, Self::Internal) {
            tracing::error!(%error, "the database refused");
        } else {
            tracing::warn!(%error, "the database is not available");
        }
        meaning
    }
}

/// A problem in the words of RFC 9457.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: &'static str,
    pub status: u16,
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Error {
    /// How the world is told.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, code, title, detail) = self.words();
        let errors = match self {
            Self::Invalid(errors) => errors.0.clone(),
            _ => Vec::new(),
        };
        let kind = format!("urn:freehold:problem:{code}");
        Problem { kind, title, status: status.as_u16(), detail, errors }
    }

    fn words(&self) -> (StatusCode, &'static str, &'static str, String) {
        use StatusCode as S;
        let (status, code, title, detail) = match self {
            Self::NotFound => (S::NOT_FOUND, "not-found", "Not found", "There is nothing here."),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
                "This address does not do that.",
            ),
            Self::Invalid(_) => (
                S::UNPROCESSABLE_ENTITY,
                "invalid",
                "Some fields are wrong",
                "Correct the fields that are named.",
            ),
            Self::Malformed(what) => (S::BAD_REQUEST, "malformed", "The request cannot be read", *what),
            Self::MediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Unsupported media type",
                "Send application/json to the API, a form to the pages.",
            ),
            Self::TooLarge => {
                (S::PAYLOAD_TOO_LARGE, "too-large", "Too large", "The body is larger than this app takes.")
            }
            Self::Misdirected => (
                S::MISDIRECTED_REQUEST,
                "misdirected",
                "Wrong address",
                "The request names a host that is not this tenant's.",
            ),
            Self::CrossSite => (
                S::FORBIDDEN,
                "cross-site",
                "Not from here",
                "Changes are taken from this tenant's own pages and from programs, not from other sites.",
            ),
            Self::Token(TokenError::Invalid) => (
                S::UNAUTHORIZED,
                "token-invalid",
                "Token not valid",
                "The token that was presented is not valid.",
            ),
            Self::Token(TokenError::AnotherTenant) => (
                S::FORBIDDEN,
                "another-tenant",
                "Another tenant's token",
                "The token that was presented is not for this tenant.",
            ),
            Self::Token(TokenError::Unavailable) => (
                S::SERVICE_UNAVAILABLE,
                "token-unchecked",
                "Token cannot be checked",
                "Tokens cannot be checked at the moment. Try again in a moment.",
            ),
            Self::SignInNeeded => (
                S::UNAUTHORIZED,
                "sign-in-needed",
                "Sign in",
                "Sign in, or send an access token of the platform for this tenant.",
            ),
            Self::NoSignIn => (
                S::SERVICE_UNAVAILABLE,
                "no-sign-in",
                "Nobody can sign in",
                "This app was not told how people sign in, so it lets nobody in.",
            ),
            Self::WhoUnknown => (
                S::SERVICE_UNAVAILABLE,
                "who-unknown",
                "Back in a moment",
                "Who you are cannot be checked at the moment. Try again in a moment.",
            ),
            Self::SignIn(SignInError::Lost) => (
                S::BAD_REQUEST,
                "sign-in-lost",
                "Sign in again",
                "This sign-in was not begun in this browser, took too long, or is over already.",
            ),
            Self::SignIn(SignInError::AnotherIssuer | SignInError::NotGood) => (
                S::BAD_REQUEST,
                "sign-in-not-good",
                "Sign-in did not work",
                "The answer to this sign-in could not be taken. Nobody was signed in.",
            ),
            Self::SignIn(SignInError::Refused) => (
                S::FORBIDDEN,
                "sign-in-refused",
                "Sign-in was refused",
                "You were not signed in. Try again, or ask an admin of this tenant.",
            ),
            Self::SignIn(SignInError::Away) => (
                S::SERVICE_UNAVAILABLE,
                "sign-in-away",
                "Back in a moment",
                "Nobody can sign in at the moment. Try again in a moment.",
            ),
            Self::NotAllowed(what) => (S::FORBIDDEN, "not-allowed", "Not allowed", *what),
            Self::ReadOnly => (
                S::INSUFFICIENT_STORAGE,
                "storage-full",
                "Storage is used up",
                "Your storage is used up, so nothing can be added or changed. What is there can still be read; \
                 ask for a larger plan to go on.",
            ),
            Self::Unavailable => (
                S::SERVICE_UNAVAILABLE,
                "unavailable",
                "Back in a moment",
                "The database does not answer at the moment. Try again in a moment.",
            ),
            Self::Crowded => (
                S::SERVICE_UNAVAILABLE,
                "too-many-streams",
                "Too many live connections",
                "Too many live connections are open. Try again later.",
            ),
            Self::NotReady(why) => {
                let code = match why {
                    NotReady::NoAnswer => "database-unavailable",
                    NotReady::NoSchema => "schema-missing",
                    NotReady::UnknownSchema(_) => "schema-unknown",
                };
                return (S::SERVICE_UNAVAILABLE, code, "Not ready", format!("Not ready to serve: {why}."));
            }
            Self::Internal => (
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong",
                "The fault is ours. It has been written down.",
            ),
        };
        (status, code, title, detail.to_owned())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = self.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response =
            (status, [(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))], body)
                .into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if matches!(self, Self::Token(TokenError::Invalid)) {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if matches!(self, Self::SignInNeeded) {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // For the pages, which make a page of it.
        response.extensions_mut().insert(problem);
        response
    }
}
