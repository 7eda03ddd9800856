//! The keys that sign tokens: made when there are none, followed by every api process, and changed by platform admins.

mod follow;
mod manage;

pub use follow::open;
pub(super) use follow::{Follower, follow};

use crate::identity::people_key::PeopleKey;
use crate::identity::ring::{KeptKey, RingKey};
use crate::identity::tokens::TokenError;
use crate::model::signing_key::{Known, SigningAlgorithm, Times};
use crate::store::signing_keys::SigningKeyRecord;
use chrono::{DateTime, SubsecRound, Utc};

/// New keys, sealed. Those for RSA take a while to find, in which nothing else is kept waiting.
async fn generated(algorithms: Vec<SigningAlgorithm>, key: &PeopleKey) -> Result<Vec<KeptKey>, super::Error> {
    let key = key.clone();
    let make = move || -> Result<Vec<KeptKey>, TokenError> {
        algorithms.into_iter().map(|algorithm| KeptKey::generate(algorithm, &key)).collect()
    };
    let made = tokio::task::spawn_blocking(make).await.map_err(super::Error::internal)?;
    made.map_err(super::Error::internal)
}

/// How a new key is kept.
fn record(key: KeptKey, signs_from: DateTime<Utc>) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: key.kid,
        algorithm: key.algorithm,
        public: key.public,
        seal: key.seal,
        sealed: Some(key.sealed),
        created_at: Utc::now().trunc_subsecs(6),
        times: Times::from(signs_from),
        withdrawn_by: None,
    }
}

/// A key that is kept, for the ring.
fn opened(record: &SigningKeyRecord, key: &PeopleKey) -> Result<RingKey, TokenError> {
    RingKey::kept(
        key,
        (record.algorithm, &record.kid),
        (&record.public, &record.seal),
        record.sealed.as_ref(),
        record.times,
    )
}

/// What is ours of what is kept, as far as its times go.
fn known(records: &[SigningKeyRecord], key: &PeopleKey) -> Vec<Known> {
    let ours = records.iter().filter(|record| opened(record, key).is_ok());
    ours.map(SigningKeyRecord::known).collect()
}
