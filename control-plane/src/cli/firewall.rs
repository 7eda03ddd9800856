//! `freehold firewall`: what the helper container runs. It is hidden: people use `up`, `doctor` and `down`.

use std::net::Ipv4Addr;

use clap::{Args, ValueEnum};
use ipnet::Ipv4Net;

use super::{Error, Exit};
use crate::model::ids::InstallationId;
use crate::platform::firewall::{APPLIED, Ruleset, local};

/// Options of `freehold firewall`.
#[derive(Debug, Args)]
pub struct Arguments {
    action: Action,
    #[arg(long)]
    installation: InstallationId,
    #[arg(long)]
    pool: Ipv4Net,
    /// The one address that houses may dial
    #[arg(long)]
    address: Ipv4Addr,
    /// The port they may dial there
    #[arg(long = "edge-port")]
    edge_port: u16,
    /// Networks that the api may dial besides the public internet
    #[arg(long)]
    reachable: Vec<Ipv4Net>,
}

/// What is done with the table.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Put it in force
    Apply,
    /// Tell by the exit code whether it is in force
    Check,
    /// Ask the kernel whether it would take it
    Probe,
    /// Remove it
    Remove,
    /// Print it
    Show,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Error> {
    let ruleset = Ruleset {
        installation: arguments.installation,
        pool: arguments.pool,
        platform_address: arguments.address,
        edge_port: arguments.edge_port,
        reachable: arguments.reachable,
    };
    let failed = |error: local::Error| Error::failed(error.to_string());
    match arguments.action {
        Action::Apply if local::in_force(&ruleset).await.unwrap_or(false) => {}
        Action::Apply => {
            local::apply(&ruleset).await.map_err(failed)?;
            println!("{APPLIED}");
        }
        Action::Check => {
            if !local::in_force(&ruleset).await.map_err(failed)? {
                // The code that the other side knows as "not in force".
                return Err(Error::new(Exit::NotFound, "the table is not in force"));
            }
        }
        Action::Probe => local::check(&ruleset).await.map_err(failed)?,
        Action::Remove => local::remove(&ruleset.installation).await.map_err(failed)?,
        Action::Show => print!("{}", ruleset.script()),
    }
    Ok(())
}
