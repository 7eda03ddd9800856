//! The failures that endpoints have in common, for the OpenAPI document.

use utoipa::IntoResponses;

use super::super::error::Problem;

/// What every endpoint that needs a token may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Guarded {
    /// No valid token was sent.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] Problem),
    /// The caller is known, and may not.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The registry cannot be reached at the moment.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// What every endpoint that names one thing may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Named {
    /// It is not there.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
}

/// What every endpoint that reads a body or a query may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Read {
    /// What was sent is not valid; `errors` names the fields.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] Problem),
}

/// What every change of a tenant may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Changing {
    /// It cannot be done from where the tenant stands.
    #[response(status = 409, content_type = "application/problem+json")]
    NotNow(#[to_schema] Problem),
}

/// What every endpoint that not everybody may use answers to those who may not.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Ranked {
    /// Known, but not allowed.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
}

/// What every endpoint that takes a body may answer before it is looked at.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Sent {
    /// It is no JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// It is more than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// It is not sent as JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NoJson(#[to_schema] Problem),
}

/// What every endpoint that is open to everybody may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Open {
    /// Too many do the same, or the registry cannot be reached; `Retry-After` says how long to wait.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// What a sign-in may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum SigningIn {
    /// Email, password or second factor is wrong, or the second factor is missing.
    #[response(status = 401, content_type = "application/problem+json")]
    Wrong(#[to_schema] Problem),
    /// The password is right; the address is not verified yet, or the account is suspended.
    #[response(status = 403, content_type = "application/problem+json")]
    NotLetIn(#[to_schema] Problem),
    /// Too many failures; `Retry-After` says how long to wait.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
}

/// What everything that asks for a password once more may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(super) enum Tried {
    /// Too many failures; `Retry-After` says how long to wait.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
}
