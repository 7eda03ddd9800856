//! What clients are answered that get nothing: the one mapping of errors for `/oauth`.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::oauth::{Code, Refused};
use crate::http::error::Problem;
use crate::http::limits::TooMany;

/// Why a client gets nothing, as it is told.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// None for who showed nothing: they are told how, and of no error (RFC 6750, 3.1).
    code: Option<Code>,
    description: String,
    headers: HeaderMap,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: Code, description: &str) -> Self {
        Self { status, code: Some(code), description: description.to_owned(), headers: HeaderMap::new() }
    }

    pub(super) fn invalid(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, description)
    }

    /// For who shows no token where one is needed.
    pub(super) fn no_token() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: None,
            description: "send an access token: Authorization: Bearer <token>".to_owned(),
            headers: HeaderMap::new(),
        }
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"freehold\""))
    }

    fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// A mistake of ours or a registry that is away: told as the API tells it, in other words.
    fn of(problem: Problem) -> Self {
        let (status, text) =
            (problem.status(), problem.detail.clone().unwrap_or_else(|| problem.title.clone()));
        let code = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Code::TemporarilyUnavailable,
            StatusCode::INTERNAL_SERVER_ERROR => Code::ServerError,
            _ => Code::InvalidRequest,
        };
        let refusal = Self::new(status, code, &text);
        match problem.into_response().headers().get(header::RETRY_AFTER) {
            Some(after) => refusal.header(header::RETRY_AFTER, after.clone()),
            None => refusal,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::For(code, text) => {
                let status = match code {
                    Code::InvalidClient | Code::InvalidToken => StatusCode::UNAUTHORIZED,
                    _ => StatusCode::BAD_REQUEST,
                };
                let refusal = Self::new(status, code, text);
                match code {
                    Code::InvalidClient => {
                        let how = HeaderValue::from_static("Basic realm=\"freehold\"");
                        refusal.header(header::WWW_AUTHENTICATE, how)
                    }
                    Code::InvalidToken => {
                        let how =
                            HeaderValue::from_static("Bearer realm=\"freehold\", error=\"invalid_token\"");
                        refusal.header(header::WWW_AUTHENTICATE, how)
                    }
                    _ => refusal,
                }
            }
            Refused::App(error) => Self::of(error.into()),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::of(problem)
    }
}

impl From<TooMany> for Refusal {
    fn from(too_many: TooMany) -> Self {
        Self::of(too_many.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "error_description": self.description });
        if let Some(code) = self.code {
            body["error"] = json!(code);
        }
        (self.status, self.headers, axum::Json(body)).into_response()
    }
}
