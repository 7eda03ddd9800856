//! `freehold second-factor`: the platform admin's own.

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::client::{Call, Client, read};
use super::{Error, Session, output};
use crate::http::v1::types::people::{Code, Enrolment, PasswordAndCode, PasswordOnly, RecoveryCodes};

/// Commands under `freehold second-factor`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Each code is good once, so take a token for more than one command:
  export FREEHOLD_TOKEN=$(freehold token)")]
pub enum Command {
    /// Begin to set one up: print what an authenticator app needs
    Begin,
    /// Have it count from now on, by a code that the app shows; prints recovery codes, this once
    Confirm {
        /// The six digits
        code: String,
    },
    /// Take it away
    Remove {
        /// The six digits, or a recovery code
        code: String,
    },
    /// Print new recovery codes in place of those from before
    RecoveryCodes,
}

pub(super) async fn run(command: Command, session: &Session) -> Result<(), Error> {
    let client = Client::new(session)?;
    let password = || -> Result<String, Error> {
        Ok(client.password(&session.config.admin.email)?.expose_secret().to_owned())
    };
    match command {
        Command::Begin => {
            let answer = client.send(Call::post("me/second-factor".to_owned())).await?;
            if session.global.json {
                return output::json(&answer);
            }
            let Enrolment { secret, uri } = read(answer)?;
            println!("{uri}\nsecret: {secret}\nthen: freehold second-factor confirm CODE");
            Ok(())
        }
        Command::Confirm { code } => {
            let call = Call::post("me/second-factor/confirm".to_owned()).body(&Code { code })?;
            codes(session, client.send(call).await?)
        }
        Command::Remove { code } => {
            let body = PasswordAndCode { password: password()?, code };
            client.send(Call::delete("me/second-factor".to_owned()).body(&body)?).await?;
            if session.global.json {
                return output::json(&Value::Null);
            }
            println!("the second factor was taken away");
            Ok(())
        }
        Command::RecoveryCodes => {
            let call =
                Call::post("me/recovery-codes".to_owned()).body(&PasswordOnly { password: password()? })?;
            codes(session, client.send(call).await?)
        }
    }
}

fn codes(session: &Session, answer: Value) -> Result<(), Error> {
    if session.global.json {
        return output::json(&answer);
    }
    let RecoveryCodes { codes } = read(answer)?;
    println!("{}", codes.join("\n"));
    Ok(())
}
