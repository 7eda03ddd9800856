//! A refresh token for tokens. It is not replaced by another one: whoever comes with it has to show the client's
//! secret as well.

use super::App;
use super::error::{Code, Refused, Result};
use super::standing::Tokens;
use crate::identity::oauth::code::RefreshToken;
use crate::identity::oauth::params::Params;
use crate::identity::oauth::scopes::{ScopeName, Scopes};
use crate::model::ids::TenantId;
use crate::store::Scope;
use crate::store::oauth_clients::ClientRecord;
use crate::store::oauth_grants::{self, GrantRecord};

impl App {
    /// The grant of a tenant's that a refresh token belongs to.
    pub(super) async fn grant_of(
        &self,
        tenant: TenantId,
        shown: &RefreshToken,
    ) -> Result<Option<GrantRecord>> {
        let mut tx = self.store.begin(Scope::Tenant(tenant)).await?;
        let grant = oauth_grants::get(&mut tx, tenant, shown.grant).await?;
        tx.commit().await?;
        Ok(grant.filter(|grant| shown.is(grant.refresh_hash.as_deref())))
    }

    /// Tokens that say how the person stands now. Their session lasts on from here.
    pub(super) async fn refresh_tokens(&self, client: &ClientRecord, params: &Params) -> Result<Tokens> {
        let missing = Refused::For(Code::InvalidRequest, "refresh_token is missing");
        let shown = params.get("refresh_token").ok_or(missing)?;
        let shown = RefreshToken::read(shown).ok_or_else(Refused::grant)?;
        let grant = self.grant_of(client.tenant_id, &shown).await?.ok_or_else(Refused::grant)?;
        let granted = Scopes::read(&grant.scope);
        let scopes = match params.get("scope").map(Scopes::read) {
            None => granted,
            Some(asked) if asked.within(&granted) && asked.has(ScopeName::Openid) => asked,
            Some(_) => return Err(Refused::For(Code::InvalidScope, "it holds what was not granted")),
        };
        let whose = (grant.id, grant.session_id);
        let (grant, standing) = self.standing(client.tenant_id, whose, Refused::grant).await?;
        self.last_on(grant.session_id).await?;
        self.tokens(&grant, standing, scopes, None)
    }
}
