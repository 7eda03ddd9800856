//! `freehold operation`: what people see of changes.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::client::{Call, Client, encode, read};
use super::{Error, Exit, Session, follow, output, pages, table};
use crate::http::v1::types::Operation;
use crate::model::operation::{OperationKind, OperationState};

/// Commands under `freehold operation`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List operations, the newest first
    List(List),
    /// Show one operation
    Show {
        /// Its id, or a tenant for its latest operation
        operation: String,
    },
    /// Follow an operation to its end
    #[command(after_help = "\
Examples:
  freehold operation watch acme
  freehold operation watch 0190a0b0-0000-7000-8000-000000000001")]
    Watch {
        /// Its id, or a tenant for its latest operation
        operation: String,
    },
    /// Withdraw an operation that has not begun
    Cancel {
        /// Its id, or a tenant for its latest operation
        operation: String,
    },
}

/// Options of `freehold operation list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold operation list --tenant acme
  freehold operation list --state stuck --json")]
pub struct List {
    /// Only those of this tenant, by slug or id
    #[arg(long)]
    tenant: Option<String>,
    /// Only these states, joined by commas: pending, running, succeeded, stuck, cancelled
    #[arg(long, value_delimiter = ',')]
    state: Vec<OperationState>,
    /// Only these kinds, joined by commas: create, update, sleep, wake and so on
    #[arg(long, value_delimiter = ',')]
    kind: Vec<OperationKind>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(command: &Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List(options) => list(&client, session, options).await,
        Command::Show { operation } => {
            let id = resolve(&client, operation).await?;
            let answer = client.send(Call::get(format!("operations/{id}"))).await?;
            print(session, &read(answer)?)
        }
        Command::Watch { operation } => {
            let id = resolve(&client, operation).await?;
            let found: Operation = client.fetch(Call::get(format!("operations/{id}"))).await?;
            let over = follow::follow(&client, session, found).await?;
            print(session, &over)?;
            follow::verdict(&over)
        }
        Command::Cancel { operation } => {
            let id = resolve(&client, operation).await?;
            let answer = client.send(Call::post(format!("operations/{id}/cancel"))).await?;
            print(session, &read(answer)?)
        }
    }
}

/// An id stands for itself; anything else names a tenant, and means its latest operation.
async fn resolve(client: &Client<'_>, text: &str) -> Result<Uuid, Error> {
    if let Ok(id) = text.parse::<Uuid>() {
        return Ok(id);
    }
    let path = format!("operations?tenant={}&limit=1", encode(text));
    let mut answer = client.send(Call::get(path)).await?;
    let items: Vec<Operation> = read(answer["items"].take())?;
    items.first().map(|operation| operation.id).ok_or_else(|| {
        Error::new(Exit::NotFound, format!("there is no operation of {text:?}"))
            .advise("`freehold operation list` shows all of them")
    })
}

async fn list(client: &Client<'_>, session: &Session, options: &List) -> Result<(), Error> {
    let query = [
        ("tenant", options.tenant.clone()),
        ("state", pages::joined(&options.state)),
        ("kind", pages::joined(&options.kind)),
    ];
    let items = pages::all(client, "operations", &query, Some(options.limit)).await?;
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["ID", "TENANT", "KIND", "STATE", "ASKED", "BY", "REASON"]);
    for item in items {
        let operation: Operation = read(item)?;
        rows.add_row([
            operation.id.to_string(),
            operation.slug,
            operation.kind.to_string(),
            operation.state.to_string(),
            output::time(operation.created_at),
            output::plain(&operation.requested_by),
            operation.reason.as_deref().map(output::plain).unwrap_or_default(),
        ]);
    }
    table::print(&rows);
    Ok(())
}

fn print(session: &Session, operation: &Operation) -> Result<(), Error> {
    if session.global.json {
        return output::json(operation);
    }
    output::details(&[
        ("id", Some(operation.id.to_string())),
        ("tenant", Some(operation.slug.clone())),
        ("kind", Some(operation.kind.to_string())),
        ("state", Some(operation.state.to_string())),
        ("reason", operation.reason.clone()),
        ("asked by", Some(operation.requested_by.clone())),
        ("asked", Some(output::time(operation.created_at))),
        ("begun", operation.started_at.map(output::time)),
        ("finished", operation.finished_at.map(output::time)),
    ]);
    Ok(())
}
