//! Keys that sign tokens.

use serde::{Deserialize, Serialize};

/// How they take each other's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKeysConfig {
    /// Seconds that new ones are published before they sign: longer than anybody who checks tokens keeps what they
    /// fetched.
    pub lead_seconds: u32,
}

impl Default for SigningKeysConfig {
    /// Published keys may be kept for 5 minutes, and the reference app asks for one that was missing once a minute.
    fn default() -> Self {
        Self { lead_seconds: 600 }
    }
}
