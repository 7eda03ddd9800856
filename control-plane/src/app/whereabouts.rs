//! Where a tenant may be wanted, and how it gets from one to the other.

use super::Result;
use super::audit::Action;
use super::error::Error;
use crate::model::tenant::DesiredState;

/// What may be asked of a tenant's whereabouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Suspend,
    Resume,
    Sleep,
    Wake,
    Restore,
    /// Has a stuck one tried again.
    Retry,
}

impl Verb {
    /// As the audit log calls it.
    pub(super) fn action(self) -> Action {
        match self {
            Self::Suspend => Action::TenantSuspend,
            Self::Resume => Action::TenantResume,
            Self::Sleep => Action::TenantSleep,
            Self::Wake => Action::TenantWake,
            Self::Restore => Action::TenantRestore,
            Self::Retry => Action::TenantRetry,
        }
    }
}

/// Where a verb takes a tenant that is wanted `from`; nothing when it is there already.
pub(super) fn destination(verb: Verb, from: DesiredState) -> Result<Option<DesiredState>> {
    use DesiredState::{Asleep, Deleted, Running, Suspended};
    match (verb, from) {
        // Tried again for what it is wanted to be, whatever that is.
        (Verb::Retry, _) => Ok(Some(from)),
        (Verb::Restore, Deleted) => Ok(Some(Running)),
        (Verb::Restore, _) => Err(Error::NotNow("the tenant is not deleted".to_owned())),
        (_, Deleted) => Err(Error::NotNow("the tenant is deleted; restore it first".to_owned())),
        (Verb::Suspend, Running | Asleep) => Ok(Some(Suspended)),
        (Verb::Resume, Suspended) => Ok(Some(Running)),
        (Verb::Sleep, Running) => Ok(Some(Asleep)),
        (Verb::Wake, Asleep) => Ok(Some(Running)),
        (Verb::Sleep | Verb::Wake, Suspended) => {
            Err(Error::NotNow("the tenant is suspended; resume it first".to_owned()))
        }
        (Verb::Suspend, Suspended)
        | (Verb::Resume, Running | Asleep)
        | (Verb::Sleep, Asleep)
        | (Verb::Wake, Running) => Ok(None),
    }
}

/// The verb that a desired state set by hand stands for.
pub(super) fn verb_to(to: DesiredState, from: DesiredState) -> Result<Verb> {
    match (to, from) {
        (DesiredState::Running, DesiredState::Suspended) => Ok(Verb::Resume),
        (DesiredState::Running, _) => Ok(Verb::Wake),
        (DesiredState::Asleep, _) => Ok(Verb::Sleep),
        (DesiredState::Suspended, _) => Ok(Verb::Suspend),
        (DesiredState::Deleted, _) => {
            Err(Error::wrong("desired_state", "a tenant is deleted by DELETE alone"))
        }
    }
}
