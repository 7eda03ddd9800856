//! Forgetting what is over.

use std::time::Duration;

use crate::store::{
    self, Scope, Store, api_keys, failures, mailed_tokens, oauth_grants, sessions, unproven_signups,
};

const EVERY: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long it can be seen in the registry that somebody was signed in.
const SESSIONS: Duration = Duration::from_secs(30 * DAY.as_secs());
/// How long keys are listed that are over.
const KEYS: Duration = Duration::from_secs(30 * DAY.as_secs());
/// How long an address counts as one that an account is used from, and a little more.
const PAIRS: Duration = Duration::from_secs(31 * DAY.as_secs());

/// Forgets, now and then, sessions, keys, mailed secrets with what they would have proven, and failed sign-ins that are over.
pub(in super::super) async fn keep_tidy(store: Store) {
    loop {
        if let Err(error) = tidy(&store).await {
            tracing::debug!(%error, "what is over could not be forgotten");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn tidy(store: &Store) -> store::Result<()> {
    let mut tx = store.begin(Scope::System).await?;
    sessions::tidy(&mut tx, SESSIONS).await?;
    api_keys::tidy(&mut tx, KEYS).await?;
    mailed_tokens::tidy(&mut tx).await?;
    unproven_signups::tidy(&mut tx).await?;
    oauth_grants::tidy(&mut tx).await?;
    failures::tidy(&mut tx, DAY, PAIRS).await?;
    tx.commit().await
}
