//! `freehold plan`: what tenants can be given.

use clap::Subcommand;

use super::client::{Call, Client, read};
use super::{Error, Session, output, table};
use crate::http::v1::types::Plan;

/// Commands under `freehold plan`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the plans and their limits
    #[command(after_help = "Examples:\n  freehold plan list\n  freehold plan list --json | jq '.[].name'")]
    List,
}

pub(super) async fn run(command: &Command, session: &Session) -> Result<(), Error> {
    let Command::List = command;
    let mut answer = Client::new(session)?.send(Call::get("plans")).await?;
    let items = answer["items"].take();
    if session.global.json {
        return output::json(&items);
    }
    let plans: Vec<Plan> = read(items)?;
    let mut rows =
        table::new(&["PLAN", "MEMORY", "CORES", "PROCESSES", "CONNECTIONS", "STORAGE", "MEMBERS", "DEFAULT"]);
    for plan in plans {
        rows.add_row([
            plan.name,
            format!("{} MiB", plan.memory_mib),
            format!("{:.2}", f64::from(plan.cpu_millis) / 1000.0),
            plan.pids.to_string(),
            plan.connections.to_string(),
            format!("{} MiB", plan.storage_mib),
            plan.members.map_or_else(|| "any".to_owned(), |most| most.to_string()),
            if plan.default { "yes" } else { "" }.to_owned(),
        ]);
    }
    table::print(&rows);
    Ok(())
}
