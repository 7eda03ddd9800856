//! Releases: an immutable set of app image, tenant migrations and stack file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One SQL file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    pub version: i64,
    /// The part of the file's name after `V<version>__`, without `.sql`.
    pub name: String,
    pub sql: String,
}

/// What a release is made of; its checksum is over all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseContent {
    /// The stack file's text, unrendered.
    pub stack: String,
    /// Images by the name that the rendered stack uses for them, each with the engine's immutable id.
    pub images: BTreeMap<String, String>,
    /// Ascending by version.
    pub migrations: Vec<Migration>,
}

impl ReleaseContent {
    /// SHA-256 in hex over all parts: the same content is the same release.
    #[must_use]
    pub fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(self.stack.as_bytes());
        for (name, id) in &self.images {
            part(name.as_bytes());
            part(id.as_bytes());
        }
        for migration in &self.migrations {
            part(&migration.version.to_be_bytes());
            part(migration.name.as_bytes());
            part(migration.sql.as_bytes());
        }
        hex::encode(hash.finalize())
    }

    /// The schema version a tenant at this release has; 0 without migrations.
    #[must_use]
    pub fn schema_version(&self) -> i64 {
        self.migrations.last().map_or(0, |migration| migration.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let base = ReleaseContent {
            stack: "a".into(),
            images: [("app".to_owned(), "sha256:1".to_owned())].into(),
            migrations: vec![Migration { version: 1, name: "one".into(), sql: "select 1".into() }],
        };
        let mut others = vec![base.clone(); 4];
        others[0].stack.push('b');
        others[1].images.insert("app".into(), "sha256:2".into());
        others[2].migrations[0].sql.push(' ');
        others[3].migrations[0].version = 2;
        for other in others {
            assert_ne!(base.checksum(), other.checksum());
        }
        assert_eq!(base.checksum(), base.clone().checksum());
        assert_eq!(base.schema_version(), 1);
    }
}
