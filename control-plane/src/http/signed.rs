//! Requests that are signed instead of sent with a token: their body is read and compared with its digest before
//! anybody looks at who signed it.

use axum::body::Body;
use axum::extract::{OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;

use super::caller::{bearer, origin};
use super::error::Problem;
use super::extract::read;
use crate::app::api_keys::SignedRequest;
use crate::app::{App, Error};
use crate::identity::signatures::{Message, Refusal, Signed, check_body};

const INPUT: HeaderName = HeaderName::from_static("signature-input");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// That the body of a request is what its digest says.
#[derive(Debug, Clone, Copy)]
struct BodyIsRight;

/// Whether a request says who sends it by a signature. One with a token is known by that.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    bearer(headers).is_none() && headers.contains_key(INPUT)
}

/// The only value of a header. One that comes twice says nothing.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Compares the body of a signed request with its digest, before anybody else reads it.
pub(super) async fn check(request: Request, next: Next) -> Response {
    if !is_signed(request.headers()) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let bytes = match read(body).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    match check_body(only(&parts.headers, DIGEST).unwrap_or_default(), &bytes) {
        Ok(()) => {
            parts.extensions.insert(BodyIsRight);
            next.run(Request::from_parts(parts, Body::from(bytes))).await
        }
        Err(refusal) => Problem::from(Error::Signature(refusal)).into_response(),
    }
}

/// A signed request, and who signed it.
///
/// # Errors
/// [`Error::Signature`] with what is not right about it.
pub(super) async fn request(app: &App, parts: &Parts) -> Result<SignedRequest, Error> {
    // What was not compared was not read for this.
    parts.extensions.get::<BodyIsRight>().ok_or(Refusal::Body)?;
    let header = |name: HeaderName| only(&parts.headers, name).ok_or(Refusal::Form);
    let signed = Signed::parse(header(INPUT)?, header(SIGNATURE)?, Utc::now())?;
    // The router takes off what leads to it.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let message = Message {
        method: parts.method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        digest: header(DIGEST)?,
    };
    app.who_signed(&signed, message, origin(&parts.headers)).await
}
