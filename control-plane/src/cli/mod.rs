//! The command line: one file per command. Tenants and what belongs to them go through the API only.

mod audit;
mod client;
mod completions;
mod config;
mod doctor;
mod down;
pub mod error;
mod firewall;
mod follow;
mod images;
mod invite;
mod key;
mod keys;
mod mail;
mod member;
mod operation;
pub mod output;
mod pages;
mod plan;
mod progress;
mod provider;
mod release;
mod role;
mod roles;
mod second_factor;
mod secret;
mod serve;
mod signup;
mod status;
pub mod table;
mod tenant;
mod token;
mod up;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, Flag, Origins, Sources};

pub use error::{Error, Exit};

/// Every tenant of a SaaS product in its own house.
#[derive(Debug, Parser)]
#[command(name = "freehold", version, about, max_term_width = 110, after_help = AFTER_HELP)]
#[command(propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  freehold tenant create 'Acme Fleet' --plan team
  freehold tenant list --state running --json
  freehold --port 9090 config

Exit codes:
  0  done
  1  failed, or stuck until a person looks
  2  wrong usage or settings
  3  not found
  4  refused: invalid, or in conflict with what is there
  5  the API cannot be reached, or does not accept the token";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The installation's directory [default: .freehold]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Settings")]
    pub home: Option<PathBuf>,
    /// The settings file [default: config.yaml in the installation's directory]
    #[arg(long, global = true, value_name = "FILE", env = "FREEHOLD_CONFIG", help_heading = "Settings")]
    pub config: Option<PathBuf>,
    /// One setting, such as edge.port=9090; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", help_heading = "Settings")]
    pub set: Vec<String>,
    /// The apex domain [default: freehold.localhost]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Settings")]
    pub domain: Option<String>,
    /// The edge's port [default: 8080]
    #[arg(long, global = true, value_name = "PORT", help_heading = "Settings")]
    pub port: Option<u16>,
    /// The API's address [default: http://admin.<domain>:<port>]
    #[arg(long, global = true, value_name = "URL", env = "FREEHOLD_URL", help_heading = "API")]
    pub url: Option<String>,
    /// A file with the token to present, - for standard input; otherwise that in FREEHOLD_TOKEN, or one that is obtained
    /// with the stored admin password
    #[arg(long, global = true, value_name = "FILE", help_heading = "API")]
    pub token_file: Option<PathBuf>,
    /// Print JSON, for scripts
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Print results only: no progress, no advice
    #[arg(long, short, global = true, help_heading = "Output")]
    pub quiet: bool,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring Freehold up on this machine, or repair it, or put a newer build in its place
    Up(up::Arguments),
    /// Stop Freehold and everything it runs; data stays unless --erase is given
    Down(down::Arguments),
    /// Show what runs, and how tenants stand; works while the API does not
    Status,
    /// Check everything that is needed, and say what to do about what is wrong
    Doctor,
    /// Run the control plane in the foreground, for development
    Serve(serve::Arguments),
    /// Tenants: make, list, change and delete them
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Members of a tenant: list, add, change and remove them
    #[command(subcommand)]
    Member(member::Command),
    /// Invitations to a tenant: send, list and take them back
    #[command(subcommand)]
    Invite(invite::Command),
    /// API keys: make, list, rotate and revoke them
    #[command(subcommand)]
    Key(key::Command),
    /// The keys that sign tokens: list, rotate and withdraw them
    #[command(subcommand)]
    Keys(keys::Command),
    /// OpenID providers that people sign in by: add, list, change, check and remove them
    #[command(subcommand)]
    Provider(provider::Command),
    /// People who ask to join a tenant or to open one: list them and decide
    #[command(subcommand)]
    Signup(signup::Command),
    /// Users: list and show them, and let them in nowhere
    #[command(subcommand)]
    User(user::Command),
    /// Operations: list, follow and withdraw them
    #[command(subcommand)]
    Operation(operation::Command),
    /// Plans that tenants can be given
    #[command(subcommand)]
    Plan(plan::Command),
    /// The audit log: what was done, by whom, and whether all of it is there
    #[command(subcommand)]
    Audit(audit::Command),
    /// Mails: what waits, was sent or given up
    #[command(subcommand)]
    Mail(mail::Command),
    /// Releases that tenants can run
    #[command(subcommand)]
    Release(release::Command),
    /// The admin's second factor: set it up or take it away
    #[command(subcommand)]
    SecondFactor(second_factor::Command),
    /// Sign in and print a token, for scripts
    Token(token::Arguments),
    /// Build the platform's own images
    #[command(subcommand)]
    Images(images::Command),
    /// Show the settings in force and where each comes from
    Config(config::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Look at or change the firewall's table, in the helper container
    #[command(hide = true)]
    Firewall(firewall::Arguments),
    /// Run one role of the control plane, in its container
    #[command(hide = true)]
    Role(role::Arguments),
}

/// What a command works with: the settings and the options common to all.
#[derive(Debug)]
pub struct Session {
    pub config: Config,
    pub origins: Origins,
    pub global: Global,
}

impl Session {
    /// Loads the settings that the options, the environment and the file name.
    ///
    /// # Errors
    /// [`Exit::Usage`] when a setting is wrong.
    pub fn load(global: Global) -> Result<Self, Error> {
        let mut flags = Vec::new();
        let mut flag = |name: &str, key: &str, value: Option<String>| {
            flags.extend(value.map(|value| Flag { name: name.to_owned(), key: key.to_owned(), value }));
        };
        let home = global.home.as_ref().map(|path| path.to_string_lossy().into_owned());
        flag("--home", "home", home);
        flag("--domain", "domain", global.domain.clone());
        flag("--port", "edge.port", global.port.map(|port| port.to_string()));
        for pair in &global.set {
            flags.push(Flag::set(pair)?);
        }
        let (config, origins) = Config::load(&Sources::of_process(global.config.clone(), flags))?;
        Ok(Self { config, origins, global })
    }
}

impl Command {
    async fn run(self, session: Session) -> Result<(), Error> {
        match self {
            Self::Up(arguments) => Box::pin(up::run(arguments, session)).await,
            Self::Down(arguments) => Box::pin(down::run(arguments, session)).await,
            Self::Status => Box::pin(status::run(session)).await,
            Self::Doctor => Box::pin(doctor::run(session)).await,
            Self::Serve(arguments) => Box::pin(serve::run(arguments, session)).await,
            Self::Role(arguments) => Box::pin(role::run(arguments, session)).await,
            Self::Firewall(arguments) => firewall::run(arguments).await,
            Self::Tenant(command) => tenant::run(command, &session).await,
            Self::Member(command) => member::run(command, &session).await,
            Self::Invite(command) => invite::run(command, &session).await,
            Self::Key(command) => key::run(command, &session).await,
            Self::Keys(command) => keys::run(command, &session).await,
            Self::Provider(command) => provider::run(command, &session).await,
            Self::Signup(command) => signup::run(command, &session).await,
            Self::User(command) => user::run(command, &session).await,
            Self::Operation(command) => operation::run(&command, &session).await,
            Self::Plan(command) => plan::run(&command, &session).await,
            Self::Release(command) => release::run(&command, &session).await,
            Self::Audit(command) => audit::run(&command, &session).await,
            Self::Mail(command) => mail::run(&command, &session).await,
            Self::SecondFactor(command) => second_factor::run(command, &session).await,
            Self::Token(arguments) => token::run(&arguments, &session).await,
            Self::Images(command) => images::run(&command, &session).await,
            Self::Config(arguments) => config::run(&arguments, &session),
            Self::Completions(arguments) => completions::run(&arguments),
        }
    }
}

/// Runs one command as the process's arguments say, and tells how it ended.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    end_quietly_when_nobody_reads();
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let json = cli.global.json;
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print(json);
            error.exit.into()
        }
    }
}

/// Whoever reads our output may have seen enough, as in `freehold status | head -3`: no failure, and no trace.
fn end_quietly_when_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

fn execute(cli: Cli) -> Result<(), Error> {
    // Completions are asked for before anything is set up, perhaps in a directory that is not ours.
    if let Command::Completions(arguments) = &cli.command {
        return completions::run(arguments);
    }
    let session = Session::load(cli.global)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("threads cannot be started: {error}")))?;
    runtime.block_on(Box::pin(cli.command.run(session)))
}

/// Help and version are no failures; everything else that clap says is wrong usage.
fn refuse(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
    // Nothing can be said when even this cannot be written.
    let _ = error.print();
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
