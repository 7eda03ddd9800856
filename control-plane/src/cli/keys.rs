//! `freehold keys`: the keys that sign tokens.

use clap::Subcommand;

use super::client::{Call, Client, encode, read};
use super::{Error, Session, output, table};
use crate::http::v1::types::Page;
use crate::http::v1::types::signing_keys::{SigningKey, Turn};

/// Commands under `freehold keys`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the keys that sign tokens, and those that did
    List,
    /// Have new keys sign: they are published now, and sign when everybody who checks tokens knows them
    #[command(after_help = "\
Examples:
  freehold keys rotate
  freehold keys rotate --now      a key leaked; when the new ones sign: freehold keys withdraw KID")]
    Rotate {
        /// They sign in two seconds: an app that kept the published keys may refuse tokens for a minute
        #[arg(long)]
        now: bool,
    },
    /// Refuse whatever a key signed, from now on, because it leaked
    Withdraw {
        /// Its name; `freehold keys list` shows it
        kid: String,
    },
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    match command {
        Command::List => {
            let keys: Page<SigningKey> = client.fetch(Call::get("signing-keys")).await?;
            show(session, &keys)
        }
        Command::Rotate { now } => {
            let call = Call::post("signing-keys").body(&Turn { now })?;
            show(session, &client.fetch(call).await?)
        }
        Command::Withdraw { kid } => {
            let answer = client.send(Call::post(format!("signing-keys/{}/withdraw", encode(&kid)))).await?;
            if session.global.json {
                return output::json(&answer);
            }
            let key: SigningKey = read(answer)?;
            println!("{} is withdrawn; what it signed is refused", key.kid);
            Ok(())
        }
    }
}

fn show(session: &Session, keys: &Page<SigningKey>) -> Result<(), Error> {
    if session.global.json {
        return output::json(&keys.items);
    }
    let mut rows = table::new(&["KID", "ALGORITHM", "STATE", "SIGNS FROM", "UNTIL", "PUBLISHED UNTIL"]);
    for key in &keys.items {
        rows.add_row([
            key.kid.clone(),
            key.algorithm.to_string(),
            key.state.to_string(),
            output::time(key.signs_from),
            key.signs_until.map(output::time).unwrap_or_default(),
            key.withdrawn_at.or(key.published_until).map(output::time).unwrap_or_default(),
        ]);
    }
    table::print(&rows);
    Ok(())
}
