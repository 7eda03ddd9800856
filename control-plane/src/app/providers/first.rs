//! Somebody comes for the first time by a provider, and has an account with a second factor of ours. Whoever runs the
//! provider can have it say that they gave one there. So our code is asked for, and until it was given nothing is done of
//! what the provider said: their ticket keeps it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::caller::Origin;
use super::super::error::{Error, OrNotFound};
use super::super::{App, Result};
use super::arrive::Arrived;
use crate::identity::outside::Arrival;
use crate::model::ids::{ProviderId, UserId};
use crate::store::providers::{self, ProviderRecord};
use crate::store::records::TenantRecord;

/// What a provider said of somebody who has an account and whom it did not know before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct First {
    arrival: Arrival,
    /// As of when the provider was who it was checked by.
    changed_at: DateTime<Utc>,
}

impl First {
    /// Without what counts for new accounts alone, and with the tenants that there are in place of those that were named:
    /// it is kept in a cookie.
    pub(super) fn of(provider: &ProviderRecord, arrival: &Arrival, tenants: &[TenantRecord]) -> Self {
        // Four bytes less of each than as ids are written elsewhere: there may be many.
        let ids = || tenants.iter().map(|tenant| tenant.id.0.simple().to_string()).collect();
        let tenants = arrival.tenants.as_ref().map(|_| ids());
        let arrival = Arrival { name: None, tenants, ..arrival.clone() };
        Self { arrival, changed_at: provider.updated_at }
    }

    /// As a ticket keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in super::super) fn text(&self) -> Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).map_err(Error::internal)?))
    }

    /// What [`First::text`] wrote.
    pub(in super::super) fn read(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// What the provider said, its tenants by ids as they are looked for.
    fn arrival(&self) -> Arrival {
        let ids = |ids: &Vec<String>| {
            ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).map(|id| id.to_string()).collect()
        };
        Arrival { tenants: self.arrival.tenants.as_ref().map(ids), ..self.arrival.clone() }
    }
}

impl App {
    /// Has somebody arrive of whom a provider said this a moment ago.
    ///
    /// # Errors
    /// As [`App::arrive`]; `Unauthenticated` when the provider was changed since, or they would be somebody else by now.
    pub(in super::super) async fn arrive_after_all(
        &self,
        provider: ProviderId,
        first: &First,
        user: UserId,
        origin: &Origin,
    ) -> Result<Arrived> {
        let gone = |error| if matches!(error, Error::NotFound(_)) { Error::Unauthenticated } else { error };
        let mut tx = self.begin_as_system().await?;
        let provider = providers::get(&mut tx, provider).await.or_not_found("provider").map_err(gone)?;
        tx.commit().await?;
        if provider.updated_at != first.changed_at {
            return Err(Error::Unauthenticated);
        }
        let arrived = self.arrive(&provider, &first.arrival(), origin).await.map_err(gone)?;
        if arrived.user.id == user { Ok(arrived) } else { Err(Error::Unauthenticated) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::role::Role;

    #[test]
    fn the_longest_fits_into_a_cookie_with_the_rest_of_a_ticket() {
        let arrival = Arrival {
            subject: "\"".repeat(255),
            email: format!("{}@{}.example", "a".repeat(64), ["b".repeat(60).as_str(); 2].join("."))
                .parse()
                .ok(),
            email_verified: true,
            name: None,
            tenants: Some(vec![Uuid::new_v4().simple().to_string(); super::super::arrive::TENANTS]),
            status: Some("approved".to_owned()),
            role: Some(Role::Developer),
            mfa: true,
        };
        assert!(arrival.email.is_some());
        let first = First { arrival, changed_at: Utc::now() };
        let text = first.text().expect("text");
        // A browser keeps 3,900 bytes of it; ids, time and code of a ticket are less than 200.
        assert!(text.len() < 3_700, "{}", text.len());
        let read = First::read(&text).expect("what was written");
        assert_eq!(read, first);
        assert!(read.arrival().tenants.is_some_and(|ids| ids.len() == 50 && ids[0].len() == 36));
        assert_eq!(First::read("e30"), None);
    }
}
