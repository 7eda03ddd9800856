//! A code for tokens. It is tried once: whatever comes of it, it is good for nothing afterwards.

use chrono::Utc;

use super::App;
use super::error::{Code, Refused, Result};
use super::standing::Tokens;
use crate::app::audit::{Action, Entry};
use crate::app::caller::{Caller, Origin, Who};
use crate::identity::oauth::code::{self, RefreshToken};
use crate::identity::oauth::params::Params;
use crate::identity::oauth::pkce;
use crate::identity::oauth::scopes::{ScopeName, Scopes};
use crate::store::oauth_clients::ClientRecord;
use crate::store::oauth_grants::{self, GrantRecord};
use crate::store::{Scope, Tx};

impl App {
    /// Gives tokens to a client that has shown who it is.
    ///
    /// # Errors
    /// `invalid_request`, `unsupported_grant_type`, `invalid_grant`, `invalid_scope`.
    pub async fn token(&self, client: &ClientRecord, params: &Params, origin: &Origin) -> Result<Tokens> {
        if params.is_ambiguous() {
            return Err(Refused::For(
                Code::InvalidRequest,
                "a parameter is given twice, or there are too many",
            ));
        }
        match params.get("grant_type") {
            Some("authorization_code") => self.redeem(client, params, origin).await,
            Some("refresh_token") => self.refresh_tokens(client, params).await,
            None => Err(Refused::For(Code::InvalidRequest, "grant_type is missing")),
            Some(_) => {
                let text = "grant_type is authorization_code or refresh_token";
                Err(Refused::For(Code::UnsupportedGrantType, text))
            }
        }
    }

    async fn redeem(&self, client: &ClientRecord, params: &Params, origin: &Origin) -> Result<Tokens> {
        let missing = Refused::For(Code::InvalidRequest, "code, redirect_uri and code_verifier are required");
        let (Some(code), Some(address), Some(verifier)) =
            (params.get("code"), params.get("redirect_uri"), params.get("code_verifier"))
        else {
            return Err(missing);
        };
        let tenant = client.tenant_id;
        let mut tx = self.store.begin(Scope::Tenant(tenant)).await?;
        // Whoever comes at the same time waits here, and then comes second.
        let grant = oauth_grants::lock_by_code(&mut tx, tenant, &code::hash(code)).await?;
        let grant = grant.ok_or_else(Refused::grant)?;
        if grant.redeemed_at.is_some() {
            return Err(self.burnt(tx, &grant, "its code was used again", origin).await?);
        }
        if grant.revoked_at.is_some() || grant.code_expires_at <= Utc::now() {
            return Err(Refused::grant());
        }
        if grant.redirect_uri != address || !pkce::answers(verifier, &grant.code_challenge) {
            return Err(self.burnt(tx, &grant, "its code came without its proof", origin).await?);
        }
        let scopes = Scopes::read(&grant.scope);
        let refresh = scopes.has(ScopeName::OfflineAccess).then(|| RefreshToken::new(grant.id));
        let hash = refresh.as_ref().map(RefreshToken::hash);
        oauth_grants::redeem(&mut tx, tenant, grant.id, hash.as_ref()).await?;
        tx.commit().await?;
        let (grant, standing) = self.standing(tenant, (grant.id, grant.session_id), Refused::grant).await?;
        let nonce = grant.nonce.clone();
        let tokens = self.tokens(&grant, standing, scopes, nonce)?;
        Ok(Tokens { refresh: refresh.map(|refresh| refresh.text()), ..tokens })
    }

    /// Ends a grant whose code somebody has who should not, with all that it gave.
    async fn burnt(
        &self,
        mut tx: Tx,
        grant: &GrantRecord,
        because: &str,
        origin: &Origin,
    ) -> Result<Refused> {
        tracing::warn!(grant = %grant.id, tenant = %grant.tenant_id, because, "a sign-in at an app was ended");
        oauth_grants::revoke(&mut tx, grant.tenant_id, grant.id, because).await?;
        let by = Caller { who: Who::Nobody, origin: origin.clone() };
        let entry = Entry::refused(Action::AppSignIn, Some(grant.tenant_id), grant.id);
        self.auditor.write(&mut tx, &by, entry).await?;
        tx.commit().await?;
        Ok(Refused::grant())
    }
}
