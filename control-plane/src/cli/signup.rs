//! `freehold signup`: who asks to join a tenant, or to open one.

use clap::Subcommand;
use serde_json::Value;

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, pages, table};
use crate::http::v1::types::signups::{Approval, Rejection, Signup};
use crate::model::role::Role;
use crate::model::signup::{SignupKind, SignupState};

/// Commands under `freehold signup`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what people asked for
    #[command(
        after_help = "Examples:\n  freehold signup list --state pending\n  freehold signup list --tenant acme --json"
    )]
    List {
        /// Only those who want to join this tenant
        #[arg(long)]
        tenant: Option<String>,
        /// Only these, joined by commas: pending, approved, rejected
        #[arg(long, value_delimiter = ',')]
        state: Vec<SignupState>,
        /// Only these, joined by commas: join, open
        #[arg(long, value_delimiter = ',')]
        kind: Vec<SignupKind>,
        /// At most this many [default: all]
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Give somebody what they asked for: a place in a tenant, or a tenant
    Approve {
        /// The signup's id; `freehold signup list` shows it
        signup: String,
        /// What they are in the tenant they join [default: member]
        #[arg(long)]
        role: Option<Role>,
    },
    /// Refuse somebody what they asked for
    #[command(after_help = "Examples:\n  freehold signup reject 0192f0c1-… --reason 'We are full until May'")]
    Reject {
        /// The signup's id; `freehold signup list` shows it
        signup: String,
        /// Why; the person is told
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List { tenant, state, kind, limit } => {
            let path = match tenant {
                Some(tenant) => format!("tenants/{}/signups", encode(&tenant)),
                None => "signups".to_owned(),
            };
            let query = [("state", pages::joined(&state)), ("kind", pages::joined(&kind))];
            list(session, pages::all(&client, &path, &query, limit).await?)
        }
        Command::Approve { signup, role } => {
            let call = Call::post(format!("signups/{}/approve", encode(&signup)));
            decided(session, client.send(call.body(&Approval { role })?).await?)
        }
        Command::Reject { signup, reason } => {
            let call = Call::post(format!("signups/{}/reject", encode(&signup)));
            decided(session, client.send(call.body(&Rejection { reason })?).await?)
        }
    }
}

fn decided(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let signup: Signup = read(answer)?;
    let what = match signup.kind {
        SignupKind::Join => "a place in",
        SignupKind::Open => "the tenant",
    };
    println!("{}: {what} {} was {}", output::plain(&signup.email), signup.tenant, signup.state);
    Ok(())
}

fn list(session: &Session, items: Vec<Value>) -> Result<(), Error> {
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["EMAIL", "KIND", "TENANT", "PLAN", "STATE", "ASKED", "ID"]);
    for item in items {
        let signup: Signup = read(item)?;
        rows.add_row([
            output::plain(&signup.email),
            signup.kind.to_string(),
            signup.tenant,
            signup.plan.unwrap_or_default(),
            signup.state.to_string(),
            output::time(signup.created_at),
            signup.id.to_string(),
        ]);
    }
    table::print(&rows);
    Ok(())
}
