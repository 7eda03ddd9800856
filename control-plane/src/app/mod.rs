//! Use cases: what a caller may ask for, and the rules it goes by. No HTTP, no SQL.
//!
//! Each use case is one transaction, begun for the caller's scope. What is to be done about it is not done here: it
//! becomes desired state with an operation, and the workers hear of it when the transaction is committed.

mod admins;
pub mod api_keys;
pub mod audit;
pub mod audit_log;
pub mod caller;
mod catalogue;
pub mod cors;
mod delay;
pub mod doors;
pub mod error;
mod failures;
pub mod invitations;
pub mod mails;
pub mod members;
mod membership_rules;
pub mod news;
pub mod oauth;
pub mod operations;
pub mod overview;
mod passwords;
pub mod people;
pub mod places;
mod principal;
mod principals;
pub mod projects;
pub mod providers;
pub mod rules;
pub mod security;
mod settings;
pub mod signing;
pub mod signups;
pub mod tenants;
pub mod users;
pub mod whereabouts;

pub use admins::{ROLE, Token};
pub use caller::{Caller, Origin, Who};
pub use error::{Error, Wrong};
pub use settings::Settings;

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::identity::checked::Remembering;
use crate::identity::oauth::verifier::AppVerifier;
use crate::identity::outside::Outside;
use crate::identity::passwords::Hasher;
use crate::identity::people_key::PeopleKey;
use crate::identity::tokens::Issuer;
use crate::store::{Channel, Scope, Store, Tx};
use audit::Auditor;
use news::News;
use principals::Principals;
use signing::Follower;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything the use cases need.
#[derive(Debug)]
pub struct App {
    store: Store,
    settings: Arc<Settings>,
    issuer: Issuer,
    tokens: Remembering,
    /// Checks what tenants' apps were given.
    app_verifier: AppVerifier,
    hasher: Hasher,
    /// What refresh tokens are derived by.
    key: PeopleKey,
    /// The way to OpenID providers.
    outside: Outside,
    /// What they gave people for our API.
    foreign: providers::KnownTokens,
    auditor: Auditor,
    news: News,
    principals: Principals,
    /// Keeps the keys that sign as the registry has them.
    signing: Arc<Follower>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl App {
    /// Must be called inside a runtime: it begins to follow what the registry announces, and keeps the audit log. The
    /// issuer is of [`signing::open`], or one that signs with keys of its own.
    #[must_use]
    pub fn new(store: Store, settings: Settings, issuer: Issuer, key: PeopleKey) -> Self {
        let tokens = Remembering::from(issuer.verifier());
        let app_verifier = AppVerifier::new(&issuer);
        let channels = &[Channel::Operation, Channel::People, Channel::SigningKeys];
        let (news, ear) = News::follow_from_the_start(store.clone(), channels);
        let principals = Principals::new(ear);
        let longest = settings.longest_token();
        let (signing, following) =
            signing::follow(store.clone(), key.clone(), issuer.keys().clone(), longest, news.ear());
        let store = store.telling(principals.listener());
        let auditor = Auditor::new(store.clone(), key.clone());
        let tidy = AbortOnDropHandle::new(tokio::spawn(people::keep_tidy(store.clone())));
        let hasher = Hasher::new(settings.people.argon2, settings.people.password_strength);
        let outside = Outside::new(settings.providers.clone());
        let settings = Arc::new(settings);
        Self {
            store,
            settings,
            issuer,
            tokens,
            app_verifier,
            hasher,
            key,
            outside,
            foreign: providers::KnownTokens::default(),
            auditor,
            news,
            principals,
            signing,
            _tasks: [tidy, following],
        }
    }

    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The way to OpenID providers.
    #[must_use]
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// For what only platform admins may.
    async fn begin_as_admin(&self, caller: &Caller) -> Result<Tx> {
        caller.admin()?;
        Ok(self.store.begin(Scope::Platform).await?)
    }

    async fn begin_as_system(&self) -> Result<Tx> {
        Ok(self.store.begin(Scope::System).await?)
    }
}

/// A part of a list, with the cursor of what comes next.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl<T> From<crate::store::pages::Page<T>> for Page<T> {
    fn from(page: crate::store::pages::Page<T>) -> Self {
        Self { items: page.items, next: page.next.map(|cursor| cursor.to_string()) }
    }
}
