//! Tera, and nothing else that knows it: one typed context and one sample per template.
//!
//! Templates are built into the binary. The environment registers no function that reads files, variables or
//! the network, and templates of the platform never include text that somebody else wrote.

pub mod landing;
pub mod mail;
pub mod nginx;
pub mod pages;
pub mod person;
pub mod qr;
pub mod stack;

use std::sync::OnceLock;

use serde::Serialize;
use tera::{Context, Tera};

macro_rules! mail {
    ($kind:literal, $end:literal) => {
        (
            concat!("mail/", $kind, ".", $end),
            include_str!(concat!("../../../templates/mail/", $kind, ".", $end)),
        )
    };
}

/// Templates by name. Those that end in `.html` are escaped; a name is what errors show.
const TEMPLATES: &[(&str, &str)] = &[
    mail!("already_registered", "html"),
    mail!("already_registered", "txt"),
    mail!("identity_linked", "html"),
    mail!("identity_linked", "txt"),
    mail!("invitation", "html"),
    mail!("invitation", "txt"),
    mail!("key_made", "html"),
    mail!("key_made", "txt"),
    mail!("layout", "html"),
    mail!("layout", "txt"),
    mail!("password_changed", "html"),
    mail!("password_changed", "txt"),
    mail!("reset_password", "html"),
    mail!("reset_password", "txt"),
    mail!("second_factor_changed", "html"),
    mail!("second_factor_changed", "txt"),
    mail!("session_ended", "html"),
    mail!("session_ended", "txt"),
    mail!("signup_approved", "html"),
    mail!("signup_approved", "txt"),
    mail!("signup_asked", "html"),
    mail!("signup_asked", "txt"),
    mail!("signup_pending", "html"),
    mail!("signup_pending", "txt"),
    mail!("signup_rejected", "html"),
    mail!("signup_rejected", "txt"),
    mail!("verify_email", "html"),
    mail!("verify_email", "txt"),
    ("nginx/nginx.conf", include_str!("../../../templates/nginx/nginx.conf")),
    ("pages/admin.html", include_str!("../../../templates/pages/admin.html")),
    ("pages/gateway.html", include_str!("../../../templates/pages/gateway.html")),
    ("pages/landing.html", include_str!("../../../templates/pages/landing.html")),
    ("pages/person.html", include_str!("../../../templates/pages/person.html")),
];

/// Why a template gave no text. It names the template, and never the values that were put in.
#[derive(Debug, Clone, thiserror::Error)]
#[error("template {template}: {message}")]
pub struct Error {
    pub template: String,
    pub message: String,
}

impl Error {
    pub(crate) fn of(template: &str, error: &tera::Error) -> Self {
        Self { template: template.to_owned(), message: message(error) }
    }
}

/// Renders one of the platform's own templates.
///
/// # Errors
/// A template that does not exist or uses what its context does not have: a mistake of ours, found by the test
/// that renders each with its sample.
pub(crate) fn page<C: Serialize>(template: &str, context: &C) -> Result<String, Error> {
    let environment = environment().as_ref().map_err(Error::clone)?;
    let context = Context::from_serialize(context).map_err(|error| Error::of(template, &error))?;
    environment.render(template, &context).map_err(|error| Error::of(template, &error))
}

fn environment() -> &'static Result<Tera, Error> {
    static ENVIRONMENT: OnceLock<Result<Tera, Error>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut tera = Tera::new();
        tera.autoescape_on([".html"]);
        tera.add_raw_templates(TEMPLATES.iter().copied())
            .map_err(|error| Error::of("all templates", &error))?;
        Ok(tera)
    })
}

/// What Tera says, in one line: without the excerpt of the source that it draws around it.
pub(crate) fn message(error: &tera::Error) -> String {
    let text = match error.kind() {
        tera::ErrorKind::SyntaxError(report) | tera::ErrorKind::RenderingError(report) => {
            report.message().to_owned()
        }
        other => other.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    if line == "Unexpected end of input" {
        return "an expression is not closed: {{ needs its }}, {% its %}, and {% if %} and {% for %} their end"
            .to_owned();
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_templates_are_sound() {
        environment().as_ref().expect("every template parses");
    }
}
