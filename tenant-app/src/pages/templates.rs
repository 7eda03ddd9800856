//! The built-in templates, with what they all know: whose app this is.

use axum::response::Html;
use serde::Serialize;
use tera::{Context, Tera};

use super::form::Form;
use crate::settings::Tenant;
use crate::web::problem::Problem;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("../../templates/app.css");

const SOURCES: [(&str, &str); 6] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("vehicles.html", include_str!("../../templates/vehicles.html")),
    ("vehicle.html", include_str!("../../templates/vehicle.html")),
    ("form.html", include_str!("../../templates/form.html")),
    ("confirm.html", include_str!("../../templates/confirm.html")),
    ("problem.html", include_str!("../../templates/problem.html")),
];

/// A question before something is gone for good.
#[derive(Serialize)]
pub struct Question {
    pub title: String,
    pub text: String,
    pub action: String,
    pub submit: &'static str,
    pub cancel: String,
}

#[derive(Serialize)]
struct Common<'a> {
    name: &'a str,
    slug: &'a str,
    platform_url: Option<&'a str>,
    version: &'static str,
}

/// Makes pages. Everything that is put into one is escaped: the templates end in `.html`.
pub struct Templates {
    tera: Tera,
}

impl Templates {
    /// # Errors
    /// The built-in templates are broken.
    pub fn new(tenant: &Tenant, platform_url: Option<&str>) -> Result<Self, tera::Error> {
        let mut tera = Tera::new();
        tera.add_raw_templates(SOURCES)?;
        let version = env!("CARGO_PKG_VERSION");
        let common = Common { name: &tenant.name, slug: &tenant.slug, platform_url, version };
        tera.global_context().insert("app", &common);
        Ok(Self { tera })
    }

    /// # Errors
    /// The template does not fit what it is given.
    pub fn view(&self, template: &str, view: &impl Serialize) -> Result<String, tera::Error> {
        let mut context = Context::new();
        context.insert("view", view);
        self.tera.render(template, &context)
    }

    /// # Errors
    /// As [`Self::view`].
    pub fn form(&self, form: &Form) -> Result<String, tera::Error> {
        self.view("form.html", form)
    }

    /// # Errors
    /// As [`Self::view`].
    pub fn question(&self, question: &Question) -> Result<String, tera::Error> {
        self.view("confirm.html", question)
    }

    /// # Errors
    /// As [`Self::view`].
    pub fn problem(&self, problem: &Problem) -> Result<Html<String>, tera::Error> {
        self.view("problem.html", problem).map(Html)
    }
}
