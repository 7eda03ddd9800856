//! Users: how they come in, prove who they are, and stay signed in.

mod beat;
mod browser;
mod device;
mod mailed;
mod outside;
mod password;
mod refresh;
mod register;
mod second_factor;
mod sessions;
mod sign_in;
mod ticket;
mod tidy;

pub use browser::{Browser, BrowserSession, Step};
pub(super) use device::describe;
pub use register::Registration;
pub use second_factor::Enrolment;
pub(super) use second_factor::{Holder, Second};
pub use sessions::SignedIn;
pub use sign_in::SignIn;
pub(super) use tidy::keep_tidy;

use std::sync::Arc;

use super::caller::{Caller, Origin, Principal, Who};
use super::error::Error;
use super::{App, Result};
use crate::model::email::Email;
use crate::model::ids::SessionId;
use crate::store::Scope;
use crate::store::users::{self, UserRecord};

/// An address as it was sent.
fn email(text: &str) -> Result<Email> {
    text.parse().map_err(|error| Error::wrong("email", error))
}

/// The user as the one who does something, before or at their sign-in.
pub(super) fn acting(user: &UserRecord, session: SessionId, origin: &Origin) -> Caller {
    let principal = Principal {
        user: user.id,
        email: user.email.clone(),
        name: Arc::from(user.name.as_str()),
        session,
        second_factor: false,
        has_second_factor: false,
        verified: user.verified_at.is_some(),
        provider: None,
        only_tenant: None,
        memberships: Arc::new([]),
    };
    Caller { who: Who::User(principal), origin: origin.clone() }
}

/// Somebody who is not known, or shall not be taken for who they say they are.
pub(super) fn nobody(origin: &Origin) -> Caller {
    Caller { who: Who::Nobody, origin: origin.clone() }
}

impl App {
    /// The caller's own row, for what is theirs beyond any one tenant.
    async fn myself(&self, caller: &Caller) -> Result<UserRecord> {
        let person = caller.user()?.user;
        let mut tx = self.store.begin(Scope::Person(person)).await?;
        let user = users::get(&mut tx, person).await?;
        tx.commit().await?;
        Ok(user)
    }
}
