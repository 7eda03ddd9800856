//! `freehold invite`: places in a tenant that are offered by mail.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, pages, table};
use crate::http::v1::types::invitations::{Invitation, NewInvitation};
use crate::model::invitation::InvitationStatus;
use crate::model::role::Role;

/// Commands under `freehold invite`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Offer an address a place in a tenant; the offer is good for seven days
    #[command(after_help = "Examples:\n  freehold invite create acme grace@example.com --role developer")]
    Create {
        /// The tenant's slug or id
        tenant: String,
        /// The address that the mail is sent to
        email: String,
        /// What they shall be
        #[arg(long, default_value_t = Role::Member)]
        role: Role,
    },
    /// List a tenant's invitations
    #[command(after_help = "Examples:\n  freehold invite list acme --status pending,expired")]
    List {
        /// The tenant's slug or id
        tenant: String,
        /// Only those with this in their address
        #[arg(long)]
        search: Option<String>,
        /// Only these, joined by commas: pending, accepted, revoked, expired
        #[arg(long, value_delimiter = ',')]
        status: Vec<InvitationStatus>,
        /// At most this many [default: all]
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Send an invitation again, for seven more days; the link before is good no more
    Resend(Which),
    /// Take an invitation back
    Revoke(Which),
}

/// An invitation to a tenant.
#[derive(Debug, Args)]
pub struct Which {
    /// The tenant's slug or id
    tenant: String,
    /// The invitation's id; `freehold invite list` shows it
    invitation: String,
}

impl Which {
    fn path(&self) -> String {
        format!("{}/{}", invitations(&self.tenant), encode(&self.invitation))
    }
}

fn invitations(tenant: &str) -> String {
    format!("tenants/{}/invitations", encode(tenant))
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::Create { tenant, email, role } => {
            let body = NewInvitation { email, role };
            sent(session, client.send(Call::post(invitations(&tenant)).body(&body)?).await?)
        }
        Command::List { tenant, search, status, limit } => {
            let query = [("search", search), ("status", pages::joined(&status))];
            let items = pages::all(&client, &invitations(&tenant), &query, limit).await?;
            list(session, items)
        }
        Command::Resend(which) => {
            sent(session, client.send(Call::post(format!("{}/resend", which.path()))).await?)
        }
        Command::Revoke(which) => {
            client.send(Call::delete(which.path())).await?;
            if session.global.json {
                return output::json(&Value::Null);
            }
            println!("the invitation was taken back");
            Ok(())
        }
    }
}

fn sent(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let invitation: Invitation = read(answer)?;
    let (email, end) = (output::plain(&invitation.email), output::time(invitation.expires_at));
    println!("{email} is invited as {} until {end}", invitation.role);
    Ok(())
}

fn list(session: &Session, items: Vec<Value>) -> Result<(), Error> {
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["EMAIL", "ROLE", "STATUS", "UNTIL", "BY", "ID"]);
    for item in items {
        let invitation: Invitation = read(item)?;
        rows.add_row([
            output::plain(&invitation.email),
            invitation.role.to_string(),
            invitation.status.to_string(),
            output::time(invitation.expires_at),
            output::plain(&invitation.invited_by),
            invitation.id.to_string(),
        ]);
    }
    table::print(&rows);
    Ok(())
}
