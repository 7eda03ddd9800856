//! Figures of the host itself: disk and memory that are free.

use std::path::{Path, PathBuf};

/// Reads the `MemAvailable` line of `/proc/meminfo`, in bytes.
#[must_use]
pub fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Free bytes of the file system that a path is on, or would be once it is made.
///
/// # Errors
/// What `df` says when it cannot tell.
pub async fn free_disk(path: &Path) -> Result<u64, String> {
    let there = nearest(path);
    let output = tokio::process::Command::new("df")
        .args(["-P", "-k", "--"])
        .arg(&there)
        .output()
        .await
        .map_err(|error| format!("df cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_df(&text).ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn parse_df(text: &str) -> Option<u64> {
    let available: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(available * 1024)
}

/// The path itself, or the nearest directory above it that exists.
#[must_use]
pub fn nearest(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read() {
        assert_eq!(available_memory("MemTotal: 10 kB\nMemAvailable:    2048 kB\n"), Some(2_097_152));
        assert_eq!(available_memory("MemTotal: 10 kB\n"), None);
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 40 60 40% /\n";
        assert_eq!(parse_df(df), Some(61_440));
        assert_eq!(parse_df(""), None);
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_yet_is_measured_where_it_would_be() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(free_disk(&dir.path().join("a/b/c")).await.expect("df") > 0);
    }
}
