//! Secrets of tenants, as they are kept: sealed, by what they are for.

use std::fmt;

use super::tenant::words;

words!(
    /// What a tenant's secret is for. It is bound into the seal, so one can never be opened as another.
    SecretPurpose {
        /// Password of the database's superuser.
        DatabaseSuperuser = "database_superuser",
        /// Password of the role that owns the schema and runs migrations.
        DatabaseOwner = "database_owner",
        /// Password of the app's row-only role.
        DatabaseApp = "database_app",
        /// Password of the role that only measures.
        DatabaseMonitor = "database_monitor",
        /// The app's random value for sessions and the like.
        AppKey = "app_key",
        /// By which the app shows the platform's sign-in who it is.
        ClientSecret = "client_secret",
    }
);

/// A secret as it is kept: it can be opened only with the master key of its version, for its tenant and purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which master key it was sealed with.
    pub key_version: i32,
    pub nonce: [u8; 24],
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key_version", &self.key_version).finish_non_exhaustive()
    }
}
