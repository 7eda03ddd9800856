//! Opening a tenant by asking for one.

use super::super::audit::{Action, Entry};
use super::super::error::{Error, Wrong};
use super::super::rules::{self, Findings};
use super::super::tenants::{Changed, Draft, slug_of};
use super::super::{App, Caller, Result};
use super::{BY_ITSELF, TOLD, message, told};
use crate::model::email::Email;
use crate::model::hostname::HostName;
use crate::model::ids::{SignupId, UserId};
use crate::model::plan::PlanName;
use crate::model::role::Role;
use crate::model::signup::{SignupKind, SignupMode, SignupState};
use crate::model::slug::Slug;
use crate::store::memberships;
use crate::store::signups::{self, NewSignup, SignupRecord};
use crate::store::unproven_signups::UnprovenSignup;
use crate::store::{self, Tx, tenants};

/// A tenant that somebody wants for themselves, as they wrote it.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    pub name: String,
    /// Derived from the name unless given.
    pub slug: Option<String>,
    pub plan: Option<String>,
    pub message: Option<String>,
}

impl App {
    /// How tenants are opened on a plan. What does not say is open to those who ask if it is the default, else to
    /// nobody.
    fn opening_mode(&self, plan: &PlanName) -> SignupMode {
        let said = self.settings.plans.get(plan).and_then(|plan| plan.signups);
        said.unwrap_or(if *plan == self.settings.default_plan {
            SignupMode::Manual
        } else {
            SignupMode::Closed
        })
    }

    /// What somebody wants to open, and who answers them.
    pub(super) fn checked_opening(&self, opening: &Opening) -> Result<(UnprovenSignup, SignupMode)> {
        let mut findings = Findings::default();
        let name = findings.take("name", rules::name(&opening.name));
        // A name that is no name says enough.
        let slug = if name.is_none() && opening.slug.is_none() {
            None
        } else {
            findings.take("slug", slug_of(&opening.name, opening.slug.as_deref()))
        };
        if let Some(slug) = &slug {
            findings.take("slug", HostName::of_tenant(slug, &self.settings.tenants_domain));
        }
        let plan = findings.take("plan", self.plan(opening.plan.as_deref()));
        let message = findings.take("message", message(opening.message.as_deref().unwrap_or_default()));
        findings.done()?;
        let (Some(tenant_name), Some(slug), Some(plan), Some(message)) = (name, slug, plan, message) else {
            return Err(Error::internal("a finding was lost"));
        };
        let mode = self.opening_mode(&plan);
        if mode == SignupMode::Closed {
            return Err(Error::Forbidden(format!("nobody opens tenants on the plan {plan} by signing up")));
        }
        Ok((UnprovenSignup { tenant_id: None, tenant_name, slug, plan: Some(plan), message }, mode))
    }

    /// Asks for a tenant of one's own. Where the plan is open to everybody it is made at once.
    ///
    /// # Errors
    /// `Invalid`; `Taken` for a slug that somebody has; `Forbidden` where the plan is open to nobody; `NotNow` when
    /// there are as many tenants as there may be, in all or of theirs.
    pub async fn open_tenant(&self, caller: &Caller, opening: &Opening) -> Result<SignupRecord> {
        caller.user()?;
        let (wanted, mode) = self.checked_opening(opening)?;
        // The limits are over everybody's tenants, of which who asks sees their own alone.
        let mut tx = self.begin_as_system().await?;
        let signup = self.open(&mut tx, caller, wanted, mode).await?;
        tx.commit().await?;
        Ok(signup)
    }

    /// That no tenant has this slug.
    pub(super) async fn free(tx: &mut Tx, slug: &Slug) -> Result<()> {
        match tenants::by_slug(tx, slug).await {
            Err(store::Error::NotFound) => Ok(()),
            Ok(_) => Err(Error::Taken(Wrong::new("slug", format!("{slug} is taken")))),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down that the caller asks for a tenant, and makes it where the plan is open to everybody.
    pub(super) async fn open(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        wanted: UnprovenSignup,
        mode: SignupMode,
    ) -> Result<SignupRecord> {
        let user = caller.user()?.user;
        self.within_limits(tx, user, None).await?;
        Self::free(tx, &wanted.slug).await?;
        let UnprovenSignup { tenant_name, slug, plan, message, .. } = wanted;
        let new = NewSignup { tenant: None, user, kind: SignupKind::Open, slug, tenant_name, plan, message };
        let mut signup = self.asked(tx, caller, &new).await?;
        if mode == SignupMode::Automatic {
            signup = self.opened(tx, caller, &signup, BY_ITSELF).await?;
        } else {
            let admins = signups::platform_deciders(tx, TOLD).await?;
            let deciders: Vec<Email> = admins.iter().filter_map(|email| email.parse().ok()).collect();
            let page = format!("{}/signups", self.settings.url_of(&self.settings.admin_host()));
            self.tell_deciders(tx, &signup, &deciders, &page).await?;
        }
        tracing::info!(slug = %signup.slug, state = %signup.state, "somebody asked for a tenant");
        Ok(signup)
    }

    /// That one more tenant of this person keeps within the limits; nobody else opens one meanwhile.
    pub(super) async fn within_limits(
        &self,
        tx: &mut Tx,
        person: UserId,
        wish: Option<SignupId>,
    ) -> Result<()> {
        let people = &self.settings.people;
        signups::lock_opening(tx).await?;
        if signups::tenants(tx).await? >= i64::from(people.tenants_max) {
            return Err(Error::NotNow(format!(
                "there are as many tenants as there may be: {}",
                people.tenants_max
            )));
        }
        if signups::tenants_of(tx, person, wish).await? >= i64::from(people.tenants_per_person) {
            return Err(Error::NotNow(format!(
                "one person opens at most {} tenants; those that are asked for count",
                people.tenants_per_person
            )));
        }
        Ok(())
    }

    /// Makes the tenant that was asked for, as every tenant is made, with the person as its owner.
    pub(super) async fn opened(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        signup: &SignupRecord,
        by: &str,
    ) -> Result<SignupRecord> {
        let draft = Draft {
            name: signup.tenant_name.clone(),
            slug: Some(signup.slug.to_string()),
            plan: signup.plan.as_ref().map(ToString::to_string),
            ..Draft::default()
        };
        let Changed { tenant, .. } = self.make_tenant(tx, caller, draft).await?;
        memberships::add(tx, tenant.id, signup.user_id, Role::Owner).await?;
        let state = SignupState::Approved;
        let decided = signups::decide(tx, signup.id, state, Some(tenant.id), None, by).await?;
        let entry = Entry::done(Action::SignupApprove, Some(tenant.id), &signup.email)
            .diff(&told(signup), &told(&decided));
        self.auditor.write(tx, caller, entry).await?;
        self.tell_opened(tx, &decided, &tenant).await?;
        Ok(decided)
    }
}
