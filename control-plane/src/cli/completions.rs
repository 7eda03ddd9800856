//! `freehold completions`: a script that teaches a shell our commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Error};

/// Options of `freehold completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(freehold completions bash)
  freehold completions zsh > ~/.zfunc/_freehold
  freehold completions fish > ~/.config/fish/completions/freehold.fish")]
pub struct Arguments {
    /// The shell to write for
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Error> {
    clap_complete::generate(arguments.shell, &mut Cli::command(), "freehold", &mut std::io::stdout());
    Ok(())
}
