//! How a command ends: a code for scripts, a sentence for people, and what they can do.

use std::fmt;
use std::process::ExitCode;

use serde_json::json;

/// The exit codes, the same for every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Failed, or stuck until a person looks.
    Failed = 1,
    /// Wrong usage or settings.
    Usage = 2,
    NotFound = 3,
    /// Invalid, or in conflict with what is there.
    Refused = 4,
    /// The API cannot be reached or does not accept the token.
    Unreachable = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub exit: Exit,
    pub message: String,
    /// Fields of what was sent, each with what is wrong with it.
    pub fields: Vec<(String, String)>,
    /// What the person can do about it.
    pub advice: Option<String>,
}

impl Error {
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), fields: Vec::new(), advice: None }
    }

    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Writes it to standard error; with `json` as one object on one line.
    pub fn print(&self, json: bool) {
        if json {
            let fields: Vec<_> = self
                .fields
                .iter()
                .map(|(field, message)| json!({"field": field, "message": message}))
                .collect();
            let object = json!({
                "error": self.message,
                "exit": self.exit as u8,
                "fields": fields,
                "advice": self.advice,
            });
            eprintln!("{object}");
        } else {
            eprintln!("{self}");
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for (field, message) in &self.fields {
            write!(f, "\n  {field}: {message}")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "\nhint: {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<crate::config::Error> for Error {
    fn from(error: crate::config::Error) -> Self {
        Self::usage(error.to_string()).advise("`freehold config` shows all settings and where they come from")
    }
}

impl From<crate::telemetry::Error> for Error {
    fn from(error: crate::telemetry::Error) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
