//! The one place where what went wrong becomes an HTTP answer: `application/problem+json` (RFC 9457).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app;

/// The media type of every answer that is not a success.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One field of the request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Dotted path from the root of the body, or the name of the query parameter or header.
    #[schema(example = "settings.theme")]
    pub field: String,
    pub message: String,
}

/// Why a request did not succeed (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; it ends in `code`.
    #[serde(rename = "type")]
    #[schema(example = "urn:freehold:problem:slug_taken")]
    pub kind: String,
    /// The kind of problem in words, the same for all of its kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A word for programs; stable.
    #[schema(example = "slug_taken")]
    pub code: String,
    /// What is the matter this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The fields that are wrong, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Headers that go with the answer.
    #[serde(skip)]
    #[schema(ignore)]
    headers: Headers,
}

/// Headers that accompany a problem. They are no part of what it says, so they are never compared.
#[derive(Debug, Clone, Default)]
struct Headers(Vec<(HeaderName, HeaderValue)>);

impl PartialEq for Headers {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Headers {}

impl Problem {
    #[must_use]
    pub fn new(status: StatusCode, code: &str, title: &str) -> Self {
        Self {
            kind: format!("urn:freehold:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: None,
            errors: Vec::new(),
            headers: Headers::default(),
        }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl ToString) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    #[must_use]
    pub fn field(mut self, field: impl Into<String>, message: impl ToString) -> Self {
        self.errors.push(FieldProblem { field: field.into(), message: message.to_string() });
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.0.push((name, value));
        self
    }

    /// What is asked for is not there, or not for this caller.
    #[must_use]
    pub fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found").detail(detail)
    }

    /// One or more fields are wrong.
    #[must_use]
    pub fn invalid() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request is not valid")
    }

    /// A token is missing or not accepted.
    #[must_use]
    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first").detail(detail)
    }

    /// A mistake of ours; what is known of it goes to the log alone.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side")
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"freehold\""));
        }
        for (name, value) in self.headers.0 {
            headers.insert(name, value);
        }
        response
    }
}

impl From<app::Error> for Problem {
    fn from(error: app::Error) -> Self {
        use app::Error;
        match error {
            Error::NotFound(what) => Self::not_found(&format!("there is no such {what}")),
            Error::Invalid(wrong) => {
                wrong.into_iter().fold(Self::invalid(), |problem, one| problem.field(one.field, one.message))
            }
            Error::Taken(wrong) => {
                let code = format!("{}_taken", wrong.field);
                Self::new(StatusCode::CONFLICT, &code, "It is taken already")
                    .field(wrong.field, wrong.message)
            }
            Error::Stale { current } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "stale", "It has changed since")
                    .detail(format!("the generation is {current} now; read it again"))
                    .header(header::ETAG, super::etag(current))
            }
            Error::NotNow(detail) => {
                Self::new(StatusCode::CONFLICT, "not_now", "Not possible as it stands").detail(detail)
            }
            Error::KeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", "Idempotency key used before")
                    .field("Idempotency-Key", "it was used before with another request")
            }
            Error::WrongCredentials => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", "Sign-in failed")
                    .detail("email or password is wrong")
            }
            Error::SecondFactorRequired => {
                Self::new(StatusCode::UNAUTHORIZED, "second_factor_required", "A second factor is needed")
                    .detail("send a code of the authenticator app, or a recovery code, as second_factor")
            }
            Error::WrongSecondFactor => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong_second_factor", "Sign-in failed")
                    .detail("the second factor is wrong, or was used before")
            }
            Error::EmailNotVerified => {
                Self::new(StatusCode::FORBIDDEN, "email_not_verified", "The address is not verified yet")
                    .detail("open the link in the mail that was sent to it, or have another one sent")
            }
            Error::TooManyFailures(wait) => {
                // Rounded up: whoever comes back right then is not told to wait once more.
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", "Too many failed sign-ins")
                    .detail(format!("try again in {seconds} seconds"))
                    .header(
                        header::RETRY_AFTER,
                        HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)),
                    )
            }
            Error::Busy(why) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Not at the moment")
                .detail(format!("{why}; try again in a moment"))
                .header(header::RETRY_AFTER, HeaderValue::from(2u16)),
            Error::Forbidden(detail) => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed").detail(detail)
            }
            Error::SignInFirst(detail) => Self::unauthenticated(&detail),
            Error::Unauthenticated => Self::unauthenticated("the token is not valid, or not any more"),
            Error::Signature(refusal) => {
                Self::new(StatusCode::UNAUTHORIZED, "signature", "The signature does not count")
                    .detail(refusal)
            }
            Error::Exhausted(detail) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "exhausted", "The platform is full").detail(detail)
            }
            Error::Unavailable(source) => {
                tracing::warn!(error = %chain(source.as_ref()), "the registry cannot be reached");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment")
                    .detail("the registry cannot be reached at the moment; tenants are served all the same")
                    .header(header::RETRY_AFTER, HeaderValue::from(2u16))
            }
            Error::Internal(source) => {
                tracing::error!(error = %chain(source.as_ref()), "a request failed by a mistake of ours");
                Self::internal()
            }
        }
    }
}

/// An error with all its causes, on one line, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::error::Wrong;

    #[test]
    fn each_error_has_its_status_and_says_nothing_of_the_inside() {
        let secret = || std::io::Error::other("password=hunter2").into();
        let cases = [
            (app::Error::NotFound("tenant"), 404, "not_found"),
            (app::Error::wrong("name", "too long"), 422, "invalid"),
            (app::Error::Taken(Wrong::new("slug", "acme is taken")), 409, "slug_taken"),
            (app::Error::Stale { current: 7 }, 412, "stale"),
            (app::Error::NotNow("no".into()), 409, "not_now"),
            (app::Error::KeyReused, 422, "key_reused"),
            (app::Error::Forbidden("no".into()), 403, "forbidden"),
            (app::Error::SecondFactorRequired, 401, "second_factor_required"),
            (app::Error::WrongSecondFactor, 401, "wrong_second_factor"),
            (app::Error::EmailNotVerified, 403, "email_not_verified"),
            (app::Error::SignInFirst("no".into()), 401, "unauthenticated"),
            (app::Error::WrongCredentials, 401, "wrong_credentials"),
            (app::Error::TooManyFailures(std::time::Duration::ZERO), 429, "too_many_failures"),
            (app::Error::Busy("no"), 503, "busy"),
            (app::Error::Unavailable(secret()), 503, "unavailable"),
            (app::Error::Internal(secret()), 500, "internal"),
        ];
        for (error, status, code) in cases {
            let problem = Problem::from(error);
            assert_eq!((problem.status, problem.code.as_str()), (status, code));
            let text = serde_json::to_string(&problem).expect("json");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn an_unauthenticated_answer_says_how_to_authenticate() {
        let response = Problem::from(app::Error::Unauthenticated).into_response();
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        let response = Problem::from(app::Error::Stale { current: 7 }).into_response();
        assert_eq!(response.headers()[header::ETAG], "\"7\"");
    }
}
