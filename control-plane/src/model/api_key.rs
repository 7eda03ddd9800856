//! Keys by which programs use the API.

use super::tenant::words;

words!(
    /// Whose a key is.
    KeyKind {
        /// Its maker's own: it acts wherever they belong, or in one tenant.
        User = "user",
        /// A tenant's: its admins see and end it, whoever made it.
        Tenant = "tenant",
    }
);

words!(
    /// How a key stands.
    KeyStatus {
        Active = "active",
        /// Another took its place; it is good until it expires, which is soon.
        Replaced = "replaced",
        Expired = "expired",
        Revoked = "revoked",
    }
);
