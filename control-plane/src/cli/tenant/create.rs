//! `freehold tenant create`.

use clap::Args;
use serde_json::Map;
use uuid::Uuid;

use super::{finish, settings};
use crate::cli::client::{Call, Client};
use crate::cli::follow::Wait;
use crate::cli::{Error, Session};
use crate::http::v1::types::NewTenant;

/// Options of `freehold tenant create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold tenant create 'Acme Fleet'
  freehold tenant create 'Acme Fleet' --slug acme --plan team --setting color=#8a2be2
  freehold tenant create 'Acme Fleet' --no-wait --json")]
pub struct Arguments {
    /// What people call it
    name: String,
    /// Its DNS label, which never changes [default: derived from the name]
    #[arg(long)]
    slug: Option<String>,
    /// Its plan [default: the platform's]
    #[arg(long)]
    plan: Option<String>,
    /// The release it begins with [default: the latest]
    #[arg(long)]
    release: Option<String>,
    /// One of its settings; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    setting: Vec<String>,
    /// Makes a repeated call with the same key answer as the first did [default: random]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

pub(super) async fn run(arguments: Arguments, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let mut settings = Map::new();
    settings::apply(&mut settings, &arguments.setting)?;
    let body = NewTenant {
        name: arguments.name,
        slug: arguments.slug,
        plan: arguments.plan,
        settings: (!settings.is_empty()).then_some(settings),
        release: arguments.release,
    };
    let key = arguments.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let answer = client.send(Call::post("tenants").body(&body)?.idempotent(&key)?).await?;
    finish(client, session, answer, arguments.wait).await
}
