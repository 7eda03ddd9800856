//! The API's client: JSON over plain HTTP, one connection per request.

mod address;
mod events;
mod sign_in;
mod sse;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Error, Exit, Session, secret};
use crate::http::error::Problem;

use address::Address;
pub(super) use address::encode;
pub(super) use events::{Event, Events};

const CONNECT: Duration = Duration::from_secs(5);
/// The variable that a token can be given in.
const TOKEN: &str = "FREEHOLD_TOKEN";
/// A deadline for the whole of an answer that is no stream.
const ANSWER: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Attempts at what can be asked for twice without harm.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

/// Speaks to one API as one admin. It signs in by itself at the first request that needs it.
pub(super) struct Client<'a> {
    session: &'a Session,
    address: Address,
    token: OnceCell<SecretString>,
}

/// A request that is not sent yet.
pub(super) struct Call {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    headers: HeaderMap,
    repeatable: bool,
}

impl Call {
    fn new(method: Method, path: impl Into<String>, repeatable: bool) -> Self {
        let path = format!("/api/v1/{}", path.into());
        Self { method, path, body: None, headers: HeaderMap::new(), repeatable }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, true)
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path, false)
    }

    pub(super) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path, false)
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, false)
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(body).map_err(|error| Error::failed(error.to_string()))?;
        self.body = Some(bytes);
        Ok(self)
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, Error> {
        let value = HeaderValue::from_str(value).map_err(|error| Error::usage(format!("{name}: {error}")))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// With an idempotency key, a request whose answer was lost may be sent again.
    pub(super) fn idempotent(self, key: &str) -> Result<Self, Error> {
        let mut call = self.header(HeaderName::from_static("idempotency-key"), key)?;
        call.repeatable = true;
        Ok(call)
    }
}

impl<'a> Client<'a> {
    /// # Errors
    /// [`Exit::Usage`] when the address is not one that can be spoken to; [`Exit::Failed`] when the token's file cannot be
    /// read.
    pub(super) fn new(session: &'a Session) -> Result<Self, Error> {
        let address = match &session.global.url {
            Some(url) => Address::parse(url)?,
            None => Address::parse(&session.config.url_of(&session.config.admin_host()))?,
        };
        let token = match &session.global.token_file {
            Some(file) => Some(secret::read(file)?),
            None => std::env::var(TOKEN).ok(),
        };
        let token = token.map(|token| SecretString::from(token.trim().to_owned()));
        Ok(Self { session, address, token: OnceCell::new_with(token) })
    }

    /// Sends a request as the admin and reads the answer.
    ///
    /// # Errors
    /// What the API refuses, by the exit code of its kind.
    pub(super) async fn send(&self, call: Call) -> Result<Value, Error> {
        let token = self.token().await?;
        let (status, body) = self.exchange(&call, Some(token)).await?;
        self.judge(status, &body)
    }

    /// As [`Self::send`], read as what the API says it is.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        read(self.send(call).await?)
    }

    /// Follows the events of an operation after the given one; none when there is nothing more to come.
    pub(super) async fn events(&self, operation: &str, after: Option<&str>) -> Result<Option<Events>, Error> {
        let mut call = Call::get(format!("operations/{}/events", encode(operation)))
            .header(ACCEPT, "text/event-stream")?;
        if let Some(after) = after {
            call = call.header(HeaderName::from_static("last-event-id"), after)?;
        }
        let token = self.token().await?;
        let response = self.request(&call, Some(token)).await?;
        match response.status() {
            StatusCode::OK => Ok(Some(Events::new(response.into_body()))),
            StatusCode::NO_CONTENT => Ok(None),
            _ => {
                let (status, body) = self.collect(response).await?;
                self.judge(status, &body)?;
                Err(self.foreign())
            }
        }
    }

    /// Hands on the body of an answer as it comes, however long it is.
    pub(super) async fn copy(
        &self,
        call: Call,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        let token = self.token().await?;
        let response = self.request(&call, Some(token)).await?;
        if !response.status().is_success() {
            let (status, body) = self.collect(response).await?;
            self.judge(status, &body)?;
            return Err(self.foreign());
        }
        let mut body = response.into_body();
        loop {
            let frame = tokio::time::timeout(ANSWER, body.frame())
                .await
                .map_err(|_| self.unreachable("nothing came for 30 seconds"))?;
            match frame {
                None => return Ok(()),
                Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |bytes| take(bytes))?,
                Some(Err(error)) => return Err(self.unreachable(&format!("the answer broke off: {error}"))),
            }
        }
    }

    async fn exchange(
        &self,
        call: &Call,
        token: Option<&SecretString>,
    ) -> Result<(StatusCode, Bytes), Error> {
        let mut attempt = 1;
        loop {
            let outcome = match self.request(call, token).await {
                Ok(response) => self.collect(response).await,
                Err(error) => Err(error),
            };
            match outcome {
                Err(_) if call.repeatable && attempt < ATTEMPTS => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn request(&self, call: &Call, token: Option<&SecretString>) -> Result<Response<Incoming>, Error> {
        let stream = tokio::time::timeout(CONNECT, self.address.dial())
            .await
            .map_err(|_| self.unreachable("it does not answer"))?
            .map_err(|error| self.unreachable(&error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&error.to_string()))?;
        // It ends when the answer has been read or dropped.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header(HOST, self.address.authority())
            .header(USER_AGENT, concat!("freehold/", env!("CARGO_PKG_VERSION")));
        if !call.headers.contains_key(ACCEPT) {
            request = request.header(ACCEPT, "application/json");
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| Error::new(Exit::Unreachable, "the token holds characters that no token has"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(call.body.clone().unwrap_or_default()));
        let request = request.body(body).map_err(|error| Error::usage(error.to_string()))?;
        tokio::time::timeout(ANSWER, sender.send_request(request))
            .await
            .map_err(|_| self.unreachable("no answer came within 30 seconds"))?
            .map_err(|error| self.unreachable(&error.to_string()))
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<(StatusCode, Bytes), Error> {
        let status = response.status();
        let body = tokio::time::timeout(ANSWER, Limited::new(response.into_body(), MAX_ANSWER).collect())
            .await
            .map_err(|_| self.unreachable("the answer did not end within 30 seconds"))?
            .map_err(|error| self.unreachable(&error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    fn judge(&self, status: StatusCode, body: &[u8]) -> Result<Value, Error> {
        if status.is_success() {
            if body.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(body).map_err(|_| self.foreign());
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
            return Err(match status.as_u16() {
                502..=504 => self.unreachable(&format!("the edge answers {status}")),
                _ => self.foreign(),
            });
        };
        Err(refused(status, problem))
    }

    fn unreachable(&self, why: &str) -> Error {
        Error::new(Exit::Unreachable, format!("{} cannot be reached: {why}", self.address)).advise(
            "`freehold status` tells whether the platform is up; --url, --domain and --port say where it is",
        )
    }

    fn foreign(&self) -> Error {
        Error::new(Exit::Unreachable, format!("what answers at {} is not Freehold's API", self.address))
            .advise("--url, --domain and --port say where the API is")
    }
}

/// A problem of the API in the words of the command line.
fn refused(status: StatusCode, problem: Problem) -> Error {
    let exit = match status.as_u16() {
        401 | 403 | 429 | 502..=504 => Exit::Unreachable,
        404 | 410 => Exit::NotFound,
        500.. => Exit::Failed,
        _ => Exit::Refused,
    };
    let message = problem.detail.unwrap_or(problem.title);
    let mut error = Error::new(exit, message);
    error.fields = problem.errors.into_iter().map(|one| (one.field, one.message)).collect();
    let advice = match (status.as_u16(), problem.code.as_str()) {
        (_, "wrong_credentials") => {
            "the password is in secrets/admin_password of the installation's directory"
        }
        (401, _) => "`freehold token` obtains a new token",
        (412, _) => "somebody else changed it meanwhile; look at it and try again",
        (500, _) => "the log of the api says more: `freehold doctor`",
        (502..=504, _) => "try again in a moment; `freehold status` tells what is missing",
        _ => return error,
    };
    error.advice = Some(advice.to_owned());
    error
}

/// Reads an answer as what it is said to be.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| {
        Error::failed(format!("the API answers in a way that this version does not know: {error}"))
            .advise("the command line and the platform may be of different versions; `freehold up` brings them together")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(status: u16, code: &str) -> Error {
        let text = format!(
            r#"{{"type":"urn:freehold:problem:{code}","title":"T","status":{status},"code":"{code}","errors":[{{"field":"slug","message":"m"}}]}}"#
        );
        let problem = serde_json::from_str(&text).expect("a problem");
        refused(StatusCode::from_u16(status).expect("a status"), problem)
    }

    #[test]
    fn each_answer_has_its_exit_code() {
        for (status, exit) in [
            (400, Exit::Refused),
            (401, Exit::Unreachable),
            (403, Exit::Unreachable),
            (404, Exit::NotFound),
            (409, Exit::Refused),
            (412, Exit::Refused),
            (422, Exit::Refused),
            (429, Exit::Unreachable),
            (500, Exit::Failed),
            (503, Exit::Unreachable),
        ] {
            assert_eq!(problem(status, "x").exit, exit, "{status}");
        }
        let error = problem(422, "invalid");
        assert_eq!(error.to_string(), "error: T\n  slug: m");
    }
}
