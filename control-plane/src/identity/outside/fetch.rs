//! One question to a provider, and its answer, within bounds. The address that is judged is the address that is dialled.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::OutsideError;
use super::places::{Place, Places};
use super::settings::OutsideSettings;
use super::target::Target;
use crate::model::provider::Trust;

/// Longest answer, in bytes.
const LONGEST: usize = 256 * 1024;
/// Longest head of an answer, in bytes.
const HEAD: usize = 32 * 1024;
/// Addresses of one name that are tried.
const TRIED: usize = 4;
/// Questions on their way at a time, for the platform's providers and for tenants' each.
const PLACES: usize = 128;
/// Those of one tenant's.
const SHARE: usize = 8;

/// What is asked.
#[derive(Debug)]
pub(super) enum Question {
    Get,
    /// A form, with what shows who sends it.
    Post {
        form: String,
        authorization: Option<HeaderValue>,
    },
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) settings: OutsideSettings,
    tls: OnceLock<Result<Arc<ClientConfig>, OutsideError>>,
    places: Places,
}

impl Fetcher {
    pub(super) fn new(settings: OutsideSettings) -> Self {
        Self { settings, tls: OnceLock::new(), places: Places::new(PLACES, SHARE) }
    }

    /// Asks, and reads the answer whole. A redirect is an answer like any other: it is not followed.
    pub(super) async fn fetch(
        &self,
        target: &Target,
        trust: Trust,
        question: Question,
    ) -> Result<Answer, OutsideError> {
        let asked = self.ask(target, trust, question);
        timeout(self.settings.pace.whole, asked)
            .await
            .unwrap_or_else(|_| Err(unreachable(target, "it takes too long")))
    }

    async fn ask(&self, target: &Target, trust: Trust, question: Question) -> Result<Answer, OutsideError> {
        let place = Arc::new(self.places.take(trust).await);
        let addresses = self.resolve(target, trust, Arc::clone(&place)).await?;
        let stream = self.dial(target, &addresses).await?;
        if !target.encrypted {
            return exchange(target, stream, question).await;
        }
        let tls = self.tls.get_or_init(|| trusting(&self.settings)).clone()?;
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| OutsideError::Address { what: "the host", why: "it is no name" })?;
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|error| {
            let ours = error.get_ref().is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>());
            unreachable(
                target,
                if ours {
                    "its certificate is not trusted, or its encryption not known"
                } else {
                    "it hung up"
                },
            )
        })?;
        exchange(target, stream, question).await
    }

    /// Every address of the name, once all of them are found to be allowed.
    async fn resolve(
        &self,
        target: &Target,
        trust: Trust,
        place: Arc<Place>,
    ) -> Result<Vec<SocketAddr>, OutsideError> {
        let name = (target.host.clone(), target.port);
        // A look at a name cannot be broken off: it holds its place until it ends, whether anybody waits or not.
        let looked = tokio::spawn(async move {
            let found = tokio::net::lookup_host(name).await.map(Iterator::collect::<Vec<_>>);
            drop(place);
            found
        });
        let addresses = match looked.await {
            Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
            _ => return Err(unreachable(target, "its name leads nowhere")),
        };
        let reach = &self.settings.reach;
        if reach.allows_all(&addresses, trust, target.encrypted) {
            return Ok(addresses);
        }
        if !target.encrypted && addresses.iter().any(|address| reach.allows(address.ip(), trust, true)) {
            return Err(OutsideError::Address { what: "the host", why: "it does not begin with https://" });
        }
        Err(OutsideError::NotPublic { host: target.host.clone() })
    }

    async fn dial(&self, target: &Target, addresses: &[SocketAddr]) -> Result<TcpStream, OutsideError> {
        for address in addresses.iter().take(TRIED) {
            if let Ok(Ok(stream)) = timeout(self.settings.pace.connect, TcpStream::connect(address)).await {
                return Ok(stream);
            }
        }
        Err(unreachable(target, "no connection"))
    }
}

fn unreachable(target: &Target, why: &'static str) -> OutsideError {
    OutsideError::Unreachable { host: target.host.clone(), why }
}

/// How providers have to show who they are.
fn trusting(settings: &OutsideSettings) -> Result<Arc<ClientConfig>, OutsideError> {
    let failed = |error: tokio_rustls::rustls::Error| OutsideError::Settings(error.to_string());
    let crypto = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(settings.authorities.iter().cloned(), Arc::clone(&crypto))
        .map_err(failed)?;
    let mut config = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn exchange(
    target: &Target,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    question: Question,
) -> Result<Answer, OutsideError> {
    let garbage = |why: &str| OutsideError::Garbage { host: target.host.clone(), why: why.to_owned() };
    let not_http = |_| garbage("it does not speak HTTP");
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(not_http)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(request(target, question)?).await.map_err(not_http)?;
    let status = answer.status();
    if status.is_redirection() {
        return Err(garbage("a redirect, and none is followed"));
    }
    let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(|error| {
        garbage(if error.is::<LengthLimitError>() { "too much" } else { "an answer that breaks off" })
    })?;
    Ok(Answer { status, body: body.to_bytes() })
}

fn request(target: &Target, question: Question) -> Result<Request<Full<Bytes>>, OutsideError> {
    let request = Request::builder()
        .uri(&target.path)
        .header(HOST, &target.authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("freehold/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close");
    let request = match question {
        Question::Get => request.method(Method::GET).body(Full::default()),
        Question::Post { form, authorization } => {
            let mut request =
                request.method(Method::POST).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            request.body(Full::from(form))
        }
    };
    request.map_err(|_| OutsideError::Address { what: "the address", why: "it is no URL" })
}
