//! `freehold tenant list`.

use clap::Args;

use crate::cli::client::{Client, read};
use crate::cli::{Error, Session, output, pages, table};
use crate::http::v1::types::Tenant;
use crate::model::tenant::Status;

/// Options of `freehold tenant list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold tenant list
  freehold tenant list --state running,asleep --plan team --sort name
  freehold tenant list --search acme --json | jq -r '.[].url'")]
pub struct Arguments {
    /// Only those with this in their name or slug
    #[arg(long)]
    search: Option<String>,
    /// Only these, joined by commas: provisioning, running, asleep, suspended, changing, stuck, deleted
    #[arg(long, value_delimiter = ',')]
    state: Vec<Status>,
    /// Only those on this plan
    #[arg(long)]
    plan: Option<String>,
    /// name, slug or created; with - in front for the other way round [default: the newest first]
    #[arg(long, allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most this many [default: all]
    #[arg(long)]
    limit: Option<usize>,
}

pub(super) async fn run(arguments: &Arguments, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let query = [
        ("search", arguments.search.clone()),
        ("state", pages::joined(&arguments.state)),
        ("plan", arguments.plan.clone()),
        ("sort", arguments.sort.clone()),
    ];
    let items = pages::all(client, "tenants", &query, arguments.limit).await?;
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["SLUG", "NAME", "STATUS", "PLAN", "RELEASE", "ADDRESS", "CREATED"]);
    for item in items {
        let tenant: Tenant = read(item)?;
        rows.add_row([
            tenant.slug,
            output::plain(&tenant.name),
            tenant.status.to_string(),
            tenant.plan,
            tenant.release,
            tenant.url,
            output::time(tenant.created_at),
        ]);
    }
    table::print(&rows);
    Ok(())
}
