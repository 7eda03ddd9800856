//! `freehold serve`: all three roles in this process, in the foreground, for development.

use std::path::PathBuf;

use clap::Args;

use super::progress::Lines;
use super::{Error, Session, roles};
use crate::platform::keys::Source;
use crate::platform::{Options, Platform};
use crate::telemetry;

/// Options of `freehold serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  freehold serve          Postgres and edge as containers, everything else here; Ctrl-C ends it

`freehold up` puts the control plane back into containers.")]
pub struct Arguments {
    /// A file that names images made before (`freehold images build --file FILE`); otherwise they are made
    #[arg(long, value_name = "FILE")]
    images: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, session: Session) -> Result<(), Error> {
    let platform = Platform::create(session.config.clone())?;
    let options = Options { images: arguments.images, without_roles: true };
    let summary = Box::pin(platform.up(&options, &Lines::new(session.global.quiet))).await?;
    telemetry::begin(&platform.config.log)?;

    let shutdown = roles::until_told()?;
    let source = Source::Home(platform.home.clone());
    let config = &platform.config;
    println!("Freehold serves {} from this process; Ctrl-C ends it.", config.public_url());
    // When one ends, for whatever reason, all do: half a control plane is harder to understand than none.
    let ended = async |outcome: Result<(), Error>| {
        shutdown.cancel();
        outcome
    };
    let (api, gateway, worker) = tokio::join!(
        async { ended(Box::pin(roles::api(config, &source, shutdown.clone())).await).await },
        async { ended(Box::pin(roles::gateway(config, &source, shutdown.clone())).await).await },
        async {
            let work = roles::worker(config, &platform.id, &summary.control_plane, &source, shutdown.clone());
            ended(Box::pin(work).await).await
        },
    );
    api.and(gateway).and(worker)
}
