//! How a token is come by when none was given.

use std::io::IsTerminal;

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::{Call, Client, read};
use crate::cli::{Error, Exit};
use crate::http::error::Problem;
use crate::http::v1::types::{Session as Signed, SignIn};

/// The variable that a password for the admin can be given in.
const PASSWORD: &str = "FREEHOLD_PASSWORD";
/// The variable that a code of the second factor can be given in.
const SECOND_FACTOR: &str = "FREEHOLD_SECOND_FACTOR";

impl Client<'_> {
    pub(super) async fn token(&self) -> Result<&SecretString, Error> {
        self.token.get_or_try_init(async || Ok(SecretString::from(self.sign_in(None).await?.token))).await
    }

    /// Signs in: as the configured admin with the stored password, or with one from the environment or the
    /// keyboard.
    ///
    /// # Errors
    /// [`Exit::Unreachable`] when no password is known or the API does not accept it.
    pub(in crate::cli) async fn sign_in(&self, email: Option<&str>) -> Result<Signed, Error> {
        let email = email.unwrap_or(&self.session.config.admin.email).to_owned();
        let password = self.password(&email)?.expose_secret().to_owned();
        let mut body = SignIn { email, password, second_factor: std::env::var(SECOND_FACTOR).ok() };
        let (mut status, mut answer) =
            self.exchange(&Call::post("admin/sessions").body(&body)?, None).await?;
        if body.second_factor.is_none() && is_missing(&answer) {
            body.second_factor = Some(code(&body.email)?);
            (status, answer) = self.exchange(&Call::post("admin/sessions").body(&body)?, None).await?;
        }
        let answer = self.judge(status, &answer)?;
        if status != StatusCode::CREATED && status != StatusCode::OK {
            return Err(self.foreign());
        }
        read(answer)
    }

    pub(in crate::cli) fn password(&self, email: &str) -> Result<SecretString, Error> {
        if let Ok(password) = std::env::var(PASSWORD) {
            return Ok(SecretString::from(password));
        }
        let config = &self.session.config;
        let file = config.home.join("secrets/admin_password");
        // The stored password is this installation's: it is never sent to an address that is not.
        let own = self.address.is_local() || self.address.is_under(&config.domain);
        if own && email == config.admin.email && file.is_file() {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| Error::new(Exit::Unreachable, format!("{}: {error}", file.display())))?;
            return Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            return rpassword::prompt_password(format!("Password of {email}: "))
                .map(SecretString::from)
                .map_err(|error| Error::new(Exit::Unreachable, format!("no password was read: {error}")));
        }
        Err(Error::new(Exit::Unreachable, format!("no password is known for {email} at {}", self.address)).advise(
            format!("give a token with --token-file or FREEHOLD_TOKEN, or --home with the installation's directory (looked for {})", file.display()),
        ))
    }
}

/// Whether the API asks for a second factor.
fn is_missing(answer: &[u8]) -> bool {
    serde_json::from_slice::<Problem>(answer).is_ok_and(|problem| problem.code == "second_factor_required")
}

fn code(email: &str) -> Result<String, Error> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return rpassword::prompt_password(format!("Second factor of {email}: "))
            .map_err(|error| Error::new(Exit::Unreachable, format!("no code was read: {error}")));
    }
    Err(Error::new(Exit::Unreachable, format!("{email} signs in with a second factor")).advise(format!(
        "give a code in {SECOND_FACTOR}, or a token in FREEHOLD_TOKEN; each code is good once: export FREEHOLD_TOKEN=$(freehold token)"
    )))
}
