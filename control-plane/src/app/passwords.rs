//! Passwords that are set and asked for.

use secrecy::SecretString;

use super::{App, Result};
use crate::identity::passwords::Verdict;

impl App {
    /// What is kept of a new password, if it may be one. What is known of its owner, such as address and name, makes
    /// it no stronger. To be called while no transaction is open.
    ///
    /// # Errors
    /// `Invalid` with the reason, as of the field `password`; `Busy`.
    pub async fn new_password_hash(&self, password: SecretString, known: &[&str]) -> Result<String> {
        Ok(self.hasher.hash(password, known).await?)
    }

    /// How a password compares to what is kept of somebody's; as slow when nobody is known. To be called while no
    /// transaction is open.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) async fn compare_password(
        &self,
        password: &SecretString,
        hash: Option<String>,
    ) -> Result<Verdict> {
        Ok(self.hasher.verify(password.clone(), hash).await?)
    }
}
