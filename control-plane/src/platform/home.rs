//! The directory an installation lives in: where each of its files is, and who may read it.
//!
//! Nobody but whoever ran `up` can enter it (0700), and its secrets are closed once more (0600). Containers never
//! see it as a whole: their secrets come as files of their own, and what they meet in (sockets, the edge's files)
//! are single directories that are bound into those that need them. Such a directory is open to every user, and
//! yet to nobody on the host, who would have to pass the closed one above it; so no file needs another owner, and
//! `up` needs no root.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The group of all platform containers: the sockets they make are open to it.
pub const GROUP: u32 = 64100;

/// Where the directory is seen inside a platform container.
pub const INSIDE: &str = "/var/lib/freehold";

/// Paths of an installation's files, under one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The file that holds the installation's id.
    #[must_use]
    pub fn installation(&self) -> PathBuf {
        self.0.join("installation")
    }

    /// The key that tenants' secrets are sealed with.
    #[must_use]
    pub fn master_key(&self) -> PathBuf {
        self.0.join("keys/master.key")
    }

    /// The api's own secret.
    #[must_use]
    pub fn people_key(&self) -> PathBuf {
        self.0.join("keys/people.key")
    }

    /// What a request shows the edge to be told which way it went.
    #[must_use]
    pub fn prober_secret(&self) -> PathBuf {
        self.0.join("keys/prober.secret")
    }

    /// A password of the platform's own.
    #[must_use]
    pub fn secret(&self, name: &str) -> PathBuf {
        self.0.join("secrets").join(name)
    }

    /// The directory in which the platform's Postgres has its socket.
    #[must_use]
    pub fn postgres(&self) -> PathBuf {
        self.0.join("run/postgres")
    }

    #[must_use]
    pub fn api_socket(&self) -> PathBuf {
        self.0.join("run/api/api.sock")
    }

    #[must_use]
    pub fn gateway_socket(&self) -> PathBuf {
        self.0.join("run/gateway/gateway.sock")
    }

    /// The edge's control door.
    #[must_use]
    pub fn door_socket(&self) -> PathBuf {
        self.0.join("run/edge/door.sock")
    }

    /// The directory of the edge's configuration and of the routes it starts from.
    #[must_use]
    pub fn edge(&self) -> PathBuf {
        self.0.join("edge")
    }

    #[must_use]
    pub fn nginx_conf(&self) -> PathBuf {
        self.edge().join("nginx.conf")
    }

    /// The edge's next configuration, until it is known to be good.
    #[must_use]
    pub fn nginx_conf_next(&self) -> PathBuf {
        self.edge().join("nginx.conf.next")
    }

    /// The configuration that was in force before.
    #[must_use]
    pub fn nginx_conf_previous(&self) -> PathBuf {
        self.edge().join("nginx.conf.previous")
    }

    #[must_use]
    pub fn routes(&self) -> PathBuf {
        self.edge().join("routes.json")
    }

    /// The images of the last `up`, by id.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.0.join("images.json")
    }

    /// Makes the directories with the modes they need; those that are there are set right.
    ///
    /// # Errors
    /// When one cannot be made or does not belong to the caller.
    pub fn prepare(&self) -> io::Result<()> {
        for path in ["", "run", "keys", "secrets"] {
            directory(&self.0.join(path), 0o700)?;
        }
        for path in ["run/postgres", "run/api", "run/gateway", "run/edge", "edge"] {
            let path = self.0.join(path);
            std::fs::create_dir_all(&path)?;
            // Where we may, sockets that a process of this host makes here get the group by themselves; otherwise
            // the edge is in the caller's own group.
            let mode =
                if std::os::unix::fs::chown(&path, None, Some(GROUP)).is_ok() { 0o2777 } else { 0o777 };
            directory(&path, mode)?;
        }
        Ok(())
    }

    /// The group of whoever the directory belongs to; that of root is nobody's to be put in.
    #[must_use]
    pub fn group(&self) -> Option<u32> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(&self.0).ok().map(|metadata| metadata.gid()).filter(|group| *group != 0)
    }

    /// Removes what `up` put here. A configuration file that the operator wrote stays, and with it the directory.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn erase(&self) -> io::Result<()> {
        for path in ["run", "edge", "keys", "secrets"] {
            absent_is_fine(std::fs::remove_dir_all(self.0.join(path)))?;
        }
        for path in ["images.json", "installation"] {
            absent_is_fine(std::fs::remove_file(self.0.join(path)))?;
        }
        match std::fs::remove_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            other => absent_is_fine(other),
        }
    }
}

/// Turns the failure to find a file into success.
pub(super) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn directory(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    if std::fs::metadata(path)?.permissions().mode() & 0o7777 != mode {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Writes a file whole: what reads it sees the old one or the new one. Nothing happens when it is as it should be.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_whole(path: &Path, content: &str, mode: u32) -> io::Result<bool> {
    if std::fs::read_to_string(path).is_ok_and(|now| now == content)
        && std::fs::metadata(path)?.permissions().mode() & 0o777 == mode
    {
        return Ok(false);
    }
    let beside = beside(path);
    absent_is_fine(std::fs::remove_file(&beside))?;
    write_new(&beside, content, mode)?;
    std::fs::rename(&beside, path)?;
    Ok(true)
}

/// Writes a file unless there is one, and tells what it then holds. Two that do so at once agree on one content.
///
/// # Errors
/// When the file cannot be written or read.
pub fn write_once(path: &Path, content: impl FnOnce() -> String, mode: u32) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(now) => {
            if std::fs::metadata(path)?.permissions().mode() & 0o777 != mode {
                std::fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
            return Ok(now);
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let beside = beside(path);
    write_new(&beside, &content(), mode)?;
    // A link, unlike a rename, never replaces what somebody else put there meanwhile.
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => std::fs::read_to_string(path),
    }
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn write_new(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // The mask of the caller may have taken bits away that the reader needs.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn secrets_are_closed_and_made_once() {
        let dir = tempfile::tempdir().expect("dir");
        let home = Home::new(&dir.path().join("home"));
        home.prepare().expect("prepared");
        for closed in ["", "run", "keys", "secrets"] {
            assert_eq!(mode(&home.root().join(closed)), 0o700, "{closed}");
        }
        let path = home.secret("database_api");
        let first = write_once(&path, || "one".into(), 0o600).expect("written");
        let second = write_once(&path, || "two".into(), 0o600).expect("read");
        assert_eq!((first.as_str(), second.as_str(), mode(&path)), ("one", "one", 0o600));
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("opened");
        write_once(&path, || "two".into(), 0o600).expect("read");
        assert_eq!(mode(&path), 0o600, "a mode that was loosened is set right");
    }

    #[test]
    fn a_file_is_written_only_when_it_differs() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("file");
        assert!(write_whole(&path, "a", 0o644).expect("written"));
        assert!(!write_whole(&path, "a", 0o644).expect("looked at"));
        assert!(write_whole(&path, "b", 0o644).expect("written"));
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "b");
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn erasing_spares_the_operators_file() {
        let dir = tempfile::tempdir().expect("dir");
        let home = Home::new(&dir.path().join("home"));
        home.prepare().expect("prepared");
        std::fs::write(home.installation(), "abc234").expect("written");
        std::fs::write(home.root().join("config.yaml"), "domain: example.com").expect("written");
        home.erase().expect("erased");
        let left: Vec<_> =
            std::fs::read_dir(home.root()).expect("list").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["config.yaml"]);
        std::fs::remove_file(home.root().join("config.yaml")).expect("removed");
        home.erase().expect("erased");
        home.erase().expect("erasing twice is fine");
        assert!(!home.root().exists());
    }
}
