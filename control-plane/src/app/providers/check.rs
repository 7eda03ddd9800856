//! Asking a provider, for whoever sets it up, whether people could sign in by it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::super::caller::Caller;
use super::super::{App, Result};
use super::manage::Of;
use crate::identity::outside::{OutsideError, Proven};
use crate::identity::permissions::Permission;
use crate::model::provider::Trust;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Where the provider has to send people back to.
    pub redirect_uri: String,
    /// What the provider is, or what is wrong, in words for whoever asked.
    pub found: Result<Proven, String>,
}

/// When a tenant is told that a host cannot be asked: longer than looking its name up takes and one connection is waited
/// for, so that nobody learns by the time what stands behind a name.
const BEAT: Duration = Duration::from_secs(4);

/// What a tenant hears of it. What is not public and what is not there are the same to it.
pub(super) fn told(error: &OutsideError, trust: Trust) -> String {
    match (trust, error) {
        (Trust::Tenant(_), OutsideError::NotPublic { host } | OutsideError::Unreachable { host, .. }) => {
            format!("{host} is not at a public address, or does not answer")
        }
        _ => error.to_string(),
    }
}

/// Whether it is by an error what stands at an address: what is not public, or what does not answer.
pub(super) fn tells_of_a_network(error: &OutsideError) -> bool {
    matches!(error, OutsideError::NotPublic { .. } | OutsideError::Unreachable { .. })
}

/// Waits until a tenant may hear of an error of what began then: the time tells as much as words do.
pub(super) async fn in_time(begun: Instant, error: &OutsideError, trust: Trust) {
    if matches!(trust, Trust::Tenant(_)) && tells_of_a_network(error) {
        sleep_until(begun + BEAT).await;
    }
}

impl App {
    /// Asks a provider, now, for what it says of itself and for its keys.
    ///
    /// # Errors
    /// `NotFound` and `Forbidden` as for a change of it.
    pub async fn check_provider(&self, caller: &Caller, of: Of<'_>, name: &str) -> Result<Checked> {
        if let Of::Tenant(reference) = of {
            self.permit(caller, reference, Permission::ProvidersManage).await?;
        }
        let provider = self.provider(caller, of, name).await?;
        let (trust, begun) = (provider.trust(), Instant::now());
        let found = match self.outside().prove(&provider.issuer, trust).await {
            Ok(proven) => Ok(proven),
            Err(error) => {
                in_time(begun, &error, trust).await;
                Err(told(&error, trust))
            }
        };
        Ok(Checked { redirect_uri: self.redirect_uri(&provider), found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TenantId;

    #[test]
    fn a_tenant_hears_of_what_is_inside_and_of_what_is_nowhere_in_the_same_words() {
        let host = || "db.internal".to_owned();
        let inside = OutsideError::NotPublic { host: host() };
        let nowhere = OutsideError::Unreachable { host: host(), why: "the connection was refused" };
        let tenants = Trust::Tenant(TenantId::random());
        assert_eq!(told(&inside, tenants), told(&nowhere, tenants));
        assert_ne!(told(&inside, Trust::Platform), told(&nowhere, Trust::Platform));
        assert!(tells_of_a_network(&inside) && tells_of_a_network(&nowhere));
    }
}
