//! What says that somebody's password was right, or that a provider vouched for them, while their second factor is
//! waited for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::identity::people_key::{PeopleKey, Use};
use crate::model::ids::{ProviderId, SessionId, UserId};
use crate::store::users::UserRecord;

/// Long enough to fetch a phone, short enough that a forgotten window is no open door.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(5);

/// A ticket to the second step. It names the session that it may begin, so that it is good once: a session begins once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    pub session: SessionId,
    pub user: UserId,
    /// In seconds since 1970.
    at: i64,
    /// Whether the device shall be remembered.
    pub remember: bool,
    /// The provider that vouched for them; none for a password.
    pub provider: Option<ProviderId>,
    /// What that one said of them, to be done once they gave their code; none where it knows them already.
    pub first: Option<String>,
}

/// A ticket as it was shown, with the code that says whether it is ours.
pub(super) struct Shown {
    pub ticket: Ticket,
    code: Vec<u8>,
}

impl Ticket {
    pub(super) fn new(user: UserId, remember: bool, now: DateTime<Utc>) -> Self {
        Self {
            session: SessionId::random(),
            user,
            at: now.timestamp(),
            remember,
            provider: None,
            first: None,
        }
    }

    /// One to the session that somebody's way to a provider was for.
    pub(super) fn of_provider(
        (provider, first): (ProviderId, Option<String>),
        session: SessionId,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Self {
        Self { session, user, at: now.timestamp(), remember: false, provider: Some(provider), first }
    }

    /// Bound to the password that was right: with another one it is good for nothing.
    fn code(&self, key: &PeopleKey, user: &UserRecord) -> [u8; 32] {
        let password = user.password_hash.as_deref().unwrap_or_default();
        let (at, remember) = (self.at.to_be_bytes(), [u8::from(self.remember)]);
        let provider = self.provider.map(|provider| provider.0.into_bytes());
        let parts: [&[u8]; 7] = [
            self.session.0.as_bytes(),
            self.user.0.as_bytes(),
            &at,
            &remember,
            provider.as_ref().map_or(&[], <[u8; 16]>::as_slice),
            self.first.as_deref().unwrap_or_default().as_bytes(),
            password.as_bytes(),
        ];
        key.code(Use::SignInTicket, &parts)
    }

    /// As it is handed out.
    pub(super) fn text(&self, key: &PeopleKey, user: &UserRecord) -> SecretString {
        let code = URL_SAFE_NO_PAD.encode(self.code(key, user));
        let remember = u8::from(self.remember);
        let provider = self.provider.map(|provider| provider.to_string()).unwrap_or_default();
        let first = self.first.as_deref().unwrap_or_default();
        format!("{}.{}.{}.{remember}.{provider}.{first}.{code}", self.session, self.user, self.at).into()
    }
}

impl Shown {
    /// Reads what [`Ticket::text`] wrote, believing none of it.
    pub(super) fn read(text: &SecretString) -> Option<Self> {
        let parts: Vec<&str> = text.expose_secret().split('.').collect();
        let [session, user, at, remember, provider, first, code] = parts.as_slice() else { return None };
        let remember = match *remember {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        let ticket = Ticket {
            session: session.parse().ok()?,
            user: user.parse().ok()?,
            at: at.parse().ok()?,
            remember,
            provider: if provider.is_empty() { None } else { Some(provider.parse().ok()?) },
            first: (!first.is_empty()).then(|| (*first).to_owned()),
        };
        Some(Self { ticket, code: URL_SAFE_NO_PAD.decode(code).ok()? })
    }

    /// Whether it is ours, for this user with their password as it is, and of a moment ago.
    pub(super) fn is_good(&self, key: &PeopleKey, user: &UserRecord, now: DateTime<Utc>) -> bool {
        let ours = bool::from(self.ticket.code(key, user).as_slice().ct_eq(&self.code));
        let age = now.timestamp().saturating_sub(self.ticket.at);
        ours && self.ticket.user == user.id && (0..=GOOD_FOR.num_seconds()).contains(&age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(password: &str) -> UserRecord {
        UserRecord {
            id: UserId::random(),
            email: "ada@example.com".parse().expect("an address"),
            name: "Ada".to_owned(),
            password_hash: Some(password.to_owned()),
            verified_at: None,
            suspended_at: None,
            created_at: Utc::now(),
        }
    }

    #[test]
    fn a_ticket_is_good_for_its_user_and_password_for_a_moment_and_for_nobody_else() {
        let (key, ada, now) = (PeopleKey::generate(), user("one"), Utc::now());
        let text = Ticket::new(ada.id, true, now).text(&key, &ada);
        let shown = Shown::read(&text).expect("a ticket");
        assert!(shown.ticket.remember);
        assert!(shown.is_good(&key, &ada, now) && shown.is_good(&key, &ada, now + TimeDelta::minutes(5)));
        assert!(!shown.is_good(&key, &ada, now + GOOD_FOR + TimeDelta::seconds(1)), "too late");
        assert!(!shown.is_good(&key, &ada, now - TimeDelta::seconds(2)), "before it was made");
        assert!(!shown.is_good(&PeopleKey::generate(), &ada, now), "another key");
        let changed = UserRecord { password_hash: Some("two".to_owned()), ..ada.clone() };
        assert!(!shown.is_good(&key, &changed, now), "another password");
        assert!(!shown.is_good(&key, &user("one"), now), "somebody else");
    }

    #[test]
    fn a_ticket_by_a_provider_says_so_and_begins_its_own_session() {
        let (key, ada, now) = (PeopleKey::generate(), user("one"), Utc::now());
        let (provider, session) = (ProviderId::random(), SessionId::random());
        let said = Some("what-it-said".to_owned());
        let text = Ticket::of_provider((provider, said.clone()), session, ada.id, now).text(&key, &ada);
        let shown = Shown::read(&text).expect("a ticket");
        assert!(shown.is_good(&key, &ada, now));
        assert_eq!((shown.ticket.provider, shown.ticket.session), (Some(provider), session));
        assert_eq!(shown.ticket.first, said);
        for part in [provider.to_string().as_str(), "what-it-said"] {
            let stripped = text.expose_secret().replace(part, "");
            assert!(
                !Shown::read(&stripped.into()).expect("it can be read").is_good(&key, &ada, now),
                "{part}"
            );
        }
    }

    #[test]
    fn nothing_in_a_ticket_can_be_changed() {
        let (key, ada, now) = (PeopleKey::generate(), user("one"), Utc::now());
        let text = Ticket::new(ada.id, false, now).text(&key, &ada);
        let parts: Vec<String> = text.expose_secret().split('.').map(str::to_owned).collect();
        let later = (now.timestamp() + 1).to_string();
        let (session, eve) = (SessionId::random().to_string(), UserId::random().to_string());
        for (index, other) in
            [(0, session.as_str()), (1, &eve), (2, &later), (3, "1"), (4, &eve), (5, "AAAA"), (6, "AAAA")]
        {
            let mut forged = parts.clone();
            other.clone_into(&mut forged[index]);
            let shown = Shown::read(&forged.join(".").into()).expect("it can be read");
            assert!(!shown.is_good(&key, &ada, now + TimeDelta::seconds(2)), "{index}");
        }
        for bad in ["", ".", "a.b.c.d.e.f.g", "......", &format!("{}.x", text.expose_secret())] {
            assert!(Shown::read(&bad.into()).is_none(), "{bad:?}");
        }
    }
}
