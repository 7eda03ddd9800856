//! Keys that sign tokens: how each stands, and what becomes of which when another takes its place. Times alone decide, so
//! that every process that knows them sees the same at the same moment.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::tenant::words;

words!(
    /// What a key signs with, and so what it signs.
    SigningAlgorithm {
        /// Access tokens.
        Ed25519 = "EdDSA",
        /// ID tokens.
        Rsa = "RS256",
    }
);

words!(
    /// How a key that signs tokens stands.
    SigningKeyState {
        /// It is published, and signs nothing yet.
        Waiting = "waiting",
        Signing = "signing",
        /// Another signs; it is published for as long as a token that it signed is good.
        Leaving = "leaving",
        /// Nothing that it signed is good any more.
        Gone = "gone",
        /// Somebody took it out of use, with all that it signed.
        Withdrawn = "withdrawn",
    }
);

/// Keys that are published at a time, at most: whoever checks our tokens fetches all of them.
pub const MOST: usize = 32;
/// How long what a key signs with is kept after it signed for the last time: clocks differ, and a signature takes a while.
const LINGER: TimeDelta = TimeDelta::minutes(1);

/// When a key does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub signs_from: DateTime<Utc>,
    /// When the next one begins; none while there is none.
    pub signs_until: Option<DateTime<Utc>>,
    /// When the last token that it signed has ended.
    pub published_until: Option<DateTime<Utc>>,
    pub withdrawn_at: Option<DateTime<Utc>>,
}

impl Times {
    /// Of a key that signs from then on.
    #[must_use]
    pub fn from(signs_from: DateTime<Utc>) -> Self {
        Self { signs_from, signs_until: None, published_until: None, withdrawn_at: None }
    }

    #[must_use]
    pub fn state(&self, now: DateTime<Utc>) -> SigningKeyState {
        let over = |end: Option<DateTime<Utc>>| end.is_some_and(|end| end <= now);
        if self.withdrawn_at.is_some() {
            SigningKeyState::Withdrawn
        } else if over(self.published_until) {
            SigningKeyState::Gone
        } else if over(self.signs_until) {
            SigningKeyState::Leaving
        } else if self.signs_from <= now {
            SigningKeyState::Signing
        } else {
            SigningKeyState::Waiting
        }
    }

    /// Whether it is published, and what it signed is taken.
    #[must_use]
    pub fn is_published(&self, now: DateTime<Utc>) -> bool {
        !matches!(self.state(now), SigningKeyState::Gone | SigningKeyState::Withdrawn)
    }

    /// The same with an end, and with all that it signs until then good for as long as it was made for.
    fn until(self, end: DateTime<Utc>, longest: TimeDelta) -> Self {
        Self { signs_until: Some(end), published_until: Some(end + longest), ..self }
    }
}

/// A key as far as its times go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub times: Times,
    /// Whether what it signs with is kept still.
    pub has_secret: bool,
}

/// The times that a key has from now on.
pub type Changed = (String, Times);

/// What is to be done so that other keys sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// What is to be made; less than all when some wait already.
    pub new: Vec<SigningAlgorithm>,
    pub signs_from: DateTime<Utc>,
    pub changed: Vec<Changed>,
}

/// Why keys stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a rotation is under way: the new keys sign from {}; `now` has them begin at once", moment(.0))]
    UnderWay(DateTime<Utc>),
    #[error("{0} keys are published already; withdraw some, or wait until they are gone")]
    Many(usize),
    #[error("it is the only one that signs; rotate with `now` first, and withdraw it when another signs")]
    OnlyOne,
    #[error("it signs until {}; withdraw it then, or rotate with `now` first", moment(.0))]
    SignsStill(DateTime<Utc>),
    #[error("it is good for nothing already")]
    Over,
}

fn moment(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn of(
    keys: &[Known],
    algorithm: SigningAlgorithm,
    state: SigningKeyState,
    now: DateTime<Utc>,
) -> Option<&Known> {
    keys.iter().find(|key| key.algorithm == algorithm && key.times.state(now) == state)
}

/// What is to be made because nothing signs in this way. Keys that there should be and are not, as at the very beginning.
#[must_use]
pub fn missing(keys: &[Known], now: DateTime<Utc>) -> Vec<SigningAlgorithm> {
    let all = SigningAlgorithm::ALL.iter().copied();
    all.filter(|algorithm| of(keys, *algorithm, SigningKeyState::Signing, now).is_none()).collect()
}

/// Has other keys sign after `lead`, or with `at_once` those that wait already, where some do. What they sign is good
/// for `longest` at most.
///
/// # Errors
/// [`Refused::UnderWay`] without `at_once`, [`Refused::Many`].
pub fn rotation(
    keys: &[Known],
    now: DateTime<Utc>,
    lead: TimeDelta,
    at_once: bool,
    longest: TimeDelta,
) -> Result<Rotation, Refused> {
    let waiting = |algorithm| of(keys, algorithm, SigningKeyState::Waiting, now);
    let under_way = SigningAlgorithm::ALL.iter().find_map(|algorithm| waiting(*algorithm));
    if let Some(next) = under_way.filter(|_| !at_once) {
        return Err(Refused::UnderWay(next.times.signs_from));
    }
    let wanted = (now + lead).trunc_subsecs(6);
    let signs_from = under_way.map_or(wanted, |next| next.times.signs_from.min(wanted));
    let mut rotation = Rotation { new: Vec::new(), signs_from, changed: Vec::new() };
    for algorithm in SigningAlgorithm::ALL {
        match waiting(*algorithm) {
            Some(next) => {
                rotation.changed.push((next.kid.clone(), Times { signs_from, ..next.times }));
            }
            None => rotation.new.push(*algorithm),
        }
        if let Some(present) = of(keys, *algorithm, SigningKeyState::Signing, now) {
            rotation.changed.push((present.kid.clone(), present.times.until(signs_from, longest)));
        }
    }
    let published = keys.iter().filter(|key| key.times.is_published(now)).count();
    if published + rotation.new.len() > MOST {
        return Err(Refused::Many(published));
    }
    Ok(rotation)
}

/// Takes a key out of use, with all that it signed. One that waited is not waited for any more.
///
/// # Errors
/// [`Refused::OnlyOne`], [`Refused::SignsStill`], [`Refused::Over`].
pub fn withdrawal(keys: &[Known], key: &Known, now: DateTime<Utc>) -> Result<Vec<Changed>, Refused> {
    let mut changed =
        vec![(key.kid.clone(), Times { withdrawn_at: Some(now.trunc_subsecs(6)), ..key.times })];
    match key.times.state(now) {
        SigningKeyState::Leaving => {}
        SigningKeyState::Waiting => {
            if let Some(present) = of(keys, key.algorithm, SigningKeyState::Signing, now) {
                let times = Times { signs_until: None, published_until: None, ..present.times };
                changed.push((present.kid.clone(), times));
            }
        }
        SigningKeyState::Signing => {
            return Err(key.times.signs_until.map_or(Refused::OnlyOne, Refused::SignsStill));
        }
        SigningKeyState::Gone | SigningKeyState::Withdrawn => return Err(Refused::Over),
    }
    Ok(changed)
}

/// What time itself brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Keys whose last tokens will be good for longer than was thought, because the settings are others now.
    pub changed: Vec<Changed>,
    /// Those that sign no more: what they signed with is of no use to anybody but a thief.
    pub erase: Vec<String>,
}

impl Upkeep {
    /// At this moment.
    #[must_use]
    pub fn of(keys: &[Known], now: DateTime<Utc>, longest: TimeDelta) -> Self {
        let mut upkeep = Self::default();
        for key in keys {
            let Some(end) = key.times.signs_until else { continue };
            let longer = key.times.until(end, longest);
            if key.times.withdrawn_at.is_none()
                && end > now
                && longer.published_until > key.times.published_until
            {
                upkeep.changed.push((key.kid.clone(), longer));
            }
            if key.has_secret && end + LINGER <= now {
                upkeep.erase.push(key.kid.clone());
            }
        }
        upkeep
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.erase.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: TimeDelta = TimeDelta::minutes(15);
    const LEAD: TimeDelta = TimeDelta::minutes(10);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    /// Keys as the registry keeps them, and how many there ever were.
    #[derive(Debug, Default)]
    struct Kept(Vec<Known>);

    impl Kept {
        fn begun() -> Self {
            let mut kept = Self::default();
            kept.make(&missing(&[], at(0)), at(0));
            kept
        }

        fn make(&mut self, algorithms: &[SigningAlgorithm], signs_from: DateTime<Utc>) {
            for algorithm in algorithms {
                let kid = self.0.len().to_string();
                let times = Times::from(signs_from);
                self.0.push(Known { kid, algorithm: *algorithm, times, has_secret: true });
            }
        }

        fn change(&mut self, changed: Vec<Changed>) {
            for (kid, times) in changed {
                self.0.iter_mut().find(|key| key.kid == kid).expect("a key").times = times;
            }
        }

        fn rotate(&mut self, now: DateTime<Utc>, lead: TimeDelta, at_once: bool) -> Result<(), Refused> {
            let rotation = rotation(&self.0, now, lead, at_once, LONGEST)?;
            self.change(rotation.changed);
            self.make(&rotation.new, rotation.signs_from);
            Ok(())
        }

        fn withdraw(&mut self, kid: &str, now: DateTime<Utc>) -> Result<(), Refused> {
            let key = self.0.iter().find(|key| key.kid == kid).expect("a key");
            let changed = withdrawal(&self.0, key, now)?;
            self.change(changed);
            Ok(())
        }

        fn signing(&self, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Vec<&Known> {
            let signs =
                |key: &&Known| key.algorithm == algorithm && key.times.state(now) == SigningKeyState::Signing;
            self.0.iter().filter(signs).collect()
        }

        fn states(&self, now: DateTime<Utc>) -> Vec<&'static str> {
            self.0.iter().map(|key| key.times.state(now).as_str()).collect()
        }
    }

    #[test]
    fn a_key_waits_signs_leaves_and_is_gone_each_at_its_time() {
        let mut kept = Kept::begun();
        assert_eq!(kept.states(at(0)), ["signing"; 2]);
        kept.rotate(at(60), LEAD, false).expect("a rotation");
        for (moment, old, new) in [
            (60, "signing", "waiting"),
            (659, "signing", "waiting"),
            (660, "leaving", "signing"),
            (660 + 899, "leaving", "signing"),
            (660 + 900, "gone", "signing"),
        ] {
            assert_eq!(kept.states(at(moment)), [old, old, new, new], "after {moment} seconds");
        }
        let leaving = &kept.0[0].times;
        assert!(leaving.is_published(at(1559)) && !leaving.is_published(at(1560)));
    }

    #[test]
    fn of_two_rotations_the_second_is_refused_or_has_the_first_begin_at_once() {
        let mut kept = Kept::begun();
        kept.rotate(at(60), LEAD, false).expect("a rotation");
        assert_eq!(kept.rotate(at(70), LEAD, false), Err(Refused::UnderWay(at(660))));
        kept.rotate(at(80), TimeDelta::seconds(2), true).expect("brought forward");
        assert_eq!(kept.0.len(), 4, "none was made besides");
        assert_eq!(kept.states(at(82)), ["leaving", "leaving", "signing", "signing"]);
        // never put off
        kept.rotate(at(100), TimeDelta::seconds(2), true).expect("another");
        kept.rotate(at(101), LEAD, true).expect("the same");
        assert_eq!(kept.states(at(102))[4..], ["signing"; 2]);
    }

    #[test]
    fn what_alone_signs_is_not_withdrawn_and_what_waited_is_waited_for_no_more() {
        let mut kept = Kept::begun();
        assert_eq!(kept.withdraw("0", at(1)), Err(Refused::OnlyOne));
        kept.rotate(at(60), LEAD, false).expect("a rotation");
        assert_eq!(kept.withdraw("0", at(61)), Err(Refused::SignsStill(at(660))));
        kept.withdraw("2", at(62)).expect("withdrawn");
        assert_eq!(kept.states(at(10_000)), ["signing", "gone", "withdrawn", "signing"]);
        kept.rotate(at(63), TimeDelta::seconds(2), true).expect("what is lacking is made");
        assert_eq!(kept.states(at(65)), ["leaving", "leaving", "withdrawn", "signing", "signing"]);
        kept.withdraw("0", at(66)).expect("withdrawn");
        assert_eq!(kept.states(at(66))[0], "withdrawn");
        assert_eq!(kept.withdraw("0", at(67)), Err(Refused::Over));
        assert_eq!(kept.withdraw("1", at(10_000)), Err(Refused::Over));
    }

    #[test]
    fn what_signs_no_more_is_erased_and_what_is_good_for_longer_stays_longer() {
        let mut kept = Kept::begun();
        kept.rotate(at(0), LEAD, false).expect("a rotation");
        assert!(Upkeep::of(&kept.0, at(0), LONGEST).is_empty());
        assert!(Upkeep::of(&kept.0, at(0), LONGEST / 2).is_empty(), "what was promised is kept");
        let longer = Upkeep::of(&kept.0, at(599), LONGEST * 2);
        assert_eq!(longer.changed.len(), 2);
        assert!(Upkeep::of(&kept.0, at(600), LONGEST * 2).is_empty(), "it signed for the shorter time");
        kept.change(longer.changed);
        assert_eq!(kept.0[0].times.published_until, Some(at(600 + 1800)));
        assert!(Upkeep::of(&kept.0, at(659), LONGEST).is_empty());
        assert_eq!(Upkeep::of(&kept.0, at(660), LONGEST).erase, ["0", "1"]);
    }

    #[test]
    fn there_are_never_more_than_everybody_can_be_asked_to_fetch() {
        let mut kept = Kept::begun();
        let mut now = at(0);
        while kept.0.len() < MOST {
            kept.rotate(now, TimeDelta::seconds(2), true).expect("a rotation");
            now += TimeDelta::seconds(3);
        }
        assert_eq!(kept.rotate(now, LEAD, true), Err(Refused::Many(MOST)));
        now += LONGEST;
        kept.rotate(now, LEAD, true).expect("they are gone");
    }

    proptest! {
        /// Whatever is done and when: one key signs at every moment, and what it signed is good until its end, unless
        /// the key was withdrawn.
        #[test]
        fn one_signs_at_every_moment_and_what_it_signed_is_good_until_its_end(
            steps in proptest::collection::vec((0..1_500_i64, 0..4_u8, 0..12_usize), 1..40)
        ) {
            let mut kept = Kept::begun();
            let mut signed: Vec<(String, DateTime<Utc>)> = Vec::new();
            let mut now = at(0);
            for (pause, what, which) in steps {
                now += TimeDelta::seconds(pause);
                let _ = match what {
                    0 => kept.rotate(now, LEAD, false),
                    1 => kept.rotate(now, TimeDelta::seconds(2), true),
                    2 => {
                        let kid = kept.0[which % kept.0.len()].kid.clone();
                        kept.withdraw(&kid, now)
                    }
                    _ => {
                        let upkeep = Upkeep::of(&kept.0, now, LONGEST);
                        for kid in &upkeep.erase {
                            let key = kept.0.iter_mut().find(|key| key.kid == *kid).expect("a key");
                            prop_assert!(key.times.state(now) != SigningKeyState::Signing);
                            key.has_secret = false;
                        }
                        kept.change(upkeep.changed);
                        Ok(())
                    }
                };
                for ahead in [0, 1, 2, 600, 1_499] {
                    let then = now + TimeDelta::seconds(ahead);
                    for algorithm in SigningAlgorithm::ALL {
                        let signing = kept.signing(*algorithm, then);
                        prop_assert_eq!(signing.len(), 1, "{} at {}", algorithm, then);
                        prop_assert!(signing[0].has_secret);
                    }
                }
                for algorithm in SigningAlgorithm::ALL {
                    signed.push((kept.signing(*algorithm, now)[0].kid.clone(), now + LONGEST));
                }
                for (kid, end) in &signed {
                    let key = kept.0.iter().find(|key| key.kid == *kid).expect("a key");
                    let good = now >= *end || key.times.is_published(now);
                    prop_assert!(good || key.times.withdrawn_at.is_some(), "{} at {}", kid, now);
                }
            }
        }
    }
}
