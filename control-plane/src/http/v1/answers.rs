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
