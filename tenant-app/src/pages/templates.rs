//! The built-in templates, with what they all know: whose app this is.

use axum::response::Html;
use serde::Serialize;
use tera::{Context, Tera};

use super::form::Form;
use crate::people::person::Person;
use crate::settings::Tenant;
use crate::web::problem::Problem;

const SOURCES: [(&str, &str); 7] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("vehicles.html", include_str!("../../templates/vehicles.html")),
    ("vehicle.html", include_str!("../../templates/vehicle.html")),
    ("form.html", include_str!("../../templates/form.html")),
    ("confirm.html", include_str!("../../templates/confirm.html")),
    ("problem.html", include_str!("../../templates/problem.html")),
    ("signed_out.html", include_str!("../../templates/signed_out.html")),
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

/// Who is signed in, for the head of a page.
#[derive(Serialize)]
struct Present<'a> {
    name: &'a str,
    email: &'a str,
    role: &'a str,
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

    /// A page for `person`, or for somebody who is not known.
    ///
    /// # Errors
    /// The template does not fit what it is given.
    pub fn view(
        &self,
        template: &str,
        view: &impl Serialize,
        person: Option<&Person>,
    ) -> Result<String, tera::Error> {
        let mut context = Context::new();
        context.insert("view", view);
        let present = person.map(|p| Present { name: p.called(), email: &p.email, role: &p.role });
        context.insert("person", &present);
        self.tera.render(template, &context)
    }

    /// # Errors
    /// As [`Self::view`].
    pub fn form(&self, form: &Form, person: &Person) -> Result<String, tera::Error> {
        self.view("form.html", form, Some(person))
    }

    /// # Errors
    /// As [`Self::view`].
    pub fn question(&self, question: &Question, person: &Person) -> Result<String, tera::Error> {
        self.view("confirm.html", question, Some(person))
    }

    /// # Errors
    /// As [`Self::view`].
    pub fn problem(&self, problem: &Problem, person: Option<&Person>) -> Result<Html<String>, tera::Error> {
        self.view("problem.html", problem, person).map(Html)
    }
}
