//! Operations: what people see of a change.

use super::tenant::words;

words!(
    /// What was asked for.
    OperationKind {
        Create = "create",
        /// Name, settings, plan or release.
        Update = "update",
        Sleep = "sleep",
        Wake = "wake",
        Suspend = "suspend",
        Resume = "resume",
        Delete = "delete",
        /// Back from deletion, before the retention has passed.
        Restore = "restore",
        Erase = "erase",
        /// The platform itself mends what was broken by hand or by accident.
        Repair = "repair",
    }
);

words!(
    /// How far an operation is.
    OperationState {
        Pending = "pending",
        Running = "running",
        Succeeded = "succeeded",
        /// It cannot go on without a person; the reason says why.
        Stuck = "stuck",
        /// Withdrawn before it had begun, or replaced by a later one.
        Cancelled = "cancelled",
    }
);

impl OperationState {
    /// Whether nothing more will happen under this operation. A stuck one may still be carried on.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cancelled)
    }
}

words!(
    /// What an operation's event says of a step.
    EventState {
        Started = "started",
        Done = "done",
        Failed = "failed",
        /// Said in passing; no step begins or ends by it.
        Note = "note",
    }
);
