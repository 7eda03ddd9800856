//! `freehold token`: signs in and prints a token for scripts.

use clap::Args;

use super::client::Client;
use super::{Error, Session, output};

/// Options of `freehold token`.
#[derive(Debug, Args)]
#[command(after_help = "\
The password is the one stored in the installation's directory, or that in FREEHOLD_PASSWORD, or is asked for.

Examples:
  export FREEHOLD_TOKEN=$(freehold token)
  curl -H \"Authorization: Bearer $(freehold token)\" http://admin.freehold.localhost:8080/api/v1/tenants")]
pub struct Arguments {
    /// Whose token [default: the admin of the settings]
    #[arg(long, env = "FREEHOLD_EMAIL")]
    email: Option<String>,
}

pub(super) async fn run(arguments: &Arguments, session: &Session) -> Result<(), Error> {
    let signed = Client::new(session)?.sign_in(arguments.email.as_deref()).await?;
    if session.global.json {
        output::json(&signed)
    } else {
        println!("{}", signed.token);
        Ok(())
    }
}
