//! Parses the command line and runs one command.

use std::process::ExitCode;

fn main() -> ExitCode {
    control_plane::cli::main(std::env::args_os())
}
