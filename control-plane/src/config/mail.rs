//! How mails leave the machine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who sends mails, and through which server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// The address that mails come from: `no-reply@<domain>` unless set.
    pub from: String,
    /// The name beside it, and below every mail.
    pub from_name: String,
    pub smtp: SmtpConfig,
}

/// The server that takes our mails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Without one, no mail leaves the machine: they are kept for platform admins to read.
    pub host: Option<String>,
    pub port: u16,
    pub tls: SmtpTls,
    pub username: Option<String>,
    /// A file that holds the password and nothing else. It is read by `up`, and given to the worker alone.
    pub password_file: Option<PathBuf>,
    /// A file of certificates in PEM that the server's may be signed by, besides those that the worker's image trusts.
    /// It is read by `up`, too.
    pub ca_file: Option<PathBuf>,
}

/// Whether the way to the server is encrypted. It never falls back to less than is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    None,
    /// Begun in the open and encrypted before anything is said; mostly port 587.
    Starttls,
    /// From the first byte on; mostly port 465.
    Tls,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            from: "no-reply@freehold.localhost".to_owned(),
            from_name: "Freehold".to_owned(),
            smtp: SmtpConfig {
                host: None,
                port: 587,
                tls: SmtpTls::Starttls,
                username: None,
                password_file: None,
                ca_file: None,
            },
        }
    }
}

impl MailConfig {
    /// The first thing that cannot work: its key and why.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |key: &str, message: &str| Err((format!("mail.{key}"), message.to_owned()));
        if let Err(error) = self.from.parse::<crate::model::email::Email>() {
            return wrong("from", &error.to_string());
        }
        if self.from_name.trim().is_empty() || self.from_name.chars().any(char::is_control) {
            return wrong("from_name", "a name on one line is expected");
        }
        let smtp = &self.smtp;
        if smtp.host.as_deref().is_some_and(|host| host.parse::<crate::model::hostname::HostName>().is_err())
        {
            return wrong("smtp.host", "a host name or address is expected");
        }
        if smtp.port == 0 {
            return wrong("smtp.port", "0 is not between 1 and 65535");
        }
        if smtp.username.is_some() != smtp.password_file.is_some() {
            return wrong("smtp.username", "it goes together with smtp.password_file");
        }
        if smtp.ca_file.is_some() && smtp.tls == SmtpTls::None {
            return wrong(
                "smtp.ca_file",
                "without encryption no certificate is looked at: set smtp.tls, or leave it out",
            );
        }
        if smtp.username.is_some() && smtp.tls == SmtpTls::None && !self.is_local() {
            return wrong("smtp.tls", "a password is not sent over the network in the open: starttls or tls");
        }
        Ok(())
    }

    fn is_local(&self) -> bool {
        matches!(self.smtp.host.as_deref(), Some("localhost" | "127.0.0.1"))
    }
}
