//! `freehold release`: what tenants can run.

use clap::Subcommand;

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, table};
use crate::http::v1::types::{Release, ReleaseDetail};

/// Commands under `freehold release`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the releases, the newest first
    #[command(
        after_help = "Examples:\n  freehold release list\n  freehold release list --json | jq -r '.[0].version'"
    )]
    List,
    /// Show what a release is made of
    #[command(after_help = "Examples:\n  freehold release show 20261121-1")]
    Show {
        /// Its version or id
        release: String,
    },
}

pub(super) async fn run(command: &Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List => {
            let mut answer = client.send(Call::get("releases")).await?;
            let items = answer["items"].take();
            if session.global.json {
                return output::json(&items);
            }
            let releases: Vec<Release> = read(items)?;
            let mut rows = table::new(&["VERSION", "SCHEMA", "REGISTERED", "CHECKSUM"]);
            for release in releases {
                let checksum = release.checksum.chars().take(12).collect();
                let schema = release.schema_version.to_string();
                rows.add_row([release.version, schema, output::time(release.created_at), checksum]);
            }
            table::print(&rows);
        }
        Command::Show { release } => {
            let answer = client.send(Call::get(format!("releases/{}", encode(release)))).await?;
            if session.global.json {
                return output::json(&answer);
            }
            show(&read(answer)?);
        }
    }
    Ok(())
}

fn show(detail: &ReleaseDetail) {
    let release = &detail.release;
    output::details(&[
        ("version", Some(release.version.clone())),
        ("id", Some(release.id.to_string())),
        ("registered", Some(output::time(release.created_at))),
        ("checksum", Some(release.checksum.clone())),
        ("schema version", Some(release.schema_version.to_string())),
    ]);
    println!("\nimages:");
    for (name, id) in &release.images {
        println!("  {}  {}", output::plain(name), output::plain(id));
    }
    println!("\nmigrations:");
    for migration in &detail.migrations {
        println!("  V{}  {}", migration.version, output::plain(&migration.name));
    }
    println!("\nstack:");
    for line in detail.stack.lines() {
        println!("  {}", output::plain(line));
    }
}
