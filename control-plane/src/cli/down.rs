//! `freehold down`.

use std::io::{IsTerminal, Write};

use clap::Args;

use super::progress::Lines;
use super::{Error, Session};
use crate::platform::Platform;

/// Options of `freehold down`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold down                  the machine becomes quiet; `freehold up` brings everything back
  freehold down --erase          nothing of this installation is left, tenants' data included")]
pub struct Arguments {
    /// Remove every container, network, volume and key of this installation, tenants' data included, for good
    #[arg(long)]
    erase: bool,
    /// Do not ask for the installation's id before erasing
    #[arg(long, requires = "erase")]
    yes: bool,
}

pub(super) async fn run(arguments: Arguments, session: Session) -> Result<(), Error> {
    let platform = Platform::open(session.config.clone())?;
    let report = Lines::new(session.global.quiet);
    if arguments.erase && !arguments.yes {
        confirm(&platform)?;
    }
    let counts =
        if arguments.erase { platform.erase(&report).await? } else { platform.down(&report).await? };
    if session.global.json {
        println!("{}", serde_json::to_string(&counts).map_err(|error| Error::failed(error.to_string()))?);
    } else if !session.global.quiet && arguments.erase {
        println!("Nothing of installation {} is left.", platform.id);
    } else if !session.global.quiet {
        println!("Freehold is down; everything is kept. `freehold up` brings it back.");
    }
    Ok(())
}

/// Has the installation's id repeated: what follows cannot be taken back.
fn confirm(platform: &Platform) -> Result<(), Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage("erasing an installation asks for its id, and there is nobody to ask")
            .advise("repeat it with --yes if you are sure"));
    }
    eprint!("All tenants of installation {0} and their data go for good. Type {0} to go on: ", platform.id);
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == platform.id.as_str() {
        Ok(())
    } else {
        Err(Error::failed("nothing was erased: that is not the installation's id"))
    }
}
