//! Extractors that answer with a problem when they cannot.

use std::collections::BTreeMap;

use axum::Form;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem::Error;
use crate::records::input::{FieldErrors, Input};

/// The ids in the address; what is no id is not there.
pub struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Ids<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(ids) = Path::<T>::from_request_parts(parts, state).await.map_err(|_| Error::NotFound)?;
        Ok(Self(ids))
    }
}

/// `?limit=` and `?cursor=` of a list.
pub struct Paging {
    pub limit: u16,
    pub cursor: Option<String>,
}

const DEFAULT_LIMIT: u16 = 25;
const LARGEST_LIMIT: u16 = 100;

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Query(mut query) = Query::<BTreeMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::Malformed("The query is not of the form name=value."))?;
        let limit = match query.remove("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (1..=LARGEST_LIMIT).contains(n))
                .ok_or_else(|| FieldErrors::one("limit", format!("must be from 1 to {LARGEST_LIMIT}")))?,
        };
        Ok(Self { limit, cursor: query.remove("cursor").filter(|c| !c.is_empty()) })
    }
}

impl Paging {
    /// The cursor, read by the list it is of.
    ///
    /// # Errors
    /// A field's, when the cursor is not one that this list gave.
    pub fn cursor<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Error> {
        match &self.cursor {
            None => Ok(None),
            Some(text) => match read(text) {
                Some(cursor) => Ok(Some(cursor)),
                None => Err(FieldErrors::one("cursor", "is not one that this list gave").into()),
            },
        }
    }
}

/// A JSON object as the body.
pub struct JsonInput(pub Input);

impl<S: Send + Sync> FromRequest<S> for JsonInput {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        // Also what keeps a plain form of another site away from the API.
        if !is_of_type(&request, "application/json") {
            return Err(Error::MediaType);
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|e| body_problem(&e))?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(values)) => Ok(Self(Input::json(values))),
            Ok(_) => Err(Error::Malformed("The body must be a JSON object.")),
            Err(_) => Err(Error::Malformed("The body is not JSON.")),
        }
    }
}

/// A form as browsers send it.
pub struct FormInput(pub BTreeMap<String, String>);

impl<S: Send + Sync> FromRequest<S> for FormInput {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        use axum::extract::rejection::FormRejection as Rejection;
        match Form::<BTreeMap<String, String>>::from_request(request, state).await {
            Ok(Form(values)) => Ok(Self(values)),
            Err(Rejection::InvalidFormContentType(_)) => Err(Error::MediaType),
            Err(Rejection::BytesRejection(e)) => Err(body_problem(&e)),
            Err(_) => Err(Error::Malformed("The form cannot be read.")),
        }
    }
}

fn is_of_type(request: &Request, wanted: &str) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

fn body_problem(rejection: &BytesRejection) -> Error {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => Error::TooLarge,
        _ => Error::Malformed("The body broke off."),
    }
}
