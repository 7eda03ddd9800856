//! Extractors that answer `problem+json` with the path of what is wrong, in place of axum's plain text.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::error::Problem;

/// Largest request body, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;
/// The most that `serde_json` lets values be nested.
const DEPTH: usize = 127;

/// A JSON body of `T`.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body is not JSON",
            )
            .field("Content-Type", "application/json is expected"));
        }
        let bytes = read(request.into_body()).await?;
        // A list would be taken for an object's values in their order.
        if !matches!(bytes.trim_ascii_start().first(), None | Some(b'{')) {
            serde_json::from_slice::<serde::de::IgnoredAny>(&bytes)
                .map_err(|error| json_problem(".", &error))?;
            return Err(Problem::invalid().field("body", "a JSON object is expected"));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            json_problem(&path, error.inner())
        })?;
        deserializer.end().map_err(|error| json_problem(".", &error))?;
        Ok(Self(value))
    }
}

/// The media type of the body, without its parameters.
fn kind(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) fn is_kind(headers: &HeaderMap, wanted: &str) -> bool {
    kind(headers) == wanted
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = kind(headers);
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// A body of no more than [`BODY_BYTES`].
///
/// # Errors
/// 413 for a longer one; 400 for one that broke off.
pub(super) async fn read(body: Body) -> Result<bytes::Bytes, Problem> {
    match Limited::new(body, BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large")
                .detail(format!("a body has at most {BODY_BYTES} bytes")))
        }
        Err(_) => Err(malformed("it broke off")),
    }
}

fn malformed(detail: impl ToString) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", "The body cannot be read").detail(detail)
}

/// Text that is not JSON is 400; JSON that is not what was expected is 422 with its path.
fn json_problem(path: &str, error: &serde_json::Error) -> Problem {
    if error.is_data() {
        // serde adds where in the text it was: the path says it better.
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default();
        let field = if path == "." { "body" } else { path };
        Problem::invalid().field(unknown_field(field, message), message)
    } else {
        let text = error.to_string();
        malformed(match text.strip_prefix("recursion limit exceeded") {
            Some(place) => format!("it is nested more than {DEPTH} deep{place}"),
            None => format!("it is not JSON: {text}"),
        })
    }
}

/// An unknown field is reported under its own name: serde's path ends at the object that holds it.
fn unknown_field(path: &str, message: &str) -> String {
    let name = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    match name {
        Some(name) if path == "body" => name.to_owned(),
        Some(name) if !path.ends_with(name) => format!("{path}.{name}"),
        _ => path.to_owned(),
    }
}

/// The query string as `T`, whose fields are texts: what they mean is checked where they are used, by name.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query: Result<axum::extract::Query<T>, _> = axum::extract::Query::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| {
            // All fields are texts, so only their names can be wrong: one that is unknown or comes twice.
            let text = rejection.body_text();
            let field = text.split('`').nth(1).unwrap_or("query").to_owned();
            let message = if text.contains("duplicate field") {
                "it is given twice"
            } else {
                "there is no such parameter"
            };
            Problem::invalid().field(field, message)
        })
    }
}

/// The parts of the path. One that cannot be read names nothing, so it is 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|_| Problem::not_found("nothing has this address"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        count: u8,
    }

    async fn refuse(kind: &str, body: impl Into<Body>) -> Problem {
        let request =
            Request::post("/").header(header::CONTENT_TYPE, kind).body(body.into()).expect("request");
        Json::<Sample>::from_request(request, &()).await.expect_err("refused")
    }

    #[tokio::test]
    async fn bodies_are_refused_with_the_path_of_what_is_wrong() {
        let json = "application/json";
        let cases = [
            (json, r#"{"name":1}"#.to_owned(), 422, "name"),
            (json, r#"{"name":"a","inner":{"count":-1}}"#.to_owned(), 422, "inner.count"),
            (json, r#"{"name":"a","other":1}"#.to_owned(), 422, "other"),
            (json, r#"{"name":"a","inner":{"count":1,"more":2}}"#.to_owned(), 422, "inner.more"),
            (json, "{}".to_owned(), 422, "body"),
            (json, r#"{"name":"#.to_owned(), 400, ""),
            (json, r#"{"name":"a"} x"#.to_owned(), 400, ""),
            (json, String::new(), 400, ""),
            (json, json!({"name": "x".repeat(BODY_BYTES)}).to_string(), 413, ""),
            ("text/plain", r#"{"name":"a"}"#.to_owned(), 415, "Content-Type"),
            ("", r#"{"name":"a"}"#.to_owned(), 415, "Content-Type"),
        ];
        for (kind, body, status, field) in cases {
            let shown: String = body.chars().take(60).collect();
            let problem = refuse(kind, body).await;
            assert_eq!(problem.status, status, "{shown}");
            assert_eq!(problem.errors.first().map_or("", |one| one.field.as_str()), field, "{shown}");
        }
    }

    #[tokio::test]
    async fn deep_nesting_is_an_error_and_no_overflow() {
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(Body::from("[".repeat(50_000))).expect("request");
        let problem = Json::<serde_json::Value>::from_request(request, &()).await.expect_err("refused");
        assert_eq!(problem.status, 400);
    }

    #[tokio::test]
    async fn an_unknown_query_parameter_is_named() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Wanted {
            limit: Option<String>,
        }
        for (query, field) in [("limt=3", "limt"), ("limit=3&limit=4", "limit")] {
            let request = Request::get(format!("/?{query}")).body(Body::empty()).expect("request");
            let (mut parts, _) = request.into_parts();
            let problem = Query::<Wanted>::from_request_parts(&mut parts, &()).await.expect_err("refused");
            assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field));
        }
    }
}
