//! `freehold images`: the platform's own images, built from files that this executable brings with it.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{self, plain};
use super::{Error, Session};
use crate::engine::docker::Docker;
use crate::model::ids::InstallationId;
use crate::platform::images;

/// Commands under `freehold images`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build what is missing, and print the images' names
    Build(Build),
}

/// Options of `freehold images build`.
#[derive(Debug, Args)]
#[command(after_help = "\
An image is built only when what it is made of has changed. `freehold up` does this by itself.

Examples:
  freehold images build
  freehold images build --file images.json")]
pub struct Build {
    /// Also write the names there, as JSON, for `freehold up --images`
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn run(command: &Command, session: &Session) -> Result<(), Error> {
    let Command::Build(options) = command;
    let config = &session.config;
    // Images belong to no installation, so any name will do before there is one.
    let installation = config.installation.clone().unwrap_or_else(InstallationId::random);
    let engine = Docker::connect(&config.engine.socket, installation).map_err(|error| unusable(&error))?;
    let told = !session.global.quiet && !session.global.json;
    let bar = (told && std::io::stderr().is_terminal()).then(|| {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    });
    let log = |line: &str| match &bar {
        Some(bar) => bar.set_message(plain(line.trim())),
        None if told => eprintln!("{}", plain(line.trim_end())),
        None => {}
    };
    let built = Box::pin(images::ensure(&engine, &config.images.base, &log)).await;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let images = built.map_err(|error| failed(&error))?;
    if let Some(file) = &options.file {
        images.save(file).map_err(|error| failed(&error))?;
    }
    if session.global.json {
        return output::json(&images);
    }
    output::details(&[
        ("postgres", Some(images.postgres)),
        ("edge", Some(images.edge)),
        ("tenant app", Some(images.tenant_app)),
        ("control plane", Some(images.control_plane)),
    ]);
    Ok(())
}

fn unusable(error: &crate::engine::Error) -> Error {
    Error::failed(error.to_string()).advise("`freehold doctor` tells whether the engine can be used")
}

fn failed(error: &images::Error) -> Error {
    match error {
        images::Error::Engine(error) => unusable(error),
        other => Error::failed(other.to_string()),
    }
}
