//! What a token is worth at this moment (RFC 7662). Apps ask within seconds, so that whoever may no longer may no
//! longer.

use super::App;
use super::error::{Code, Refused, Result};
use crate::identity::oauth::claims::AccessClaims;
use crate::identity::oauth::params::Params;
use crate::identity::oauth::scopes::Scopes;
use crate::store::oauth_clients::ClientRecord;

/// What a token is worth.
#[derive(Debug)]
pub enum Introspected {
    /// Nothing: for this client, or at all.
    Nothing,
    /// What it says, with the person as they stand now.
    Active(Box<AccessClaims>),
}

impl App {
    /// What an access token is worth to the client that has it.
    ///
    /// # Errors
    /// `invalid_request` without a token; never for a token that is worth nothing.
    pub async fn introspect(&self, client: &ClientRecord, params: &Params) -> Result<Introspected> {
        let missing = Refused::For(Code::InvalidRequest, "token is missing, or given twice");
        let token = params.get("token").ok_or(missing)?;
        let Ok(claims) = self.app_verifier.access(token) else { return Ok(Introspected::Nothing) };
        if claims.aud != client.tenant_id {
            return Ok(Introspected::Nothing);
        }
        let whose = (claims.grant_id, claims.sid);
        let standing = match self.standing(client.tenant_id, whose, Refused::token).await {
            Ok((_, standing)) => standing,
            Err(Refused::For(..)) => return Ok(Introspected::Nothing),
            Err(error) => return Err(error),
        };
        let profile = standing.profile(&Scopes::read(&claims.scope));
        Ok(Introspected::Active(Box::new(AccessClaims { profile, place: standing.place, ..claims })))
    }
}
