//! `freehold tenant delete`.

use std::io::{IsTerminal, Write};

use clap::Args;

use super::{finish, path};
use crate::cli::client::{Call, Client, encode};
use crate::cli::follow::Wait;
use crate::cli::{Error, Session, output};
use crate::http::v1::types::Tenant;

/// Options of `freehold tenant delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
A deleted tenant is not served any more. Its data is kept for the retention time, and `freehold tenant restore`
brings it back. With --erase the data goes at once and for good.

Examples:
  freehold tenant delete acme
  freehold tenant delete acme --yes
  freehold tenant delete acme --erase --slug acme")]
pub struct Arguments {
    /// Its slug or id
    tenant: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Remove its data at once, for good
    #[arg(long)]
    erase: bool,
    /// Its slug repeated, in place of the question; needed to erase without being asked
    #[arg(long)]
    slug: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

pub(super) async fn run(arguments: &Arguments, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let tenant: Tenant = client.fetch(Call::get(path(&arguments.tenant))).await?;
    let repeated = match &arguments.slug {
        Some(slug) => slug.clone(),
        None if arguments.yes && !arguments.erase => tenant.slug.clone(),
        None => ask(arguments, &tenant)?,
    };
    if repeated != tenant.slug {
        return Err(Error::usage(format!(
            "{:?} is not the tenant's slug; nothing was deleted",
            output::plain(&repeated)
        )));
    }
    // By its id, so that what was looked at is what goes.
    let mut target = path(&tenant.id.to_string());
    if arguments.erase {
        target = format!("{target}?erase=true&slug={}", encode(&tenant.slug));
    }
    let answer = client.send(Call::delete(target)).await?;
    finish(client, session, answer, arguments.wait).await
}

fn ask(arguments: &Arguments, tenant: &Tenant) -> Result<String, Error> {
    if !std::io::stdin().is_terminal() {
        let how = if arguments.erase {
            format!("--slug {} says that it is meant", tenant.slug)
        } else {
            "--yes says that it is meant".to_owned()
        };
        return Err(Error::usage("this has to be confirmed, and nobody can be asked here").advise(how));
    }
    let fate = if arguments.erase {
        "and ALL ITS DATA, for good"
    } else {
        "(its data is kept for the retention time)"
    };
    eprint!("Delete {} {fate}?\nRepeat its slug, {}: ", output::plain(&tenant.name), tenant.slug);
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
