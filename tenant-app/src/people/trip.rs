//! What a browser keeps on its way to the platform and back. One secret, from which all else is made:
//! `state` finds the cookie again, `nonce` binds the ID token and the verifier the code to this browser.
//! Each tab has a trip of its own.

use axum::http::HeaderMap;
use axum::http::HeaderValue;

use super::cookies::Cookies;
use super::{bytes_of, digest, random, text_of};

/// A trip that took longer begins anew, in seconds. People type passwords and fetch codes on it.
const LONGEST: u32 = 900;
/// So many tabs at once; with more, those before are forgotten. Headers must not grow without end.
const TABS: usize = 8;
/// Longer places are forgotten on the way, and the trip ends at the first page.
const LONGEST_PLACE: usize = 1000;

const PREFIX: &str = "trip-";

#[derive(Debug, PartialEq, Eq)]
pub struct Trip {
    secret: [u8; 32],
    /// Where it leads in the end, on this host.
    pub to: String,
}

impl Trip {
    #[must_use]
    pub fn begin(to: Option<&str>) -> Self {
        Self { secret: random(), to: place(to).to_owned() }
    }

    #[must_use]
    pub fn state(&self) -> String {
        self.derived("state")
    }

    #[must_use]
    pub fn nonce(&self) -> String {
        self.derived("nonce")
    }

    /// The code verifier of RFC 7636.
    #[must_use]
    pub fn verifier(&self) -> String {
        self.derived("verifier")
    }

    /// Its `S256`.
    #[must_use]
    pub fn challenge(&self) -> String {
        text_of(&digest(&[self.verifier().as_bytes()]))
    }

    /// What is told to the world says nothing of the rest.
    fn derived(&self, what: &str) -> String {
        text_of(&digest(&[what.as_bytes(), b"\0", &self.secret]))
    }

    /// Sets the trip's cookie, and forgets others when there are too many.
    #[must_use]
    pub fn packed(&self, cookies: Cookies, headers: &HeaderMap) -> Vec<HeaderValue> {
        let value = format!("{}.{}", text_of(&self.secret), text_of(self.to.as_bytes()));
        let others = cookies.named(headers, PREFIX);
        let mut set =
            cookies.set(&name(&self.state()), &value, Some(LONGEST)).into_iter().collect::<Vec<_>>();
        if others.len() >= TABS {
            set.extend(others.into_iter().filter_map(|name| cookies.forget(name)));
        }
        set
    }

    /// The trip that this state is of, if this browser is on it.
    #[must_use]
    pub fn found(cookies: Cookies, headers: &HeaderMap, state: &str) -> Option<Self> {
        let (secret, to) = cookies.get(headers, &name(state))?.split_once('.')?;
        let secret = bytes_of(secret)?.try_into().ok()?;
        let to = String::from_utf8(bytes_of(to)?).ok()?;
        let trip = Self { secret, to: place(Some(&to)).to_owned() };
        (trip.state() == state).then_some(trip)
    }

    /// Forgets it: no answer is taken twice.
    #[must_use]
    pub fn over(&self, cookies: Cookies) -> Option<HeaderValue> {
        cookies.forget(&name(&self.state()))
    }
}

/// Of the state, only so much as tells tabs apart and is fit for a name.
fn name(state: &str) -> String {
    let part: String = state.chars().filter(|c| c.is_ascii_alphanumeric()).take(12).collect();
    format!("{PREFIX}{part}")
}

/// A place on this host, or the first page. Browsers drop tabs and line ends from addresses, take `\` for
/// `/`, and `//` for the beginning of another host's.
#[must_use]
pub fn place(to: Option<&str>) -> &str {
    let good = |to: &&str| {
        to.len() <= LONGEST_PLACE
            && to.starts_with('/')
            && !to.starts_with("//")
            && !to.starts_with("/auth/")
            && to.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    to.filter(good).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;
    use proptest::prelude::*;

    use super::*;

    const COOKIES: fn() -> Cookies = || Cookies::new(true);

    /// What the browser sends after it was sent this.
    fn kept(set: &[HeaderValue]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in set {
            let pair = value.to_str().unwrap().split(';').next().unwrap().to_owned();
            headers.append(COOKIE, pair.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_trip_is_found_by_its_state_alone() {
        let (one, two) = (Trip::begin(Some("/vehicles?a=b")), Trip::begin(None));
        let mut set = one.packed(COOKIES(), &HeaderMap::new());
        set.extend(two.packed(COOKIES(), &kept(&set)));
        let headers = kept(&set);
        assert_eq!(Trip::found(COOKIES(), &headers, &one.state()), Some(one));
        assert_eq!(Trip::found(COOKIES(), &headers, &two.state()).unwrap().to, "/");
        assert_eq!(Trip::found(COOKIES(), &headers, &Trip::begin(None).state()), None);
        let other_end = format!("{}A", &two.state()[..42]);
        assert_eq!(Trip::found(COOKIES(), &headers, &other_end), None, "the whole state counts");
        assert_eq!(Trip::found(COOKIES(), &HeaderMap::new(), &two.state()), None);
        assert_eq!(Trip::found(COOKIES(), &headers, ""), None);
    }

    #[test]
    fn what_is_told_says_nothing_of_the_rest() {
        let trip = Trip::begin(None);
        let all = [trip.state(), trip.nonce(), trip.verifier(), trip.challenge(), text_of(&trip.secret)];
        for (n, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 43);
            assert!(all[n + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn tabs_are_bounded() {
        let mut set = Vec::new();
        for _ in 0..TABS {
            set.extend(Trip::begin(None).packed(COOKIES(), &kept(&set)));
        }
        assert_eq!(set.len(), TABS);
        let last = Trip::begin(None).packed(COOKIES(), &kept(&set));
        assert_eq!(last.len(), TABS + 1);
        assert!(last[1..].iter().all(|v| v.to_str().unwrap().contains("Max-Age=0")));
    }

    #[test]
    fn places_of_others_are_none() {
        for good in ["/", "/vehicles/7?x=//y", "/a%0ab"] {
            assert_eq!(place(Some(good)), good);
        }
        for bad in [
            "",
            "x",
            "//evil",
            "/\\evil",
            "/\t/evil",
            "https://evil",
            "/auth/sign-out",
            "/é",
            "/a b",
            "/a\r\nb: c",
            "\\\\evil",
        ] {
            assert_eq!(place(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(place(Some(&format!("/{}", "x".repeat(LONGEST_PLACE)))), "/");
    }

    proptest! {
        #[test]
        fn any_place_stays_on_this_host(text in "[/\\\\.:a-z\\t\\n@?#]{0,12}") {
            let base: axum::http::Uri = format!("http://own.test{}", place(Some(&text)).split('#').next().unwrap()).parse().unwrap();
            prop_assert_eq!(base.host(), Some("own.test"));
            prop_assert!(!place(Some(&text)).starts_with("//"));
        }
    }
}
