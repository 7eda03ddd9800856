//! `freehold tenant update`.

use clap::Args;
use http::header::IF_MATCH;

use super::{finish, path, settings};
use crate::cli::client::{Call, Client};
use crate::cli::follow::Wait;
use crate::cli::{Error, Session};
use crate::http::v1::types::{Tenant, TenantChange};

/// Options of `freehold tenant update`.
#[derive(Debug, Args)]
#[command(after_help = "\
Settings that are not named stay as they are.

Examples:
  freehold tenant update acme --name 'Acme International'
  freehold tenant update acme --setting color=#8a2be2 --unset motto")]
pub struct Arguments {
    /// Its slug or id
    tenant: String,
    /// What people shall call it
    #[arg(long)]
    name: Option<String>,
    /// A setting to put; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    setting: Vec<String>,
    /// A setting to take away; may be repeated
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    wait: Wait,
}

pub(super) async fn run(arguments: &Arguments, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let settings_change = !arguments.setting.is_empty() || !arguments.unset.is_empty();
    if arguments.name.is_none() && !settings_change {
        return Err(Error::usage("nothing to change: give --name, --setting or --unset"));
    }
    let mut change = TenantChange { name: arguments.name.clone(), ..TenantChange::default() };
    let mut call = Call::patch(path(&arguments.tenant));
    if settings_change {
        // The API replaces all settings at once, so what is there is read first, and the change holds only for that.
        let tenant: Tenant = client.fetch(Call::get(path(&arguments.tenant))).await?;
        let mut all = tenant.settings;
        settings::apply(&mut all, &arguments.setting)?;
        for key in &arguments.unset {
            all.remove(key);
        }
        change.settings = Some(all);
        call = call.header(IF_MATCH, &format!("\"{}\"", tenant.generation))?;
    }
    let answer = client.send(call.body(&change)?).await?;
    finish(client, session, answer, arguments.wait).await
}
