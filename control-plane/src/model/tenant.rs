//! What is desired of a tenant, and what is seen of it.

/// Why a text is not one of the words expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is none of: {expected}")]
pub struct UnknownWord {
    pub value: String,
    pub expected: String,
}

/// An enumeration whose members have one lower-case word each, in SQL, JSON and on the command line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $word:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $name { $($(#[$member_doc])* #[serde(rename = $word)] $member),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$member),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$member => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::tenant::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|member| member.as_str() == text).ok_or_else(|| {
                    $crate::model::tenant::UnknownWord {
                        value: text.chars().take(64).collect(),
                        expected: [$($word),+].join(", "),
                    }
                })
            }
        }
    };
}
pub(crate) use words;

words!(
    /// What the registry says a tenant must be.
    DesiredState {
        Running = "running",
        /// Containers stopped, volumes kept, woken by the first request.
        Asleep = "asleep",
        /// Not served, by decision.
        Suspended = "suspended",
        /// Going: not served, containers removed, volumes kept until their retention has passed.
        Deleted = "deleted",
    }
);

words!(
    /// Where a tenant stands, as people are told.
    Status {
        /// Its house is being made for the first time.
        Provisioning = "provisioning",
        Running = "running",
        Asleep = "asleep",
        Suspended = "suspended",
        /// A change is on its way.
        Changing = "changing",
        /// A person must look.
        Stuck = "stuck",
        /// Deleted, restorable until its retention has passed.
        Deleted = "deleted",
    }
);

impl Status {
    /// What people are told, from what is wanted and how far it got.
    #[must_use]
    pub fn of(desired: DesiredState, converged: bool, ever_ready: bool, stuck: bool) -> Self {
        if stuck {
            return Self::Stuck;
        }
        match (desired, converged) {
            (DesiredState::Running, true) => Self::Running,
            (DesiredState::Asleep, true) => Self::Asleep,
            (DesiredState::Suspended, true) => Self::Suspended,
            (DesiredState::Deleted, _) => Self::Deleted,
            (_, false) if ever_ready => Self::Changing,
            (_, false) => Self::Provisioning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for state in DesiredState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
        let error = "sleeping".parse::<DesiredState>().expect_err("no such word").to_string();
        assert!(error.contains("running, asleep, suspended, deleted"), "{error}");
    }

    #[test]
    fn a_status_never_says_running_before_it_is_so() {
        assert_eq!(Status::of(DesiredState::Running, false, false, false), Status::Provisioning);
        assert_eq!(Status::of(DesiredState::Running, false, true, false), Status::Changing);
        assert_eq!(Status::of(DesiredState::Running, true, true, false), Status::Running);
        assert_eq!(Status::of(DesiredState::Running, true, true, true), Status::Stuck);
    }
}
