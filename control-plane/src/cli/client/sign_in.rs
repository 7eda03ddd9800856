//! How a token is come by when none was given.

use std::io::IsTerminal;

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::{Call, Client, read};
use crate::cli::{Error, Exit};
use crate::http::v1::types::{Session as Signed, SignIn};

/// The variable that a password for the admin can be given in.
const PASSWORD: &str = "FREEHOLD_PASSWORD";

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
        let password = self.password(&email)?;
        let body = SignIn { email, password: password.expose_secret().to_owned() };
        let call = Call::post("admin/sessions").body(&body)?;
        let (status, body) = self.exchange(&call, None).await?;
        let answer = self.judge(status, &body)?;
        if status != StatusCode::CREATED && status != StatusCode::OK {
            return Err(self.foreign());
        }
        read(answer)
    }

    fn password(&self, email: &str) -> Result<SecretString, Error> {
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
            format!("give a token with --token or FREEHOLD_TOKEN, or --home with the installation's directory (looked for {})", file.display()),
        ))
    }
}
