//! What a browser keeps while its person is at a provider: which one they were sent to, and where they go on.
//!
//! State, nonce and verifier are not in it. They follow from its id by the people key, so that whoever reads a cookie has
//! none of them, and whoever makes one up knows none that is good.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::identity::people_key::{PeopleKey, Use};
use crate::model::ids::{ProviderId, SessionId};

/// Long enough to find a password and a phone.
pub(super) const GOOD_FOR: TimeDelta = TimeDelta::minutes(10);

/// Somebody on their way to a provider and back. It names the session that it may begin, so that it is good once: a
/// session begins once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand {
    pub session: SessionId,
    pub provider: ProviderId,
    /// In seconds since 1970.
    at: i64,
    /// Where they go on, as a path of ours; may be empty.
    pub way: String,
}

impl Errand {
    pub(super) fn new(provider: ProviderId, way: &str, now: DateTime<Utc>) -> Self {
        Self { session: SessionId::random(), provider, at: now.timestamp(), way: way.to_owned() }
    }

    fn code(&self, key: &PeopleKey, of: &str) -> [u8; 32] {
        let at = self.at.to_be_bytes();
        let parts: [&[u8]; 5] =
            [of.as_bytes(), self.session.0.as_bytes(), self.provider.0.as_bytes(), &at, self.way.as_bytes()];
        key.code(Use::Errand, &parts)
    }

    fn secret(&self, key: &PeopleKey, of: &str) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.code(key, of)).into()
    }

    /// What the provider sends back unchanged.
    pub(super) fn state(&self, key: &PeopleKey) -> SecretString {
        self.secret(key, "state")
    }

    /// What the provider's ID token holds.
    pub(super) fn nonce(&self, key: &PeopleKey) -> SecretString {
        self.secret(key, "nonce")
    }

    /// What shows the provider that whoever brings its code is who asked for it.
    pub(super) fn verifier(&self, key: &PeopleKey) -> SecretString {
        self.secret(key, "verifier")
    }

    /// As the browser keeps it.
    pub(super) fn text(&self, key: &PeopleKey) -> SecretString {
        let way = URL_SAFE_NO_PAD.encode(&self.way);
        let seal = URL_SAFE_NO_PAD.encode(self.code(key, "cookie"));
        format!("{}.{}.{}.{way}.{seal}", self.session, self.provider, self.at).into()
    }

    /// What a browser kept, if it is ours and of a moment ago.
    pub(super) fn read(text: &SecretString, key: &PeopleKey, now: DateTime<Utc>) -> Option<Self> {
        let parts: Vec<&str> = text.expose_secret().split('.').collect();
        let [session, provider, at, way, seal] = parts.as_slice() else { return None };
        let errand = Self {
            session: session.parse().ok()?,
            provider: provider.parse().ok()?,
            at: at.parse().ok()?,
            way: String::from_utf8(URL_SAFE_NO_PAD.decode(way).ok()?).ok()?,
        };
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        let ours = bool::from(errand.code(key, "cookie").as_slice().ct_eq(&seal));
        let age = now.timestamp().saturating_sub(errand.at);
        (ours && (0..=GOOD_FOR.num_seconds()).contains(&age)).then_some(errand)
    }

    /// Whether a state that came back is the one that was sent.
    pub(super) fn is_state(&self, key: &PeopleKey, state: &str) -> bool {
        self.state(key).expose_secret().as_bytes().ct_eq(state.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(now: DateTime<Utc>) -> Errand {
        Errand::new(ProviderId::random(), "/oauth/authorize?client_id=x", now)
    }

    #[test]
    fn it_is_read_back_for_ten_minutes_and_by_its_own_key_alone() {
        let (key, now) = (PeopleKey::generate(), Utc::now());
        let errand = errand(now);
        let text = errand.text(&key);
        assert_eq!(Errand::read(&text, &key, now).as_ref(), Some(&errand));
        assert!(Errand::read(&text, &key, now + GOOD_FOR).is_some());
        assert_eq!(Errand::read(&text, &key, now + GOOD_FOR + TimeDelta::seconds(1)), None, "too late");
        assert_eq!(Errand::read(&text, &key, now - TimeDelta::seconds(2)), None, "before it was made");
        assert_eq!(Errand::read(&text, &PeopleKey::generate(), now), None, "another key");
    }

    #[test]
    fn nothing_in_it_can_be_changed() {
        let (key, now) = (PeopleKey::generate(), Utc::now());
        let errand = errand(now);
        let text = errand.text(&key);
        let parts: Vec<String> = text.expose_secret().split('.').map(str::to_owned).collect();
        let other = SessionId::random().to_string();
        let way = URL_SAFE_NO_PAD.encode("/join/evil");
        for (index, part) in [
            (0, other.as_str()),
            (1, &other),
            (2, &(now.timestamp() - 1).to_string()),
            (3, &way),
            (4, "AAAA"),
        ] {
            let mut forged = parts.clone();
            part.clone_into(&mut forged[index]);
            assert_eq!(Errand::read(&forged.join(".").into(), &key, now), None, "{index}");
        }
        for bad in ["", "....", "a.b.c.d.e", &format!("{}.x", text.expose_secret())] {
            assert_eq!(Errand::read(&bad.into(), &key, now), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_secret_follows_from_it_and_is_not_in_it() {
        let (key, now) = (PeopleKey::generate(), Utc::now());
        let (one, other) = (errand(now), errand(now));
        let text = one.text(&key);
        let secrets = |errand: &Errand| {
            [errand.state(&key), errand.nonce(&key), errand.verifier(&key)]
                .map(|secret| secret.expose_secret().to_owned())
        };
        let all: Vec<String> = [secrets(&one), secrets(&other)].concat();
        for (index, secret) in all.iter().enumerate() {
            assert_eq!(secret.len(), 43);
            assert!(!all[..index].contains(secret) && !text.expose_secret().contains(secret.as_str()));
        }
        assert!(one.is_state(&key, &all[0]) && !one.is_state(&key, &all[3]) && !one.is_state(&key, ""));
        assert!(!one.is_state(&PeopleKey::generate(), &all[0]));
    }
}
