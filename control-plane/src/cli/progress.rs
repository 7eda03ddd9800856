//! What a person sees while the platform is brought up or taken down: a line for each part, with its time.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use crate::platform::Report;

/// Writes progress to standard error, so that standard output is left to results.
pub struct Lines {
    quiet: bool,
    terminal: bool,
    part: Mutex<String>,
}

impl Lines {
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet, terminal: std::io::stderr().is_terminal(), part: Mutex::new(String::new()) }
    }

    fn write(text: &str) {
        // Nobody to tell is no reason to stop.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Report for Lines {
    fn begin(&self, part: &str) {
        if let Ok(mut current) = self.part.lock() {
            part.clone_into(&mut current);
        }
        if !self.quiet && self.terminal {
            Self::write(&format!("  … {part}"));
        }
    }

    fn done(&self, outcome: &str, took: Duration) {
        if self.quiet {
            return;
        }
        let part = self.part.lock().map(|part| part.clone()).unwrap_or_default();
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        Self::write(&format!("{start}  ✓ {part:<24} {outcome} ({:.1} s)\n", took.as_secs_f64()));
    }

    fn line(&self, text: &str) {
        if !self.quiet && !self.terminal {
            Self::write(&format!("      {}\n", super::table::plain(text.trim_end())));
        }
    }

    fn warn(&self, text: &str) {
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        Self::write(&format!("{start}  ! {text}\n"));
    }
}

/// The error of the platform, with what to do about it.
impl From<crate::platform::Error> for super::Error {
    fn from(error: crate::platform::Error) -> Self {
        if let crate::platform::Error::NotReady(findings) = &error {
            let mut told = Self::failed("this host is not ready");
            for finding in findings {
                if let crate::platform::checks::Outcome::Problem { detail, remedy } = &finding.outcome {
                    told.fields.push((finding.check.to_owned(), format!("{detail}\n    {remedy}")));
                }
            }
            return told;
        }
        let told = Self::failed(error.to_string());
        match error.remedy() {
            Some(remedy) => told.advise(remedy),
            None => told,
        }
    }
}
