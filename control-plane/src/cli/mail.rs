//! `freehold mail`: mails that wait, were sent or given up; and their text, where no server takes them.

use clap::{Args, Subcommand};

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, pages, table};
use crate::http::v1::types::{Mail, MailDetail};
use crate::model::letter::MailState;

/// Commands under `freehold mail`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List mails, the latest first
    List(List),
    /// Show a mail, and what it says where that is kept
    Show {
        /// Its id
        mail: String,
    },
    /// Have a mail that was given up tried again
    Retry {
        /// Its id
        mail: String,
    },
}

/// Options of `freehold mail list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold mail list --state dead
  freehold mail list --search ada@example.com --json")]
pub struct List {
    /// Only these: queued, sent or dead
    #[arg(long)]
    state: Option<MailState>,
    /// Only those with this in the recipient's address
    #[arg(long)]
    search: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(command: &Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List(options) => list(&client, session, options).await,
        Command::Show { mail } => {
            let found = client.fetch(Call::get(format!("mails/{}", encode(mail)))).await?;
            show(session, &found)
        }
        Command::Retry { mail } => {
            let mail = client.fetch(Call::post(format!("mails/{}/retry", encode(mail)))).await?;
            show(session, &MailDetail { mail, text: None, html: None })
        }
    }
}

async fn list(client: &Client<'_>, session: &Session, options: &List) -> Result<(), Error> {
    let query = [("state", options.state.map(|state| state.to_string())), ("search", options.search.clone())];
    let items = pages::all(client, "mails", &query, Some(options.limit)).await?;
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["ID", "TO", "KIND", "STATE", "ATTEMPTS", "QUEUED", "ERROR"]);
    for item in items {
        let mail: Mail = read(item)?;
        rows.add_row([
            mail.id.to_string(),
            output::plain(&mail.recipient),
            mail.kind,
            mail.state.to_string(),
            mail.attempts.to_string(),
            output::time(mail.created_at),
            mail.last_error.as_deref().map(output::plain).unwrap_or_default(),
        ]);
    }
    table::print(&rows);
    Ok(())
}

fn show(session: &Session, found: &MailDetail) -> Result<(), Error> {
    if session.global.json {
        return output::json(found);
    }
    let mail = &found.mail;
    output::details(&[
        ("id", Some(mail.id.to_string())),
        ("to", Some(mail.recipient.clone())),
        ("kind", Some(mail.kind.clone())),
        ("subject", mail.subject.clone()),
        ("state", Some(mail.state.to_string())),
        ("attempts", Some(mail.attempts.to_string())),
        ("queued", Some(output::time(mail.created_at))),
        ("next", mail.due_at.map(output::time)),
        ("ended", mail.ended_at.map(output::time)),
        ("error", mail.last_error.clone()),
    ]);
    if let Some(text) = &found.text {
        println!();
        for line in text.lines() {
            println!("{}", output::plain(line));
        }
    }
    Ok(())
}
