//! A registry's data directory, made once for each build of the tests: starting from it saves each of them most of what
//! it would do before it begins.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::postgres::{self, Postgres, docker};

/// An archive may be in use by tests of another build for as long.
const IN_USE: Duration = Duration::from_hours(2);
/// It is made anew after a day, so that nothing in it is old.
const DAY: Duration = Duration::from_hours(24);

/// The archive of a data directory as `make` leaves it; of many tests that ask at once, one makes it.
pub async fn archive(make: impl AsyncFnOnce(&Postgres)) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let archive = home.join(format!("registry-{:016x}.tar", build()));
    if archive.exists() {
        return archive;
    }
    let lock = File::create(home.join("registry.lock")).expect("a file to lock");
    lock.lock().expect("locked");
    if !archive.exists() {
        remove_old(home);
        let server = Postgres::start_to_keep().await;
        make(&server).await;
        pack(server, home, &archive);
    }
    archive
}

/// Another for each build of the tests, image and day: what goes into the archive comes from these.
fn build() -> u64 {
    let mut hasher = DefaultHasher::new();
    let tests = std::env::current_exe().and_then(fs::metadata).expect("the tests' own file");
    tests.modified().expect("its time").hash(&mut hasher);
    tests.len().hash(&mut hasher);
    postgres::image().hash(&mut hasher);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    (now.as_secs() / DAY.as_secs()).hash(&mut hasher);
    hasher.finish()
}

fn remove_old(home: &Path) {
    for entry in fs::read_dir(home).expect("the directory").flatten() {
        let old = entry
            .metadata()
            .and_then(|file| file.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > IN_USE));
        if old && entry.file_name().to_string_lossy().starts_with("registry-") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// As the image has its own: shut down, and without the write-ahead log, which an identity of its own could not follow.
fn pack(server: Postgres, home: &Path, archive: &Path) {
    docker(&["stop", server.container()]);
    let out = tempfile::Builder::new().tempdir_in(home).expect("a directory");
    postgres::world_writable(out.path());
    let mount = format!("{}:/out", out.path().display());
    let pack = "pg_resetwal \"$PGDATA\" && tar --create --file /out/baked.tar --directory \"$PGDATA\" .";
    docker(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--volumes-from",
        server.container(),
        "--volume",
        &mount,
        "--entrypoint",
        "sh",
        &postgres::image(),
        "-c",
        pack,
    ]);
    fs::rename(out.path().join("baked.tar"), archive).expect("in its place");
}
