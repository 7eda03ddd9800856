//! `freehold key`: keys by which programs use the API.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::{Call, Client, encode, read};
use super::{Error, Exit, Session, output, table};
use crate::http::v1::types::Page;
use crate::http::v1::types::api_keys::{ApiKey, MadeKey, NewKey, NewTenantKey, RotatedKey, Rotation};
use crate::identity::api_keys::MARK;
use crate::identity::permissions::Permission;

/// Commands under `freehold key`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List keys, yours or a tenant's
    #[command(after_help = "Examples:\n  freehold key list\n  freehold key list --tenant acme --json")]
    List(Of),
    /// Show one key; its secret is not told
    Show {
        /// The key's id or public name, or all of it; `freehold key list` shows them
        key: String,
        #[command(flatten)]
        of: Of,
    },
    /// Make a key and print it: it is told this once
    #[command(
        after_help = "Examples:\n  freehold key create deploy --tenant acme --scope tenant.read,projects.read\n  \
                      freehold key create laptop --only-in acme --scope tenant.read --days 30"
    )]
    Create {
        /// What people call it
        name: String,
        #[command(flatten)]
        of: Of,
        /// What it may do, joined by commas; docs/permissions.md lists what there is
        #[arg(long, value_delimiter = ',', required = true)]
        scope: Vec<Permission>,
        /// For a key of your own: the only tenant where it acts
        #[arg(long, value_name = "TENANT", conflicts_with = "tenant")]
        only_in: Option<String>,
        /// Days that it is good
        #[arg(long)]
        days: Option<u32>,
        /// Requests in a minute
        #[arg(long)]
        per_minute: Option<u32>,
        /// It signs requests and is never sent
        #[arg(long)]
        signs: bool,
    },
    /// Make a key that takes the place of another, and print it: it is told this once
    Rotate {
        /// The key's id or public name, or all of it; `freehold key list` shows them
        key: String,
        #[command(flatten)]
        of: Of,
        /// Hours that the key before is still good
        #[arg(long, value_name = "HOURS")]
        overlap: Option<u32>,
        /// Days that the new one is good
        #[arg(long)]
        days: Option<u32>,
    },
    /// Revoke a key, at once
    Revoke {
        /// The key's id or public name, or all of it; `freehold key list` shows them
        key: String,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose keys.
#[derive(Debug, Args)]
pub struct Of {
    /// A tenant's slug or id; your own keys unless given
    #[arg(long)]
    tenant: Option<String>,
}

impl Of {
    fn path(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("tenants/{}/keys", encode(tenant)),
            None => "me/keys".to_owned(),
        }
    }

    fn one(&self, key: &str) -> String {
        format!("{}/{}", self.path(), encode(public(key)))
    }
}

/// How a key is named. Of one that was given whole no more is told than its public name: the rest is its secret, which is
/// to stand in no log.
fn public(key: &str) -> &str {
    match key.strip_prefix(MARK).and_then(|rest| rest.split_once('_')) {
        Some((prefix, _)) => &key[..MARK.len() + prefix.len()],
        None => key,
    }
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List(of) => {
            list(session, client.send(Call::get(of.path())).await.map_err(|error| advised(&of, error))?)
        }
        Command::Show { key, of } => show(session, client.send(Call::get(of.one(&key))).await?),
        Command::Create { name, of, scope: scopes, only_in, days, per_minute, signs } => {
            let call = Call::post(of.path());
            let call = match of.tenant {
                Some(_) => {
                    call.body(&NewTenantKey { name, scopes, expires_in_days: days, per_minute, signs })?
                }
                None => call.body(&NewKey {
                    name,
                    scopes,
                    tenant: only_in,
                    expires_in_days: days,
                    per_minute,
                    signs,
                })?,
            };
            let answer = client.send(call).await?;
            if session.global.json {
                return output::json(&answer);
            }
            let made: MadeKey = read(answer)?;
            told(session, &made.key, &made.secret);
            Ok(())
        }
        Command::Rotate { key, of, overlap, days } => {
            let body = Rotation { overlap_hours: overlap, expires_in_days: days };
            let call = Call::post(format!("{}/rotate", of.one(&key))).body(&body)?;
            let answer = client.send(call).await?;
            if session.global.json {
                return output::json(&answer);
            }
            let rotated: RotatedKey = read(answer)?;
            told(session, &rotated.key, &rotated.secret);
            if !session.global.quiet {
                eprintln!("the one before is good until {}", output::time(rotated.before.expires_at));
            }
            Ok(())
        }
        Command::Revoke { key, of } => {
            client.send(Call::delete(of.one(&key))).await?;
            if session.global.json {
                return output::json(&Value::Null);
            }
            println!("the key was revoked");
            Ok(())
        }
    }
}

/// The secret alone on standard output, so that it can be kept without being seen.
fn told(session: &Session, key: &ApiKey, secret: &str) {
    println!("{secret}");
    if !session.global.quiet {
        let (name, until) = (output::plain(&key.name), output::time(key.expires_at));
        eprintln!("{name}, good until {until}; keep it now, it is not told again");
    }
}

fn show(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let key: ApiKey = read(answer)?;
    let yes = |yes: bool| Some(if yes { "yes" } else { "no" }.to_owned());
    output::details(&[
        ("name", Some(key.name)),
        ("key", Some(key.prefix)),
        ("status", Some(key.status.to_string())),
        ("scopes", Some(key.scopes.join(", "))),
        ("tenant", key.tenant),
        ("maker", key.maker),
        ("requests a minute", Some(key.per_minute.to_string())),
        ("signs requests", yes(key.signs)),
        ("made with a second factor", yes(key.second_factor)),
        ("made", Some(output::time(key.created_at))),
        ("good until", Some(output::time(key.expires_at))),
        ("replaced by", key.replaced_by.map(|id| id.to_string())),
        ("last used", key.last_used_at.map(output::time)),
        ("from", key.last_address),
        ("id", Some(key.id.to_string())),
    ]);
    Ok(())
}

/// Whoever has no keys of their own is told whose they may see.
fn advised(of: &Of, error: Error) -> Error {
    if of.tenant.is_none() && error.exit == Exit::Unreachable && error.advice.is_none() {
        return error.advise("--tenant TENANT lists a tenant's keys");
    }
    error
}

fn list(session: &Session, answer: Value) -> Result<(), Error> {
    let page: Page<ApiKey> = read(answer)?;
    if session.global.json {
        return output::json(&page.items);
    }
    let mut rows =
        table::new(&["NAME", "KEY", "STATUS", "SCOPES", "TENANT", "MAKER", "UNTIL", "LAST USED", "ID"]);
    for key in page.items {
        rows.add_row([
            output::plain(&key.name),
            key.prefix,
            key.status.to_string(),
            key.scopes.join(", "),
            key.tenant.unwrap_or_default(),
            key.maker.as_deref().map(output::plain).unwrap_or_default(),
            output::time(key.expires_at),
            key.last_used_at.map(output::time).unwrap_or_default(),
            key.id.to_string(),
        ]);
    }
    table::print(&rows);
    Ok(())
}
