//! Rules on what a caller may send, that no single newtype can say.

use serde_json::{Map, Value};

use super::error::{Error, Wrong};

/// Longest display name, in characters.
pub const NAME_CHARACTERS: usize = 120;
/// Largest settings object, in bytes of its JSON text.
pub const SETTINGS_BYTES: usize = 16 * 1024;
/// Deepest nesting of settings, the object itself counted.
pub const SETTINGS_DEPTH: usize = 8;
/// Largest number in settings: those near the largest double come back from PostgreSQL, which writes all their digits, as
/// none that can be read.
const LARGEST_NUMBER: f64 = 1e300;
/// Longest search text, in characters.
pub const SEARCH_CHARACTERS: usize = 120;
/// Longest email address, in bytes (RFC 5321).
pub const EMAIL_BYTES: usize = 254;
/// Longest idempotency key.
pub const KEY_BYTES: usize = 128;
/// Items of a page when the caller does not say.
pub const PAGE_DEFAULT: u32 = 50;
/// Most items of a page.
pub const PAGE_MAX: u32 = 200;
/// What the number of items of a page is told to be.
pub const LIMIT: &str = "a whole number from 1 to 200";

/// Collects everything that is wrong, so that a caller hears it all at once.
#[derive(Debug, Default)]
pub struct Findings(Vec<Wrong>);

impl Findings {
    /// The value, or a note of what is wrong with it.
    pub fn take<T, E: ToString>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(Wrong::new(field, error));
                None
            }
        }
    }

    /// Notes what is wrong, if anything is.
    pub fn check(&mut self, result: Result<(), Wrong>) {
        self.0.extend(result.err());
    }

    /// Ends the collecting.
    ///
    /// # Errors
    /// `Invalid` with all that was found, if anything was.
    pub fn done(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

/// A display name: trimmed, 1 to 120 characters, none of which controls the terminal or page it is shown on.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let length = text.chars().count();
    if !(1..=NAME_CHARACTERS).contains(&length) {
        return Err(format!("a name has 1 to {NAME_CHARACTERS} characters, this one has {length}"));
    }
    if text.chars().any(is_unprintable) {
        return Err("a name holds no control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Control characters, and those that turn the reading direction of what comes after them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Settings: small and not deep, and without what PostgreSQL's `jsonb` cannot hold.
///
/// # Errors
/// What is wrong, with the path it is wrong at.
pub fn settings(settings: &Map<String, Value>) -> Result<(), Wrong> {
    let size = serde_json::to_string(settings).map_or(usize::MAX, |text| text.len());
    if size > SETTINGS_BYTES {
        return Err(Wrong::new(
            "settings",
            format!("settings have at most {SETTINGS_BYTES} bytes, these have {size}"),
        ));
    }
    object("settings", settings, 1)
}

fn object(path: &str, map: &Map<String, Value>, depth: usize) -> Result<(), Wrong> {
    within_depth(path, depth)?;
    for (key, item) in map {
        if key.contains('\0') {
            return Err(Wrong::new(path, "a key holds a NUL character"));
        }
        value(&format!("{path}.{key}"), item, depth)?;
    }
    Ok(())
}

fn value(path: &str, item: &Value, depth: usize) -> Result<(), Wrong> {
    match item {
        Value::String(text) if text.contains('\0') => Err(Wrong::new(path, "a text holds a NUL character")),
        Value::Number(number) if number.as_f64().is_some_and(|number| number.abs() > LARGEST_NUMBER) => {
            Err(Wrong::new(path, "a number is larger than 1e300"))
        }
        Value::Object(map) => object(path, map, depth + 1),
        Value::Array(items) => {
            within_depth(path, depth + 1)?;
            items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| value(&format!("{path}.{index}"), item, depth + 1))
        }
        _ => Ok(()),
    }
}

fn within_depth(path: &str, depth: usize) -> Result<(), Wrong> {
    if depth > SETTINGS_DEPTH {
        Err(Wrong::new(path, format!("settings are nested at most {SETTINGS_DEPTH} deep")))
    } else {
        Ok(())
    }
}

/// How many items a page shall have.
///
/// # Errors
/// When it is less than 1 or more than 200.
pub fn limit(limit: Option<u32>) -> Result<u32, String> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if (1..=PAGE_MAX).contains(&limit) { Ok(limit) } else { Err(LIMIT.to_owned()) }
}

/// A text to search for: trimmed; none at all if nothing is left of it.
///
/// # Errors
/// When it is too long or holds a NUL.
pub fn search(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.chars().count() > SEARCH_CHARACTERS {
        return Err(format!("at most {SEARCH_CHARACTERS} characters"));
    }
    if text.contains('\0') {
        return Err("holds a NUL character".to_owned());
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// An idempotency key: 1 to 128 visible ASCII characters.
///
/// # Errors
/// When it is not.
pub fn idempotency_key(text: &str) -> Result<String, String> {
    if (1..=KEY_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(format!("1 to {KEY_BYTES} visible ASCII characters without spaces"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(name("  Acme Fleet, Inc. ").as_deref(), Ok("Acme Fleet, Inc."));
        assert_eq!(name("日本運輸").as_deref(), Ok("日本運輸"));
        assert!(name(&"ä".repeat(NAME_CHARACTERS)).is_ok());
        for bad in ["", "   ", "a\nb", "a\0b", "a\u{1b}[31mb", "a\u{202e}b", &"x".repeat(NAME_CHARACTERS + 1)]
        {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn settings_are_small_flat_and_without_nul() {
        assert!(settings(&map(json!({"colour": "#123456", "limits": {"a": [1, 2]}}))).is_ok());
        let big = settings(&map(json!({"a": "x".repeat(SETTINGS_BYTES)}))).expect_err("too big");
        assert_eq!(big.field, "settings");
        let nul = settings(&map(json!({"a": [{"b": "\0"}]}))).expect_err("NUL");
        assert_eq!(nul.field, "settings.a.0.b");
        let large = settings(&map(json!({"a": [-1.797_693_134_862_315_7e308]}))).expect_err("no such number");
        assert_eq!(large.field, "settings.a.0");
        assert!(settings(&map(json!({"a": [1e300, -1e300, u64::MAX]}))).is_ok());
    }

    #[test]
    fn nesting_is_counted_from_the_object_itself() {
        let nested = |levels: usize| {
            let inner = (1..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
            settings(&map(json!({ "a": inner })))
        };
        assert!(nested(SETTINGS_DEPTH).is_ok());
        assert!(nested(SETTINGS_DEPTH + 1).is_err());
        let arrays = |levels: usize| {
            let inner = (1..levels).fold(json!(1), |inner, _| json!([inner]));
            settings(&map(json!({ "a": inner })))
        };
        assert!(arrays(SETTINGS_DEPTH).is_ok());
        assert!(arrays(SETTINGS_DEPTH + 1).is_err());
    }

    #[test]
    fn pages_searches_and_keys_have_bounds() {
        assert_eq!(limit(None), Ok(PAGE_DEFAULT));
        assert_eq!(limit(Some(PAGE_MAX)), Ok(PAGE_MAX));
        assert!(limit(Some(0)).is_err() && limit(Some(PAGE_MAX + 1)).is_err());
        assert_eq!(search("  "), Ok(None));
        assert_eq!(search(" acme "), Ok(Some("acme".to_owned())));
        assert!(search("a\0").is_err());
        assert!(idempotency_key("b2f1-4").is_ok());
        for bad in ["", "a b", "ä", &"k".repeat(KEY_BYTES + 1)] {
            assert!(idempotency_key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn findings_are_told_together() {
        let mut findings = Findings::default();
        assert_eq!(findings.take("a", Ok::<_, String>(1)), Some(1));
        assert_eq!(findings.take("b", Err::<(), _>("no")), None);
        assert_eq!(findings.take("c", Err::<(), _>("neither")), None);
        match findings.done() {
            Err(Error::Invalid(wrong)) => assert_eq!(wrong.len(), 2),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_can_be_shown_on_one_line(text in ".{0,150}") {
            if let Ok(name) = name(&text) {
                prop_assert!(!name.chars().any(char::is_control));
                prop_assert!(name.chars().count() <= NAME_CHARACTERS);
            }
        }
    }
}
