//! What becomes of a refresh token: good once, forgiving for a moment, and a thief's end after that.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::identity::people_key::{PeopleKey, Use};
use crate::identity::random_bytes;
use crate::model::ids::SessionId;
use crate::store::sessions::SessionRecord;

/// How long the token before the good one still gets the good one: for whoever lost the answer, and for two at once.
pub(super) const GRACE: Duration = Duration::from_secs(30);
/// No session lasts longer in all, however often it is used.
pub(super) const LONGEST: TimeDelta = TimeDelta::days(90);

/// Bytes of a refresh secret that are random, and of the seal after them.
const HALF: usize = 16;

/// What only the api can have put behind the first half of a session's secret.
fn seal(key: &PeopleKey, session: SessionId, half: &[u8]) -> [u8; HALF] {
    let code = key.code(Use::RefreshSeal, &[session.0.as_bytes(), half]);
    std::array::from_fn(|index| code[index])
}

/// A refresh token's parts.
pub(super) struct Refresh {
    pub session: SessionId,
    pub secret: SecretString,
}

impl Refresh {
    /// Reads `<session>.<secret>`.
    pub(super) fn read(text: &SecretString) -> Option<Self> {
        let (session, secret) = text.expose_secret().split_once('.')?;
        let session = session.parse().ok()?;
        (secret.len() == 43).then(|| Self { session, secret: secret.into() })
    }

    pub(super) fn text(&self) -> SecretString {
        format!("{}.{}", self.session, self.secret.expose_secret()).into()
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.expose_secret().as_bytes()).into()
    }

    /// The first of a session.
    pub(super) fn first(key: &PeopleKey, session: SessionId) -> Self {
        Self::sealed(key, session, &random_bytes())
    }

    /// The one that follows. It is derived and not drawn, so that it can be told once more without being kept.
    pub(super) fn next(&self, key: &PeopleKey) -> Self {
        let parts: [&[u8]; 2] = [self.session.0.as_bytes(), self.secret.expose_secret().as_bytes()];
        Self::sealed(key, self.session, &key.code(Use::Refresh, &parts))
    }

    /// A secret of half what cannot be guessed, and half the seal over it.
    fn sealed(key: &PeopleKey, session: SessionId, random: &[u8; 32]) -> Self {
        let (half, _) = random.split_at(HALF);
        let secret = URL_SAFE_NO_PAD.encode([half, &seal(key, session, half)].concat());
        Self { session, secret: secret.into() }
    }

    /// Whether it was ever a token of its session: whoever only knows the session cannot make one that was.
    pub(super) fn was_issued(&self, key: &PeopleKey) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(self.secret.expose_secret()) else { return false };
        let Some((half, shown)) = bytes.split_at_checked(HALF) else { return false };
        bool::from(seal(key, self.session, half).ct_eq(shown))
    }
}

/// What to do about a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the good one: the next one takes its place.
    Rotate,
    /// It was good a moment ago: the same answer again.
    Repeat,
    /// It was good long ago: somebody has what is not theirs, so the session ends.
    End,
    /// It never was a token of the session, so nobody has lost anything.
    Refuse,
}

/// Judges the token that somebody came with.
pub(super) fn judge(key: &PeopleKey, session: &SessionRecord, shown: &Refresh, now: DateTime<Utc>) -> Turn {
    let hash = shown.hash();
    let is = |kept: &[u8]| bool::from(kept.ct_eq(&hash));
    let age = now.signed_duration_since(session.refreshed_at);
    let lately = age.to_std().is_ok_and(|age| age <= GRACE) || age < TimeDelta::zero();
    if is(&session.refresh_hash) {
        Turn::Rotate
    } else if lately && session.previous_hash.as_deref().is_some_and(is) {
        Turn::Repeat
    } else if shown.was_issued(key) {
        Turn::End
    } else {
        Turn::Refuse
    }
}

/// When a session ends that is used now, and that ends then at the latest.
pub(super) fn ends(latest: DateTime<Utc>, now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    (now + TimeDelta::days(i64::from(days))).min(latest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::random_secret;
    use crate::model::ids::UserId;

    fn session(good: &Refresh, before: Option<&Refresh>, at: DateTime<Utc>) -> SessionRecord {
        SessionRecord {
            id: good.session,
            user_id: UserId::random(),
            device: String::new(),
            address: String::new(),
            remembered: false,
            second_factor: false,
            provider: None,
            provider_title: None,
            only_tenant: None,
            refresh_hash: good.hash().to_vec(),
            previous_hash: before.map(|before| before.hash().to_vec()),
            refreshed_at: at,
            last_used_at: at,
            created_at: at,
            expires_at: at + TimeDelta::days(7),
        }
    }

    fn first(key: &PeopleKey) -> Refresh {
        Refresh::first(key, SessionId::random())
    }

    #[test]
    fn the_next_token_follows_from_the_one_before_and_from_nothing_else() {
        let key = PeopleKey::generate();
        let first = first(&key);
        let next = first.next(&key);
        assert_eq!(next.hash(), first.next(&key).hash());
        assert_ne!(next.hash(), first.hash());
        assert_ne!(next.hash(), first.next(&PeopleKey::generate()).hash());
        let elsewhere = Refresh { session: SessionId::random(), secret: first.secret.clone() };
        assert_ne!(next.hash(), elsewhere.next(&key).hash());
        let read = Refresh::read(&next.text()).expect("read back");
        assert_eq!((read.session, read.hash()), (next.session, next.hash()));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let (id, secret) = (SessionId::random(), random_secret());
        for bad in ["", ".", &format!("{id}."), &format!("x.{}", secret.expose_secret()), &id.to_string()] {
            assert!(Refresh::read(&SecretString::from(bad)).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn the_good_one_rotates_the_one_before_repeats_for_a_moment_and_any_other_ends() {
        let (key, now) = (PeopleKey::generate(), Utc::now());
        let first = first(&key);
        let (second, third) = (first.next(&key), first.next(&key).next(&key));
        let begun = session(&first, None, now);
        let judge = |session: &SessionRecord, shown: &Refresh, now| super::judge(&key, session, shown, now);
        assert_eq!(judge(&begun, &first, now), Turn::Rotate);
        let guesses = [
            Refresh { session: first.session, secret: random_secret() },
            Refresh::first(&PeopleKey::generate(), first.session),
            Refresh { session: first.session, secret: super::tests::first(&key).secret },
            Refresh { session: first.session, secret: "A".repeat(43).into() },
        ];
        for guess in &guesses {
            assert_eq!(judge(&begun, guess, now), Turn::Refuse);
        }
        let rotated = session(&second, Some(&first), now);
        let at = |seconds| now + TimeDelta::seconds(seconds);
        assert_eq!(judge(&rotated, &second, at(1_000_000)), Turn::Rotate);
        assert_eq!(judge(&rotated, &first, at(30)), Turn::Repeat);
        assert_eq!(judge(&rotated, &first, at(31)), Turn::End);
        let again = session(&third, Some(&second), now);
        assert_eq!(judge(&again, &first, now), Turn::End, "two before is no slip any more");
    }

    proptest! {
        #[test]
        fn a_session_ends_after_its_rest_and_after_its_longest_time(used in 0i64..200, days in 1u32..=90) {
            let begun = Utc::now();
            let now = begun + TimeDelta::days(used);
            let end = ends(begun + LONGEST, now, days);
            prop_assert!(end <= begun + LONGEST && end <= now + TimeDelta::days(i64::from(days)));
        }
    }
}
