//! Slowing down whoever guesses passwords, users' and admins' alike, in a way that locks nobody out for good.
//!
//! Failures are counted for the account and for the address they come from. An account that was signed in to from an
//! address is from there on its own: what others do to it from elsewhere delays nobody there. Whoever answers a mail
//! has shown the same.

use chrono::{TimeDelta, Utc};

use super::delay::{Count, Kind};
use super::error::Error;
use super::{App, Result};
use crate::store::Tx;
use crate::store::failures::{self, FailureRecord};

/// How long an address counts as one that the account is used from.
const KNOWN: TimeDelta = TimeDelta::days(30);

/// A try to sign in, by what its failure is counted of.
#[derive(Debug, Clone)]
pub(super) struct Try {
    account: String,
    address: String,
    pair: String,
}

impl Try {
    /// At a user's account. Nothing in it says whether there is one.
    pub(super) fn of_user(email: &str, address: &str) -> Self {
        Self::of("user", email, address)
    }

    /// At an admin's account.
    pub(super) fn of_admin(email: &str, address: &str) -> Self {
        Self::of("admin", email, address)
    }

    fn of(kind: &str, email: &str, address: &str) -> Self {
        Self {
            account: format!("account {kind} {email}"),
            address: format!("address {address}"),
            pair: format!("pair {kind} {email} {address}"),
        }
    }

    fn subjects(&self) -> [String; 3] {
        [self.account.clone(), self.address.clone(), self.pair.clone()]
    }

    fn kind(&self, record: &FailureRecord) -> Kind {
        if record.subject == self.address {
            Kind::Address
        } else if record.subject == self.pair {
            Kind::Pair
        } else {
            Kind::Account
        }
    }

    /// Whether the account was signed in to from there lately.
    fn known(&self, records: &[FailureRecord]) -> bool {
        let good = records.iter().find(|one| one.subject == self.pair).and_then(|one| one.good_at);
        good.is_some_and(|at| Utc::now().signed_duration_since(at) < KNOWN)
    }

    /// Refuses whoever must wait.
    fn judge(&self, records: &[FailureRecord]) -> Result<()> {
        let (known, now) = (self.known(records), Utc::now());
        let wait = records
            .iter()
            .filter(|one| (one.subject == self.pair) == known)
            .filter_map(|one| count(one).wait(now))
            .max();
        wait.map_or(Ok(()), |wait| Err(Error::TooManyFailures(wait)))
    }
}

fn count(record: &FailureRecord) -> Count {
    let failures = u32::try_from(record.failures).unwrap_or_default();
    Count { failures, last_at: record.last_at, until: record.until }
}

impl App {
    /// Whether this try may be made now: asked before anything costs time.
    ///
    /// # Errors
    /// `TooManyFailures` with the time to wait, alike for accounts that are there and that are not.
    pub(super) async fn may_try(&self, tx: &mut Tx, one: &Try) -> Result<()> {
        one.judge(&failures::read(tx, &one.subjects()).await?)
    }

    /// Counts a try that failed, and says what to answer. Of many tries at the same time none is answered once the
    /// delay has begun, right or wrong: they would be guesses for free.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub(super) async fn failed(&self, tx: &mut Tx, one: &Try) -> Result<Error> {
        let records = failures::lock(tx, &one.subjects()).await?;
        if let Err(wait) = one.judge(&records) {
            return Ok(wait);
        }
        let (known, now) = (one.known(&records), Utc::now());
        for record in records {
            let kind = one.kind(&record);
            // Their own slips cost those nothing elsewhere who are known here.
            if (kind == Kind::Pair) != known {
                continue;
            }
            let next = count(&record).failed(kind, now);
            let failures = i32::try_from(next.failures).unwrap_or(i32::MAX);
            failures::keep(
                tx,
                &FailureRecord { failures, last_at: next.last_at, until: next.until, ..record },
            )
            .await?;
        }
        Ok(Error::WrongCredentials)
    }

    /// Notes that somebody has shown that the account is theirs, by its password or by what was mailed to them.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub(super) async fn shown(&self, tx: &mut Tx, one: &Try) -> Result<()> {
        Ok(failures::went_well(tx, &one.account, &one.pair).await?)
    }
}
