//! A tenant's provider vouches for somebody whose account has nothing to do with that tenant. Whoever runs it may say that
//! of anybody: so nothing is done to the account or told of it, and its owner is asked by mail, as by any other invitation.

use super::super::caller::Origin;
use super::super::invitations::Place;
use super::super::people::nobody;
use super::super::{App, Result};
use crate::identity::outside::Arrival;
use crate::model::role::Role;
use crate::store::Tx;
use crate::store::providers::ProviderRecord;
use crate::store::records::TenantRecord;

impl App {
    /// Offers somebody a place in a tenant that is held, in the name of its provider, unless an offer is open. It makes
    /// it so.
    pub(super) async fn invite_by_provider(
        &self,
        mut tx: Tx,
        (provider, tenant): (&ProviderRecord, &TenantRecord),
        arrival: &Arrival,
        role: Role,
        origin: &Origin,
    ) -> Result<()> {
        if let Some(email) = arrival.email.clone() {
            let place = Place { tenant: tenant.id, email, role };
            self.offer_place(&mut tx, &nobody(origin), place, format!("The provider {}", provider.title))
                .await?;
        }
        Ok(tx.commit().await?)
    }
}
