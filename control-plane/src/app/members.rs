//! Members of a tenant: found, added, changed and removed, and the tenant handed over among them.
//!
//! Every change holds the tenant's row, so that what one decides by cannot be changed by another meanwhile.

use serde_json::{Value, json};
use uuid::Uuid;

use super::api_keys::Key;
use super::audit::{Action, Entry};
use super::caller::{Permit, Who};
use super::error::{Error, OrNotFound};
use super::membership_rules::{self, Actor, Others, Refusal, Standing};
use super::rules::{self, Findings};
use super::tenants::locked;
use super::{App, Caller, Page, Result};
use crate::identity::permissions::{Permission, allows};
use crate::model::email::Email;
use crate::model::ids::UserId;
use crate::model::role::Role;
use crate::store::memberships::{self, MemberFilter, MemberRecord};
use crate::store::records::TenantRecord;
use crate::store::{Tx, users};

/// Which members to list, as somebody wrote it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub search: Option<String>,
    pub roles: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

/// What shall be different about a member. What is nothing stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change {
    pub role: Option<Role>,
    pub suspended: Option<bool>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::LastOwner => Self::NotNow(refusal.to_string()),
            Refusal::Above | Refusal::ByKey | Refusal::Oneself => Self::Forbidden(refusal.to_string()),
        }
    }
}

impl From<memberships::OthersRecord> for Others {
    fn from(record: memberships::OthersRecord) -> Self {
        Self { members: record.members, owners: record.owners }
    }
}

fn standing(member: &MemberRecord) -> Standing {
    Standing { role: member.role, suspended: member.suspended_at.is_some() }
}

/// What the audit log tells of a member.
fn told(standing: Option<Standing>) -> Value {
    standing.map_or(Value::Null, |one| json!({ "role": one.role, "suspended": one.suspended }))
}

/// The member of this id or address. What cannot be either is not there.
pub(super) async fn find_member(tx: &mut Tx, permit: &Permit, reference: &str) -> Result<MemberRecord> {
    if let Ok(id) = Uuid::parse_str(reference) {
        return memberships::get(tx, permit.tenant, UserId(id)).await.or_not_found("member");
    }
    let email: Email = reference.parse().map_err(|_| Error::NotFound("member"))?;
    memberships::by_email(tx, permit.tenant, &email).await.or_not_found("member")
}

/// As what the caller acts on a member, by their role as it is now: what they came with may be over. A key is not whoever
/// made it: they leave and step down themselves.
async fn actor(tx: &mut Tx, caller: &Caller, permit: &Permit, on: UserId) -> Result<Actor> {
    let Some(user) = caller.on_behalf_of() else { return Ok(Actor::Platform) };
    let own = memberships::get(tx, permit.tenant, user).await.or_not_found("tenant")?;
    if own.suspended_at.is_some() {
        return Err(Error::Forbidden("you are suspended in this tenant".to_owned()));
    }
    Ok(match &permit.key {
        Some(_) => Actor::Key(Key::rank(own.role)),
        None if user == on => Actor::Oneself,
        None => Actor::Member(own.role),
    })
}

impl App {
    /// The members that a listing asks for, a page of them, by their addresses.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn members(
        &self,
        caller: &Caller,
        tenant: &str,
        listing: &Listing,
    ) -> Result<Page<MemberRecord>> {
        let permit = self.permit(caller, tenant, Permission::MembersRead).await?;
        let mut findings = Findings::default();
        let search = listing.search.as_deref().unwrap_or_default();
        let search = findings.take("search", rules::search(search)).flatten();
        let roles = findings.words::<Role>("role", listing.roles.as_deref());
        let cursor = findings.cursor(listing.cursor.as_deref());
        let limit = findings.limit(listing.limit.as_deref());
        findings.done()?;
        let mut tx = self.store.begin(permit.scope).await?;
        let filter = MemberFilter { search, roles, cursor, limit };
        let page = memberships::list(&mut tx, permit.tenant, &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// The member of this id or address.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn member(&self, caller: &Caller, tenant: &str, member: &str) -> Result<MemberRecord> {
        let permit = self.permit(caller, tenant, Permission::MembersRead).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        let member = find_member(&mut tx, &permit, member).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Makes somebody who has an account a member, without asking them. For platform admins alone: everybody else
    /// invites.
    ///
    /// # Errors
    /// `Invalid` when nobody has this address; `NotNow` when they are a member, or the plan has no room.
    pub async fn add_member(
        &self,
        caller: &Caller,
        tenant: &str,
        email: &str,
        role: Role,
    ) -> Result<MemberRecord> {
        let permit = self.permit_admin(caller, tenant).await?;
        let email: Email = email.parse().map_err(|error| Error::wrong("email", error))?;
        let mut tx = self.store.begin(permit.scope).await?;
        let tenant = locked(&mut tx, permit.tenant).await?;
        let user = users::by_email(&mut tx, &email).await?;
        let user = user.ok_or_else(|| Error::wrong("email", "nobody has an account with this address"))?;
        self.admit(&mut tx, &tenant, user.id, role).await?;
        let member = memberships::get(&mut tx, tenant.id, user.id).await?;
        let entry = Entry::done(Action::MemberAdd, Some(tenant.id), &email)
            .diff(&Value::Null, &told(Some(standing(&member))));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Makes a user a member of a tenant that is held, if its plan has room for one more.
    ///
    /// # Errors
    /// `NotNow` when it has not, and when they are a member already.
    pub(super) async fn admit(
        &self,
        tx: &mut Tx,
        tenant: &TenantRecord,
        user: UserId,
        role: Role,
    ) -> Result<()> {
        // A plan that the configuration does not know any more bounds nobody.
        let most = self.settings.plans.get(&tenant.plan).and_then(|plan| plan.members);
        if let Some(most) = most
            && memberships::count(tx, tenant.id).await? >= i64::from(most)
        {
            return Err(Error::NotNow(format!(
                "the plan {} has room for {most} members; remove one or move to a larger plan",
                tenant.plan
            )));
        }
        Ok(memberships::add(tx, tenant.id, user, role).await?)
    }

    /// Gives a member another role, suspends them or lets them in again.
    ///
    /// # Errors
    /// `Forbidden` for what is above the caller; `NotNow` when no owner would be left.
    pub async fn update_member(
        &self,
        caller: &Caller,
        tenant: &str,
        member: &str,
        change: Change,
    ) -> Result<MemberRecord> {
        let permit = self.permit(caller, tenant, Permission::MembersUpdate).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        locked(&mut tx, permit.tenant).await?;
        let member = find_member(&mut tx, &permit, member).await?;
        let before = standing(&member);
        let after = Standing {
            role: change.role.unwrap_or(before.role),
            suspended: change.suspended.unwrap_or(before.suspended),
        };
        let actor = actor(&mut tx, caller, &permit, member.user_id).await?;
        let others = memberships::others(&mut tx, permit.tenant, member.user_id).await?;
        membership_rules::check(actor, before, Some(after), others.into())?;
        if before == after {
            return Ok(member);
        }
        memberships::set(&mut tx, permit.tenant, member.user_id, after.role, after.suspended).await?;
        let entry = Entry::done(Action::MemberUpdate, Some(permit.tenant), &member.email)
            .diff(&told(Some(before)), &told(Some(after)));
        self.auditor.write(&mut tx, caller, entry).await?;
        let member = memberships::get(&mut tx, permit.tenant, member.user_id).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Ends a membership. Everybody may end their own.
    ///
    /// # Errors
    /// `Forbidden` for those above the caller; `NotNow` when no owner would be left.
    pub async fn remove_member(&self, caller: &Caller, tenant: &str, member: &str) -> Result<()> {
        let own = matches!(&caller.who, Who::User(user)
            if user.user.to_string() == member || user.email.as_str() == member);
        let needed = if own { Permission::TenantRead } else { Permission::MembersRemove };
        let permit = self.permit(caller, tenant, needed).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        locked(&mut tx, permit.tenant).await?;
        let member = find_member(&mut tx, &permit, member).await?;
        let actor = actor(&mut tx, caller, &permit, member.user_id).await?;
        let others = memberships::others(&mut tx, permit.tenant, member.user_id).await?;
        membership_rules::check(actor, standing(&member), None, others.into())?;
        let action = if actor == Actor::Oneself { Action::MemberLeave } else { Action::MemberRemove };
        memberships::remove(&mut tx, permit.tenant, member.user_id).await?;
        let entry = Entry::done(action, Some(permit.tenant), &member.email)
            .diff(&told(Some(standing(&member))), &Value::Null);
        self.auditor.write(&mut tx, caller, entry).await?;
        Ok(tx.commit().await?)
    }

    /// Makes a member an owner in the caller's place, who becomes an admin. A platform admin, who has no place there,
    /// adds an owner.
    ///
    /// # Errors
    /// `Invalid` when they are no member; `NotNow` when they are suspended or the caller themselves.
    pub async fn hand_over(&self, caller: &Caller, tenant: &str, to: &str) -> Result<MemberRecord> {
        let permit = self.permit(caller, tenant, Permission::OwnershipHandOver).await?;
        let mut tx = self.store.begin(permit.scope).await?;
        locked(&mut tx, permit.tenant).await?;
        let heir = match find_member(&mut tx, &permit, to).await {
            Err(Error::NotFound(_)) => return Err(Error::wrong("user", "no member has this id or address")),
            other => other?,
        };
        let account = users::get(&mut tx, heir.user_id).await?;
        if heir.suspended_at.or(account.suspended_at).is_some() {
            return Err(Error::NotNow("they are suspended; let them in again first".to_owned()));
        }
        match actor(&mut tx, caller, &permit, heir.user_id).await? {
            Actor::Oneself => return Err(Error::NotNow("it is yours already".to_owned())),
            Actor::Member(role) | Actor::Key(role) if !allows(role, Permission::OwnershipHandOver) => {
                return Err(Error::Forbidden("only an owner hands a tenant over".to_owned()));
            }
            Actor::Member(_) | Actor::Key(_) | Actor::Platform => {}
        }
        memberships::set(&mut tx, permit.tenant, heir.user_id, Role::Owner, false).await?;
        if let Who::User(user) = &caller.who {
            memberships::set(&mut tx, permit.tenant, user.user, Role::Admin, false).await?;
        }
        let member = memberships::get(&mut tx, permit.tenant, heir.user_id).await?;
        let entry = Entry::done(Action::OwnershipHandOver, Some(permit.tenant), &member.email)
            .diff(&told(Some(standing(&heir))), &told(Some(standing(&member))));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        tracing::info!(tenant = %permit.tenant, by = %caller.label(), "a tenant was handed over");
        Ok(member)
    }
}
