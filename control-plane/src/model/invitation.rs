//! Places in a tenant that are offered by mail.

use super::tenant::words;

words!(
    /// How it stands with an invitation.
    InvitationStatus {
        /// It can be accepted.
        Pending = "pending",
        Accepted = "accepted",
        Revoked = "revoked",
        /// Nobody accepted it in time.
        Expired = "expired",
    }
);
