//! The cookies of this app: host-only, out of reach of scripts, not sent along with other sites' forms.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// How cookies are named and set; they differ where people come without TLS, which is in development.
#[derive(Debug, Clone, Copy)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    #[must_use]
    pub fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// Browsers take a name that begins with `__Host-` from this very host alone, so that no neighbour
    /// can put one of theirs here.
    #[must_use]
    pub fn name(self, plain: &str) -> String {
        if self.secure { format!("__Host-{plain}") } else { plain.to_owned() }
    }

    /// Sets a cookie; without `seconds` it ends with the browser. `value` needs no quoting.
    #[must_use]
    pub fn set(self, plain: &str, value: &str, seconds: Option<u32>) -> Option<HeaderValue> {
        let name = self.name(plain);
        let age = seconds.map(|s| format!("; Max-Age={s}")).unwrap_or_default();
        let secure = if self.secure { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{age}{secure}")).ok()
    }

    #[must_use]
    pub fn forget(self, plain: &str) -> Option<HeaderValue> {
        self.set(plain, "", Some(0))
    }

    /// The cookie of this name, if there is exactly one: of two, one is somebody else's.
    #[must_use]
    pub fn get<'h>(self, headers: &'h HeaderMap, plain: &str) -> Option<&'h str> {
        let name = self.name(plain);
        let mut found = all(headers).filter(|(n, _)| *n == name).map(|(_, value)| value);
        found.next().filter(|_| found.next().is_none())
    }

    /// Names, without their prefix, that begin so.
    pub fn named<'h>(self, headers: &'h HeaderMap, beginning: &str) -> Vec<&'h str> {
        let beginning = self.name(beginning);
        let prefix = self.name("").len();
        all(headers).filter(|(n, _)| n.starts_with(&beginning)).map(|(name, _)| &name[prefix..]).collect()
    }
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn cookies_are_of_this_host_alone() {
        let set =
            |secure| Cookies::new(secure).set("session", "v", None).unwrap().to_str().unwrap().to_owned();
        assert_eq!(set(true), "__Host-session=v; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(set(false), "session=v; Path=/; HttpOnly; SameSite=Lax");
        assert!(Cookies::new(true).forget("session").unwrap().to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn one_cookie_of_a_name_is_read_and_two_are_none() {
        let plain = Cookies::new(false);
        assert_eq!(plain.get(&sent(&["a=1; session=x=y"]), "session"), Some("x=y"));
        assert_eq!(plain.get(&sent(&["session=1; session=2"]), "session"), None);
        assert_eq!(plain.get(&sent(&["session=1", "session=2"]), "session"), None);
        assert_eq!(plain.get(&sent(&["sessions=1; asession=2"]), "session"), None);
        // With TLS, a plain name may be a neighbour's.
        assert_eq!(Cookies::new(true).get(&sent(&["session=1"]), "session"), None);
        assert_eq!(Cookies::new(true).get(&sent(&["__Host-session=1"]), "session"), Some("1"));
        let names = sent(&["__Host-trip-a=1; trip-b=2; __Host-trip-c=3"]);
        assert_eq!(Cookies::new(true).named(&names, "trip-"), ["trip-a", "trip-c"]);
    }
}
