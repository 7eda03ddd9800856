//! Bodies as OAuth has them: forms.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use super::answer::Refusal;
use crate::app::oauth::Code;
use crate::http::extract::{is_kind, read};
use crate::identity::oauth::params::Params;

/// A form that an app posted.
#[derive(Debug)]
pub(super) struct Form(pub Params);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if !is_kind(request.headers(), "application/x-www-form-urlencoded") {
            let text = "the body is application/x-www-form-urlencoded";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidRequest, text));
        }
        Ok(Self(Params::read(&read(request.into_body()).await?)))
    }
}
