//! How often the API may be asked.

use serde::{Deserialize, Serialize};

/// Requests in a minute; so many may come at once, and a minute gives as many back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Of one address where passwords and tokens out of mails are tried.
    pub sign_in_per_minute: u32,
    /// Of one address, when nobody is signed in.
    pub address_per_minute: u32,
    /// Of one user or platform admin.
    pub user_per_minute: u32,
    /// Of everybody together, in one tenant.
    pub tenant_per_minute: u32,
    /// Of one tenant's app by itself: it asks every few seconds for each person who is in it.
    pub client_per_minute: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            sign_in_per_minute: 20,
            address_per_minute: 600,
            user_per_minute: 1_200,
            tenant_per_minute: 6_000,
            client_per_minute: 30_000,
        }
    }
}
