//! `freehold up`.

use std::path::PathBuf;

use clap::Args;
use secrecy::ExposeSecret;

use super::progress::Lines;
use super::{Error, Session};
use crate::platform::{Options, Platform, Summary};

/// Options of `freehold up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold up                                everything at its defaults, on port 8080
  freehold up --port 80 --domain apps.example.com --set edge.listen=0.0.0.0

It may be repeated: what is right stays, what is not is set right, and a newer build takes the place of an
older one while tenants go on being served.")]
pub struct Arguments {
    /// A file that names images made before (`freehold images build --file FILE`); otherwise they are made
    #[arg(long, value_name = "FILE")]
    images: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, session: Session) -> Result<(), Error> {
    let platform = Platform::create(session.config.clone())?;
    let report = Lines::new(session.global.quiet);
    let summary =
        Box::pin(platform.up(&Options { images: arguments.images, without_roles: false }, &report)).await?;
    if session.global.json {
        println!("{}", serde_json::to_string(&summary).map_err(|error| Error::failed(error.to_string()))?);
    } else {
        print(&summary);
    }
    Ok(())
}

fn print(summary: &Summary) {
    println!();
    println!("Freehold is up.");
    println!("  landing page and API  {}", summary.url);
    println!("  console               {}", summary.console);
    println!("  tenants               {}", summary.tenants);
    println!("  release               {}", summary.release);
    println!("  sign in as            {}", summary.admin_email);
    if summary.first_time {
        // Shown once; later on only where it is kept.
        println!("  password              {}", summary.admin_password.expose_secret());
    }
    println!("  password's file       {}", summary.admin_password_file.display());
    println!();
    println!("Next: freehold tenant create 'Acme Fleet'");
}
