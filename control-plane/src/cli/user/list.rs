//! `freehold user list`.

use clap::Args;

use crate::cli::client::{Client, read};
use crate::cli::{Error, Session, output, pages, table};
use crate::http::v1::types::people::User;

/// Options of `freehold user list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold user list
  freehold user list --search example.com --json | jq -r '.[].email'")]
pub struct Arguments {
    /// Only those with this in their address or name
    #[arg(long)]
    search: Option<String>,
    /// At most this many [default: all]
    #[arg(long)]
    limit: Option<usize>,
}

pub(super) async fn run(arguments: &Arguments, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let query = [("search", arguments.search.clone())];
    let items = pages::all(client, "users", &query, arguments.limit).await?;
    if session.global.json {
        return output::json(&items);
    }
    let mut rows = table::new(&["EMAIL", "NAME", "STATUS", "CREATED"]);
    for item in items {
        let user: User = read(item)?;
        let status = match (user.suspended_at, user.verified_at) {
            (Some(_), _) => "suspended",
            (None, None) => "unproven",
            (None, Some(_)) => "active",
        };
        rows.add_row([
            user.email,
            output::plain(&user.name),
            status.to_owned(),
            output::time(user.created_at),
        ]);
    }
    table::print(&rows);
    Ok(())
}
