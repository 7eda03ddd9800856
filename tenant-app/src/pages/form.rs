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
    pub has_errors: bool,
    pub fields: Vec<Field>,
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
        self.has_errors = true;
        for field in &mut self.fields {
            field.error = errors.0.iter().find(|e| e.field == field.name).map(|e| e.message.clone());
        }
        self
    }
}
