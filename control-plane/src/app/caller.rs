//! Who asks, from where, and what they may do in which tenant: the one place where that is decided.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};

use super::api_keys::Key;
use super::error::{Error, OrNotFound};
use super::membership_rules::Refusal;
use super::tenants::{find, locked};
use super::{App, Result};
use crate::identity::api_keys;
use crate::identity::permissions::{MOST_BY_KEY, Permission, allows};
use crate::identity::tokens::{ADMIN_AUDIENCE, TokenError, USER_AUDIENCE};
use crate::model::ids::{AdminId, SessionId, TenantId, UserId};
use crate::model::role::Role;
use crate::model::slug::Slug;
use crate::store::{self, Scope, Tx, admins, memberships, sessions};

pub use super::principal::{Membership, Principal};

/// How exactly the last use of a session or key is known: writing it down more often would cost more than it tells.
pub(super) const EXACT: TimeDelta = TimeDelta::minutes(1);

/// Where a request came from, for whoever reads later what was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The visitor's address, as the edge says.
    pub address: String,
    pub user_agent: String,
    pub request_id: String,
}

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Nobody that is known (yet).
    Nobody,
    /// A platform admin, who may do everything in every tenant.
    Admin { id: AdminId, email: String },
    /// A user, who may do in each tenant what their role there allows.
    User(Principal),
    /// A program with an API key, which may do what its scopes say and whoever made it may.
    Key(Arc<Key>),
}

/// Who asks, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub who: Who,
    pub origin: Origin,
}

/// A tenant in which the caller may do what they asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    pub tenant: TenantId,
    pub slug: Slug,
    /// What the caller is there; none for platform admins, who stand above all tenants.
    pub role: Option<Role>,
    /// The key that they came by, if they came by one.
    pub key: Option<Arc<Key>>,
    /// Whose rows may be seen on the way.
    pub scope: Scope,
}

impl Caller {
    /// As whom they appear to people.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.who {
            Who::Nobody => "nobody".to_owned(),
            Who::Admin { email, .. } => email.clone(),
            Who::User(user) => user.email.to_string(),
            Who::Key(key) => key.label(),
        }
    }

    /// The user, if it is one who came in a way that is good everywhere: for what is a person's own and reaches beyond a
    /// tenant.
    ///
    /// # Errors
    /// `Forbidden` as for [`Caller::signed_in`], and for a session by a tenant's provider: whoever runs that may say that
    /// somebody is who they are not.
    pub fn user(&self) -> Result<&Principal> {
        let user = self.signed_in()?;
        if user.only_tenant.is_some() {
            return Err(Error::Forbidden(
                "you came by a tenant's own provider, which is good in that tenant alone; for this, sign in to your \
                 account in another way"
                    .to_owned(),
            ));
        }
        Ok(user)
    }

    /// The user, if it is one, however they came.
    ///
    /// # Errors
    /// `Forbidden` for admins, who are no users, and for keys: what is a person's own is theirs to do.
    pub fn signed_in(&self) -> Result<&Principal> {
        match &self.who {
            Who::User(user) => Ok(user),
            Who::Nobody => Err(Error::Unauthenticated),
            Who::Admin { .. } => {
                Err(Error::Forbidden("this is for users; platform admins have no account here".to_owned()))
            }
            Who::Key(_) => Err(Error::Forbidden(
                "this is for a person who is signed in; an API key cannot do it".to_owned(),
            )),
        }
    }

    /// The user who asks, or who made the key that is asked with.
    pub(super) fn on_behalf_of(&self) -> Option<UserId> {
        match &self.who {
            Who::User(user) => Some(user.user),
            Who::Key(key) => Some(key.user),
            Who::Nobody | Who::Admin { .. } => None,
        }
    }

    /// That it is a platform admin.
    ///
    /// # Errors
    /// `Forbidden` for everybody else.
    pub fn admin(&self) -> Result<()> {
        match &self.who {
            Who::Admin { .. } => Ok(()),
            Who::Nobody => Err(Error::Unauthenticated),
            Who::User(_) | Who::Key(_) => Err(Error::Forbidden("this is for platform admins".to_owned())),
        }
    }
}

impl Permit {
    /// Whether the caller may also do this there.
    pub(super) fn allows(&self, permission: Permission) -> bool {
        self.role.is_none_or(|role| allows(role, permission))
            && self.key.as_ref().is_none_or(|key| key.scopes.contains(&permission))
    }

    /// That the caller may let somebody in as this.
    ///
    /// # Errors
    /// `Forbidden` for a role above their own, and by a key for that of an admin.
    pub(super) fn may_give(&self, role: Role) -> Result<()> {
        if self.key.is_some() && role > MOST_BY_KEY {
            return Err(Refusal::ByKey.into());
        }
        self.reaches(role)
    }

    /// That the caller may do something about a place of this role.
    ///
    /// # Errors
    /// `Forbidden` for a role above their own.
    pub(super) fn reaches(&self, role: Role) -> Result<()> {
        if self.role.is_some_and(|own| role > own) { Err(Refusal::Above.into()) } else { Ok(()) }
    }
}

impl App {
    /// Who sent a token or an API key, from there. An admin who was disabled since, and a user who is suspended or whose session was
    /// revoked, is nobody. None for what is none of ours and was not found good lately: a provider outside may have given
    /// it. Who that is may take a question to the provider, and is written down: [`App::who_has_foreign`].
    ///
    /// # Errors
    /// `Unauthenticated` when it is nobody's, or not any more; `Forbidden` for an admin without a second factor where it
    /// is required.
    pub async fn who(&self, token: &str, origin: Origin) -> Result<Option<Caller>> {
        let (caller, lacking) = self.known(token, origin).await?;
        if lacking {
            return Err(Error::Forbidden(
                "platform admins need a second factor here: set one up, and sign in with it".to_owned(),
            ));
        }
        Ok(caller)
    }

    /// The same for what is open to an admin who is yet to set up the second factor that is required.
    ///
    /// # Errors
    /// `Unauthenticated` when it is nobody's, or not any more.
    pub async fn who_may_enrol(&self, token: &str, origin: Origin) -> Result<Option<Caller>> {
        Ok(self.known(token, origin).await?.0)
    }

    /// Who sent a token or key, and whether it is an admin who lacks a second factor that is required.
    async fn known(&self, token: &str, origin: Origin) -> Result<(Option<Caller>, bool)> {
        if api_keys::looks_like_one(token) {
            return Ok((Some(self.who_has_key(token, origin).await?), false));
        }
        let audiences = [USER_AUDIENCE, ADMIN_AUDIENCE];
        let claims = match self.tokens.verify(token, &audiences) {
            Ok(claims) => claims,
            Err(TokenError::Invalid) => {
                let known = Box::pin(self.known_foreign(token)).await?;
                return Ok((known.map(|user| Caller { who: Who::User(user), origin }), false));
            }
            Err(_) => return Err(Error::Unauthenticated),
        };
        let (who, lacking) = match (claims.aud.as_str(), claims.sid) {
            (USER_AUDIENCE, Some(session)) => (Who::User(self.principal(session).await?), false),
            (ADMIN_AUDIENCE, None) => self.admin_of(&claims.sub, claims.iat).await?,
            _ => return Err(Error::Unauthenticated),
        };
        Ok((Some(Caller { who, origin }), lacking))
    }

    /// The admin of a token from this second on, and whether they lack a second factor that is required.
    async fn admin_of(&self, subject: &str, issued_at: i64) -> Result<(Who, bool)> {
        let id: AdminId = subject.parse().map_err(|_| Error::Unauthenticated)?;
        let mut tx = self.begin_as_system().await?;
        let admin = match admins::by_id(&mut tx, id).await {
            Err(store::Error::NotFound) => return Err(Error::Unauthenticated),
            other => other?,
        };
        tx.commit().await?;
        if admin.disabled_at.is_some() {
            return Err(Error::Unauthenticated);
        }
        // A token from before was given for the password alone.
        if admin.second_factor_since.is_some_and(|since| issued_at < since.timestamp()) {
            return Err(Error::Unauthenticated);
        }
        let lacking = self.settings.admins_need_second_factor && admin.second_factor_since.is_none();
        Ok((Who::Admin { id: admin.id, email: admin.email }, lacking))
    }

    /// Who a session's user is, and what they may do where.
    ///
    /// # Errors
    /// `Unauthenticated` when it is over, or its user suspended.
    pub(super) async fn principal(&self, session: SessionId) -> Result<Principal> {
        if let Some(known) = self.principals.people.recall(&session) {
            return Ok(known);
        }
        let before = self.principals.people.before();
        let mut tx = self.begin_as_system().await?;
        let holder = sessions::holder(&mut tx, session).await?.ok_or(Error::Unauthenticated)?;
        let ends_at = holder.expires_at.min(self.latest_end(holder.created_at, holder.provider));
        if ends_at <= Utc::now() {
            return Err(Error::Unauthenticated);
        }
        let belongings = sessions::belongings(&mut tx, holder.user_id).await?;
        if Utc::now().signed_duration_since(holder.last_used_at) > EXACT {
            sessions::touch(&mut tx, session).await?;
        }
        tx.commit().await?;
        let principal = Principal {
            user: holder.user_id,
            email: holder.email,
            name: holder.name.into(),
            session,
            second_factor: holder.second_factor,
            has_second_factor: holder.has_second_factor,
            verified: holder.verified_at.is_some(),
            provider: holder.provider,
            only_tenant: holder.only_tenant,
            memberships: self
                .memberships(belongings)
                .filter(|one| holder.only_tenant.is_none_or(|only| only == one.tenant))
                .collect(),
        };
        self.principals.people.keep(before, principal.clone(), ends_at);
        Ok(principal)
    }

    /// Where somebody belongs, by the platform's own rules too.
    pub(super) fn memberships(
        &self,
        belongings: Vec<sessions::BelongingRecord>,
    ) -> impl Iterator<Item = Membership> {
        belongings.into_iter().map(|belonging| {
            let mut membership = Membership::from(belonging);
            membership.second_factor_required |= self.settings.people.require_second_factor;
            membership
        })
    }

    /// The tenant of this slug or id, if the caller may do this in it.
    ///
    /// # Errors
    /// `NotFound` when there is none, or none for this caller; `Forbidden` when their role there is too little.
    pub(super) async fn permit(
        &self,
        caller: &Caller,
        reference: &str,
        permission: Permission,
    ) -> Result<Permit> {
        match &caller.who {
            Who::Nobody => Err(Error::Unauthenticated),
            Who::User(user) => {
                let membership = user.may(reference, permission)?;
                Ok(Permit {
                    tenant: membership.tenant,
                    slug: membership.slug.clone(),
                    role: Some(membership.role),
                    key: None,
                    scope: Scope::Tenant(membership.tenant),
                })
            }
            Who::Key(key) => {
                let membership = key.may(reference, permission)?;
                Ok(Permit {
                    tenant: membership.tenant,
                    slug: membership.slug.clone(),
                    role: Some(Key::rank(membership.role)),
                    key: Some(Arc::clone(key)),
                    scope: Scope::Tenant(membership.tenant),
                })
            }
            Who::Admin { .. } => {
                let mut tx = self.store.begin(Scope::Platform).await?;
                let tenant = find(&mut tx, reference).await?;
                tx.commit().await?;
                Ok(Permit {
                    tenant: tenant.id,
                    slug: tenant.slug,
                    role: None,
                    key: None,
                    scope: Scope::Platform,
                })
            }
        }
    }

    /// That the caller may still do it, by their membership as it is now that the tenant is held: they may have been
    /// removed or given another role while they waited. The permit as it is now.
    ///
    /// # Errors
    /// As [`App::permit`].
    pub(super) async fn still_may(
        tx: &mut Tx,
        caller: &Caller,
        permit: &Permit,
        permission: Permission,
    ) -> Result<Permit> {
        let Some(user) = caller.on_behalf_of() else { return Ok(permit.clone()) };
        let own = memberships::get(tx, permit.tenant, user).await.or_not_found("tenant")?;
        if own.suspended_at.is_some() || !allows(own.role, permission) {
            return Err(Error::Forbidden(format!("you may not any more: {permission}")));
        }
        let role = if permit.key.is_some() { Key::rank(own.role) } else { own.role };
        Ok(Permit { role: Some(role), ..permit.clone() })
    }

    /// Begins a change in a tenant: nobody changes it meanwhile, and the caller may still make it.
    ///
    /// # Errors
    /// As [`App::permit`].
    pub(super) async fn holding(
        &self,
        caller: &Caller,
        reference: &str,
        permission: Permission,
    ) -> Result<(Tx, Permit)> {
        let permit = self.permit(caller, reference, permission).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        locked(&mut tx, permit.tenant).await?;
        let permit = Self::still_may(&mut tx, caller, &permit, permission).await?;
        Ok((tx, permit))
    }

    /// What only platform admins do in a tenant, as [`App::permit`].
    ///
    /// # Errors
    /// `NotFound` when there is none, or none for this caller; `Forbidden` for those who belong there.
    pub(super) async fn permit_admin(&self, caller: &Caller, reference: &str) -> Result<Permit> {
        let permit = self.permit(caller, reference, Permission::TenantRead).await?;
        caller.admin()?;
        Ok(permit)
    }
}
