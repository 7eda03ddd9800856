//! `freehold user create`.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use super::{Call, Client, Error, Session, told};
use crate::cli::{Exit, secret};
use crate::http::v1::types::people::Register;

/// Options of `freehold user create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  freehold user create ada@example.com --name 'Ada Lovelace'
  freehold user create ada@example.com --name 'Ada Lovelace' --password-file ada.txt")]
pub struct Arguments {
    /// The address that they sign in with
    email: String,
    /// What people call them
    #[arg(long)]
    name: String,
    /// A file with their first password, - for standard input; asked for otherwise
    #[arg(long)]
    password_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: &Arguments, client: &Client<'_>, session: &Session) -> Result<(), Error> {
    let body = Register {
        email: arguments.email.clone(),
        name: arguments.name.clone(),
        password: password(arguments)?,
        terms: None,
    };
    told(session, client.send(Call::post("users").body(&body)?).await?, "may sign in")
}

fn password(arguments: &Arguments) -> Result<String, Error> {
    if let Some(file) = &arguments.password_file {
        return secret::read(file);
    }
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return rpassword::prompt_password(format!("First password of {}: ", arguments.email))
            .map_err(|error| Error::new(Exit::Failed, format!("no password was read: {error}")));
    }
    Err(Error::new(Exit::Usage, "no password was given".to_owned())
        .advise("give a file with --password-file"))
}
