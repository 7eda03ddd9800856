//! How somebody stands in a tenant at this moment, and the tokens that say so.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::App;
use super::error::{Refused, Result};
use crate::app::caller::Principal;
use crate::app::settings::ID_SECONDS;
use crate::identity::oauth::claims::{AccessClaims, IdClaims, InProject, Place, Profile, at_hash};
use crate::identity::oauth::scopes::{ScopeName, Scopes};
use crate::identity::permissions::{self, Permission};
use crate::model::ids::{GrantId, SessionId, TenantId};
use crate::store::Scope;
use crate::store::oauth_grants::{self, GrantRecord, ProjectRecord};

/// Projects that a token names: it goes with every request. Whoever wants all of them asks.
const PROJECTS: usize = 50;

/// What a code or a refresh token is exchanged for.
#[derive(Debug)]
pub struct Tokens {
    pub access: String,
    pub id: String,
    /// For the tokens that follow, if those were asked for.
    pub refresh: Option<String>,
    /// Seconds that the access token is good.
    pub expires_in: i64,
    pub scope: Scopes,
}

/// A person in a tenant, as they stand at this moment.
pub(super) struct Standing {
    pub principal: Principal,
    pub place: Place,
}

impl Standing {
    /// Who they are, as far as these scopes allow to tell.
    pub(super) fn profile(&self, scopes: &Scopes) -> Profile {
        let email = scopes.has(ScopeName::Email);
        Profile {
            email: email.then(|| self.principal.email.clone()),
            // Of who came by a tenant's own provider the platform may have no proof.
            email_verified: email.then_some(self.principal.verified),
            name: scopes.has(ScopeName::Profile).then(|| self.principal.name.to_string()),
        }
    }
}

impl App {
    /// The grant of this id while it gives anything, and how the person stands that it is about.
    ///
    /// # Errors
    /// `otherwise` when the grant or its session is over, or the person is no member any more, or may not.
    pub(super) async fn standing(
        &self,
        tenant: TenantId,
        (grant, session): (GrantId, SessionId),
        otherwise: fn() -> Refused,
    ) -> Result<(GrantRecord, Standing)> {
        // Who they are is remembered; what they were given, and their projects, are read.
        let principal =
            self.principal(session).await.map_err(|error| Refused::App(error).nobody(otherwise()))?;
        let reference = tenant.to_string();
        let membership = principal
            .may(&reference, Permission::DataRead)
            .map_err(|error| Refused::App(error).nobody(otherwise()))?
            .clone();
        let mut tx = self.store.begin(Scope::Tenant(tenant)).await?;
        let kept = oauth_grants::get(&mut tx, tenant, grant).await?;
        let projects = oauth_grants::projects(&mut tx, tenant, principal.user).await?;
        tx.commit().await?;
        let good = |kept: &GrantRecord| {
            kept.revoked_at.is_none()
                && kept.redeemed_at.is_some()
                && kept.session_id == session
                && kept.user_id == principal.user
        };
        let kept = kept.filter(good).ok_or_else(otherwise)?;
        let place = Place {
            tenant_id: tenant,
            tenant: membership.slug,
            role: membership.role,
            permissions: permissions::of(membership.role).map(|one| one.to_string()).collect(),
            projects: projects.into_iter().map(in_project).collect(),
            projects_cut: false,
        };
        Ok((kept, Standing { principal, place }))
    }

    /// Tokens of a grant for these scopes. `nonce`: what the app asked to find in its first ID token.
    pub(super) fn tokens(
        &self,
        grant: &GrantRecord,
        standing: Standing,
        scopes: Scopes,
        nonce: Option<String>,
    ) -> Result<Tokens> {
        let now = Utc::now();
        let expires_in = i64::from(self.settings.people.access_minutes) * 60;
        let profile = standing.profile(&scopes);
        let id = self.id_claims(grant, &standing, profile.clone(), nonce, now);
        let mut place = standing.place;
        place.projects_cut = place.projects.len() > PROJECTS;
        place.projects.truncate(PROJECTS);
        let access = AccessClaims {
            iss: self.issuer.name().to_owned(),
            sub: grant.user_id,
            aud: grant.tenant_id,
            client_id: grant.tenant_id,
            iat: now.timestamp(),
            exp: now.timestamp() + expires_in,
            jti: Uuid::now_v7(),
            sid: grant.session_id,
            grant_id: grant.id,
            scope: scopes.to_string(),
            profile,
            place,
        };
        let access = self.issuer.sign_access(&access)?;
        let id = self.issuer.sign_id(&IdClaims { at_hash: Some(at_hash(&access)), ..id })?;
        Ok(Tokens { access, id, refresh: None, expires_in, scope: scopes })
    }

    fn id_claims(
        &self,
        grant: &GrantRecord,
        standing: &Standing,
        profile: Profile,
        nonce: Option<String>,
        now: DateTime<Utc>,
    ) -> IdClaims {
        let methods = standing.principal.methods();
        IdClaims {
            iss: self.issuer.name().to_owned(),
            sub: grant.user_id,
            aud: grant.tenant_id,
            azp: grant.tenant_id,
            iat: now.timestamp(),
            exp: now.timestamp() + ID_SECONDS,
            auth_time: grant.auth_time.timestamp(),
            nonce,
            at_hash: None,
            sid: grant.session_id,
            amr: methods.iter().map(ToString::to_string).collect(),
            profile,
            tenant_id: grant.tenant_id,
            tenant: standing.place.tenant.clone(),
            role: standing.place.role,
        }
    }
}

fn in_project(record: ProjectRecord) -> InProject {
    InProject { id: record.id, slug: record.slug, role: record.role }
}
