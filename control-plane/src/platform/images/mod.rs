//! Freehold's own images: built from files that this executable brings with it, and only when those change.
//!
//! Each is named by a hash of everything it is made from, so that an image which is there is right, and an old
//! build and a new one stand beside each other until the platform has moved.

mod base;
mod inputs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{self, BuildLog, BuildSpec, Engine, Labels};
use inputs::{Executables, Kind};

/// Names of images, or the engine's ids once they are resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// PostgreSQL with a baked data directory, for tenants and for the platform itself.
    pub postgres: String,
    /// nginx.
    pub edge: String,
    /// The reference app of a tenant.
    pub tenant_app: String,
    /// The roles of the control plane.
    pub control_plane: String,
}

/// Why images are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("{path}: {source}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} names no images: {source}", path = path.display())]
    Format { path: PathBuf, source: serde_json::Error },
    #[error("the engine has no image {0}; run `freehold images build`")]
    Missing(String),
    #[error("the image {image} could not be built: {source}; last lines:\n{lines}")]
    Build { image: &'static str, source: engine::Error, lines: String },
    #[error("no base image: {0}")]
    Base(String),
}

/// The answer of this room.
pub type Result<T> = std::result::Result<T, Error>;

/// How long one build may take: packages come over the network.
const BUILD: Duration = Duration::from_secs(1200);

impl Images {
    /// Reads names that [`Images::save`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or is something else.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        serde_json::from_slice(&text).map_err(|source| Error::Format { path: path.to_owned(), source })
    }

    /// Writes the names as JSON, for [`Images::load`] and for tests.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let wrong = |source| Error::File { path: path.to_owned(), source };
        let text = serde_json::to_string_pretty(self).map_err(|error| wrong(error.into()))?;
        std::fs::write(path, text + "\n").map_err(wrong)
    }

    /// The same images by the engine's immutable ids.
    ///
    /// # Errors
    /// [`Error::Missing`] when the engine does not have one of them.
    pub async fn resolve(&self, engine: &dyn Engine) -> Result<Self> {
        let id =
            async |name: &String| engine.image_id(name).await?.ok_or_else(|| Error::Missing(name.clone()));
        Ok(Self {
            postgres: id(&self.postgres).await?,
            edge: id(&self.edge).await?,
            tenant_app: id(&self.tenant_app).await?,
            control_plane: id(&self.control_plane).await?,
        })
    }
}

/// Sees to it that all images are there, building what is missing. `base` is the image all of them stand on; when
/// it is `debian:trixie-slim` and no registry can be reached, one like it is made from Debian's packages.
///
/// # Errors
/// When there is no base, an executable is missing or a build fails.
pub async fn ensure(engine: &dyn Engine, base: &str, log: &BuildLog<'_>) -> Result<Images> {
    let executables = Executables::beside_this_one()?;
    let base = base::ensure(engine, base, log).await?;
    let build = |kind| ensure_one(engine, &base, kind, &executables, log);
    // The first two fetch packages, the others mostly copy: none waits for another.
    let (postgres, edge, tenant_app, control_plane) = tokio::try_join!(
        build(Kind::Postgres),
        build(Kind::Edge),
        build(Kind::TenantApp),
        build(Kind::ControlPlane)
    )?;
    Ok(Images { postgres, edge, tenant_app, control_plane })
}

/// The image that this very executable is in, by name; `None` when it was never built on this engine.
///
/// # Errors
/// When the engine does not answer, or this executable cannot be read.
pub async fn control_plane(engine: &dyn Engine) -> Result<Option<String>> {
    let executables = Executables::beside_this_one()?;
    for base in [base::REGISTRY, base::OWN] {
        let Some(base) = engine.image(base).await? else { continue };
        let tag = Kind::ControlPlane.tag(&base.id, &Kind::ControlPlane.files(&executables)).await?;
        if engine.image(&tag).await?.is_some() {
            return Ok(Some(tag));
        }
    }
    Ok(None)
}

async fn ensure_one(
    engine: &dyn Engine,
    base: &base::Base,
    kind: Kind,
    executables: &Executables,
    log: &BuildLog<'_>,
) -> Result<String> {
    let files = kind.files(executables);
    let tag = kind.tag(&base.id, &files).await?;
    if engine.image(&tag).await?.is_some() {
        log(&format!("{tag}: ready"));
        return Ok(tag);
    }
    let mut arguments = proxies();
    arguments.insert("BASE".to_owned(), base.name.clone());
    let spec = BuildSpec {
        tag: tag.clone(),
        labels: Labels::from([("freehold.image".to_owned(), kind.name().to_owned())]),
        files,
        arguments,
        within: BUILD,
    };
    let last = std::sync::Mutex::new(std::collections::VecDeque::new());
    let tee = |line: &str| {
        log(&format!("{}: {line}", kind.name()));
        if let Ok(mut last) = last.lock() {
            last.push_back(line.to_owned());
            if last.len() > 20 {
                last.pop_front();
            }
        }
    };
    let built = engine.build(&spec, &tee).await;
    if let Err(source) = built {
        let lines = last.into_inner().unwrap_or_default();
        let lines = lines.into_iter().collect::<Vec<_>>().join("\n");
        return Err(Error::Build { image: kind.name(), source, lines });
    }
    log(&format!("{tag}: built"));
    Ok(tag)
}

/// The way to the outside that this process has been given: packages are fetched through it as well.
fn proxies() -> BTreeMap<String, String> {
    ["http_proxy", "https_proxy", "no_proxy"]
        .into_iter()
        .filter_map(|name| {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_uppercase())).ok()?;
            (!value.is_empty()).then_some((name.to_owned(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("images.json");
        let images = Images {
            postgres: "freehold/postgres:1".into(),
            edge: "freehold/edge:2".into(),
            tenant_app: "freehold/tenant-app:3".into(),
            control_plane: "freehold/control-plane:4".into(),
        };
        images.save(&path).expect("written");
        assert_eq!(Images::load(&path).expect("read"), images);
        std::fs::write(&path, "{}").expect("written");
        let error = Images::load(&path).expect_err("nothing in it").to_string();
        assert!(error.contains("names no images"), "{error}");
    }
}
