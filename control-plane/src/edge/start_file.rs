//! The file that nginx fills its shared memory from when it starts.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Error, Result, Route};

#[derive(Serialize)]
struct StartFile<'a> {
    routes: &'a [Route],
}

/// Writes the routes that nginx starts with: whole, synced, and renamed over what was there, so that a reader
/// sees the old file or the new one, also after a crash. Does not write when nothing has changed.
///
/// # Errors
/// When the file cannot be written.
pub async fn write_start_file(path: &Path, routes: &[Route]) -> Result<()> {
    let failed = |path: &Path, source| Error::StartFile { path: path.to_owned(), source };
    let mut sorted = routes.to_vec();
    sorted.sort();
    let mut content = serde_json::to_vec_pretty(&StartFile { routes: &sorted })
        .map_err(|error| failed(path, std::io::Error::other(error)))?;
    content.push(b'\n');
    let target = path.to_owned();
    tokio::task::spawn_blocking(move || replace(&target, &content))
        .await
        .map_err(std::io::Error::other)
        .and_then(|result| result)
        .map_err(|source| failed(path, source))
}

fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;

    if std::fs::read(path).is_ok_and(|current| current == content) {
        return Ok(());
    }
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&next)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&next, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: &str) -> Route {
        Route {
            host: host.parse().unwrap(),
            house: "abcdefghij".parse().unwrap(),
            address: "10.201.0.18:8080".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn the_file_is_whole_ordered_and_left_alone_when_nothing_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        write_start_file(&path, &[route("b.example"), route("a.example")]).await.unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        assert!(first.find("a.example").unwrap() < first.find("b.example").unwrap());
        assert!(first.contains(r#""address": "10.201.0.18:8080""#), "{first}");

        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        write_start_file(&path, &[route("a.example"), route("b.example")]).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        assert!(write_start_file(&folder.path().join("missing/routes.json"), &[]).await.is_err());
    }
}
