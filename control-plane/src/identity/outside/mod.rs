//! OpenID providers outside: what they say of themselves and of people, and that it is true.
//!
//! Whatever is asked here was named by somebody else, a tenant's owner perhaps. So each address is judged before it is
//! dialled ([`address`]), each answer is bounded ([`fetch`]), and no text of an answer is passed on to anybody.

pub mod address;
mod discovery;
mod error;
mod fetch;
mod jwks;
mod kept;
mod mapping;
mod places;
mod redeem;
mod settings;
mod shelf;
mod target;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use jsonwebtoken::DecodingKey;

use crate::model::provider::{IssuerUrl, Trust};
pub use discovery::Discovery;
pub use error::{OutsideError, TokenFault};
use fetch::{Fetcher, Question};
use jwks::KeySet;
pub use mapping::{Arrival, arrival};
use places::Places;
pub use redeem::{Asked, Back, Client};
pub use settings::{OutsideSettings, Pace};
use shelf::{Known, Shelf};
use target::Target;
pub use token::{Claims, Unchecked};
use token::{Head, Kind};

/// Providers that are proven at a time, the platform's and tenants': who sets one up names whatever they like.
const PROOFS: usize = 16;
/// Those of one tenant.
const PROOFS_OF_ONE: usize = 2;

type Result<T, E = OutsideError> = std::result::Result<T, E>;

/// The way to providers. One for a process, and cheap to clone.
#[derive(Debug, Clone)]
pub struct Outside {
    fetcher: Arc<Fetcher>,
    shelf: Arc<Mutex<Shelf>>,
    /// Places for those that are proven.
    proofs: Arc<Places>,
}

/// Whose key a token was signed by.
#[derive(Debug, Clone)]
pub struct SignedBy {
    issuer: IssuerUrl,
    trust: Trust,
    head: Head,
}

/// What a provider is, for whoever sets it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    pub authorization_endpoint: String,
    /// Keys that can sign what we take.
    pub keys: usize,
}

impl Outside {
    #[must_use]
    pub fn new(settings: OutsideSettings) -> Self {
        let proofs = Arc::new(Places::new(PROOFS, PROOFS_OF_ONE));
        Self { fetcher: Arc::new(Fetcher::new(settings)), shelf: Arc::default(), proofs }
    }

    /// What a provider says of itself.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn discover(&self, issuer: &IssuerUrl, trust: Trust) -> Result<Arc<Discovery>> {
        let ask = || {
            let (fetcher, issuer) = (Arc::clone(&self.fetcher), issuer.clone());
            async move { discovery_of(&fetcher, &issuer, trust).await }
        };
        self.known(issuer, trust).discovery.get(|_| true, ask).await
    }

    /// Where to send somebody's browser.
    ///
    /// # Errors
    /// As [`Outside::discover`].
    pub async fn begin(&self, client: &Client<'_>, asked: &Asked<'_>) -> Result<String> {
        let discovery = self.discover(client.issuer, client.trust).await?;
        Ok(redeem::way(&discovery, client, asked))
    }

    /// Exchanges a code and checks the ID token that comes for it.
    ///
    /// # Errors
    /// Why there is none, or what is wrong with it.
    pub async fn redeem(&self, client: &Client<'_>, back: &Back<'_>) -> Result<Claims> {
        let discovery = self.discover(client.issuer, client.trust).await?;
        redeem::from_whom(&discovery, client, back)?;
        let question = redeem::question(&discovery, client, back)?;
        let endpoint = &discovery.token_endpoint;
        let known = self.known(client.issuer, client.trust);
        let busy = |why| OutsideError::Unreachable { host: endpoint.host.clone(), why };
        let wait = tokio::time::timeout(self.fetcher.settings.pace.connect, known.codes.acquire());
        let Ok(Ok(place)) = wait.await else { return Err(busy("too many are asked at the moment")) };
        let answer = self.fetcher.fetch(endpoint, client.trust, question).await?;
        drop(place);
        let given = redeem::given(&answer, &endpoint.host)?;
        let kind = Kind::Id { nonce: back.nonce, access_token: given.access_token.as_deref() };
        let checked = self.check(client.issuer, client.trust, client.id, &given.id_token, kind).await?;
        Ok(checked.0)
    }

    /// Checks a token that a provider gave somebody for our API: what it says, and what has to be there still for it to
    /// be good.
    ///
    /// # Errors
    /// What is wrong with it, or why that cannot be told.
    pub async fn check_bearer(
        &self,
        issuer: &IssuerUrl,
        trust: Trust,
        audience: &str,
        token: &str,
    ) -> Result<(Claims, SignedBy)> {
        let (claims, head) = self.check(issuer, trust, audience, token, Kind::Bearer).await?;
        Ok((claims, SignedBy { issuer: issuer.clone(), trust, head }))
    }

    /// That the key is the provider's still by which a token was signed that was found good.
    ///
    /// # Errors
    /// That it is not, or why that cannot be told.
    pub async fn still(&self, by: &SignedBy) -> Result<()> {
        self.key_for(&by.issuer, by.trust, &by.head).await.map(drop)
    }

    /// Asks a provider for what it says of itself and for its keys, now, for whoever sets it up.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn prove(&self, issuer: &IssuerUrl, trust: Trust) -> Result<Proven> {
        let why = "too many providers are set up at the moment";
        let busy = || OutsideError::Unreachable { host: issuer.as_str().to_owned(), why };
        let _place = self.proofs.try_take(trust).ok_or_else(busy)?;
        let discovery = discovery_of(&self.fetcher, issuer, trust).await?;
        let keys = keys_at(&self.fetcher, &discovery.jwks_uri, trust).await?;
        if keys.len() == 0 {
            let why = "no key whose signatures are taken".to_owned();
            return Err(OutsideError::Garbage { host: discovery.jwks_uri.host, why });
        }
        let proven =
            Proven { authorization_endpoint: discovery.authorization_endpoint.clone(), keys: keys.len() };
        let known = self.shelf().find(issuer, trust);
        if let Some(known) = known {
            known.discovery.put(discovery);
            known.keys.put(keys);
        }
        Ok(proven)
    }

    async fn check(
        &self,
        issuer: &IssuerUrl,
        trust: Trust,
        audience: &str,
        token: &str,
        kind: Kind<'_>,
    ) -> Result<(Claims, Head)> {
        let head = token::head(token, kind)?;
        let key = self.key_for(issuer, trust, &head).await?;
        let claims = token::check(token, &head, &key, issuer.as_str(), audience, kind)?;
        Ok((claims, head))
    }

    /// The provider's key that a token names.
    async fn key_for(&self, issuer: &IssuerUrl, trust: Trust, head: &Head) -> Result<Arc<DecodingKey>> {
        let ask = || {
            let (outside, issuer) = (self.clone(), issuer.clone());
            async move {
                let discovery = outside.discover(&issuer, trust).await?;
                keys_at(&outside.fetcher, &discovery.jwks_uri, trust).await
            }
        };
        let keys = self.known(issuer, trust).keys.get(|keys| keys.find(head).is_some(), ask).await?;
        Ok(keys.find(head).ok_or(TokenFault::UnknownKey)?)
    }

    /// What is known of a provider, from now on.
    fn known(&self, issuer: &IssuerUrl, trust: Trust) -> Known {
        self.shelf().known(issuer, trust, self.fetcher.settings.pace)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn discovery_of(fetcher: &Fetcher, issuer: &IssuerUrl, trust: Trust) -> Result<Discovery> {
    let reach = &fetcher.settings.reach;
    let place = discovery::place(issuer, trust, reach)?;
    let body = document(fetcher, &place, trust).await?;
    Discovery::read(&body, &place.host, issuer, trust, reach)
}

async fn keys_at(fetcher: &Fetcher, place: &Target, trust: Trust) -> Result<KeySet> {
    let body = document(fetcher, place, trust).await?;
    let why = "no key set".to_owned();
    KeySet::read(&body).ok_or(OutsideError::Garbage { host: place.host.clone(), why })
}

/// What stands at an address.
async fn document(fetcher: &Fetcher, place: &Target, trust: Trust) -> Result<Bytes> {
    let answer = fetcher.fetch(place, trust, Question::Get).await?;
    if answer.status == StatusCode::OK {
        return Ok(answer.body);
    }
    let why = format!("status {}", answer.status.as_u16());
    Err(OutsideError::Garbage { host: place.host.clone(), why })
}
