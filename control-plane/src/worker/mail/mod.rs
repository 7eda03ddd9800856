//! Mail: takes what is due out of the registry, renders it, and hands it to a server, or keeps it where it can be read.
//!
//! A mail is sent at least once. Whoever takes it has it for a while; no transaction is open while a server is talked
//! to, and if nobody says what became of it, it is taken again, under the same message id. Nothing here can be refused
//! by one mail in the name of all.

mod server;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, SmtpConfig};
use crate::model::letter::Letter;
use crate::render::mail::{Rendered, Sender};
use crate::store::mails::{self, DueMail, Kept};
use crate::store::{Scope, Store};
use server::{Refusal, Server};

/// How mails are sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    pub from: String,
    pub from_name: String,
    /// Public address of the apex, told below every mail.
    pub site: String,
    /// The server that takes them, with the password there; without one, they are kept to be read.
    pub smtp: Option<(SmtpConfig, Option<SecretString>)>,
    /// Certificates in PEM that the server's may be signed by, besides those that this machine trusts.
    pub authorities: Option<SecretString>,
    /// How often to look for what is due.
    pub look: Duration,
    /// The pauses between attempts; after the last of them, there is one more.
    pub pauses: Vec<Duration>,
}

/// From a minute to six hours, half a day in all: as long as a server may be down before people notice.
const PAUSES: [u64; 7] = [60, 5 * 60, 15 * 60, 30 * 60, 3_600, 3 * 3_600, 6 * 3_600];
/// Mails that are taken at once, and how many of them are sent at a time.
const TAKEN: i64 = 8;
const AT_ONCE: usize = 4;
/// The longest that sending one may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long those taken are ours: longer than all of them together may take.
const LEASE: Duration = Duration::from_secs(300);
/// How long a person has to look at what was given up, or kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// How often what is older is emptied.
const TIDY: Duration = Duration::from_secs(3_600);

impl MailSettings {
    /// As the configuration says.
    #[must_use]
    pub fn new(config: &Config, password: Option<SecretString>, authorities: Option<SecretString>) -> Self {
        let mail = &config.mail;
        Self {
            from: mail.from.clone(),
            from_name: mail.from_name.clone(),
            site: config.public_url(),
            smtp: mail.smtp.host.is_some().then(|| (mail.smtp.clone(), password)),
            authorities,
            look: Duration::from_secs(2),
            pauses: PAUSES.map(Duration::from_secs).to_vec(),
        }
    }
}

/// Whoever sends the mails.
pub struct Post {
    store: Store,
    settings: MailSettings,
    server: Option<Server>,
}

/// What became of one attempt.
enum Outcome {
    Sent,
    Kept(Box<Rendered>),
    /// Another attempt may do better.
    Failed(String),
    /// None will.
    Refused(String),
}

impl Post {
    /// # Errors
    /// When the settings name no server that can be talked to.
    pub fn new(store: Store, settings: MailSettings) -> Result<Self, String> {
        let server = match &settings.smtp {
            Some((smtp, password)) => Some(Server::new(smtp, password.as_ref(), &settings)?),
            None => None,
        };
        Ok(Self { store, settings, server })
    }

    /// Sends until `shutdown`; what is being sent then is sent to its end.
    pub async fn run(self, shutdown: CancellationToken) {
        if self.server.is_none() {
            tracing::warn!(
                "no mail leaves this machine: mail.smtp.host is not set; `freehold mail list` shows them"
            );
        }
        let mut tidy = Instant::now();
        while !shutdown.is_cancelled() {
            match self.round(&shutdown).await {
                Ok(taken) if taken == TAKEN as usize => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "mails wait, because the registry cannot be asked for them");
                }
            }
            if Instant::now() >= tidy {
                tidy = Instant::now() + TIDY;
                if let Err(error) = self.forget().await {
                    tracing::warn!(%error, "old mails were not emptied");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.settings.look) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Sends some of what is due; how many.
    async fn round(&self, shutdown: &CancellationToken) -> Result<usize, crate::store::Error> {
        let mut tx = self.store.begin(Scope::System).await?;
        let due = mails::take(&mut tx, LEASE, TAKEN).await?;
        tx.commit().await?;
        let taken = due.len();
        futures_util::stream::iter(due)
            .for_each_concurrent(AT_ONCE, async |mail| {
                // Those that are not begun are free again when the lease is over.
                if shutdown.is_cancelled() {
                    return;
                }
                let outcome = self.attempt(&mail).await;
                if let Err(error) = self.record(&mail, outcome).await {
                    tracing::error!(mail = %mail.id, %error, "what became of a mail was not recorded; it may come twice");
                }
            })
            .await;
        Ok(taken)
    }

    async fn attempt(&self, mail: &DueMail) -> Outcome {
        let Some(letter) = &mail.letter else {
            return Outcome::Refused("what it says is gone".to_owned());
        };
        let letter: Letter = match serde_json::from_value(letter.0.clone()) {
            Ok(letter) => letter,
            // serde would quote what it could not read
            Err(_) => return Outcome::Refused("what it says cannot be read by this version".to_owned()),
        };
        let sender = Sender { name: &self.settings.from_name, site: &self.settings.site };
        let rendered = match crate::render::mail::mail(&letter, sender) {
            Ok(rendered) => rendered,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let Some(server) = &self.server else { return Outcome::Kept(Box::new(rendered)) };
        match tokio::time::timeout(PATIENCE, server.send(mail, &rendered)).await {
            Ok(Ok(())) => Outcome::Sent,
            Ok(Err(Refusal::Later(why))) => Outcome::Failed(why),
            Ok(Err(Refusal::Never(why))) => Outcome::Refused(why),
            Err(_) => {
                Outcome::Failed(format!("the server did not end within {} seconds", PATIENCE.as_secs()))
            }
        }
    }

    async fn record(&self, mail: &DueMail, outcome: Outcome) -> Result<(), crate::store::Error> {
        let (id, kind, attempt) = (mail.id, mail.kind.as_str(), mail.attempts);
        let mut tx = self.store.begin(Scope::System).await?;
        let ours = match outcome {
            Outcome::Sent => {
                tracing::info!(mail = %id, kind, attempt, "a mail was sent");
                mails::sent(&mut tx, mail, None).await?
            }
            Outcome::Kept(rendered) => {
                tracing::info!(mail = %id, kind, "a mail was kept to be read");
                let Rendered { subject, text, html } = rendered.as_ref();
                mails::sent(&mut tx, mail, Some(Kept { subject, text, html })).await?
            }
            Outcome::Failed(why) => {
                let before = usize::try_from(attempt).unwrap_or_default().saturating_sub(1);
                if let Some(pause) = self.settings.pauses.get(before) {
                    tracing::warn!(mail = %id, kind, attempt, why, "a mail was not sent; it is tried again");
                    mails::put_off(&mut tx, mail, *pause, &why).await?
                } else {
                    tracing::error!(mail = %id, kind, attempt, why, "a mail was given up after its last attempt");
                    mails::give_up(&mut tx, mail, &why).await?
                }
            }
            Outcome::Refused(why) => {
                tracing::error!(mail = %id, kind, why, "a mail was refused for good");
                mails::give_up(&mut tx, mail, &why).await?
            }
        };
        tx.commit().await?;
        if !ours {
            tracing::warn!(mail = %id, kind, attempt, "another took this mail meanwhile; it may come twice");
        }
        Ok(())
    }

    async fn forget(&self) -> Result<(), crate::store::Error> {
        let mut tx = self.store.begin(Scope::System).await?;
        mails::forget(&mut tx, KEPT).await?;
        tx.commit().await
    }
}
