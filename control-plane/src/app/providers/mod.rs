//! OpenID providers outside: people who sign in by them, and how they are set up.

mod arrive;
mod bearer;
mod begin;
mod check;
mod errand;
mod first;
mod judging;
mod manage;
mod rules;
mod stranger;

pub(in crate::app) use arrive::Arrived;
pub(in crate::app) use bearer::KnownTokens;
pub use begin::{Brought, CALLBACK, Doors, KEPT_FOR, Offered, Returning, Sent};
pub use check::Checked;
pub(in crate::app) use first::First;
pub use manage::{Change, Of, Wish};

use secrecy::SecretString;

use super::{App, Error, Result};
use crate::store::providers::ProviderRecord;

/// What a secret is sealed for that we show a provider.
pub(in crate::app) const SEALED_FOR: &str = "provider";

impl App {
    /// The secret that we show a provider, if there is one.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn secret_of(&self, provider: &ProviderRecord) -> Result<Option<SecretString>> {
        let open = |sealed| self.key.vault().open(provider.id.0, SEALED_FOR, sealed);
        provider.secret.as_ref().map(open).transpose().map_err(Error::internal)
    }
}
