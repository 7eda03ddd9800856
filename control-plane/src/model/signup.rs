//! Wishes to join a tenant, or to open one.

use super::tenant::words;

words!(
    /// Whether people may ask for something by themselves, and who answers.
    SignupMode {
        /// Nobody may ask; people are invited.
        Closed = "closed",
        /// Whoever may decide says yes or no.
        Manual = "manual",
        /// Everybody who asks gets it.
        Automatic = "automatic",
    }
);

words!(
    /// What is asked for.
    SignupKind {
        /// A place in a tenant.
        Join = "join",
        /// A tenant of one's own.
        Open = "open",
    }
);

words!(
    /// How it stands with a wish.
    SignupState {
        Pending = "pending",
        Approved = "approved",
        Rejected = "rejected",
    }
);
