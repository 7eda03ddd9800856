//! Who somebody is, for an app that shows their access token (OpenID Connect Core, 5.3).

use serde::Serialize;

use super::App;
use super::error::{Refused, Result};
use crate::identity::oauth::claims::{AccessClaims, Profile};
use crate::identity::oauth::scopes::Scopes;
use crate::model::ids::{TenantId, UserId};
use crate::model::role::Role;
use crate::model::slug::Slug;

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    pub sub: UserId,
    #[serde(flatten)]
    pub profile: Profile,
    pub tenant_id: TenantId,
    pub tenant: Slug,
    pub role: Role,
}

impl App {
    /// What an access token of an app says, if it is one.
    ///
    /// # Errors
    /// `invalid_token`.
    pub fn app_token(&self, token: &str) -> Result<AccessClaims> {
        self.app_verifier.access(token).map_err(|_| Refused::token())
    }

    /// Who somebody is at this moment, as far as the token's scopes allow to tell.
    ///
    /// # Errors
    /// `invalid_token` when they are nobody any more.
    pub async fn user_info(&self, token: &AccessClaims) -> Result<UserInfo> {
        let whose = (token.grant_id, token.sid);
        let (grant, standing) = self.standing(token.aud, whose, Refused::token).await?;
        let profile = standing.profile(&Scopes::read(&token.scope));
        let place = standing.place;
        Ok(UserInfo {
            sub: grant.user_id,
            profile,
            tenant_id: place.tenant_id,
            tenant: place.tenant,
            role: place.role,
        })
    }
}
