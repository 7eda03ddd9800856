//! What each image is made from, and the name that follows from it.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Error, Result};
use crate::engine::{Content, ContextFile};

/// One of Freehold's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Postgres,
    Edge,
    TenantApp,
    ControlPlane,
}

/// The executables that images are made of, on this machine.
#[derive(Debug, Clone)]
pub(super) struct Executables {
    pub(super) freehold: PathBuf,
    pub(super) tenant_app: PathBuf,
}

impl Executables {
    /// This executable, and the tenant app's beside it.
    pub(super) fn beside_this_one() -> Result<Self> {
        // Through /proc it is read even after a newer build has taken its place.
        let freehold = PathBuf::from("/proc/self/exe");
        let here =
            std::env::current_exe().map_err(|source| Error::File { path: freehold.clone(), source })?;
        Ok(Self { tenant_app: here.with_file_name("tenant-app"), freehold })
    }
}

/// A file of the repository, by its path from there.
macro_rules! embedded {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $folder, "/", $path)).as_slice())),+]
    };
}

type Embedded = &'static [(&'static str, &'static [u8])];

const POSTGRES: Embedded =
    embedded!("postgres": "Dockerfile", "entrypoint", "new-identity", "pg_hba.conf", "postgresql.conf");
const EDGE: Embedded = embedded!("nginx":
    "Dockerfile",
    "lua/freehold/answer.lua",
    "lua/freehold/balancer.lua",
    "lua/freehold/counts.lua",
    "lua/freehold/door.lua",
    "lua/freehold/headers.lua",
    "lua/freehold/route.lua",
    "lua/freehold/routes.lua",
    "lua/freehold/start.lua",
    "start.sh",
);
const TENANT_APP: Embedded = embedded!("tenant-app": "Dockerfile");
const CONTROL_PLANE: Embedded = embedded!("control-plane": "Dockerfile");

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Edge => "edge",
            Self::TenantApp => "tenant-app",
            Self::ControlPlane => "control-plane",
        }
    }

    /// Everything that is sent to build it.
    pub(super) fn files(self, executables: &Executables) -> Vec<ContextFile> {
        let (embedded, executable) = match self {
            Self::Postgres => (POSTGRES, None),
            Self::Edge => (EDGE, None),
            Self::TenantApp => (TENANT_APP, Some(("tenant-app", &executables.tenant_app))),
            Self::ControlPlane => (CONTROL_PLANE, Some(("freehold", &executables.freehold))),
        };
        let fixed = embedded.iter().map(|(path, bytes)| ContextFile {
            path: (*path).to_owned(),
            executable: bytes.starts_with(b"#!"),
            content: Content::Bytes((*bytes).into()),
        });
        let built = executable.map(|(name, path)| ContextFile {
            path: name.to_owned(),
            executable: true,
            content: Content::File(path.clone()),
        });
        fixed.chain(built).collect()
    }

    /// Its name: the same inputs on the same base are the same image.
    ///
    /// # Errors
    /// When an executable cannot be read.
    pub(super) async fn tag(self, base: &str, files: &[ContextFile]) -> Result<String> {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(base.as_bytes());
        for file in files {
            part(file.path.as_bytes());
            match &file.content {
                Content::Bytes(bytes) => part(bytes),
                Content::File(path) => part(&digest(path.clone()).await?),
            }
        }
        let hex = hex::encode(hash.finalize());
        Ok(format!("freehold/{}:{}", self.name(), &hex[..12]))
    }
}

/// SHA-256 of a file.
async fn digest(path: PathBuf) -> Result<Vec<u8>> {
    let wrong = |path: &Path, source| Error::File { path: path.to_owned(), source };
    let shown = path.clone();
    let digested = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(&path)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                return Ok(hash.finalize().to_vec());
            }
            hash.update(&piece[..read]);
        }
    })
    .await;
    digested.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|source| wrong(&shown, source))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn files_below(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                files_below(root, &path, found);
            } else {
                let path = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
                found.insert(path);
            }
        }
    }

    #[test]
    fn no_file_of_an_image_is_forgotten() {
        for (folder, embedded) in [("postgres", POSTGRES), ("nginx", EDGE)] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
            let mut there = BTreeSet::new();
            files_below(&root, &root, &mut there);
            let listed: BTreeSet<String> = embedded.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(listed, there, "{folder}/");
        }
    }

    #[tokio::test]
    async fn every_input_counts() {
        let folder = tempfile::tempdir().expect("folder");
        let app = folder.path().join("tenant-app");
        std::fs::write(&app, "one").expect("written");
        let executables = Executables { freehold: app.clone(), tenant_app: app.clone() };
        let files = Kind::TenantApp.files(&executables);
        let first = Kind::TenantApp.tag("base", &files).await.expect("tag");
        assert_eq!(Kind::TenantApp.tag("base", &files).await.expect("tag"), first);
        assert_ne!(Kind::TenantApp.tag("other", &files).await.expect("tag"), first);
        std::fs::write(&app, "two").expect("written");
        assert_ne!(Kind::TenantApp.tag("base", &files).await.expect("tag"), first);
        std::fs::remove_file(&app).expect("removed");
        let error = Kind::TenantApp.tag("base", &files).await.expect_err("no file").to_string();
        assert!(error.contains("tenant-app"), "{error}");
    }
}
