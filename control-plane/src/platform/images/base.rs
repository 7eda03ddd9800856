//! The image that all others stand on.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::{Error, Result};
use crate::engine::{BuildLog, Engine};

/// Where it comes from when a registry can be reached.
pub(super) const REGISTRY: &str = "debian:trixie-slim";
/// What it is called when it was made here.
pub(super) const OWN: &str = "freehold/base:trixie";

/// A registry that can be reached has sent 30 MB by then.
const PULL: Duration = Duration::from_secs(120);
/// A mirror has sent 40 MB by then, and they are unpacked.
const BOOTSTRAP: Duration = Duration::from_secs(900);

const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";
const DEFAULT_SECURITY: &str = "http://deb.debian.org/debian-security";

/// An image that the engine has.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) name: String,
    pub(super) id: String,
}

/// Finds the base, fetches it, or, where that is Debian's and cannot be fetched, makes one of Debian's packages.
pub(super) async fn ensure(engine: &dyn Engine, wanted: &str, log: &BuildLog<'_>) -> Result<Base> {
    let may_be_made = wanted == REGISTRY || wanted == OWN;
    for name in [wanted, OWN].into_iter().take(if may_be_made { 2 } else { 1 }) {
        if let Some(found) = engine.image(name).await? {
            return Ok(Base { name: name.to_owned(), id: found.id });
        }
    }
    if wanted != OWN {
        log(&format!("fetching {wanted}"));
        match engine.pull(wanted, PULL).await {
            Ok(()) => {
                let id = engine.image_id(wanted).await?;
                let id = id.ok_or_else(|| Error::Missing(wanted.to_owned()))?;
                return Ok(Base { name: wanted.to_owned(), id });
            }
            Err(error) if may_be_made => log(&format!("{wanted} cannot be fetched: {error}")),
            Err(error) => return Err(Error::Base(format!("{wanted} cannot be fetched: {error}"))),
        }
    }
    let folder = Folder::new()?;
    let tar = folder.0.join("base.tar");
    bootstrap(&tar, log).await?;
    let id = engine.import(&tar, OWN).await?;
    Ok(Base { name: OWN.to_owned(), id })
}

/// A folder of our own that goes with this value.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("freehold-base-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a temporary folder stays behind");
        }
    }
}

/// Writes the root file system of a small Debian.
async fn bootstrap(tar: &Path, log: &BuildLog<'_>) -> Result<()> {
    let (mirror, security) = mirrors();
    log(&format!("making {OWN} from {mirror}"));
    let mut child = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--include=ca-certificates", "--format=tar"])
        .args(["man", "doc", "locale"].map(|kind| format!("--dpkgopt=path-exclude=/usr/share/{kind}/*")))
        .arg("trixie")
        .arg(tar)
        .arg(format!("deb {mirror} trixie main"))
        .arg(format!("deb {security} trixie-security main"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Error::Base(format!("mmdebstrap cannot be run: {error}; install the package mmdebstrap"))
        })?;
    let mut said = String::new();
    let ended = tokio::time::timeout(BOOTSTRAP, async {
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                log(&format!("base: {line}"));
                said = line;
            }
        }
        child.wait().await
    })
    .await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(Error::Base(format!("mmdebstrap ended with {status}: {said}"))),
        Ok(Err(error)) => Err(Error::Base(format!("mmdebstrap: {error}"))),
        Err(_) => Err(Error::Base(format!("mmdebstrap took more than {} s", BOOTSTRAP.as_secs()))),
    }
}

/// The mirrors that this machine's own packages come from, where it is a Debian.
fn mirrors() -> (String, String) {
    let folder = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let paths = folder.map(|entry| entry.path()).chain(["/etc/apt/sources.list".into()]);
    let text: String =
        paths.filter_map(|path| std::fs::read_to_string(path).ok()).map(|text| text + "\n").collect();
    mirrors_in(&text)
}

fn mirrors_in(sources: &str) -> (String, String) {
    let words =
        sources.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    let urls: Vec<&str> = words
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .map(|word| word.trim_end_matches('/'))
        .collect();
    let ending = |end: &str, default: &str| {
        (*urls.iter().find(|url| url.ends_with(end)).unwrap_or(&default)).to_owned()
    };
    (ending("/debian", DEFAULT_MIRROR), ending("/debian-security", DEFAULT_SECURITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_of_both_formats_are_found() {
        let list = "# deb http://old.example/debian x main\ndeb [arch=amd64] https://mirror.example/debian/ sid main\n";
        assert_eq!(mirrors_in(list).0, "https://mirror.example/debian");
        let deb822 = "Types: deb\nURIs: http://a.example/debian\nSuites: x\n\nURIs: http://a.example/debian-security\n";
        let expected = ("http://a.example/debian".to_owned(), "http://a.example/debian-security".to_owned());
        assert_eq!(mirrors_in(deb822), expected);
        let other = "deb http://archive.ubuntu.com/ubuntu noble main\n";
        assert_eq!(mirrors_in(other), (DEFAULT_MIRROR.to_owned(), DEFAULT_SECURITY.to_owned()));
    }
}
