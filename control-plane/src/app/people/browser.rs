//! Being signed in with a browser: by a cookie that leads to a session, in place of tokens.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use subtle::ConstantTimeEq;

use super::super::caller::{Caller, EXACT, Origin, Principal, Who};
use super::super::error::{Error, OrNotFound};
use super::super::failures::Try;
use super::super::{App, Result};
use super::acting;
use super::device::describe;
use super::outside::signed_in;
use super::refresh::{LONGEST, Refresh, ends};
use super::second_factor::{Holder, Second};
use super::sign_in::{Admission, Granted, SignIn};
use super::ticket::{Shown, Ticket};
use crate::identity::random_secret;
use crate::model::ids::SessionId;
use crate::store::sessions::{self, BrowserRecord, NewSession};
use crate::store::{Tx, users};

/// Somebody who is signed in with the browser that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser {
    pub principal: Principal,
    /// When they gave their password, or came by a provider.
    pub since: DateTime<Utc>,
}

/// A session that a browser is to hold.
#[derive(Debug)]
pub struct BrowserSession {
    /// What its cookie says: `<session>.<secret>`.
    pub cookie: SecretString,
    /// How long the browser keeps it; none for as long as it is open. The session itself may end before.
    pub kept_for: Option<TimeDelta>,
}

/// How a sign-in with email and password goes on.
#[derive(Debug)]
pub enum Step {
    In(BrowserSession),
    /// A second factor is asked for. The ticket says that the password was right, for five minutes.
    Code(SecretString),
}

impl Browser {
    /// The same as the one who does something.
    #[must_use]
    pub fn caller(&self, origin: &Origin) -> Caller {
        Caller { who: Who::User(self.principal.clone()), origin: origin.clone() }
    }
}

/// Of the same form as a refresh token, and never good as one.
fn is_held(kept: &BrowserRecord, shown: &Refresh) -> bool {
    bool::from(kept.browser_hash.as_slice().ct_eq(shown.hash().as_slice()))
}

impl App {
    /// Who is signed in with the browser that shows this cookie. Its session lasts on from here.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn browser(&self, cookie: &SecretString, origin: &Origin) -> Result<Option<Browser>> {
        let Some(shown) = Refresh::read(cookie) else { return Ok(None) };
        let mut tx = self.begin_as_system().await?;
        let kept = sessions::of_browser(&mut tx, shown.session).await?;
        let Some(kept) = kept.filter(|kept| is_held(kept, &shown)) else { return Ok(None) };
        let now = Utc::now();
        if now.signed_duration_since(kept.last_used_at) > EXACT {
            let latest = self.latest_end(kept.created_at, kept.provider);
            let ends_at = ends(latest, now, self.rest(kept.remembered));
            sessions::prolong(&mut tx, shown.session, ends_at, &origin.address).await?;
        }
        tx.commit().await?;
        match self.principal(shown.session).await {
            Ok(principal) => Ok(Some(Browser { principal, since: kept.created_at })),
            Err(Error::Unauthenticated) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has a session last on that is used by an app of its person's: its address stays the browser's.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub(in super::super) async fn last_on(&self, session: SessionId) -> Result<()> {
        let mut tx = self.begin_as_system().await?;
        if let Some(kept) = sessions::of_browser(&mut tx, session).await? {
            let latest = self.latest_end(kept.created_at, kept.provider);
            let ends_at = ends(latest, Utc::now(), self.rest(kept.remembered));
            sessions::last_until(&mut tx, session, ends_at).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Signs somebody in with email and password. The session that the browser held `before` ends with it.
    ///
    /// # Errors
    /// As [`App::sign_in`], but for a second factor that is missing.
    pub async fn sign_in_browser(
        &self,
        with: SignIn,
        before: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<Step> {
        let remember = with.remember;
        match self.let_in(with, origin).await? {
            Admission::Granted(granted) => {
                let session = SessionId::random();
                Ok(Step::In(self.begin_browser(*granted, session, remember, before, origin).await?))
            }
            Admission::CodeMissing(user) => {
                let ticket = Ticket::new(user.id, remember, Utc::now());
                Ok(Step::Code(ticket.text(&self.key, &user)))
            }
        }
    }

    /// Signs somebody in whose password was right, by a code of their second factor.
    ///
    /// # Errors
    /// `Unauthenticated` for a ticket that is good for nothing, or not any more: they begin anew. `WrongSecondFactor`;
    /// `Invalid` without a code; `TooManyFailures`.
    pub async fn sign_in_with_code(
        &self,
        ticket: &SecretString,
        code: &str,
        before: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<BrowserSession> {
        let shown = Shown::read(ticket).ok_or(Error::Unauthenticated)?;
        let mut tx = self.begin_as_system().await?;
        let user = match users::get(&mut tx, shown.ticket.user).await.or_not_found("user") {
            Err(Error::NotFound(_)) => return Err(Error::Unauthenticated),
            other => other?,
        };
        if user.suspended_at.is_some() || !shown.is_good(&self.key, &user, Utc::now()) {
            return Err(Error::Unauthenticated);
        }
        let one = Try::of_user(user.email.as_str(), &origin.address);
        self.may_try(&mut tx, &one).await?;
        let (mut tx, user, by) = self.vouched_for(tx, user, &shown.ticket, origin).await?;
        let second = self.second_factor(&mut tx, &Holder::user(&user, origin), Some(code)).await?;
        match second {
            Second::None | Second::Given => {}
            Second::Missing => return Err(Error::wrong("code", "enter the code")),
            Second::Wrong => {
                drop(tx);
                return Err(self.wrong_second_factor(&one, &user.email, origin).await?);
            }
        }
        self.shown(&mut tx, &one).await?;
        let granted = Granted { tx, user, second_factor: second == Second::Given, by };
        let Ticket { session, remember, .. } = shown.ticket;
        self.begin_browser(granted, session, remember, before, origin).await
    }

    /// Begins a session that a browser holds, and makes it so.
    ///
    /// # Errors
    /// `Unauthenticated` when a session of this id was begun before.
    pub(super) async fn begin_browser(
        &self,
        granted: Granted,
        session: SessionId,
        remember: bool,
        before: Option<&SecretString>,
        origin: &Origin,
    ) -> Result<BrowserSession> {
        let Granted { mut tx, user, second_factor, by } = granted;
        let now = Utc::now();
        let provider = by.as_ref().map(|by| by.id);
        let held = Refresh { session, secret: random_secret() };
        let nobodys = Refresh { session, secret: random_secret() };
        let new = NewSession {
            id: session,
            user: user.id,
            device: describe(&origin.user_agent),
            address: origin.address.clone(),
            remembered: remember,
            second_factor,
            refresh_hash: nobodys.hash().to_vec(),
            browser_hash: Some(held.hash().to_vec()),
            provider,
            only_tenant: by.as_ref().and_then(|by| by.tenant),
            expires_at: ends(self.latest_end(now, provider), now, self.rest(remember)),
        };
        if !sessions::create(&mut tx, &new).await? {
            return Err(Error::Unauthenticated);
        }
        self.end_replaced(&mut tx, before).await?;
        self.auditor.write(&mut tx, &acting(&user, session, origin), signed_in(&user, by.as_ref())).await?;
        tx.commit().await?;
        Ok(BrowserSession { cookie: held.text(), kept_for: remember.then_some(LONGEST) })
    }

    /// Ends the session that a browser held, which nobody would sign out of any more.
    async fn end_replaced(&self, tx: &mut Tx, before: Option<&SecretString>) -> Result<()> {
        let Some(shown) = before.and_then(Refresh::read) else { return Ok(()) };
        let kept = sessions::of_browser(tx, shown.session).await?;
        if let Some(kept) = kept.filter(|kept| is_held(kept, &shown)) {
            sessions::revoke(tx, kept.user_id, shown.session, "signed in anew").await?;
        }
        Ok(())
    }
}
