//! Keys by which programs use the API.

use serde::{Deserialize, Serialize};

/// How long keys are good, and how many there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeysConfig {
    /// Days that a key is good when its maker does not say.
    pub default_days: u32,
    /// The most that they may say.
    pub max_days: u32,
    /// Hours that a rotated key is good for when nobody says.
    pub overlap_hours: u32,
    /// Keys of one user.
    pub per_user: u32,
    /// Keys of one tenant.
    pub per_tenant: u32,
    /// Requests of one key in a minute; its maker may say less.
    pub per_minute: u32,
}

impl Default for ApiKeysConfig {
    fn default() -> Self {
        Self {
            default_days: 90,
            max_days: 365,
            overlap_hours: 24,
            per_user: 20,
            per_tenant: 50,
            per_minute: 600,
        }
    }
}
