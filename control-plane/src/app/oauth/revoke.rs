//! A client gives back what it was given (RFC 7009).

use super::App;
use super::error::{Code, Refused, Result};
use crate::app::audit::{Action, Entry};
use crate::app::caller::{Caller, Origin, Who};
use crate::identity::oauth::code::RefreshToken;
use crate::identity::oauth::params::Params;
use crate::store::Scope;
use crate::store::oauth_clients::ClientRecord;
use crate::store::oauth_grants;

impl App {
    /// Ends the grant that a token of the client's belongs to, with all that it gave. A token that is nobody's, or
    /// another client's, changes nothing, and is not told apart.
    ///
    /// # Errors
    /// `invalid_request` without a token.
    pub async fn revoke_token(&self, client: &ClientRecord, params: &Params, origin: &Origin) -> Result<()> {
        let missing = Refused::For(Code::InvalidRequest, "token is missing, or given twice");
        let token = params.get("token").ok_or(missing)?;
        let tenant = client.tenant_id;
        let grant = match RefreshToken::read(token) {
            Some(shown) => self.grant_of(tenant, &shown).await?.map(|grant| grant.id),
            None => {
                let claims = self.app_verifier.access(token).ok();
                claims.filter(|claims| claims.aud == tenant).map(|claims| claims.grant_id)
            }
        };
        let Some(grant) = grant else { return Ok(()) };
        let mut tx = self.store.begin(Scope::Tenant(tenant)).await?;
        if oauth_grants::revoke(&mut tx, tenant, grant, "given back by the app").await? {
            let by = Caller { who: Who::Nobody, origin: origin.clone() };
            self.auditor.write(&mut tx, &by, Entry::done(Action::AppSignOut, Some(tenant), grant)).await?;
        }
        Ok(tx.commit().await?)
    }
}
