//! The platform's own database: roles, schema, migrations, and the first admin.

use super::keys::Keys;
use super::{Error, Platform, Result};
use crate::database;
use crate::identity::passwords::Hasher;
use crate::store::{self, Scope, Store, admins, bootstrap};

impl Platform {
    /// Whether the platform's Postgres takes connections. A password that it refuses is an answer, too.
    pub(super) async fn registry_answers(&self) -> std::result::Result<(), String> {
        let socket = self.home.postgres().join(".s.PGSQL.5432");
        tokio::net::UnixStream::connect(&socket)
            .await
            .map_err(|error| format!("{}: {error}", socket.display()))?;
        let password = super::keys::Source::Home(self.home.clone())
            .read(super::keys::SUPERUSER)
            .map_err(|error| error.to_string())?;
        bootstrap::connect(&self.home.postgres(), "postgres", database::SUPERUSER, &password)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Makes roles, database and schema as they must be and brings the schema to this build's version; answers it.
    pub(super) async fn migrate_registry(&self, keys: &Keys) -> Result<i64> {
        let socket = self.home.postgres();
        let mut admin = bootstrap::connect(&socket, "postgres", database::SUPERUSER, &keys.superuser).await?;
        let passwords = bootstrap::Passwords {
            owner: keys.password(store::OWNER_ROLE),
            api: keys.password(store::API_ROLE),
            gateway: keys.password(store::GATEWAY_ROLE),
            worker: keys.password(store::WORKER_ROLE),
        };
        bootstrap::prepare(&mut admin, &passwords).await?;
        let mut owner =
            bootstrap::connect(&socket, store::DATABASE, store::OWNER_ROLE, &passwords.owner).await?;
        bootstrap::schema(&mut owner).await?;
        Ok(database::migrate::run(&mut owner, store::HISTORY, &store::migrations(), None).await?)
    }

    /// The registry as its owner, who registers releases and the first admin. No role that serves is the owner.
    pub(super) async fn registry(&self, keys: &Keys) -> Result<Store> {
        let password = keys.password(store::OWNER_ROLE);
        Ok(Store::connect(&self.home.postgres(), store::DATABASE, store::OWNER_ROLE, &password).await?)
    }

    /// Makes the first platform admin, unless there is any; tells whether it was made.
    pub(super) async fn first_admin(&self, store: &Store, keys: &Keys) -> Result<bool> {
        let mut tx = store.begin(Scope::System).await?;
        if admins::by_email(&mut tx, &self.config.admin.email).await?.is_some() {
            return Ok(false);
        }
        drop(tx);
        // Outside of any transaction: hashing takes its time by design.
        let people = &self.config.people;
        let hash = Hasher::new(people.argon2, people.password_strength)
            .hash(keys.admin.clone(), &[&self.config.admin.email])
            .await
            .map_err(|error| Error::Password(error.to_string()))?;
        let mut tx = store.begin(Scope::System).await?;
        let made = admins::create_if_none(&mut tx, &self.config.admin.email, &hash).await?;
        tx.commit().await?;
        Ok(made.is_some())
    }
}
