//! Being signed in: sessions that begin, go on by refresh tokens, and end.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::super::admins::Token;
use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Origin};
use super::super::error::Error;
use super::super::{App, Result};
use super::device::describe;
use super::nobody;
use super::refresh::{LONGEST, Refresh, Turn, ends, judge};
use crate::identity::tokens::{Subject, USER_AUDIENCE};
use crate::model::ids::{ProviderId, SessionId, UserId};
use crate::model::letter::Letter;
use crate::store::sessions::{self, NewSession, SessionRecord};
use crate::store::users::{self, UserRecord};
use crate::store::{Scope, Tx, mails};

/// Sessions of one user that are shown.
const SHOWN: u32 = 200;

/// What somebody gets who is signed in.
#[derive(Debug)]
pub struct SignedIn {
    pub user: UserId,
    pub session: SessionId,
    /// For each request.
    pub access: Token,
    /// For the next access token; good once.
    pub refresh: SecretString,
    /// When the session ends unless it is used.
    pub ends_at: DateTime<Utc>,
}

impl App {
    /// Begins a session.
    pub(super) async fn begin_session(
        &self,
        tx: &mut Tx,
        user: &UserRecord,
        remembered: bool,
        second_factor: bool,
        origin: &Origin,
    ) -> Result<SignedIn> {
        let now = Utc::now();
        let refresh = Refresh::first(&self.key, SessionId::random());
        let ends_at = ends(self.latest_end(now, None), now, self.rest(remembered));
        let session = NewSession {
            id: refresh.session,
            user: user.id,
            device: describe(&origin.user_agent),
            address: origin.address.clone(),
            remembered,
            second_factor,
            refresh_hash: refresh.hash().to_vec(),
            browser_hash: None,
            provider: None,
            only_tenant: None,
            expires_at: ends_at,
        };
        sessions::create(tx, &session).await?;
        self.signed_in(user, &refresh, ends_at)
    }

    /// When a session ends at the latest, however it is used. Who came by a provider comes by it again after some hours: it
    /// may know them no more.
    pub(in super::super) fn latest_end(
        &self,
        begun: DateTime<Utc>,
        provider: Option<ProviderId>,
    ) -> DateTime<Utc> {
        let hours = TimeDelta::hours(self.settings.people.provider_session_hours.into());
        begun + provider.map_or(LONGEST, |_| hours)
    }

    /// Days that a session lasts without being used.
    pub(super) fn rest(&self, remembered: bool) -> u32 {
        let people = &self.settings.people;
        if remembered { people.remembered_days } else { people.session_days }
    }

    fn signed_in(&self, user: &UserRecord, refresh: &Refresh, ends_at: DateTime<Utc>) -> Result<SignedIn> {
        let minutes = self.settings.people.access_minutes;
        let subject = Subject {
            id: user.id.to_string(),
            email: Some(user.email.to_string()),
            session: Some(refresh.session),
            ..Subject::default()
        };
        let text = self.issuer.issue(subject, USER_AUDIENCE, minutes).map_err(Error::internal)?;
        let expires_at = Utc::now() + TimeDelta::minutes(i64::from(minutes));
        Ok(SignedIn {
            user: user.id,
            session: refresh.session,
            access: Token { text: text.into(), expires_at },
            refresh: refresh.text(),
            ends_at,
        })
    }

    /// Gives the next access and refresh token for a refresh token. Whoever comes with the one before within a moment
    /// gets the same refresh token again; whoever comes later with one that was used ends the session.
    ///
    /// # Errors
    /// `Unauthenticated` for what is no good token of a session that lasts.
    pub async fn refresh(&self, token: &SecretString, origin: &Origin) -> Result<SignedIn> {
        let refresh = Refresh::read(token).ok_or(Error::Unauthenticated)?;
        let mut tx = self.begin_as_system().await?;
        let session = sessions::lock(&mut tx, refresh.session).await?.ok_or(Error::Unauthenticated)?;
        let user = users::get(&mut tx, session.user_id).await?;
        if user.suspended_at.is_some() {
            return Err(Error::Unauthenticated);
        }
        let now = Utc::now();
        let latest = self.latest_end(session.created_at, session.provider);
        if latest <= now {
            return Err(Error::Unauthenticated);
        }
        let next = refresh.next(&self.key);
        match judge(&self.key, &session, &refresh, now) {
            Turn::Rotate => {
                let ends_at = ends(latest, now, self.rest(session.remembered));
                sessions::rotate(&mut tx, &session, &next.hash(), ends_at, &origin.address).await?;
                tx.commit().await?;
                self.signed_in(&user, &next, ends_at)
            }
            Turn::Repeat => {
                tx.commit().await?;
                self.signed_in(&user, &next, session.expires_at)
            }
            Turn::End => {
                self.end_stolen(&mut tx, &user, &session, origin).await?;
                tx.commit().await?;
                Err(Error::Unauthenticated)
            }
            Turn::Refuse => Err(Error::Unauthenticated),
        }
    }

    /// Ends a session whose refresh token somebody has who should not, and tells whose it is.
    async fn end_stolen(
        &self,
        tx: &mut Tx,
        user: &UserRecord,
        session: &SessionRecord,
        origin: &Origin,
    ) -> Result<()> {
        sessions::revoke(tx, user.id, session.id, "reused").await?;
        let letter = Letter::SessionEnded {
            name: user.name.clone(),
            device: session.device.clone(),
            address: origin.address.clone(),
        };
        mails::queue(tx, None, &user.email, &letter).await?;
        tracing::warn!(session = %session.id, address = %origin.address, "a refresh token was used again");
        let entry = Entry::refused(Action::SessionRefresh, None, session.id);
        self.auditor.write(tx, &nobody(origin), entry).await
    }

    /// Ends the caller's own session.
    ///
    /// # Errors
    /// `Forbidden` for platform admins, who have none.
    pub async fn sign_out(&self, caller: &Caller) -> Result<()> {
        let me = caller.signed_in()?;
        let mut tx = self.store.begin(Scope::Person(me.user)).await?;
        sessions::revoke(&mut tx, me.user, me.session, "signed out").await?;
        self.auditor.write(&mut tx, caller, Entry::done(Action::UserSignOut, None, &me.email)).await?;
        Ok(tx.commit().await?)
    }

    /// The caller's sessions, the last used first.
    ///
    /// # Errors
    /// `Forbidden` for platform admins.
    pub async fn sessions(&self, caller: &Caller) -> Result<Vec<SessionRecord>> {
        let me = caller.user()?;
        // What providers are called by which they came is not in a person's own scope.
        let mut tx = self.begin_as_system().await?;
        let sessions = sessions::list(&mut tx, me.user, SHOWN).await?;
        tx.commit().await?;
        Ok(sessions)
    }

    /// Ends one of the caller's sessions.
    ///
    /// # Errors
    /// `NotFound` when it is not theirs or over already; `Forbidden` for platform admins, and for one that is good in a
    /// tenant alone, but for its own end.
    pub async fn end_session(&self, caller: &Caller, session: SessionId) -> Result<()> {
        let me = caller.signed_in()?;
        if me.session != session {
            caller.user()?;
        }
        let mut tx = self.store.begin(Scope::Person(me.user)).await?;
        if !sessions::revoke(&mut tx, me.user, session, "ended by its owner").await? {
            return Err(Error::NotFound("session"));
        }
        self.auditor.write(&mut tx, caller, Entry::done(Action::SessionEnd, None, session)).await?;
        Ok(tx.commit().await?)
    }

    /// Ends all of the caller's sessions, the one they are in only if asked to.
    ///
    /// # Errors
    /// `Forbidden` for platform admins.
    pub async fn end_sessions(&self, caller: &Caller, but_this: bool) -> Result<()> {
        let me = caller.user()?;
        let except = but_this.then_some(me.session);
        let mut tx = self.store.begin(Scope::Person(me.user)).await?;
        let ended = sessions::revoke_all(&mut tx, me.user, except, "ended by its owner").await?;
        let target = format!("{ended} of {}", me.email);
        self.auditor.write(&mut tx, caller, Entry::done(Action::SessionEnd, None, target)).await?;
        Ok(tx.commit().await?)
    }
}
