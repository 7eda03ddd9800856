//! `freehold audit`: what was done, by whom, and whether the log of it is whole.

use std::io::Write;

use clap::{Args, Subcommand};

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, pages, table};
use crate::http::v1::export::Format;
use crate::http::v1::types::{AuditEntry, AuditVerification};

/// Commands under `freehold audit`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List entries, the latest first
    List(List),
    /// Write all entries to standard output, the latest first
    Export(Export),
    /// Prove that the log is whole, or say where it is not
    Verify(Verify),
}

/// Which entries.
#[derive(Debug, Args)]
struct Which {
    /// Only those of this tenant, by slug or id
    #[arg(long)]
    tenant: Option<String>,
    /// Only those with this in their actor, target or address
    #[arg(long)]
    search: Option<String>,
    /// Only this action, such as tenant.create; or all of `tenant`
    #[arg(long)]
    action: Option<String>,
    /// Only these: done or refused
    #[arg(long)]
    outcome: Option<String>,
    /// None before this moment
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// Only those before this moment
    #[arg(long, value_name = "MOMENT")]
    until: Option<String>,
}

/// Options of `freehold audit list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold audit list --tenant acme
  freehold audit list --action tenant --from 2026-11-01T00:00:00Z
  freehold audit list --outcome refused --json")]
pub struct List {
    #[command(flatten)]
    which: Which,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Options of `freehold audit export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold audit export > audit.jsonl
  freehold audit export --tenant acme --format csv > acme.csv")]
pub struct Export {
    #[command(flatten)]
    which: Which,
    /// jsonl or csv
    #[arg(long, default_value_t = Format::Jsonl)]
    format: Format,
}

/// Options of `freehold audit verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Keep the head that it prints somewhere else: an end that was cut off shows in no other way.

Examples:
  freehold audit verify
  freehold audit verify --head 17:5f0c...")]
pub struct Verify {
    /// A head that was printed before: is it still there?
    #[arg(long, value_name = "POSITION:HEX")]
    head: Option<String>,
}

impl Which {
    fn path(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("tenants/{}/audit", encode(tenant)),
            None => "audit".to_owned(),
        }
    }

    fn query(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("search", self.search.clone()),
            ("action", self.action.clone()),
            ("outcome", self.outcome.clone()),
            ("from", self.from.clone()),
            ("until", self.until.clone()),
        ]
    }
}

pub(super) async fn run(command: &Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List(options) => list(&client, session, options).await,
        Command::Export(options) => export(&client, options).await,
        Command::Verify(options) => verify(&client, session, options).await,
    }
}

async fn list(client: &Client<'_>, session: &Session, options: &List) -> Result<(), Error> {
    let which = &options.which;
    let items = pages::all(client, &which.path(), &which.query(), Some(options.limit)).await?;
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["AT", "ACTOR", "ACTION", "TARGET", "OUTCOME", "FROM"]);
    for item in items {
        let entry: AuditEntry = read(item)?;
        rows.add_row([
            output::time(entry.at),
            output::plain(&entry.actor),
            entry.action,
            output::plain(&entry.target),
            entry.outcome,
            output::plain(&entry.address),
        ]);
    }
    table::print(&rows);
    Ok(())
}

async fn export(client: &Client<'_>, options: &Export) -> Result<(), Error> {
    let mut path = format!("{}/export?format={}", options.which.path(), options.format);
    for (name, value) in options.which.query() {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encode(&value)));
        }
    }
    let mut out = std::io::stdout().lock();
    // Whoever reads may have seen enough.
    let enough = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    let take = |bytes: &[u8]| match out.write_all(bytes) {
        Err(error) if enough(&error) => std::process::exit(0),
        other => other,
    };
    client.copy(Call::get(path), take).await?;
    Ok(out.flush()?)
}

async fn verify(client: &Client<'_>, session: &Session, options: &Verify) -> Result<(), Error> {
    let path = match &options.head {
        Some(head) => format!("audit/verification?head={}", encode(head)),
        None => "audit/verification".to_owned(),
    };
    let found: AuditVerification = client.fetch(Call::get(path)).await?;
    if session.global.json {
        output::json(&found)?;
    } else {
        output::details(&[
            ("whole", Some(if found.whole { "yes" } else { "no" }.to_owned())),
            ("entries", Some(found.entries.to_string())),
            ("waiting", Some(found.waiting.to_string())),
            ("head", Some(found.head.clone())),
        ]);
    }
    match found.broken {
        None => Ok(()),
        Some(broken) => Err(Error::failed(format!("the audit log is broken: {broken}"))
            .advise("everything before it is as it was written; compare with a backup")),
    }
}
