//! What tokens for tenants' apps say.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::email::Email;
use crate::model::ids::{GrantId, ProjectId, SessionId, TenantId, UserId};
use crate::model::role::{ProjectRole, Role};
use crate::model::slug::Slug;

/// What somebody is in a tenant, and may do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub tenant_id: TenantId,
    /// Its slug.
    pub tenant: Slug,
    pub role: Role,
    /// By the platform's table of permissions.
    pub permissions: Vec<String>,
    /// Those that they are in, by their slugs.
    pub projects: Vec<InProject>,
    /// That they are in more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub projects_cut: bool,
}

/// What somebody is in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InProject {
    pub id: ProjectId,
    pub slug: Slug,
    pub role: ProjectRole,
}

/// Who somebody is, as far as the scopes allow to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an access token says (RFC 9068). Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub sub: UserId,
    /// The tenant's app, and nobody else.
    pub aud: TenantId,
    pub client_id: TenantId,
    pub iat: i64,
    pub exp: i64,
    pub jti: Uuid,
    pub sid: SessionId,
    /// The sign-in at the app that it came from.
    pub grant_id: GrantId,
    pub scope: String,
    #[serde(flatten)]
    pub profile: Profile,
    #[serde(flatten)]
    pub place: Place,
}

/// What an ID token says (OpenID Connect Core, 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdClaims {
    pub iss: String,
    pub sub: UserId,
    pub aud: TenantId,
    pub azp: TenantId,
    pub iat: i64,
    pub exp: i64,
    /// When they showed who they are.
    pub auth_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    pub sid: SessionId,
    /// How they showed it (RFC 8176), as far as it is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    #[serde(flatten)]
    pub profile: Profile,
    pub tenant_id: TenantId,
    pub tenant: Slug,
    pub role: Role,
}

/// What binds an ID token to the access token beside it: the left half of its SHA-256 hash, for RS256.
#[must_use]
pub fn at_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of OpenID Connect Core, A.3.
    #[test]
    fn the_hash_of_an_access_token_is_as_the_standard_shows_it() {
        assert_eq!(at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
