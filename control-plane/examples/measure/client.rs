//! Somebody who asks over a unix socket.

use std::path::{Path, PathBuf};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::signed;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is asked; cheap to ask again. By POST with a body, by GET without one.
#[derive(Clone)]
pub struct Question {
    path: Uri,
    authorization: Option<HeaderValue>,
    /// An API key that signs it.
    signs: Option<String>,
    body: Option<Bytes>,
    /// What the body is.
    kind: HeaderValue,
    from: Option<HeaderValue>,
}

impl Question {
    pub fn new(path: &str) -> Result<Self, Failure> {
        let kind = HeaderValue::from_static("application/json");
        Ok(Self { path: path.parse()?, authorization: None, signs: None, body: None, kind, from: None })
    }

    pub fn bearer(self, token: &str) -> Result<Self, Failure> {
        self.authorization(&format!("Bearer {token}"))
    }

    pub fn authorization(mut self, value: &str) -> Result<Self, Failure> {
        self.authorization = Some(value.parse()?);
        Ok(self)
    }

    /// Each time it is asked it is signed anew.
    pub fn signed_by(mut self, key: &str) -> Self {
        self.signs = Some(key.to_owned());
        self
    }

    /// A body as a form is sent.
    pub fn form(mut self, body: &str) -> Self {
        self.kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.body(body)
    }

    /// A body of JSON.
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(Bytes::from(body.to_owned()));
        self
    }

    /// As if it came from this address: at the socket it is us who are the edge.
    pub fn from(mut self, address: &str) -> Result<Self, Failure> {
        self.from = Some(address.parse()?);
        Ok(self)
    }
}

/// An answer, and how long it took.
pub struct Answer {
    pub status: u16,
    pub milliseconds: f64,
    pub body: Bytes,
}

impl Answer {
    pub fn good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Somebody with a connection.
pub struct Caller {
    socket: PathBuf,
    host: HeaderValue,
    connection: SendRequest<Full<Bytes>>,
}

impl Caller {
    pub async fn connect(socket: &Path, host: &str) -> Result<Self, Failure> {
        let connection = connect(socket).await?;
        Ok(Self { socket: socket.to_owned(), host: host.parse()?, connection })
    }

    pub async fn ask(&mut self, question: &Question) -> Result<Answer, Failure> {
        if self.connection.ready().await.is_err() {
            self.connection = connect(&self.socket).await?;
        }
        let mut request = Request::new(Full::new(question.body.clone().unwrap_or_default()));
        *request.uri_mut() = question.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if let Some(authorization) = &question.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(from) = &question.from {
            headers.insert(HeaderName::from_static("x-forwarded-for"), from.clone());
        }
        if question.body.is_some() {
            headers.insert(CONTENT_TYPE, question.kind.clone());
            *request.method_mut() = Method::POST;
        }
        if let Some(key) = &question.signs {
            let method = request.method().clone();
            let of = (method.as_str(), question.path.path(), question.path.query().unwrap_or_default());
            let body = question.body.as_deref().unwrap_or_default();
            signed::sign(request.headers_mut(), key, of, body)?;
        }
        let begun = Instant::now();
        let answer = self.connection.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(Answer { status, milliseconds: begun.elapsed().as_secs_f64() * 1e3, body })
    }
}

async fn connect(socket: &Path) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let (sender, connection) = handshake(TokioIo::new(UnixStream::connect(socket).await?)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
