//! `freehold user`: the people who sign in, by way of the API.

mod create;
mod identities;
mod list;

use clap::Subcommand;
use serde_json::Value;
use uuid::Uuid;

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output};
use crate::http::v1::types::people::{UserDetail, UserMembership};

/// Commands under `freehold user`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List users
    List(list::Arguments),
    /// Make a user, and vouch for their address
    Create(create::Arguments),
    /// Show one user and where they belong
    Show {
        /// Their id or address
        user: String,
    },
    /// Show by which providers outside a user is known
    Identities {
        /// Their id or address
        user: String,
    },
    /// Have a provider know a user no more; the sessions that came by it end
    #[command(
        after_help = "Examples:\n  freehold user unlink ada@example.com 0199f0c2-1c1f-7c1b-b0f2-5b7f7c0e9d11"
    )]
    Unlink {
        /// Their id or address
        user: String,
        /// The provider's id, as `freehold user identities` shows it
        provider: Uuid,
    },
    /// Let a user in nowhere any more, and end their sessions
    #[command(after_help = "Examples:\n  freehold user suspend ada@example.com")]
    Suspend {
        /// Their id or address
        user: String,
    },
    /// Let a suspended user in again
    Resume {
        /// Their id or address
        user: String,
    },
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List(arguments) => list::run(&arguments, &client, session).await,
        Command::Create(arguments) => create::run(&arguments, &client, session).await,
        Command::Show { user } => show(session, client.send(Call::get(path(&user))).await?),
        Command::Identities { user } => identities::show(session, &client, &user).await,
        Command::Unlink { user, provider } => identities::unlink(session, &client, &user, &provider).await,
        Command::Suspend { user } => {
            let answer = client.send(Call::post(format!("{}/suspend", path(&user)))).await?;
            told(session, answer, "is suspended, and signed in nowhere")
        }
        Command::Resume { user } => {
            let answer = client.send(Call::post(format!("{}/resume", path(&user)))).await?;
            told(session, answer, "may sign in again")
        }
    }
}

fn path(user: &str) -> String {
    format!("users/{}", encode(user))
}

fn told(session: &Session, answer: Value, what: &str) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let detail: UserDetail = read(answer)?;
    println!("{} {what}", detail.user.email);
    Ok(())
}

fn membership(one: &UserMembership) -> String {
    let suspended = if one.suspended { ", suspended" } else { "" };
    format!("{} ({}{suspended})", one.slug, one.role)
}

fn show(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let UserDetail { user, memberships } = read(answer)?;
    let memberships: Vec<String> = memberships.iter().map(membership).collect();
    output::details(&[
        ("email", Some(user.email)),
        ("name", Some(output::plain(&user.name))),
        ("address proven", user.verified_at.map(output::time)),
        ("suspended", user.suspended_at.map(output::time)),
        ("member of", (!memberships.is_empty()).then(|| memberships.join(", "))),
        ("created", Some(output::time(user.created_at))),
        ("id", Some(user.id.to_string())),
    ]);
    Ok(())
}
