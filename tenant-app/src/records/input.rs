//! Reads what people and programs send, field by field, and says of each field what is wrong with it.
//!
//! One reader for both faces of the app: a JSON body is strict about types and unknown fields, a form has
//! nothing but text and takes a decimal comma.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

/// Everything that is wrong with what was sent; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    #[must_use]
    pub fn one(field: &str, message: impl Into<String>) -> Self {
        Self(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }
}

/// A body on its way to being understood. Every read takes one field out of it.
pub struct Input {
    values: Map<String, Value>,
    is_form: bool,
    errors: Vec<FieldError>,
}

impl Input {
    #[must_use]
    pub fn json(values: Map<String, Value>) -> Self {
        Self { values, is_form: false, errors: Vec::new() }
    }

    #[must_use]
    pub fn form(values: &BTreeMap<String, String>) -> Self {
        let values = values.iter().map(|(k, v)| (k.clone(), Value::String(v.clone()))).collect();
        Self { values, is_form: true, errors: Vec::new() }
    }

    /// One line of text without blanks around it; blank text is no text. Control characters are refused.
    pub fn text(&mut self, field: &str, longest: usize) -> Option<String> {
        self.any_text(field, longest, char::is_control)
    }

    /// As [`Self::text`], of several lines.
    pub fn lines(&mut self, field: &str, longest: usize) -> Option<String> {
        self.any_text(field, longest, |c| c.is_control() && c != '\n' && c != '\r')
    }

    fn any_text(&mut self, field: &str, longest: usize, refused: impl Fn(char) -> bool) -> Option<String> {
        let text = match self.take(field)? {
            Value::String(text) => text.trim().to_owned(),
            _ => return self.wrong(field, "must be text"),
        };
        if text.is_empty() {
            None
        } else if text.chars().count() > longest {
            self.wrong(field, format!("must not be longer than {longest} characters"))
        } else if text.chars().any(refused) {
            self.wrong(field, "must not hold control characters")
        } else {
            Some(text)
        }
    }

    /// As [`Self::text`], and it must be there.
    pub fn needed_text(&mut self, field: &str, longest: usize) -> String {
        let before = self.errors.len();
        let text = self.text(field, longest);
        if text.is_none() && self.errors.len() == before {
            return self.wrong(field, "is needed").unwrap_or_default();
        }
        text.unwrap_or_default()
    }

    /// One of a few words.
    pub fn choice(&mut self, field: &str, choices: &[&str]) -> String {
        let before = self.errors.len();
        match self.text(field, 40) {
            Some(text) if choices.contains(&text.as_str()) => text,
            None if self.errors.len() > before => String::new(),
            _ => self.wrong(field, format!("must be one of {}", choices.join(", "))).unwrap_or_default(),
        }
    }

    /// A whole number from `low` to `high`.
    pub fn integer(&mut self, field: &str, low: i32, high: i32) -> Option<i32> {
        self.scaled(field, 0, i64::from(low), i64::from(high)).and_then(|n| i32::try_from(n).ok())
    }

    /// As [`Self::integer`], and it must be there.
    pub fn needed_integer(&mut self, field: &str, low: i32, high: i32) -> i32 {
        let before = self.errors.len();
        let number = self.integer(field, low, high);
        if number.is_none() && self.errors.len() == before {
            return self.wrong(field, "is needed").unwrap_or_default();
        }
        number.unwrap_or_default()
    }

    /// A number of at most `places` decimal places, as a whole number of its smallest unit, which lies
    /// from `low` to `high`.
    pub fn scaled(&mut self, field: &str, places: u32, low: i64, high: i64) -> Option<i64> {
        let text = match (self.take(field)?, self.is_form) {
            (Value::Number(number), false) => number.to_string(),
            (Value::String(text), true) if text.trim().is_empty() => return None,
            (Value::String(text), true) => text.trim().replacen(',', ".", 1),
            _ => return self.wrong(field, "must be a number"),
        };
        match parse_scaled(&text, places) {
            Ok(number) if (low..=high).contains(&number) => Some(number),
            Err(Unread::Places) if places == 0 => self.wrong(field, "must be a whole number"),
            Err(Unread::Places) => {
                self.wrong(field, format!("must not have more than {places} decimal places"))
            }
            Err(Unread::Form) => self.wrong(field, "must be a number"),
            Ok(_) | Err(Unread::Size) => {
                let (low, high) = (show_scaled(low, places), show_scaled(high, places));
                self.wrong(field, format!("must be from {low} to {high}"))
            }
        }
    }

    /// A day as `YYYY-MM-DD` that must be there, not before 1886 nor after `last`.
    pub fn needed_date(&mut self, field: &str, last: NaiveDate) -> NaiveDate {
        let before = self.errors.len();
        let text = self.text(field, 10);
        if self.errors.len() > before {
            return NaiveDate::default();
        }
        let Some(text) = text else {
            return self.wrong(field, "is needed").unwrap_or_default();
        };
        let form = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        match NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
            Ok(day) if form && day > last => {
                self.wrong(field, "must not lie in the future").unwrap_or_default()
            }
            Ok(day) if form && day.format("%Y").to_string().as_str() >= "1886" => day,
            Ok(_) if form => self.wrong(field, "must not be before 1886").unwrap_or_default(),
            _ => self.wrong(field, "must be a day as YYYY-MM-DD").unwrap_or_default(),
        }
    }

    /// Yes or no. A form's box that is not ticked is not sent: absent is no there, and `unsaid` in JSON.
    pub fn flag(&mut self, field: &str, unsaid: bool) -> bool {
        match (self.take(field), self.is_form) {
            (None, true) => false,
            (Some(Value::String(_)), true) => true,
            (None, false) => unsaid,
            (Some(Value::Bool(flag)), false) => flag,
            _ => self.wrong(field, "must be true or false").unwrap_or_default(),
        }
    }

    /// Says something else against a field.
    pub fn wrong<T>(&mut self, field: &str, message: impl Into<String>) -> Option<T> {
        self.errors.push(FieldError { field: field.to_owned(), message: message.into() });
        None
    }

    /// Was something said against this field already?
    #[must_use]
    pub fn is_wrong(&self, field: &str) -> bool {
        self.errors.iter().any(|e| e.field == field)
    }

    /// Gives `value` when nothing was wrong.
    ///
    /// # Errors
    /// All that was wrong, fields nobody asked for included (in JSON).
    pub fn done<T>(mut self, value: T) -> Result<T, FieldErrors> {
        if !self.is_form {
            // Names are the caller's own words: only so many, and only so long, go back to them.
            for name in self.values.keys().take(10) {
                let field: String = name.chars().take(60).collect();
                self.errors.push(FieldError { field, message: "is not a field of this".to_owned() });
            }
        }
        if self.errors.is_empty() { Ok(value) } else { Err(FieldErrors(self.errors)) }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.values.remove(field).filter(|value| !value.is_null())
    }
}

enum Unread {
    Form,
    Places,
    Size,
}

/// Reads a plain decimal exactly, without floating point in between.
fn parse_scaled(text: &str, places: u32) -> Result<i64, Unread> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(part) || digits.ends_with('.') {
        return Err(Unread::Form);
    }
    let part = part.trim_end_matches('0');
    let missing =
        usize::try_from(places).ok().and_then(|p| p.checked_sub(part.len())).ok_or(Unread::Places)?;
    let number: i64 = format!("{whole}{part}{}", "0".repeat(missing)).parse().map_err(|_| Unread::Size)?;
    Ok(if negative { -number } else { number })
}

/// Writes a whole number of the smallest unit as a plain decimal, without needless zeros.
#[must_use]
pub fn show_scaled(number: i64, places: u32) -> String {
    let unit = 10_i64.pow(places);
    let (whole, part) = (number / unit, (number % unit).abs());
    let sign = if number < 0 && whole == 0 { "-" } else { "" };
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let width = usize::try_from(places).unwrap_or_default();
    let part = format!("{part:0width$}");
    format!("{sign}{whole}.{}", part.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn json_input(value: &Value) -> Input {
        Input::json(value.as_object().cloned().unwrap())
    }

    fn form_input(pairs: &[(&str, &str)]) -> Input {
        Input::form(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn messages(outcome: Result<(), FieldErrors>) -> Vec<String> {
        outcome.unwrap_err().0.into_iter().map(|e| format!("{}: {}", e.field, e.message)).collect()
    }

    #[test]
    fn json_is_strict() {
        let mut input = json_input(&json!({ "name": 7, "year": "1999", "extra": 1, "full": "yes" }));
        input.needed_text("name", 10);
        input.integer("year", 0, 3000);
        input.flag("full", true);
        input.needed_integer("odometer", 0, 10);
        assert_eq!(
            messages(input.done(())),
            [
                "name: must be text",
                "year: must be a number",
                "full: must be true or false",
                "odometer: is needed",
                "extra: is not a field of this"
            ]
        );
    }

    #[test]
    fn forms_are_text() {
        let mut input =
            form_input(&[("litres", " 45,67 "), ("year", ""), ("note", "  "), ("full", "on"), ("x", "")]);
        assert_eq!(input.scaled("litres", 3, 1, 100_000), Some(45_670));
        assert_eq!(input.integer("year", 0, 3000), None);
        assert_eq!(input.text("note", 5), None);
        assert!(input.flag("full", false));
        assert!(!input.flag("absent", true));
        assert!(input.done(()).is_ok());
    }

    #[test]
    fn numbers_are_read_exactly_and_bounds_are_said() {
        let litres = |text| {
            let mut input = form_input(&[("litres", text)]);
            let value = input.scaled("litres", 3, 1, 2_000_000);
            input.done(value).map_err(|e| e.0[0].message.clone())
        };
        assert_eq!(litres("0.001"), Ok(Some(1)));
        assert_eq!(litres("2000.000000"), Ok(Some(2_000_000)));
        assert_eq!(litres("1.2345"), Err("must not have more than 3 decimal places".into()));
        for text in ["0", "-1", "2000.001", "99999999999999999999"] {
            assert_eq!(litres(text), Err("must be from 0.001 to 2000".into()), "{text}");
        }
        for text in ["1e3", "NaN", ".5", "5.", "1.2.3", "1,2,3", "0x10", "+5", "--5", "٣"] {
            assert_eq!(litres(text), Err("must be a number".into()), "{text}");
        }
    }

    #[test]
    fn days_are_of_one_form() {
        let last = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
        let day = |text| {
            let mut input = form_input(&[("day", text)]);
            let value = input.needed_date("day", last);
            input.done(value).map_err(|e| e.0[0].message.clone())
        };
        assert_eq!(day("2026-01-31"), Ok(last));
        assert_eq!(day("2026-02-01"), Err("must not lie in the future".into()));
        assert_eq!(day("1885-12-31"), Err("must not be before 1886".into()));
        assert_eq!(day(""), Err("is needed".into()));
        for text in ["2026-1-31", "31.01.2026", "2026-02-30", "+026-01-01", "0000-00-00"] {
            assert_eq!(day(text), Err("must be a day as YYYY-MM-DD".into()), "{text}");
        }
    }

    #[test]
    fn control_characters_and_length_are_refused() {
        for text in ["a\u{0}b", "a\u{1b}b", "eleven char"] {
            let mut input = form_input(&[("name", text)]);
            input.needed_text("name", 10);
            assert_eq!(input.done(()).unwrap_err().0.len(), 1, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(number in -1_000_000_000i64..1_000_000_000, places in 0u32..4) {
            prop_assert_eq!(parse_scaled(&show_scaled(number, places), places).ok(), Some(number));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let mut input = form_input(&[("n", &text), ("d", &text), ("t", &text)]);
            let _ = input.scaled("n", 2, 0, 100);
            let _ = input.needed_date("d", NaiveDate::default());
            let _ = input.needed_text("t", 20);
            let _ = input.done(());
        }
    }
}
