//! Keys and passwords of the platform itself: made once, kept in files of their own, handed out one by one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::home::{self, Home};
use crate::config::{ProvidersConfig, SmtpConfig};
use crate::engine::SecretFile;
use crate::identity;
use crate::store;

/// Where a container finds its secrets.
pub const SECRETS: &str = "/run/secrets";
/// A role's configuration. It is no secret; it comes the same way.
pub const CONFIG_FILE: &str = "config.yaml";
pub const MASTER_KEY: &str = "master.key";
pub const PROBER_SECRET: &str = "prober.secret";
pub const PEOPLE_KEY: &str = "people.key";
/// The password of the superuser of the platform's Postgres.
pub const SUPERUSER: &str = "database_superuser";
/// The password at the server that takes our mails.
pub const SMTP_PASSWORD: &str = "smtp_password";
/// Who may vouch for the server that takes our mails; no secret, and given like one.
pub const SMTP_CA: &str = "smtp_ca.pem";
/// Who may vouch for OpenID providers; no secret, and given like one.
pub const PROVIDERS_CA: &str = "providers_ca.pem";
/// The first platform admin's password.
pub const ADMIN_PASSWORD: &str = "admin_password";

/// Where a running role reads its secrets from.
#[derive(Debug, Clone)]
pub enum Source {
    /// From the files that its container was given.
    Container,
    /// From the installation's directory, when all roles run in one process.
    Home(Home),
}

impl Source {
    /// Reads a secret by its file's name.
    ///
    /// # Errors
    /// When it is not there or may not be read; the error names the path.
    pub fn read(&self, name: &str) -> io::Result<SecretString> {
        let path = match self {
            Self::Container => PathBuf::from(SECRETS).join(name),
            Self::Home(home) => path_of(home, name),
        };
        read(&path)
    }

    /// The password of a database role of the registry.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn password(&self, role: &str) -> io::Result<SecretString> {
        self.read(&password_file(role))
    }
}

/// Reads a secret out of a file.
///
/// # Errors
/// When it is not there or may not be read; the error names the path.
pub fn read(path: &Path) -> io::Result<SecretString> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(SecretString::from(text)),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

fn path_of(home: &Home, name: &str) -> PathBuf {
    match name {
        MASTER_KEY => home.master_key(),
        PEOPLE_KEY => home.people_key(),
        PROBER_SECRET => home.prober_secret(),
        other => home.secret(other),
    }
}

/// The name of the file that a database role's password is in.
pub(super) fn password_file(role: &str) -> String {
    format!("database_{}", role.strip_prefix("freehold_").unwrap_or(role))
}

/// All keys and passwords of an installation.
pub struct Keys {
    /// Tenants' secrets are sealed with it.
    pub master: SecretString,
    /// What follows from a refresh token, and the audit log, are the api's own by it; what signs tokens is sealed with it.
    pub people: SecretString,
    /// The edge tells its holder which way a request went.
    pub prober: SecretString,
    /// Of the superuser of the platform's Postgres.
    pub superuser: SecretString,
    /// Of the first platform admin.
    pub admin: SecretString,
    /// At the server that takes our mails, if it wants one; the operator's own.
    pub smtp: Option<SecretString>,
    /// Certificates that the server's may be signed by, if the operator has some of their own.
    pub smtp_ca: Option<SecretString>,
    /// Certificates that OpenID providers' may be signed by, if the operator has some of their own.
    pub providers_ca: Option<SecretString>,
    passwords: BTreeMap<&'static str, SecretString>,
}

/// The database roles that have a password.
const ROLES: &[&str] = &[store::OWNER_ROLE, store::API_ROLE, store::GATEWAY_ROLE, store::WORKER_ROLE];

impl Keys {
    /// Reads all keys and passwords, making those that are not there yet. What belongs to the mail server and
    /// to providers is in files of the operator's.
    ///
    /// # Errors
    /// When a file cannot be read or written; the error names the path.
    pub fn ensure(home: &Home, smtp: &SmtpConfig, providers: &ProvidersConfig) -> io::Result<Self> {
        let once = |name: &str, make: &dyn Fn() -> SecretString| -> io::Result<SecretString> {
            let path = path_of(home, name);
            home::write_once(&path, || make().expose_secret().to_owned(), 0o600)
                .map(SecretString::from)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        };
        let mut passwords = BTreeMap::new();
        for role in ROLES {
            passwords.insert(*role, once(&password_file(role), &identity::random_secret)?);
        }
        Ok(Self {
            master: once(MASTER_KEY, &|| identity::vault::MasterKey::generate().to_file())?,
            people: once(PEOPLE_KEY, &|| identity::people_key::PeopleKey::generate().to_file())?,
            prober: once(PROBER_SECRET, &identity::random_secret)?,
            superuser: once(SUPERUSER, &identity::random_secret)?,
            admin: once(ADMIN_PASSWORD, &identity::random_secret)?,
            smtp: smtp.password_file.as_deref().map(read).transpose()?,
            smtp_ca: smtp.ca_file.as_deref().map(read).transpose()?,
            providers_ca: providers.ca_file.as_deref().map(read).transpose()?,
            passwords,
        })
    }

    /// The password of a database role.
    #[must_use]
    pub fn password(&self, role: &str) -> SecretString {
        // Asked for by the constants above only; an unknown role gets a password that opens nothing.
        self.passwords.get(role).cloned().unwrap_or_else(|| SecretString::from(String::new()))
    }

    /// The file by which a role's container gets its database password.
    #[must_use]
    pub fn file_of_role(&self, role: &str) -> SecretFile {
        SecretFile::new(password_file(role), self.password(role))
    }

    #[cfg(test)]
    pub(super) fn sample() -> Self {
        let secret = |text: &str| SecretString::from(format!("sample-secret-{text}"));
        Self {
            master: secret("master"),
            people: secret("people"),
            prober: secret("prober"),
            superuser: secret("superuser"),
            admin: secret("admin"),
            smtp: Some(secret("smtp")),
            smtp_ca: Some(secret("smtp-ca")),
            providers_ca: Some(secret("providers-ca")),
            passwords: ROLES.iter().map(|role| (*role, secret(role))).collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<&SecretString> {
        let own = [&self.master, &self.people, &self.prober, &self.superuser, &self.admin];
        own.into_iter().chain(&self.smtp).chain(self.passwords.values()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_made_once_and_closed() {
        let dir = tempfile::tempdir().expect("dir");
        let home = Home::new(&dir.path().join("home"));
        home.prepare().expect("prepared");
        let config = crate::config::Config::default();
        let first = Keys::ensure(&home, &config.mail.smtp, &config.providers).expect("made");
        let second = Keys::ensure(&home, &config.mail.smtp, &config.providers).expect("read");
        for (one, other) in first.all().into_iter().zip(second.all()) {
            assert_eq!(one.expose_secret(), other.expose_secret());
        }
        for name in [MASTER_KEY, PEOPLE_KEY, PROBER_SECRET, SUPERUSER, ADMIN_PASSWORD, "database_api"] {
            let mode = std::fs::metadata(path_of(&home, name)).expect(name).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let source = Source::Home(home);
        let read = source.password(store::API_ROLE).expect("read");
        assert_eq!(read.expose_secret(), first.password(store::API_ROLE).expose_secret());
        assert!(source.read("none").expect_err("absent").to_string().contains("secrets/none"));
    }
}
