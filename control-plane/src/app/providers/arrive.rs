//! Somebody comes whom a provider vouches for: found, linked or made, and a member where the provider's claims say so.
//!
//! What is to become of them is decided in [`super::judging`]. Rows are held in the order tenants, users, providers.

use serde_json::{Value, json};

use super::super::audit::{Action, Entry};
use super::super::caller::{Caller, Origin};
use super::super::error::{Error, OrNotFound};
use super::super::membership_rules::Standing;
use super::super::people::{acting, nobody};
use super::super::tenants::{find, locked};
use super::super::{App, Result, rules};
use super::first::First;
use super::judging::{self, Becoming, Found, Known, Person, Refusal, Word};
use crate::identity::outside::Arrival;
use crate::model::email::Email;
use crate::model::ids::{ProviderId, SessionId, TenantId, UserId};
use crate::model::letter::Letter;
use crate::model::provider::Trust;
use crate::model::tenant::DesiredState;
use crate::store::mailed_tokens::{self, Purpose};
use crate::store::providers::{self, ProviderRecord};
use crate::store::records::TenantRecord;
use crate::store::second_factors::{self, Owner};
use crate::store::users::{self, NewUser, UserRecord};
use crate::store::{
    self, Conflict, Tx, identities, mails, memberships, sessions, tenants as tenant_rows, unproven_signups,
};

/// Tenants of one claim that are looked at.
pub(super) const TENANTS: usize = 50;
/// How often it is tried when another comes with the same subject or address at the same moment.
const TRIES: u32 = 5;

/// Somebody who came, in the transaction in which they are who they are. Nothing of it is so before it is committed.
pub(in super::super) struct Arrived {
    pub tx: Tx,
    pub user: UserRecord,
    /// As it is until the end of the transaction.
    pub provider: ProviderRecord,
    /// What the provider said, where it did not know them before and they have an account.
    pub first: Option<First>,
}

/// What is to be done with somebody.
#[derive(PartialEq, Eq)]
struct Plan {
    person: Person,
    places: Vec<(Becoming, Option<Standing>)>,
}

impl Plan {
    fn changes(&self) -> bool {
        !matches!(self.person, Person::Linked(_)) || self.places.iter().any(|(one, _)| *one != Becoming::Same)
    }

    fn user(&self) -> Option<UserId> {
        match self.person {
            Person::Linked(user) | Person::Link { user, .. } | Person::Stranger(user) => Some(user),
            Person::New { .. } => None,
        }
    }
}

/// Why it came to nothing.
enum Stop {
    Refused(Refusal),
    Failed(Error),
    /// Another came at the same moment, or something was changed: it is to be looked at anew.
    Again,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Forbidden(refusal.to_string())
    }
}

fn known(user: &UserRecord) -> Known {
    Known { user: user.id, verified: user.verified_at.is_some(), suspended: user.suspended_at.is_some() }
}

/// What somebody made at the same moment stands in the way of.
fn again(error: store::Error) -> Stop {
    match error {
        store::Error::Conflict(Conflict::EmailTaken | Conflict::LinkedAlready) => Stop::Again,
        other => other.into(),
    }
}

/// The tenants that a provider names somebody for, each once and in the order in which they are held. A tenant's own
/// provider speaks of that tenant alone.
async fn named(tx: &mut Tx, provider: &ProviderRecord, arrival: &Arrival) -> Result<Vec<TenantRecord>> {
    let own = provider.tenant.map(|own| own.to_string());
    let claimed = arrival.tenants.iter().flatten().map(String::as_str).take(TENANTS);
    let references: Vec<&str> = match (&provider.claims.tenants, &own) {
        (Some(_), _) => claimed.collect(),
        (None, own) => own.iter().map(String::as_str).collect(),
    };
    let mut tenants = Vec::new();
    for reference in references {
        match find(tx, reference).await {
            Ok(tenant) => tenants.push(tenant),
            Err(Error::NotFound(_)) => {
                tracing::debug!(provider = %provider.name, "it named a tenant that is none");
            }
            Err(error) => return Err(error),
        }
    }
    tenants.retain(|tenant| {
        tenant.desired != DesiredState::Deleted && provider.tenant.is_none_or(|own| own == tenant.id)
    });
    tenants.sort_by_key(|tenant| tenant.id);
    tenants.dedup_by_key(|tenant| tenant.id);
    Ok(tenants)
}

/// What somebody is in a tenant.
async fn standing(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Option<Standing>> {
    match memberships::get(tx, tenant, user).await {
        Ok(member) => Ok(Some(Standing { role: member.role, suspended: member.suspended_at.is_some() })),
        Err(store::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is to be done, by how it stands now.
async fn plan(
    tx: &mut Tx,
    provider: &ProviderRecord,
    arrival: &Arrival,
    tenants: &[TenantRecord],
) -> Result<Plan, Stop> {
    let mut found = Found::default();
    if let Some(identity) = identities::find(tx, provider.id, &arrival.subject).await? {
        found.linked = Some(known(&users::get(tx, identity.user_id).await?));
    } else if let Some(email) = &arrival.email
        && let Some(user) = users::by_email(tx, email).await?
    {
        match identities::of_provider_and_user(tx, provider.id, user.id).await? {
            // Linked in the moment since we looked.
            Some(identity) if identity.subject == arrival.subject => found.linked = Some(known(&user)),
            other => {
                found.addressed = Some(known(&user));
                found.taken = other.is_some();
                if let Some(own) = provider.tenant {
                    found.member = standing(tx, own, user.id).await?.is_some();
                }
            }
        }
    }
    let word = Word { trust: provider.trust(), trust_email: provider.trust_email };
    let person = judging::person(word, &provider.claims, arrival, found).map_err(Stop::Refused)?;
    let mut plan = Plan { person, places: Vec::with_capacity(tenants.len()) };
    for tenant in tenants {
        let standing = match plan.user() {
            Some(user) => standing(tx, tenant.id, user).await?,
            None => None,
        };
        plan.places.push((judging::becoming(&provider.claims, arrival.role, standing), standing));
    }
    let belongs =
        plan.places.iter().any(|(one, standing)| standing.is_some() || matches!(one, Becoming::Member(_)));
    // A session by it would be good nowhere.
    if provider.tenant.is_some() && !belongs { Err(Stop::Refused(Refusal::NoMember)) } else { Ok(plan) }
}

fn name(arrival: &Arrival, email: &Email) -> String {
    let told = arrival.name.as_deref().and_then(|name| rules::name(name).ok());
    told.unwrap_or_else(|| email.as_str().split('@').next().unwrap_or_default().to_owned())
}

impl App {
    /// Who somebody is here whom an enabled provider vouches for, as it was when what it said was checked. They are linked with the account of their verified
    /// address or given one, and become what the provider's claims make of them in its tenants; all of it is audited.
    ///
    /// # Errors
    /// `Forbidden` with the reason, which may be told them, for whoever is not let in; `NotNow` where the tenant's plan
    /// has no room; `NotFound` for a provider that is not there, not enabled, or another than it was checked by.
    pub(in super::super) async fn arrive(
        &self,
        provider: &ProviderRecord,
        arrival: &Arrival,
        origin: &Origin,
    ) -> Result<Arrived> {
        for _ in 0..TRIES {
            match self.try_to_arrive(provider, arrival, origin).await {
                Ok(arrived) => return Ok(arrived),
                Err(Stop::Again) => {}
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Refused(refusal)) => {
                    self.refused(provider.id, arrival, &refusal.to_string(), origin).await?;
                    return Err(refusal.into());
                }
            }
        }
        Err(Error::Busy("others came in at the same moment"))
    }

    async fn try_to_arrive(
        &self,
        checked_by: &ProviderRecord,
        arrival: &Arrival,
        origin: &Origin,
    ) -> Result<Arrived, Stop> {
        let mut tx = self.begin_as_system().await?;
        let before = providers::get(&mut tx, checked_by.id).await.or_not_found("provider")?;
        // Its owner may have had it be another one meanwhile, which means others by the same subjects.
        if (&before.issuer, &before.client_id) != (&checked_by.issuer, &checked_by.client_id) {
            return Err(Error::NotFound("provider").into());
        }
        let mut tenants = named(&mut tx, &before, arrival).await?;
        let mut todo = plan(&mut tx, &before, arrival, &tenants).await?;
        if todo.changes() {
            for tenant in &mut tenants {
                *tenant = locked(&mut tx, tenant.id).await?;
            }
            if let Some(user) = todo.user() {
                users::hold(&mut tx, user).await?;
            }
            let seen = std::mem::replace(&mut todo, plan(&mut tx, &before, arrival, &tenants).await?);
            // Somebody else may be meant now, who is not held.
            if seen.user() != todo.user() || tenants.iter().any(|one| one.desired == DesiredState::Deleted) {
                return Err(Stop::Again);
            }
        }
        let provider = providers::hold_enabled(&mut tx, before.id).await.or_not_found("provider")?;
        if provider != before {
            return Err(Stop::Again);
        }
        if let (Person::Stranger(_), [(Becoming::Member(role), _)], [tenant]) =
            (todo.person, todo.places.as_slice(), tenants.as_slice())
        {
            self.invite_by_provider(tx, (&provider, tenant), arrival, *role, origin).await?;
            return Err(Stop::Refused(Refusal::Invited));
        }
        let user = self.become_who_they_are(&mut tx, &provider, arrival, todo.person, origin).await?;
        let first = matches!(todo.person, Person::Link { .. });
        let first = first.then(|| First::of(&provider, arrival, &tenants));
        let by = acting(&user, SessionId::random(), origin);
        for (tenant, (becoming, standing)) in tenants.iter().zip(todo.places) {
            self.become_member(&mut tx, &by, &provider, tenant, &user, (becoming, standing)).await?;
        }
        Ok(Arrived { tx, user, provider, first })
    }

    /// Finds, links or makes the account.
    async fn become_who_they_are(
        &self,
        tx: &mut Tx,
        provider: &ProviderRecord,
        arrival: &Arrival,
        person: Person,
        origin: &Origin,
    ) -> Result<UserRecord, Stop> {
        let email = arrival.email.as_ref();
        let told = email.map(Email::as_str);
        let user = match (person, email) {
            (Person::Linked(user), _) => {
                // Held by it against being unlinked, and gone if it was.
                if !identities::touch(tx, provider.id, &arrival.subject, told).await? {
                    return Err(Stop::Again);
                }
                return Ok(users::get(tx, user).await?);
            }
            (Person::Link { user, emptied, verified }, _) => {
                if emptied {
                    empty(tx, user, provider.trust()).await?;
                }
                if verified {
                    users::set_verified(tx, user).await?;
                }
                users::get(tx, user).await?
            }
            (Person::New { verified }, Some(email)) => {
                let name = name(arrival, email);
                let new = NewUser { email: email.clone(), name, password_hash: None, verified, terms: None };
                let user = users::create(tx, &new).await.map_err(again)?;
                let entry = Entry::done(Action::UserCreate, provider.tenant, email)
                    .diff(&Value::Null, &json!({ "provider": provider.name, "verified": verified }));
                self.auditor.write(tx, &acting(&user, SessionId::random(), origin), entry).await?;
                user
            }
            (Person::New { .. }, None) => return Err(Stop::Refused(Refusal::NoAddress)),
            (Person::Stranger(_), _) => return Err(Stop::Refused(Refusal::NoMember)),
        };
        identities::link(tx, provider.id, &arrival.subject, user.id, told).await.map_err(again)?;
        let emptied = matches!(person, Person::Link { emptied: true, .. });
        let linked = json!({ "provider": provider.name, "subject": arrival.subject, "emptied": emptied });
        let entry =
            Entry::done(Action::IdentityLink, provider.tenant, &user.email).diff(&Value::Null, &linked);
        self.auditor.write(tx, &acting(&user, SessionId::random(), origin), entry).await?;
        let tenant = match provider.tenant {
            Some(own) => tenant_rows::get(tx, own).await?.name,
            None => String::new(),
        };
        let letter = Letter::IdentityLinked {
            name: user.name.clone(),
            provider: provider.title.clone(),
            tenant,
            made: matches!(person, Person::New { .. }),
            address: origin.address.clone(),
        };
        mails::queue(tx, None, &user.email, &letter).await?;
        Ok(user)
    }

    /// Makes somebody in a tenant that is held what the provider's claims say.
    async fn become_member(
        &self,
        tx: &mut Tx,
        by: &Caller,
        provider: &ProviderRecord,
        tenant: &TenantRecord,
        user: &UserRecord,
        (becoming, standing): (Becoming, Option<Standing>),
    ) -> Result<(), Stop> {
        let before = standing.map_or(Value::Null, |one| json!({ "role": one.role }));
        let (action, role) = match becoming {
            Becoming::Same => return Ok(()),
            Becoming::Member(role) => {
                match self.admit(tx, tenant, user.id, role).await {
                    Ok(()) => {}
                    // Whom the platform's provider names for several tenants comes in where there is room.
                    Err(Error::NotNow(full)) if provider.tenant.is_none() => {
                        tracing::info!(tenant = %tenant.id, user = %user.id, "no room for one whom a provider named");
                        let after = json!({ "role": role, "provider": provider.name, "because": full });
                        let entry = Entry::refused(Action::MemberAdd, Some(tenant.id), &user.email)
                            .diff(&before, &after);
                        return Ok(self.auditor.write(tx, by, entry).await?);
                    }
                    Err(error) => return Err(error.into()),
                }
                (Action::MemberAdd, role)
            }
            Becoming::Role(role) => {
                memberships::set(tx, tenant.id, user.id, role, false).await?;
                (Action::MemberUpdate, role)
            }
        };
        let after = json!({ "role": role, "provider": provider.name });
        let entry = Entry::done(action, Some(tenant.id), &user.email).diff(&before, &after);
        Ok(self.auditor.write(tx, by, entry).await?)
    }

    /// Writes down that somebody was not let in by a provider, and why.
    pub(super) async fn refused(
        &self,
        provider: ProviderId,
        arrival: &Arrival,
        because: &str,
        origin: &Origin,
    ) -> Result<()> {
        let mut tx = self.begin_as_system().await?;
        let provider = providers::get(&mut tx, provider).await.or_not_found("provider")?;
        let target = arrival.email.as_ref().map_or(arrival.subject.as_str(), Email::as_str);
        let told = json!({ "provider": provider.name, "because": because });
        let entry = Entry::refused(Action::UserSignIn, provider.tenant, target).diff(&Value::Null, &told);
        self.auditor.write(&mut tx, &nobody(origin), entry).await?;
        Ok(tx.commit().await?)
    }
}

/// Takes from an account what somebody set up who never proved that its address is theirs. A tenant's provider ends no
/// sessions: they can only be those of other tenants' providers, and whoever holds one tenant has no say in another.
async fn empty(tx: &mut Tx, user: UserId, trust: Trust) -> Result<()> {
    users::forget_password(tx, user).await?;
    if trust == Trust::Platform {
        second_factors::remove(tx, Owner::User(user)).await?;
        sessions::revoke_all(tx, user, None, "linked").await?;
    }
    for purpose in [Purpose::Verify, Purpose::Reset] {
        mailed_tokens::withdraw(tx, user, purpose).await?;
    }
    Ok(unproven_signups::put(tx, user, None).await?)
}
