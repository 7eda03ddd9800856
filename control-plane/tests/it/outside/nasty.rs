//! A provider that is as bad as it can be: what it answers at which path is the test's to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use control_plane::identity::tokens;
use control_plane::model::provider::IssuerUrl;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::AbortOnDropHandle;

/// What is answered at a path.
#[derive(Debug, Clone)]
pub enum Answer {
    Json(Value),
    /// These bytes, as they are, and no more.
    Raw(Vec<u8>),
    /// A head, and then a byte now and then.
    Drip,
    /// Nothing at all.
    Silence,
}

impl Answer {
    pub fn status(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Raw(
            format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes(),
        )
    }
}

#[derive(Default)]
struct Told {
    answers: HashMap<String, Answer>,
    /// Each request's path and body.
    heard: Vec<(String, String)>,
}

/// The provider; it ends with this value.
pub struct Nasty {
    pub url: String,
    told: Arc<Mutex<Told>>,
    _serving: AbortOnDropHandle<()>,
}

impl Nasty {
    /// One that is good until it is told otherwise: its document and its keys are where they should be.
    pub async fn start(keys: &[&Key]) -> Self {
        Self::listening(keys, None).await
    }

    /// One that is reached over TLS alone.
    pub async fn encrypted(keys: &[&Key], by: ServerConfig) -> Self {
        Self::listening(keys, Some(TlsAcceptor::from(Arc::new(by)))).await
    }

    async fn listening(keys: &[&Key], tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("its address");
        let told: Arc<Mutex<Told>> = Arc::default();
        let serving = Arc::clone(&told);
        let own = Self {
            url: format!("{scheme}://{at}"),
            told,
            _serving: AbortOnDropHandle::new(tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (told, tls) = (Arc::clone(&serving), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => serve(stream, told).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(stream, told).await;
                                }
                            }
                        }
                    });
                }
            })),
        };
        own.says(DOCUMENT, Answer::Json(own.document()));
        own.has(keys);
        own
    }

    pub fn issuer(&self) -> IssuerUrl {
        self.url.parse().expect("an issuer")
    }

    /// What it says of itself while it is good.
    pub fn document(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize?tenant=a"),
            "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"),
        })
    }

    pub fn says(&self, path: &str, answer: Answer) {
        self.told.lock().expect("no panic").answers.insert(path.to_owned(), answer);
    }

    /// The keys that it publishes from now on.
    pub fn has(&self, keys: &[&Key]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        self.says("/keys", Answer::Json(json!({ "keys": keys })));
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.heard(path).len()
    }

    /// What was sent to a path.
    pub fn heard(&self, path: &str) -> Vec<String> {
        let told = self.told.lock().expect("no panic");
        told.heard.iter().filter(|(other, _)| other == path).map(|(_, body)| body.clone()).collect()
    }
}

pub const DOCUMENT: &str = "/.well-known/openid-configuration";

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, told: Arc<Mutex<Told>>) {
    let Some((path, body)) = request(&mut stream).await else { return };
    let answer = {
        let mut told = told.lock().expect("no panic");
        told.heard.push((path.clone(), body));
        told.answers.get(&path).cloned().unwrap_or(Answer::status(404, "", ""))
    };
    let bytes = match answer {
        Answer::Json(value) => {
            let Answer::Raw(bytes) =
                Answer::status(200, "Content-Type: application/json\r\n", &value.to_string())
            else {
                return;
            };
            bytes
        }
        Answer::Raw(bytes) => bytes,
        Answer::Silence => return std::future::pending().await,
        Answer::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            return;
        }
    };
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// The path and the body of one request.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.parse().expect("a length"));
            if body.len() >= length {
                return Some((head.split(' ').nth(1)?.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut all).await.ok()? == 0 {
            return None;
        }
    }
}

/// A key of the provider's, and how it is published.
pub struct Key {
    pub id: String,
    pub algorithm: Algorithm,
    pub private: EncodingKey,
    pub public: Value,
}

impl Key {
    fn of(id: &str, private: EncodingKey, algorithm: Algorithm) -> Self {
        let public = Jwk::from_encoding_key(&private, algorithm).expect("a public key");
        let mut public = serde_json::to_value(public).expect("JSON");
        public["kid"] = id.into();
        // By most providers it is said, by some it is not.
        public.as_object_mut().expect("an object").remove("alg");
        Self { id: id.to_owned(), algorithm, private, public }
    }

    pub fn ed25519(id: &str) -> Self {
        let pem = tokens::generate_key();
        let private = EncodingKey::from_ed_pem(pem.expose_secret().as_bytes()).expect("a key");
        Self::of(id, private, Algorithm::EdDSA)
    }

    pub fn p256(id: &str) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self::of(id, EncodingKey::from_ec_der(pkcs8.expect("a key").as_ref()), Algorithm::ES256)
    }

    /// One that may sign by several algorithms.
    pub fn rsa(id: &str) -> Self {
        let pem = tokens::generate_id_key();
        let private = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).expect("a key");
        Self::of(id, private, Algorithm::RS256)
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.header(), claims)
    }

    pub fn header(&self) -> Header {
        Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }
    }

    pub fn sign_as(&self, header: Header, claims: &Value) -> String {
        jsonwebtoken::encode(&header, claims, &self.private).expect("a token")
    }
}
