//! The platform's back door: plain HTTP to an address that only this house reaches, a short while.

use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

/// Nothing the platform says through it takes longer, or people would wait for a platform that is away.
const DEADLINE: Duration = Duration::from_secs(3);
/// Nor is any of it larger: what is said of somebody names all their projects, of which a tenant has a
/// thousand at the most, each in some 150 bytes.
const LARGEST: usize = 1024 * 1024;

/// Why there is no answer; for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Transport(String),
    #[error("the answer is larger than {} bytes", LARGEST)]
    Large,
    #[error("the platform answered {0}")]
    Status(u16),
    #[error("the answer is not what was asked for: {0}")]
    Form(#[from] serde_json::Error),
    #[error("{0}")]
    Meaning(&'static str),
}

impl Error {
    /// Is it about the platform as it is, and not about what was asked? Others would fare the same then.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        match self {
            Self::Late | Self::Transport(_) => true,
            Self::Status(status) => *status == 429 || *status >= 500,
            Self::Large | Self::Form(_) | Self::Meaning(_) => false,
        }
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    body: Bytes,
}

impl Answer {
    /// # Errors
    /// The body is not JSON of this form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

#[derive(Clone)]
pub struct BackDoor {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Default for BackDoor {
    fn default() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }
}

impl BackDoor {
    /// A document that is for everybody.
    ///
    /// # Errors
    /// There is none, or it is not JSON of this form.
    pub async fn get<T: DeserializeOwned>(&self, url: Uri) -> Result<T, Error> {
        let request = Request::get(url).header(ACCEPT, "application/json").body(Full::default());
        let answer = self.send(request.map_err(|e| Error::Transport(e.to_string()))?).await?;
        if answer.status == 200 { answer.json() } else { Err(Error::Status(answer.status)) }
    }

    /// A form, with our credentials. What the status means is the caller's to say.
    ///
    /// # Errors
    /// No answer.
    pub async fn post(
        &self,
        url: &Uri,
        credentials: &HeaderValue,
        form: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(url)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, credentials)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(body));
        self.send(request.map_err(|e| Error::Transport(e.to_string()))?).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|e| Error::Transport(chain(&e)))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Error::Large
                } else {
                    Error::Transport(chain(error.as_ref()))
                }
            });
            Ok(Answer { status, body: body?.to_bytes() })
        };
        tokio::time::timeout(DEADLINE, exchange).await.unwrap_or(Err(Error::Late))
    }
}

/// The error with its causes: what failed is often in the last of them alone.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
