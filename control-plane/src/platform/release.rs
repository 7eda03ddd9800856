//! The release that this build brings: its stack file, its images by their immutable ids, its migrations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::images::Images;
use super::{Error, Platform, Result};
use crate::database::migrate;
use crate::model::ids::ReleaseId;
use crate::model::release::{Migration, ReleaseContent};
use crate::render::stack::{self, StackContext, StackError};
use crate::store::{Scope, Store, releases};

/// The migrations of the built-in tenant app, ascending.
const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__vehicles.sql", include_str!("../../../migrations/tenant/V1__vehicles.sql")),
    ("V2__fuel_logs.sql", include_str!("../../../migrations/tenant/V2__fuel_logs.sql")),
    ("V3__sessions.sql", include_str!("../../../migrations/tenant/V3__sessions.sql")),
    ("V4__projects.sql", include_str!("../../../migrations/tenant/V4__projects.sql")),
];

/// How long an image that the stack file names may take to be fetched.
const PULL: Duration = Duration::from_secs(300);

impl Platform {
    /// Puts together the release of this build and this configuration.
    pub(super) async fn release(&self, images: &Images) -> Result<ReleaseContent> {
        let (text, name) = match &self.config.stack.file {
            Some(path) => (
                std::fs::read_to_string(path)
                    .map_err(|error| Error::Release(format!("stack.file {}: {error}", path.display())))?,
                path.display().to_string(),
            ),
            None => (stack::DEFAULT.to_owned(), stack::DEFAULT_NAME.to_owned()),
        };
        let mut ids = BTreeMap::from([
            ("postgres".to_owned(), images.postgres.clone()),
            ("app".to_owned(), images.tenant_app.clone()),
        ]);
        for image in named_images(&text, &name, &ids).map_err(|error| Error::Release(error.to_string()))? {
            if !ids.values().any(|id| *id == image) {
                let id = self.resolve(&image).await?;
                ids.insert(image, id);
            }
        }
        let migrations = match &self.config.stack.migrations {
            Some(folder) => read_migrations(folder)?,
            None => parse_migrations(MIGRATIONS.iter().map(|(file, sql)| (*file, (*sql).to_owned())))?,
        };
        migrate::check(&migrations).map_err(|error| Error::Release(error.to_string()))?;
        Ok(ReleaseContent { stack: text, images: ids, migrations })
    }

    /// The immutable id of an image that the stack file names, fetched if the engine does not have it.
    async fn resolve(&self, image: &str) -> Result<String> {
        if let Some(id) = self.engine.image_id(image).await? {
            return Ok(id);
        }
        self.engine.pull(image, PULL).await.map_err(|error| {
            Error::Release(format!(
                "the image {image} of the stack file is not here and cannot be fetched: {error}; correct its name, \
                 or build or load it first"
            ))
        })?;
        self.engine
            .image_id(image)
            .await?
            .ok_or_else(|| Error::Release(format!("the image {image} is not there after it was fetched")))
    }

    /// Registers a release; one of the same content is registered once. Answers its version.
    pub(super) async fn register(
        &self,
        store: &Store,
        content: &ReleaseContent,
    ) -> Result<(ReleaseId, String)> {
        let mut tx = store.begin(Scope::System).await?;
        let registered = releases::register(&mut tx, content, env!("CARGO_PKG_VERSION")).await?;
        tx.commit().await?;
        Ok(registered)
    }
}

/// The images that a stack file names, as far as a tenant who has chosen nothing shows them. This also finds what
/// is wrong with the file before any tenant meets it.
fn named_images(
    text: &str,
    file: &str,
    ids: &BTreeMap<String, String>,
) -> std::result::Result<BTreeSet<String>, StackError> {
    let context = StackContext { images: ids.clone(), ..StackContext::sample() };
    let stack = stack::parse(text, file)?.render(&context)?;
    Ok(stack.services.into_values().map(|service| service.image).collect())
}

fn read_migrations(folder: &Path) -> Result<Vec<Migration>> {
    let file =
        |error: std::io::Error| Error::Release(format!("stack.migrations {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(file)? {
        let path = entry.map_err(file)?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| Error::File { path: path.clone(), source })?;
            files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
        }
    }
    parse_migrations(files.iter().map(|(name, sql)| (name.as_str(), sql.clone())))
}

/// Reads the versions and names out of files' names; a file that is called otherwise is an error, not passed over.
fn parse_migrations<'a>(files: impl Iterator<Item = (&'a str, String)>) -> Result<Vec<Migration>> {
    let mut migrations = Vec::new();
    for (file, sql) in files {
        let parts = file
            .strip_prefix('V')
            .and_then(|rest| rest.strip_suffix(".sql"))
            .and_then(|rest| rest.split_once("__"))
            .and_then(|(version, name)| {
                Some((version.parse::<i64>().ok().filter(|version| *version > 0)?, name))
            });
        let Some((version, name)) = parts else {
            return Err(Error::Release(format!("{file}: a migration is called V<number>__<name>.sql")));
        };
        migrations.push(Migration { version, name: name.to_owned(), sql });
    }
    migrations.sort_by_key(|migration| migration.version);
    if let Some(pair) = migrations.windows(2).find(|pair| pair[0].version == pair[1].version) {
        return Err(Error::Release(format!("two migrations have version {}", pair[0].version)));
    }
    Ok(migrations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_migrations_are_those_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/tenant");
        let built_in = parse_migrations(MIGRATIONS.iter().map(|(file, sql)| (*file, (*sql).to_owned())));
        assert_eq!(built_in.expect("built in"), read_migrations(&folder).expect("folder"));
    }

    #[test]
    fn names_are_read_strictly() {
        let read = |names: &[&str]| parse_migrations(names.iter().map(|name| (*name, String::new())));
        let versions: Vec<i64> = read(&["V10__b.sql", "V2__a.sql"])
            .expect("read")
            .iter()
            .map(|migration| migration.version)
            .collect();
        assert_eq!(versions, [2, 10]);
        for wrong in
            [&["V1_a.sql"][..], &["1__a.sql"], &["V1.5__a.sql"], &["V0__a.sql"], &["V1__a.sql", "V1__b.sql"]]
        {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
