//! A form as its template needs it: what it asks, what was typed, what was wrong with that.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::records::input::FieldErrors;

/// One form.
#[derive(Serialize)]
pub struct Form {
    pub title: String,
    pub action: String,
    pub submit: &'static str,
    pub cancel: String,
    /// Where what it edits can be deleted.
    pub delete: Option<String>,
    /// What is wrong with what was typed, said at the top with a link to its field.
    pub mistakes: Vec<Mistake>,
    pub fields: Vec<Field>,
}

/// One thing that is wrong.
#[derive(Serialize)]
pub struct Mistake {
    /// The field that it is wrong in, if the form has it.
    field: Option<&'static str>,
    message: String,
}

/// One thing it asks for. `kind` chooses the control.
#[derive(Serialize)]
pub struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    hint: &'static str,
    needed: bool,
    longest: Option<u16>,
    choices: Vec<Choice>,
    value: String,
    error: Option<String>,
}

#[derive(Serialize)]
pub struct Choice {
    value: String,
    label: String,
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into() }
    }
}

impl Field {
    pub fn new(name: &'static str, label: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            label,
            kind,
            hint: "",
            needed: false,
            longest: None,
            choices: Vec::new(),
            value: String::new(),
            error: None,
        }
    }

    pub fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub fn longest(self, longest: u16) -> Self {
        Self { longest: Some(longest), ..self }
    }

    pub fn choices(self, choices: Vec<Choice>) -> Self {
        Self { choices, ..self }
    }
}

/// What the fields hold.
pub type Values = BTreeMap<String, String>;

impl Form {
    /// Puts in what was typed or is kept.
    pub fn filled(mut self, values: &Values) -> Self {
        for field in &mut self.fields {
            field.value = values.get(field.name).cloned().unwrap_or_default();
        }
        self
    }

    /// Says at each field what is wrong with it.
    pub fn corrected(mut self, errors: &FieldErrors) -> Self {
        for error in &errors.0 {
            let field = self.fields.iter_mut().find(|field| error.field == field.name);
            let label = field.as_ref().map_or(error.field.as_str(), |field| field.label);
            let message = format!("{label} {}.", error.message);
            let field = field.map(|field| {
                field.error.get_or_insert_with(|| message.clone());
                field.name
            });
            self.mistakes.push(Mistake { field, message });
        }
        self
    }
}
