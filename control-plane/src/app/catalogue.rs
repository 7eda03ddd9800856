//! Releases that tenants can be given. Plans come from the configuration.

use uuid::Uuid;

use super::error::{Error, OrNotFound};
use super::{App, Caller, Result};
use crate::model::ids::ReleaseId;
use crate::store::releases::{self, Release};

impl App {
    /// All releases, the newest first.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn releases(&self, caller: &Caller) -> Result<Vec<Release>> {
        let mut tx = self.begin_as_admin(caller).await?;
        let releases = releases::list(&mut tx).await?;
        tx.commit().await?;
        Ok(releases)
    }

    /// The release with this version or id.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn release(&self, caller: &Caller, reference: &str) -> Result<Release> {
        if reference.contains('\0') {
            return Err(Error::NotFound("release"));
        }
        let mut tx = self.begin_as_admin(caller).await?;
        let release = match releases::get(&mut tx, reference).await {
            Err(crate::store::Error::NotFound) => match Uuid::parse_str(reference) {
                Ok(id) => releases::by_id(&mut tx, ReleaseId(id)).await,
                Err(_) => Err(crate::store::Error::NotFound),
            },
            other => other,
        };
        let release = release.or_not_found("release")?;
        tx.commit().await?;
        Ok(release)
    }
}
