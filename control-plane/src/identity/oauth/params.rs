//! Parameters of a request, as a query or a form holds them.

use form_urlencoded::Serializer;

/// Parameters in the order they were sent.
#[derive(Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Parameters that a request may have: the standards know of some thirty.
const MOST: usize = 100;

impl Params {
    /// Reads a query, or a body of `application/x-www-form-urlencoded`.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// A parameter's value. One that is empty is as none (RFC 6749, 3.1), and so is one that is given twice: which of
    /// them counted would be anybody's guess.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next()?;
        (values.next().is_none() && !first.is_empty()).then_some(first)
    }

    /// Whether it cannot be told what is meant: there are more than any request has, which are not looked at one by one,
    /// or one is given twice.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        let names = || self.0.iter().map(|(name, _)| name);
        self.0.len() > MOST
            || names().enumerate().any(|(at, name)| names().take(at).any(|other| other == name))
    }

    /// The same without these parameters.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect())
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As a query.
    #[must_use]
    pub fn to_query(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// An address without a query, with these parameters as its query.
    #[must_use]
    pub fn at(&self, address: &str) -> String {
        if self.0.is_empty() { address.to_owned() } else { format!("{address}?{}", self.to_query()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_empty_or_given_twice_is_not_there() {
        let params = Params::read(b"a=1&b=&c=1&c=2&d=x%26y+z&e");
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!(params.get("d"), Some("x&y z"));
        for none in ["b", "c", "e", "f"] {
            assert_eq!(params.get(none), None, "{none}");
        }
        assert!(params.is_ambiguous() && !params.without(&["c"]).is_ambiguous());
        assert!(!format!("{params:?}").contains("x&y"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in ".{1,8}", value in ".{1,40}") {
            let params = Params::default().with(&name, &value);
            let address = params.at("http://acme.example/callback");
            let (_, query) = address.split_once('?').expect("a query");
            let read = Params::read(query.as_bytes());
            prop_assert_eq!(read.get(&name), Some(value.as_str()));
            prop_assert!(address.is_ascii() && !address.contains([' ', '#', '\n', '"']), "{}", address);
        }
    }
}
