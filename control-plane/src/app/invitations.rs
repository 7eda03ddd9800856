//! Invitations: a place in a tenant, offered to an address. Whoever has the secret out of the mail has the mailbox.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::audit::{Action, Entry};
use super::caller::{Permit, Who};
use super::error::{Error, OrNotFound};
use super::rules::{self, Findings};
use super::tenants::locked;
use super::{App, Caller, Page, Result};
use crate::identity::permissions::Permission;
use crate::identity::random_secret;
use crate::model::email::Email;
use crate::model::ids::{InvitationId, TenantId, UserId};
use crate::model::invitation::InvitationStatus;
use crate::model::letter::Letter;
use crate::model::role::Role;
use crate::model::tenant::DesiredState;
use crate::store::invitations::{self, InvitationFilter, InvitationRecord, NewInvitation};
use crate::store::records::TenantRecord;
use crate::store::users::NewUser;
use crate::store::{self, Conflict, Tx, mails, memberships, tenants, users};

/// How long an invitation can be accepted.
const DAYS: u32 = 7;
/// The longest secret that is looked at, in bytes.
const SECRET_BYTES: usize = 128;

/// Which invitations to list, as somebody wrote it.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub search: Option<String>,
    pub statuses: Option<String>,
    pub cursor: Option<String>,
    pub limit: Option<String>,
}

/// What is offered, and where.
#[derive(Debug, Clone)]
pub struct Offer {
    pub tenant: TenantRecord,
    pub invitation: InvitationRecord,
}

/// A place in a tenant that is offered to an address.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub tenant: TenantId,
    pub email: Email,
    pub role: Role,
}

/// The account that somebody makes for themselves with an invitation.
#[derive(Clone, Default)]
pub struct NewAccount {
    pub name: Option<String>,
    pub password: Option<SecretString>,
}

fn good_for() -> Duration {
    Duration::from_secs(u64::from(DAYS) * 86_400)
}

fn hash(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

fn told(invitation: &InvitationRecord) -> Value {
    json!({ "role": invitation.role, "invited_by": invitation.invited_by, "expires_at": invitation.expires_at })
}

/// That an invitation can be accepted as it stands.
fn open(invitation: &InvitationRecord) -> Result<()> {
    Err(Error::NotNow(match invitation.status {
        InvitationStatus::Pending => return Ok(()),
        InvitationStatus::Accepted => "the invitation was accepted already".to_owned(),
        InvitationStatus::Revoked => "the invitation was taken back".to_owned(),
        InvitationStatus::Expired => "the invitation has expired; ask for a new one".to_owned(),
    }))
}

/// Where an account has the address that was invited, only its owner accepts.
fn sign_in_first() -> Error {
    Error::SignInFirst("this address has an account; sign in with it, then accept the invitation".to_owned())
}

async fn held(tx: &mut Tx, permit: &Permit, id: &str) -> Result<InvitationRecord> {
    let id = Uuid::parse_str(id).map_err(|_| Error::NotFound("invitation"))?;
    let invitation =
        invitations::hold(tx, permit.tenant, InvitationId(id)).await.or_not_found("invitation")?;
    permit.reaches(invitation.role)?;
    Ok(invitation)
}

impl App {
    /// The invitations that a listing asks for, a page of them, the newest first.
    ///
    /// # Errors
    /// `Invalid` for what cannot be listed by.
    pub async fn invitations(
        &self,
        caller: &Caller,
        tenant: &str,
        listing: &Listing,
    ) -> Result<Page<InvitationRecord>> {
        let permit = self.permit(caller, tenant, Permission::MembersInvite).await?;
        let mut findings = Findings::default();
        let search = listing.search.as_deref().unwrap_or_default();
        let search = findings.take("search", rules::search(search)).flatten();
        let statuses = findings.words::<InvitationStatus>("status", listing.statuses.as_deref());
        let cursor = findings.cursor(listing.cursor.as_deref());
        let limit = findings.limit(listing.limit.as_deref());
        findings.done()?;
        let mut tx = self.store.begin(permit.scope).await?;
        let filter = InvitationFilter { search, statuses, cursor, limit };
        let page = invitations::list(&mut tx, permit.tenant, &filter).await?;
        tx.commit().await?;
        Ok(page.into())
    }

    /// Offers an address a place, by mail.
    ///
    /// # Errors
    /// `Forbidden` for a role above the caller's own; `NotNow` for a member, and where an offer is open.
    pub async fn invite(
        &self,
        caller: &Caller,
        tenant: &str,
        email: &str,
        role: Role,
    ) -> Result<InvitationRecord> {
        let (mut tx, permit) = self.holding(caller, tenant, Permission::MembersInvite).await?;
        let email: Email = email.parse().map_err(|error| Error::wrong("email", error))?;
        permit.may_give(role)?;
        match memberships::by_email(&mut tx, permit.tenant, &email).await {
            Err(store::Error::NotFound) => {}
            other => return Err(other.map_or_else(Error::from, |_| member_already())),
        }
        let place = Place { tenant: permit.tenant, email, role };
        let invitation =
            self.offer_place(&mut tx, caller, place, caller.label()).await?.ok_or_else(|| {
                Error::NotNow("an invitation to this address is open; send that one again".to_owned())
            })?;
        tx.commit().await?;
        Ok(invitation)
    }

    /// Offers a place in a tenant that is held, by mail and in this name. None while an offer to the address is open.
    pub(super) async fn offer_place(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        Place { tenant, email, role }: Place,
        inviter: String,
    ) -> Result<Option<InvitationRecord>> {
        if invitations::is_open(tx, tenant, &email).await? {
            return Ok(None);
        }
        let secret = random_secret();
        let new = NewInvitation {
            tenant,
            email,
            role,
            hash: hash(&secret),
            invited_by: inviter,
            good_for: good_for(),
        };
        let invitation = invitations::create(tx, &new).await?;
        self.send(tx, &invitation.invited_by, &invitation, &secret).await?;
        let entry = Entry::done(Action::InvitationCreate, Some(tenant), &invitation.email)
            .diff(&Value::Null, &told(&invitation));
        self.auditor.write(tx, caller, entry).await?;
        Ok(Some(invitation))
    }

    async fn send(
        &self,
        tx: &mut Tx,
        inviter: &str,
        invitation: &InvitationRecord,
        secret: &SecretString,
    ) -> Result<()> {
        let tenant = tenants::get(tx, invitation.tenant_id).await.or_not_found("tenant")?;
        let url = self.settings.url_of(self.settings.domain.as_str());
        let letter = Letter::Invitation {
            tenant: tenant.name,
            inviter: inviter.to_owned(),
            role: invitation.role,
            link: format!("{url}/invitations?token={}", secret.expose_secret()),
            days: DAYS,
        };
        mails::queue(tx, Some(tenant.id), &invitation.email, &letter).await?;
        Ok(())
    }

    /// Sends an invitation again, with a new secret and for seven more days. The secret before is good no more.
    ///
    /// # Errors
    /// `NotFound`; `NotNow` when it was accepted or revoked.
    pub async fn resend_invitation(
        &self,
        caller: &Caller,
        tenant: &str,
        id: &str,
    ) -> Result<InvitationRecord> {
        let (mut tx, permit) = self.holding(caller, tenant, Permission::MembersInvite).await?;
        let before = held(&mut tx, &permit, id).await?;
        permit.may_give(before.role)?;
        if before.status != InvitationStatus::Expired {
            open(&before)?;
        }
        let secret = random_secret();
        let invitation = invitations::renew(&mut tx, before.id, &hash(&secret), good_for()).await?;
        self.send(&mut tx, &caller.label(), &invitation, &secret).await?;
        let entry = Entry::done(Action::InvitationResend, Some(permit.tenant), &invitation.email)
            .diff(&told(&before), &told(&invitation));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        Ok(invitation)
    }

    /// Takes an invitation back. One that was taken back already stays so.
    ///
    /// # Errors
    /// `NotFound`; `NotNow` when it was accepted.
    pub async fn revoke_invitation(&self, caller: &Caller, tenant: &str, id: &str) -> Result<()> {
        let (mut tx, permit) = self.holding(caller, tenant, Permission::MembersInvite).await?;
        let invitation = held(&mut tx, &permit, id).await?;
        match invitation.status {
            InvitationStatus::Accepted => {
                return Err(Error::NotNow("it was accepted; remove the member instead".to_owned()));
            }
            InvitationStatus::Revoked => return Ok(()),
            InvitationStatus::Pending | InvitationStatus::Expired => {}
        }
        invitations::revoke(&mut tx, invitation.id).await?;
        let entry = Entry::done(Action::InvitationRevoke, Some(permit.tenant), &invitation.email)
            .diff(&told(&invitation), &Value::Null);
        self.auditor.write(&mut tx, caller, entry).await?;
        Ok(tx.commit().await?)
    }

    /// What an invitation offers, for whoever has its secret.
    ///
    /// # Errors
    /// `NotFound` for a secret that is none; `NotNow` when it can no longer be accepted.
    pub async fn preview_invitation(&self, secret: &SecretString) -> Result<Offer> {
        let mut tx = self.begin_as_system().await?;
        let offer = offer(&mut tx, secret).await?;
        tx.commit().await?;
        open(&offer.invitation)?;
        Ok(offer)
    }

    /// Accepts an invitation: as the user who is signed in, or with a new account, whose address the mail proves.
    ///
    /// # Errors
    /// `NotFound` for a secret that is none; `NotNow` when it can no longer be accepted, or the plan has no room;
    /// `Forbidden` for a user of another address; `SignInFirst` when the address has an account; `Invalid` for an
    /// account that cannot be.
    pub async fn accept_invitation(
        &self,
        caller: &Caller,
        secret: &SecretString,
        account: NewAccount,
    ) -> Result<Offer> {
        let found = self.preview_invitation(secret).await?;
        let email = &found.invitation.email;
        let new = match &caller.who {
            Who::Nobody => match self.account(email, account).await {
                Err(error @ Error::SignInFirst(_)) => {
                    // The account may be a moment old, of the same mail: then it is accepted already.
                    self.preview_invitation(secret).await?;
                    return Err(error);
                }
                other => Some(other?),
            },
            _ if caller.user()?.email == *email => None,
            _ => {
                return Err(Error::Forbidden(
                    "this invitation is for another address than the one you are signed in with".to_owned(),
                ));
            }
        };
        // Who accepts does not belong to the tenant yet, so it is done for them.
        let mut tx = self.begin_as_system().await?;
        let tenant = locked(&mut tx, found.tenant.id).await?;
        // Looked for once more under the tenant's lock: whoever came first has it.
        let Offer { invitation, .. } = offer(&mut tx, secret).await?;
        open(&invitation)?;
        let user = match (new, &caller.who) {
            (Some(new), _) => created(&mut tx, &new).await?,
            (None, Who::User(user)) => user.user,
            (None, _) => return Err(Error::Unauthenticated),
        };
        self.admit(&mut tx, &tenant, user, invitation.role).await?;
        invitations::accept(&mut tx, invitation.id, user).await?;
        let entry = Entry::done(Action::InvitationAccept, Some(tenant.id), &invitation.email)
            .diff(&Value::Null, &json!({ "user": user, "role": invitation.role }));
        self.auditor.write(&mut tx, caller, entry).await?;
        tx.commit().await?;
        tracing::info!(tenant = %tenant.id, %user, "an invitation was accepted");
        Ok(Offer { tenant, invitation })
    }

    /// The account that is to be made for an address that has none.
    async fn account(&self, email: &Email, account: NewAccount) -> Result<NewUser> {
        let mut tx = self.begin_as_system().await?;
        let known = users::by_email(&mut tx, email).await?;
        tx.commit().await?;
        if known.is_some_and(|user| user.verified_at.is_some()) {
            return Err(sign_in_first());
        }
        let mut findings = Findings::default();
        let name = account.name.as_deref().ok_or("a name is needed for the new account".to_owned());
        let name = findings.take("name", name.and_then(rules::name));
        let password = account.password.ok_or("a password is needed for the new account");
        let password = findings.take("password", password);
        findings.done()?;
        let (Some(name), Some(password)) = (name, password) else {
            return Err(Error::internal("a finding was lost"));
        };
        let hash = self.new_password_hash(password, &[email.as_str(), &name]).await?;
        Ok(NewUser { email: email.clone(), name, password_hash: Some(hash), verified: true, terms: None })
    }
}

fn member_already() -> Error {
    store::Error::from(Conflict::MemberAlready).into()
}

async fn offer(tx: &mut Tx, secret: &SecretString) -> Result<Offer> {
    if secret.expose_secret().len() > SECRET_BYTES {
        return Err(Error::NotFound("invitation"));
    }
    let invitation = invitations::by_hash(tx, &hash(secret)).await.or_not_found("invitation")?;
    let tenant = tenants::get(tx, invitation.tenant_id).await.or_not_found("invitation")?;
    if tenant.desired == DesiredState::Deleted {
        return Err(Error::NotFound("invitation"));
    }
    Ok(Offer { tenant, invitation })
}

/// Makes the account. One that somebody registered with the address and never proved becomes theirs whose mailbox
/// it is.
async fn created(tx: &mut Tx, new: &NewUser) -> Result<UserId> {
    let user = match users::by_email(tx, &new.email).await? {
        Some(user) if user.verified_at.is_some() => return Err(sign_in_first()),
        Some(user) => users::register_again(tx, user.id, new).await,
        None => users::create(tx, new).await,
    };
    let user = user.map_err(|error| match error {
        store::Error::NotFound | store::Error::Conflict(Conflict::EmailTaken) => sign_in_first(),
        other => other.into(),
    })?;
    users::set_verified(tx, user.id).await?;
    Ok(user.id)
}
