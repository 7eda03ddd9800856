//! Named places where a test kills the process, to prove that whoever comes after converges without help.
//!
//! `FREEHOLD_FAULT=<step>:<before|after>` or one of the places of the loop itself kills this process with SIGKILL
//! there, once it gets there. Without the variable a point costs one comparison.

use std::process::Command;
use std::sync::OnceLock;

use crate::planner::Step;

/// The variable that names the point.
pub const VARIABLE: &str = "FREEHOLD_FAULT";

/// Places in the loop around the steps.
pub const LOOP: &[&str] = &["claimed", "resolved", "observed", "converged", "given_back"];

/// When, seen from a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Its effect was decided on, and nothing done.
    Before,
    /// Its effect took place, and nobody knows yet.
    After,
}

/// All points there are.
#[must_use]
pub fn points() -> Vec<String> {
    let of_steps =
        Step::NAMES.iter().flat_map(|step| ["before", "after"].map(|moment| format!("{step}:{moment}")));
    of_steps.chain(LOOP.iter().map(|place| (*place).to_owned())).collect()
}

fn armed() -> Option<&'static str> {
    static ARMED: OnceLock<Option<String>> = OnceLock::new();
    ARMED.get_or_init(|| std::env::var(VARIABLE).ok().filter(|point| !point.is_empty())).as_deref()
}

/// A point beside a step.
pub fn step(step: &Step, moment: Moment) {
    if let Some(armed) = armed() {
        let moment = match moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        if armed.split_once(':') == Some((step.name(), moment)) {
            die(armed);
        }
    }
}

/// A point in the loop.
pub fn place(name: &str) {
    debug_assert!(LOOP.contains(&name), "{name} is not listed");
    if armed() == Some(name) {
        die(name);
    }
}

/// SIGKILL, so that nothing is flushed, closed or unwound: a shell sends it to its parent, which we are.
fn die(point: &str) -> ! {
    tracing::warn!(point, "killing this process at a fault point");
    let _ = Command::new("sh").args(["-c", "kill -9 $PPID"]).status();
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_its_own_name() {
        let mut points = points();
        let all = points.len();
        points.sort();
        points.dedup();
        assert_eq!(points.len(), all);
        assert_eq!(all, Step::NAMES.len() * 2 + LOOP.len());
    }
}
