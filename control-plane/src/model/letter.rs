//! What a mail says, by what it is about. Rendered when it is sent.

use serde::{Deserialize, Serialize};

use super::role::Role;
use super::tenant::words;

words!(
    /// What became of a mail.
    MailState {
        /// It waits to be sent, for the first time or again.
        Queued = "queued",
        Sent = "sent",
        /// It was refused for good, or too often.
        Dead = "dead",
    }
);

/// A letter to one person. Links may hold a secret that is good once, so a letter is kept no longer than needed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Letter {
    /// Prove that this address is yours.
    VerifyEmail {
        name: String,
        link: String,
        hours: u32,
        /// What they asked to join or to open: the link asks for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
    },
    /// Somebody registered with an address that has an account; only its owner is told so.
    AlreadyRegistered {
        name: String,
        link: String,
        /// What was asked to join or to open with it: nothing comes of that before they sign in and ask there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
    },
    /// Set a new password.
    ResetPassword {
        name: String,
        link: String,
        minutes: u32,
    },
    /// The password was changed; sent always, because security needs it.
    PasswordChanged {
        name: String,
        address: String,
    },
    /// Somebody came with a refresh token that was used before, so the session was ended.
    SessionEnded {
        name: String,
        device: String,
        address: String,
    },
    /// A second factor was set up or taken away.
    SecondFactorChanged {
        name: String,
        set_up: bool,
        address: String,
    },
    /// A provider outside vouches for them from now on; sent always, because security needs it.
    IdentityLinked {
        name: String,
        /// What it is called.
        provider: String,
        /// Whose it is; empty for the platform's.
        tenant: String,
        /// Whether the account was made by it.
        made: bool,
        address: String,
    },
    /// An API key was made, or took another's place; to its maker and to who made the one before.
    KeyMade {
        key: String,
        /// Where it acts; empty for everywhere.
        tenant: String,
        by: String,
        rotated: bool,
        address: String,
    },
    /// A place in a tenant is offered.
    Invitation {
        tenant: String,
        inviter: String,
        role: Role,
        link: String,
        days: u32,
    },
    /// Somebody asks to join, or to open a tenant; to who decides.
    SignupAsked {
        tenant: String,
        person: String,
        email: String,
        message: String,
        link: String,
    },
    /// The wish was heard and waits.
    SignupPending {
        name: String,
        tenant: String,
    },
    SignupApproved {
        name: String,
        tenant: String,
        link: String,
    },
    SignupRejected {
        name: String,
        tenant: String,
        reason: String,
    },
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Letter {
    /// The word for its kind, which its templates are named by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged { .. } => "password_changed",
            Self::SessionEnded { .. } => "session_ended",
            Self::SecondFactorChanged { .. } => "second_factor_changed",
            Self::IdentityLinked { .. } => "identity_linked",
            Self::KeyMade { .. } => "key_made",
            Self::Invitation { .. } => "invitation",
            Self::SignupAsked { .. } => "signup_asked",
            Self::SignupPending { .. } => "signup_pending",
            Self::SignupApproved { .. } => "signup_approved",
            Self::SignupRejected { .. } => "signup_rejected",
        }
    }
}
