//! Which app it is that asks.

use secrecy::ExposeSecret;

use super::error::{Code, Refused, Result};
use super::{App, error};
use crate::app;
use crate::identity::oauth::client::Credentials;
use crate::identity::oauth::code;
use crate::model::ids::TenantId;
use crate::store::Scope;
use crate::store::oauth_clients::{self, ClientRecord};

/// Compared with in place of what is not there, so that it takes the same time.
const NOTHING: [u8; 32] = [0; 32];

/// A client's id is its tenant's, in its one spelling.
pub(super) fn id(text: &str) -> Option<TenantId> {
    text.parse::<TenantId>().ok().filter(|id| id.to_string() == text)
}

impl App {
    /// The client of this id, if there is one.
    pub(super) async fn oauth_client(&self, id: TenantId) -> Result<Option<ClientRecord>, app::Error> {
        let mut tx = self.store.begin(Scope::Tenant(id)).await?;
        let client = oauth_clients::get(&mut tx, id).await?;
        tx.commit().await?;
        Ok(client)
    }

    /// The client that shows these credentials.
    ///
    /// # Errors
    /// `invalid_client`, in the same time whether or not there is such a client.
    pub async fn authenticate_client(&self, shown: &Credentials) -> Result<ClientRecord, error::Refused> {
        let client = match id(&shown.id) {
            Some(id) => self.oauth_client(id).await?,
            None => None,
        };
        let kept = client.as_ref().map_or(NOTHING.as_slice(), |client| client.secret_hash.as_slice());
        let right = code::is(shown.secret.expose_secret(), kept);
        client
            .filter(|_| right)
            .ok_or(Refused::For(Code::InvalidClient, "there is no such client with this secret"))
    }

    /// The address among a client's own that is to the letter this one. Nothing about it is read or put right:
    /// whatever two programs could read in two ways is another address.
    pub(super) fn own_address<'a>(
        &self,
        client: &ClientRecord,
        path: &str,
        asked: &'a str,
    ) -> Option<&'a str> {
        client
            .hosts
            .iter()
            .any(|host| format!("{}{path}", self.settings.url_of(host.as_str())) == asked)
            .then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_has_one_spelling() {
        let tenant = TenantId::random();
        assert_eq!(id(&tenant.to_string()), Some(tenant));
        let plain = tenant.0.simple().to_string();
        for other in ["", "acme", &tenant.to_string().to_uppercase(), &plain, &format!("{{{tenant}}}")] {
            assert_eq!(id(other), None, "{other}");
        }
    }
}
