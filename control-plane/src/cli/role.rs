//! `freehold role`: one of the three roles, as its container runs it. It is hidden: people use `up`.

use clap::{Args, ValueEnum};

use super::{Error, Session, roles};
use crate::platform::keys::Source;
use crate::telemetry;

/// Options of `freehold role`.
#[derive(Debug, Args)]
pub struct Arguments {
    role: Role,
    /// The control plane's image, for helpers of the worker
    #[arg(long, required_if_eq("role", "worker"))]
    image: Option<String>,
}

/// A part of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Api,
    Gateway,
    Worker,
}

pub(super) async fn run(arguments: Arguments, session: Session) -> Result<(), Error> {
    let config = session.config;
    telemetry::begin(&config.log)?;
    let shutdown = roles::until_told()?;
    let source = Source::Container;
    match arguments.role {
        Role::Api => Box::pin(roles::api(&config, &source, shutdown)).await,
        Role::Gateway => Box::pin(roles::gateway(&config, &source, shutdown)).await,
        Role::Worker => {
            let installation = config
                .installation
                .clone()
                .ok_or_else(|| Error::usage("the configuration of a role names its installation"))?;
            let image = arguments.image.unwrap_or_default();
            Box::pin(roles::worker(&config, &installation, &image, &source, shutdown)).await
        }
    }
}
