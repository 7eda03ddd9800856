//! The tenant's database.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Scene, held};
use crate::database::{Access, SUPERUSER, migrate, roles};
use crate::engine::names;
use crate::store::{Scope, houses};
use crate::worker::failure::Failure;

/// The longest that one statement of a migration may take.
const STATEMENT: Duration = Duration::from_secs(10 * 60);

impl Scene<'_> {
    async fn database(&self) -> Result<SocketAddr, Failure> {
        let name = &self.house.stack.database;
        let id = self.container(name)?;
        let port = self.service(name)?.port.unwrap_or(5432);
        let network = names::network(&self.worker.deps.installation, &self.house.record.house);
        Ok(self.worker.deps.engine.endpoint(&id, &network, port).await?)
    }

    async fn doubt(&self) -> Result<(), Failure> {
        let mut tx = self.worker.deps.store.begin(Scope::System).await?;
        held(houses::doubt_prepared(&mut tx, &self.house.claim).await?)?;
        tx.commit().await?;
        Ok(())
    }

    async fn prepared(&self, read_only: bool) -> Result<(), Failure> {
        let mut tx = self.worker.deps.store.begin(Scope::System).await?;
        let (claim, desired) = (&self.house.claim, &self.house.desired);
        held(houses::record_read_only(&mut tx, claim, read_only).await?)?;
        held(houses::record_prepared(&mut tx, claim, desired.preparation, desired.connections).await?)?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn prepare_database(&self) -> Result<(), Failure> {
        let secrets = &self.house.secrets;
        let access =
            Access { address: self.database().await?, role: SUPERUSER, password: &secrets.superuser };
        let passwords = roles::Passwords {
            owner: secrets.owner.clone(),
            app: secrets.app.clone(),
            monitor: secrets.monitor.clone(),
        };
        self.doubt().await?;
        roles::prepare(&access, &passwords, self.house.desired.connections).await?;
        self.prepared(false).await
    }

    pub(super) async fn migrate(&self) -> Result<(), Failure> {
        let access = Access {
            address: self.database().await?,
            role: roles::OWNER,
            password: &self.house.secrets.owner,
        };
        let migrations = &self.house.record.release.content.migrations;
        let version = migrate::run_tenant(&access, migrations, STATEMENT).await?;
        let mut tx = self.worker.deps.store.begin(Scope::System).await?;
        held(houses::record_schema(&mut tx, &self.house.claim, version).await?)?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn set_read_only(&self, read_only: bool) -> Result<(), Failure> {
        let access = Access {
            address: self.database().await?,
            role: SUPERUSER,
            password: &self.house.secrets.superuser,
        };
        self.doubt().await?;
        roles::set_read_only(&access, read_only).await?;
        self.prepared(read_only).await
    }
}
