//! Where somebody goes on who has signed in. Only places of our own count: whoever makes up a link to our sign-in must
//! not have people sent to a page of theirs from it.

use axum::extract::Query;
use axum::http::Uri;
use serde::Deserialize;

use super::SECOND_FACTOR;
use crate::app::oauth::LONGEST_WAY;
use crate::app::{App, Error, Settings, places::Place};
use crate::model::slug::Slug;

const AUTHORIZE: &str = "/oauth/authorize?";
const JOIN: &str = "/join/";
const INVITATION: &str = "/invitations?token=";

/// A place on our own host to go on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way(String);

/// What of a request for authorization tells who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    client_id: String,
    redirect_uri: String,
    login_hint: String,
}

impl Way {
    /// The way that `to` stands for, if it is one of ours.
    pub(super) fn read(to: &str) -> Option<Self> {
        // Nothing that ends a header, or that browsers take for a slash.
        let plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
        let ours = to.starts_with(AUTHORIZE)
            || to == SECOND_FACTOR
            || to.strip_prefix(JOIN).is_some_and(|slug| slug.parse::<Slug>().is_ok())
            || to.strip_prefix(INVITATION).is_some_and(is_secret);
        (plain && ours && to.len() <= LONGEST_WAY).then(|| Self(to.to_owned()))
    }

    pub(super) fn to_join(slug: &Slug) -> Self {
        Self(format!("{JOIN}{slug}"))
    }

    /// To the invitation of this secret, if it can be one.
    pub(super) fn to_invitation(secret: &str) -> Option<Self> {
        is_secret(secret).then(|| Self(format!("{INVITATION}{secret}")))
    }

    pub(super) fn to_second_factor() -> Self {
        Self(SECOND_FACTOR.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn asked(&self) -> Asked {
        let uri: Option<Uri> = self.0.parse().ok();
        let query = uri.and_then(|uri| Query::<Asked>::try_from_uri(&uri).ok());
        query.map(|Query(asked)| asked).unwrap_or_default()
    }

    /// The address that whoever sent the person here expects them to sign in with.
    pub(super) fn hint(&self) -> String {
        let hint = self.asked().login_hint;
        if hint.len() <= 254 && !hint.chars().any(char::is_control) { hint } else { String::new() }
    }

    /// The tenant that the way leads to.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub(super) async fn place(&self, app: &App) -> Result<Option<Place>, Error> {
        match self.0.strip_prefix(JOIN) {
            Some(slug) => app.place(slug).await,
            // By its id alone, as clients are known.
            None => match self.asked().client_id {
                client if uuid::Uuid::try_parse(&client).is_ok() => app.place(&client).await,
                _ => Ok(None),
            },
        }
    }

    /// The origin of the tenant's that the way ends at, for browsers that ask for it before they follow a form there.
    pub(super) fn end(&self, place: &Place, settings: &Settings) -> Option<String> {
        let back = self.asked().redirect_uri;
        place
            .hosts
            .iter()
            .map(|host| settings.url_of(host.as_str()))
            .find(|origin| back.strip_prefix(origin.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// Whether a text may be a secret of a mail: it holds nothing that means something in an address.
fn is_secret(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A link to a page of ours with the way on behind it.
pub(super) fn link(page: &str, way: Option<&Way>) -> String {
    way.map_or_else(|| page.to_owned(), |way| format!("{page}?to={}", encoded(way.as_str())))
}

/// A text as the value of a query, percent-encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ways_of_our_own_count() {
        for good in [
            "/oauth/authorize?client_id=x&state=%0d%0a",
            "/oauth/authorize?",
            "/join/acme",
            "/invitations?token=aB3-_",
            "/second-factor",
        ] {
            assert_eq!(Way::read(good).map(|way| way.0).as_deref(), Some(good));
        }
        for bad in [
            "",
            "/",
            "/account",
            "//evil.example/oauth/authorize?",
            "https://evil.example/oauth/authorize?x",
            "/oauth/authorize",
            "/oauth/authorize/../../x?",
            "/oauth/authorize?a\r\nSet-Cookie: x=y",
            "/oauth/authorize?a b",
            "/oauth/authorize?\\evil.example",
            "/oauth/authorize?#x",
            "\\\\evil.example",
            "/\\evil.example",
            "/join/",
            "/join/a/b",
            "/join/../account",
            "/join/acme?x",
            "/invitations",
            "/invitations?token=",
            "/invitations?token=a&to=b",
            "/invitations?token=a/../b",
            "/second-factor?to=x",
            " /oauth/authorize?x",
        ] {
            assert_eq!(Way::read(bad), None, "{bad:?}");
        }
        assert_eq!(Way::read(&format!("{AUTHORIZE}{}", "x".repeat(LONGEST_WAY))), None, "too long");
    }

    #[test]
    fn a_link_holds_the_whole_way() {
        let way = Way::read("/oauth/authorize?client_id=a&x=%20").expect("a way");
        let link = link("/sign-in", Some(&way));
        assert_eq!(link, "/sign-in?to=%2Foauth%2Fauthorize%3Fclient_id%3Da%26x%3D%2520");
        assert_eq!(super::link("/sign-in", None), "/sign-in");
    }

    #[test]
    fn the_end_of_a_way_is_one_of_the_tenants_own_hosts() {
        use crate::config::Config;
        use crate::model::ids::TenantId;
        use crate::model::signup::SignupMode;

        let settings = Settings::from(&Config::default());
        let place = Place {
            tenant: TenantId::random(),
            slug: "acme".parse().expect("a slug"),
            name: "Acme".to_owned(),
            colour: None,
            hosts: vec!["acme.freehold.localhost".parse().expect("a host")],
            signups: SignupMode::Closed,
        };
        let end = |back: &str| {
            let to = format!("{AUTHORIZE}redirect_uri={}", encoded(back));
            Way::read(&to).expect("a way").end(&place, &settings)
        };
        let ours = "http://acme.freehold.localhost:8080";
        assert_eq!(end(&format!("{ours}/auth/callback")).as_deref(), Some(ours));
        for bad in [
            ours,
            &format!("{ours}.evil.example/"),
            "http://evil.example/",
            "",
            &format!("{ours}@evil.example/"),
        ] {
            assert_eq!(end(bad), None, "{bad}");
        }
        let twice = Way::read("/oauth/authorize?redirect_uri=a&redirect_uri=b").expect("a way");
        assert_eq!(twice.end(&place, &settings), None);
    }
}
