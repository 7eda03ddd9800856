//! Tenants as those see them who are at the door: their names and colours, and whether one may ask to come in.

use chrono::{DateTime, Utc};

use super::error::Error;
use super::tenants::find;
use super::{App, Result};
use crate::app::caller::Principal;
use crate::model::colour::Colour;
use crate::model::hostname::HostName;
use crate::model::ids::TenantId;
use crate::model::signup::{SignupKind, SignupMode, SignupState};
use crate::model::slug::Slug;
use crate::model::tenant::DesiredState;
use crate::store::records::TenantRecord;
use crate::store::signups::{self, SignupFilter, Whose};
use crate::store::{Scope, Tx};

/// Where a tenant's colour is in its settings.
const COLOUR: &str = "color";

/// A tenant, from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub tenant: TenantId,
    pub slug: Slug,
    pub name: String,
    pub colour: Option<Colour>,
    /// The names it is reached by, the first one first.
    pub hosts: Vec<HostName>,
    /// Whether people may ask to join.
    pub signups: SignupMode,
}

/// What became of somebody's wish to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub state: SignupState,
    /// Why it was declined.
    pub reason: Option<String>,
    pub at: DateTime<Utc>,
}

async fn place(tx: &mut Tx, tenant: TenantRecord) -> Result<Option<Place>> {
    if tenant.desired == DesiredState::Deleted {
        return Ok(None);
    }
    let colour = tenant.settings.get(COLOUR).and_then(|value| value.as_str()?.parse().ok());
    let signups = signups::mode(tx, tenant.id).await?;
    let (slug, name, hosts) = (tenant.slug, tenant.name, tenant.hosts);
    Ok(Some(Place { tenant: tenant.id, slug, name, colour, hosts, signups }))
}

impl App {
    /// The tenant of this slug or id, as anybody may see it who stands before its door.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn place(&self, reference: &str) -> Result<Option<Place>> {
        let mut tx = self.begin_as_system().await?;
        let tenant = match find(&mut tx, reference).await {
            Err(Error::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let place = place(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(place)
    }

    /// The places that somebody may go to, with what they are called, by their names.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn places_of(&self, person: &Principal) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for membership in person.memberships.iter().filter(|one| !one.suspended) {
            places.extend(self.place(&membership.tenant.to_string()).await?);
        }
        places.sort_by(|one, other| (&one.name, &one.slug).cmp(&(&other.name, &other.slug)));
        Ok(places)
    }

    /// What became of somebody's last wish to join this tenant.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn wish_of(&self, person: &Principal, tenant: TenantId) -> Result<Option<Wish>> {
        let filter =
            SignupFilter { states: Vec::new(), kinds: vec![SignupKind::Join], cursor: None, limit: 200 };
        let mut tx = self.store.begin(Scope::Person(person.user)).await?;
        let wishes = signups::list(&mut tx, Whose::Person(person.user), &filter).await?;
        tx.commit().await?;
        let wish = wishes.items.into_iter().find(|wish| wish.tenant_id == Some(tenant));
        Ok(wish.map(|wish| Wish { state: wish.state, reason: wish.reason, at: wish.created_at }))
    }
}
