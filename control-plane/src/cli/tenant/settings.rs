//! Settings of a tenant, as they are typed.

use serde_json::{Map, Value};

use crate::cli::Error;

/// Puts `key=value` pairs into settings. A value that is JSON is taken as such, any other as text.
///
/// # Errors
/// A pair without `=` or key.
pub(super) fn apply(settings: &mut Map<String, Value>, pairs: &[String]) -> Result<(), Error> {
    for pair in pairs {
        let (key, text) = pair
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| Error::usage(format!("--setting: {pair:?} is not of the form key=value")))?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        settings.insert(key.to_owned(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let mut settings = Map::new();
        let pairs = ["color=#ff0000", "seats=5", "tags=[\"a\"]", "motto=a=b", "empty="].map(str::to_owned);
        apply(&mut settings, &pairs).expect("pairs");
        let expected = json!({"color": "#ff0000", "seats": 5, "tags": ["a"], "motto": "a=b", "empty": ""});
        assert_eq!(Value::Object(settings.clone()), expected);
        assert!(apply(&mut settings, &["=x".to_owned()]).is_err());
        assert!(apply(&mut settings, &["x".to_owned()]).is_err());
    }
}
