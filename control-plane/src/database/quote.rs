//! The one place where text becomes part of an SQL statement, for what PostgreSQL takes no parameters for.

/// A string literal. Doubling quotes is enough because `standard_conforming_strings` is on; a backslash is guarded
/// all the same.
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// An identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_backslashes_stay_inside() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }

    proptest! {
        #[test]
        fn no_literal_ends_early(text in "\\PC*") {
            let quoted = literal(&text);
            let inner = &quoted[quoted.find('\'').map_or(0, |at| at + 1)..quoted.len() - 1];
            prop_assert!(!inner.replace("''", "").contains('\''));
        }
    }
}
