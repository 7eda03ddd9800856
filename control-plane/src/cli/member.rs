//! `freehold member`: who belongs to a tenant, as what.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, pages, table};
use crate::http::v1::types::members::{Member, MemberChange, NewMember};
use crate::model::role::Role;

/// Commands under `freehold member`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a tenant's members
    #[command(
        after_help = "Examples:\n  freehold member list acme\n  freehold member list acme --role owner,admin --json"
    )]
    List {
        /// The tenant's slug or id
        tenant: String,
        /// Only those with this in their address or name
        #[arg(long)]
        search: Option<String>,
        /// Only these, joined by commas: owner, admin, developer, member, viewer
        #[arg(long, value_delimiter = ',')]
        role: Vec<Role>,
        /// At most this many [default: all]
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Show one member
    Show(Who),
    /// Make somebody who has an account a member, without asking them
    #[command(after_help = "Examples:\n  freehold member add acme ada@example.com --role owner")]
    Add {
        /// The tenant's slug or id
        tenant: String,
        /// The address of their account
        email: String,
        /// What they shall be
        #[arg(long, default_value_t = Role::Member)]
        role: Role,
    },
    /// Give a member another role
    #[command(after_help = "Examples:\n  freehold member role acme ada@example.com admin")]
    Role {
        #[command(flatten)]
        who: Who,
        /// owner, admin, developer, member or viewer
        role: Role,
    },
    /// Keep a member out, until they are let in again
    Suspend(Who),
    /// Let a suspended member in again
    Resume(Who),
    /// Remove a member
    Remove(Who),
}

/// A member of a tenant.
#[derive(Debug, Args)]
pub struct Who {
    /// The tenant's slug or id
    tenant: String,
    /// The member's address or id
    member: String,
}

impl Who {
    fn path(&self) -> String {
        format!("{}/{}", members(&self.tenant), encode(&self.member))
    }
}

fn members(tenant: &str) -> String {
    format!("tenants/{}/members", encode(tenant))
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    let suspended = |suspended| MemberChange { suspended: Some(suspended), ..MemberChange::default() };
    match command {
        Command::List { tenant, search, role, limit } => {
            let query = [("search", search), ("role", pages::joined(&role))];
            let items = pages::all(&client, &members(&tenant), &query, limit).await?;
            list(session, items)
        }
        Command::Show(who) => show(session, client.send(Call::get(who.path())).await?),
        Command::Add { tenant, email, role } => {
            let body = NewMember { email, role };
            let answer = client.send(Call::post(members(&tenant)).body(&body)?).await?;
            told(session, answer)
        }
        Command::Role { who, role } => {
            let change = MemberChange { role: Some(role), ..MemberChange::default() };
            update(&client, session, &who, &change).await
        }
        Command::Suspend(who) => update(&client, session, &who, &suspended(true)).await,
        Command::Resume(who) => update(&client, session, &who, &suspended(false)).await,
        Command::Remove(who) => {
            client.send(Call::delete(who.path())).await?;
            if session.global.json {
                return output::json(&Value::Null);
            }
            println!(
                "{} is no member of {} any more",
                output::plain(&who.member),
                output::plain(&who.tenant)
            );
            Ok(())
        }
    }
}

async fn update(
    client: &Client<'_>,
    session: &Session,
    who: &Who,
    change: &MemberChange,
) -> Result<(), Error> {
    let answer = client.send(Call::patch(who.path()).body(change)?).await?;
    told(session, answer)
}

fn told(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let member: Member = read(answer)?;
    let state = if member.suspended { ", suspended" } else { "" };
    println!("{} is {}{state}", output::plain(&member.email), member.role);
    Ok(())
}

fn list(session: &Session, items: Vec<Value>) -> Result<(), Error> {
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["EMAIL", "NAME", "ROLE", "SUSPENDED", "JOINED"]);
    for item in items {
        let member: Member = read(item)?;
        rows.add_row([
            output::plain(&member.email),
            output::plain(&member.name),
            member.role.to_string(),
            if member.suspended { "yes" } else { "" }.to_owned(),
            output::time(member.joined_at),
        ]);
    }
    table::print(&rows);
    Ok(())
}

fn show(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let member: Member = read(answer)?;
    output::details(&[
        ("email", Some(member.email)),
        ("name", Some(member.name)),
        ("role", Some(member.role.to_string())),
        ("suspended", member.suspended.then(|| "yes".to_owned())),
        ("joined", Some(output::time(member.joined_at))),
        ("id", Some(member.user.to_string())),
    ]);
    Ok(())
}
