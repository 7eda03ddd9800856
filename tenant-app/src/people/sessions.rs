//! Sessions: rows of `app.sessions`. The browser holds a number, the row its hash.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool, Postgres};

use super::person::{Person, Place, Statement};
use super::seal::Seal;
use super::{bytes_of, digest, random, text_of};
use crate::web::problem::Error;

/// Sessions that nobody used for so long have ended.
const IDLE: TimeDelta = TimeDelta::hours(12);
/// And however much they are used, so long after they began. While the platform's own session stands,
/// whoever comes back is signed in again without a word.
const LONGEST: TimeDelta = TimeDelta::days(7);
/// Sessions that are kept in memory because storage is used up.
const MOST_UNSAVED: usize = 256;

pub type SessionId = [u8; 32];

/// What the platform gave for one sign-in.
#[derive(Clone)]
pub struct Secrets {
    pub access_token: SecretString,
    pub refresh_token: Option<SecretString>,
    pub id_token: SecretString,
}

/// As it is sealed.
#[derive(Serialize, Deserialize)]
struct Packed {
    access_token: String,
    refresh_token: Option<String>,
    id_token: String,
}

#[derive(Clone)]
pub struct Session {
    pub id: SessionId,
    pub statement: Statement,
    pub secrets: Secrets,
    pub used_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    /// That there is a row of it: with the row it has ended.
    has_row: bool,
}

impl Session {
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.ends_at <= now || self.used_at <= now - IDLE
    }
}

#[derive(FromRow)]
struct Row {
    subject: String,
    sid: String,
    name: String,
    email: String,
    role: String,
    permissions: Vec<String>,
    projects: Json<Vec<Place>>,
    tokens: Vec<u8>,
    believed_until: DateTime<Utc>,
    used_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
}

pub struct Sessions {
    pool: PgPool,
    seal: Seal,
    /// A tenant whose storage is used up still lets people in: how else would they make room? Sessions that
    /// are only here end with the process. Of those with a row, here is what could not be written to it.
    unsaved: Mutex<HashMap<SessionId, Arc<Session>>>,
}

impl Sessions {
    #[must_use]
    pub fn new(pool: PgPool, seal: Seal) -> Self {
        Self { pool, seal, unsaved: Mutex::default() }
    }

    /// A new session, and the number that its browser is to hold. Sessions that have ended go on the way:
    /// there are never many more than there are people.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self, statement: Statement, secrets: Secrets) -> Result<String, Error> {
        let number = random();
        let (id, now) = (digest(&[&number]), Utc::now());
        let session =
            Session { id, statement, secrets, used_at: now, ends_at: now + LONGEST, has_row: false };
        self.tidy().await?;
        match self.insert(&session).await {
            Err(Error::ReadOnly) => self.remember(&session),
            done => done?,
        }
        Ok(text_of(&number))
    }

    /// Which session such a number is of. Nothing is asked.
    #[must_use]
    pub fn id_of(number: &str) -> Option<SessionId> {
        let bytes = bytes_of(number)?;
        (bytes.len() == 32).then(|| digest(&[&bytes]))
    }

    /// The session, unless it has ended.
    ///
    /// # Errors
    /// The database's.
    pub async fn find(&self, id: &SessionId) -> Result<Option<Session>, Error> {
        const SQL: &str = "SELECT subject, sid, name, email, role, permissions, projects, tokens, believed_until, \
                           used_at, ends_at FROM app.sessions WHERE id_hash = $1";
        let row: Option<Row> = sqlx::query_as(SQL).bind(&id[..]).fetch_optional(&self.pool).await?;
        let held = self.unsaved().get(id).map(|held| Session::clone(held));
        let found = match (held, row) {
            (Some(held), None) if held.has_row => None,
            (Some(held), _) => Some(held),
            (None, row) => row.and_then(|row| self.opened(*id, row)),
        };
        let found = found.filter(|session| !session.is_over(Utc::now()));
        if found.is_none() {
            self.unsaved().remove(id);
        }
        Ok(found)
    }

    /// Writes down what is known of it now, unless it has ended meanwhile.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep(&self, session: &Session) -> Result<(), Error> {
        if session.has_row {
            match self.update(session).await {
                Ok(()) => drop(self.unsaved().remove(&session.id)),
                Err(Error::ReadOnly) => self.remember(session),
                Err(error) => return Err(error),
            }
            return Ok(());
        }
        if !self.unsaved().contains_key(&session.id) {
            return Ok(());
        }
        match self.insert(session).await {
            Ok(()) => {
                // Whoever ended it meanwhile took it away from here, and looked for a row maybe before there was one.
                let goes_on = self.unsaved().remove(&session.id).is_some();
                if goes_on { Ok(()) } else { self.end(&session.id).await }
            }
            Err(Error::ReadOnly) => {
                if let Some(held) = self.unsaved().get_mut(&session.id) {
                    *held = Arc::new(session.clone());
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn insert(&self, session: &Session) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO app.sessions (name, email, role, permissions, projects, tokens, believed_until, \
                           used_at, id_hash, subject, sid, ends_at) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                           ON CONFLICT (id_hash) DO NOTHING";
        let query = self.with_what_changes(SQL, session)?;
        query
            .bind(&session.id[..])
            .bind(&session.statement.person.subject)
            .bind(&session.statement.sid)
            .bind(session.ends_at)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn update(&self, session: &Session) -> Result<(), Error> {
        const SQL: &str = "UPDATE app.sessions SET name = $1, email = $2, role = $3, permissions = $4, \
                           projects = $5, tokens = $6, believed_until = $7, used_at = $8 WHERE id_hash = $9";
        self.with_what_changes(SQL, session)?.bind(&session.id[..]).execute(&self.pool).await?;
        Ok(())
    }

    fn with_what_changes<'q>(
        &self,
        sql: &'static str,
        session: &'q Session,
    ) -> Result<Query<'q, Postgres, PgArguments>, Error> {
        let person = &session.statement.person;
        let permissions: Vec<&str> = person.permissions.iter().map(String::as_str).collect();
        Ok(sqlx::query(sql)
            .bind(&person.name)
            .bind(&person.email)
            .bind(&person.role)
            .bind(permissions)
            .bind(Json(&person.projects))
            .bind(self.closed(session)?)
            .bind(session.statement.until)
            .bind(session.used_at))
    }

    fn remember(&self, session: &Session) {
        let mut unsaved = self.unsaved();
        if unsaved.len() >= MOST_UNSAVED && !unsaved.contains_key(&session.id) {
            let oldest = unsaved.values().min_by_key(|s| s.used_at).map(|s| s.id);
            oldest.map(|id| unsaved.remove(&id));
        }
        unsaved.insert(session.id, Arc::new(session.clone()));
    }

    /// Ends it, also when storage is used up.
    ///
    /// # Errors
    /// The database's.
    pub async fn end(&self, id: &SessionId) -> Result<(), Error> {
        self.unsaved().remove(id);
        let mut tx = self.pool.begin_with("BEGIN READ WRITE").await?;
        sqlx::query("DELETE FROM app.sessions WHERE id_hash = $1").bind(&id[..]).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn tidy(&self) -> Result<(), Error> {
        const SQL: &str = "DELETE FROM app.sessions WHERE ends_at <= $1 OR used_at <= $2";
        let now = Utc::now();
        let mut tx = self.pool.begin_with("BEGIN READ WRITE").await?;
        sqlx::query(SQL).bind(now).bind(now - IDLE).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    fn closed(&self, session: &Session) -> Result<Vec<u8>, Error> {
        let secrets = &session.secrets;
        let packed = Packed {
            access_token: secrets.access_token.expose_secret().to_owned(),
            refresh_token: secrets.refresh_token.as_ref().map(|t| t.expose_secret().to_owned()),
            id_token: secrets.id_token.expose_secret().to_owned(),
        };
        let text = serde_json::to_string(&packed).map_err(|_| Error::Internal)?;
        self.seal.close(&session.id, &text).ok_or(Error::Internal)
    }

    /// One that was sealed with a key we no longer have is none: its browser signs in again.
    fn opened(&self, id: SessionId, row: Row) -> Option<Session> {
        let text = self.seal.open(&id, &row.tokens)?;
        let packed: Packed = serde_json::from_str(&text).ok()?;
        let person = Person {
            subject: row.subject,
            name: row.name,
            email: row.email,
            role: row.role,
            permissions: row.permissions.into_iter().collect(),
            projects: row.projects.0,
        };
        let secrets = Secrets {
            access_token: packed.access_token.into(),
            refresh_token: packed.refresh_token.map(Into::into),
            id_token: packed.id_token.into(),
        };
        let statement = Statement { person, sid: row.sid, until: row.believed_until };
        let (used_at, ends_at) = (row.used_at, row.ends_at);
        Some(Session { id, statement, secrets, used_at, ends_at, has_row: true })
    }

    fn unsaved(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Arc<Session>>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
