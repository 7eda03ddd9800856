//! What the container's environment says, read and checked once at the start.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::http::Uri;
use secrecy::SecretString;
use uuid::Uuid;

use crate::tenant::names::{OwnNames, normalise};
use crate::web::colour::Colour;

mod sign_in;

pub use sign_in::SignInSettings;

/// Why the app does not start. Names the variable and never its value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("{variable} {problem}")]
    Invalid { variable: &'static str, problem: &'static str },
}

/// The one tenant that this process serves.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub id: Uuid,
    pub slug: String,
    /// What people call it; free text, to be escaped wherever it is shown.
    pub name: String,
    pub colour: Colour,
    /// Where people reach it, without a trailing slash.
    pub public_url: String,
    pub names: OwnNames,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub tenant: Tenant,
    pub database_url: SecretString,
    /// Connections this process may hold open at once, its health check included.
    pub database_pool: u32,
    /// How people and their tokens are known. Without it nobody is let in.
    pub sign_in: Option<SignInSettings>,
    pub platform_url: Option<String>,
    pub log_filter: String,
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// A variable that must be there is missing, or one is not of its form.
    pub fn from_environment() -> Result<Self, Error> {
        Self::read(|name| env::var(name).ok(), |path| fs::read_to_string(path).ok())
    }

    /// Reads any environment; `file` gives the content of a secret's file.
    ///
    /// # Errors
    /// As [`Settings::from_environment`].
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
        file: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        // Set to nothing is the same as not set: a stack file's empty value must not become a tenant.
        let get = |name: &'static str| variable(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let need = |name: &'static str| get(name).ok_or(Error::Missing(name));

        let slug = need("TENANT_SLUG")?;
        let public_url = need("PUBLIC_URL")?.trim_end_matches('/').to_owned();
        let tenant = Tenant {
            id: parse("TENANT_ID", &need("TENANT_ID")?, "is not a UUID")?,
            name: get("TENANT_NAME").unwrap_or_else(|| slug.clone()),
            // What people chose for themselves may look wrong, but it does not keep them out.
            colour: get("TENANT_COLOR").and_then(|text| text.parse().ok()).unwrap_or_default(),
            names: own_names(&public_url, get("PUBLIC_HOSTS").as_deref())?,
            slug,
            public_url,
        };
        Ok(Self {
            listen: match get("LISTEN") {
                Some(text) => parse("LISTEN", &text, "is not an address and port")?,
                None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            },
            tenant,
            database_url: secret("DATABASE_URL", "DATABASE_URL_FILE", get, &file)?
                .ok_or(Error::Missing("DATABASE_URL or DATABASE_URL_FILE"))?,
            database_pool: match get("DATABASE_POOL") {
                Some(text) => text
                    .parse()
                    .ok()
                    .filter(|n| (1..=100).contains(n))
                    .ok_or(Error::Invalid { variable: "DATABASE_POOL", problem: "is not from 1 to 100" })?,
                None => 5,
            },
            sign_in: sign_in::read(get, &file)?,
            platform_url: get("PLATFORM_URL"),
            log_filter: get("LOG").unwrap_or_else(|| "info,sqlx=warn".to_owned()),
        })
    }
}

fn parse<T: FromStr>(variable: &'static str, text: &str, problem: &'static str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::Invalid { variable, problem })
}

/// A secret that is given as it is, or better by the file that holds it.
fn secret(
    inline: &'static str,
    in_file: &'static str,
    get: impl Fn(&'static str) -> Option<String>,
    file: impl Fn(&str) -> Option<String>,
) -> Result<Option<SecretString>, Error> {
    let text = match (get(inline), get(in_file)) {
        (None, None) => return Ok(None),
        (Some(text), None) => text,
        (None, Some(path)) => file(&path)
            .ok_or(Error::Invalid { variable: in_file, problem: "names a file that cannot be read" })?,
        (Some(_), Some(_)) => {
            return Err(Error::Invalid {
                variable: inline,
                problem: "is set, and its file is named as well; one of them is enough",
            });
        }
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::Invalid { variable: in_file, problem: "names an empty file" });
    }
    Ok(Some(text.to_owned().into()))
}

fn own_names(public_url: &str, more: Option<&str>) -> Result<OwnNames, Error> {
    let invalid = || Error::Invalid { variable: "PUBLIC_URL", problem: "is not an http or https address" };
    let url: Uri = public_url.parse().map_err(|_| invalid())?;
    let scheme = url.scheme_str().filter(|s| matches!(*s, "http" | "https")).ok_or_else(invalid)?;
    let authority = url.authority().ok_or_else(invalid)?;
    let mut hosts = vec![normalise(authority.as_str()).ok_or_else(invalid)?];
    for name in more.unwrap_or_default().split(',').map(str::trim).filter(|n| !n.is_empty()) {
        hosts.push(
            normalise(name)
                .ok_or(Error::Invalid { variable: "PUBLIC_HOSTS", problem: "is not a list of host names" })?,
        );
    }
    Ok(OwnNames::new(scheme == "https", authority.port_u16(), hosts))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret;

    use super::*;

    fn good() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("TENANT_ID", "0190a0b0-0000-7000-8000-000000000001"),
            ("TENANT_SLUG", "acme"),
            ("TENANT_NAME", "Acme & Sons"),
            ("TENANT_COLOR", "#2f6f4e"),
            ("PUBLIC_URL", "http://acme.freehold.localhost:8080/"),
            ("DATABASE_URL_FILE", "/run/secrets/database_url"),
            ("CLIENT_ID", "0190a0b0-0000-7000-8000-000000000001"),
            ("CLIENT_SECRET_FILE", "/run/secrets/client_secret"),
            ("APP_KEY_FILE", "/run/secrets/app_key"),
            ("DISCOVERY_URL", "http://platform.internal:8080/.well-known/openid-configuration"),
            ("TOKEN_ISSUER", "http://freehold.localhost:8080"),
            ("JWKS_URL", "http://platform.internal:8080/.well-known/jwks.json"),
        ])
    }

    fn read(values: &BTreeMap<&'static str, &'static str>) -> Result<Settings, Error> {
        Settings::read(
            |name| values.get(name).map(|v| (*v).to_owned()),
            |path| match path {
                "/run/secrets/database_url" => Some("postgres://app@db/app\n".to_owned()),
                "/run/secrets/client_secret" => Some("only our own\n".to_owned()),
                "/run/secrets/app_key" => Some("a key\n".to_owned()),
                "/run/secrets/empty" => Some("\n".to_owned()),
                _ => None,
            },
        )
    }

    #[test]
    fn a_full_environment_is_read() {
        let settings = read(&good()).unwrap();
        assert_eq!(settings.tenant.slug, "acme");
        assert_eq!(settings.tenant.public_url, "http://acme.freehold.localhost:8080");
        assert!(settings.tenant.names.contains("acme.freehold.localhost"));
        assert_eq!(settings.database_url.expose_secret(), "postgres://app@db/app");
        assert_eq!(settings.database_pool, 5);
        let sign_in = settings.sign_in.unwrap();
        assert_eq!(sign_in.client_secret.expose_secret(), "only our own");
        assert_eq!(sign_in.issuer_origin, "http://freehold.localhost:8080");
    }

    #[test]
    fn no_tenant_is_no_start() {
        for name in ["TENANT_ID", "TENANT_SLUG", "PUBLIC_URL"] {
            let mut values = good();
            values.remove(name);
            assert_eq!(read(&values).unwrap_err(), Error::Missing(name));
            values.insert(name, "  ");
            assert_eq!(read(&values).unwrap_err(), Error::Missing(name));
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_shown() {
        for (name, value) in [
            ("TENANT_ID", "acme"),
            ("PUBLIC_URL", "acme"),
            ("PUBLIC_HOSTS", "a b"),
            ("DATABASE_POOL", "1000000"),
            ("LISTEN", "here"),
            ("JWKS_URL", "https://elsewhere/keys"),
            ("DATABASE_URL_FILE", "/nowhere"),
            ("DISCOVERY_URL", "https://elsewhere/configuration"),
            ("TOKEN_ISSUER", "freehold"),
            ("DATABASE_URL", "postgres://secret@db/app"),
            ("CLIENT_SECRET", "twice"),
            ("CLIENT_SECRET_FILE", "/run/secrets/empty"),
        ] {
            let mut values = good();
            values.insert(name, value);
            let error = read(&values).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
            assert!(!error.contains(value), "{error}");
        }
    }

    #[test]
    fn a_colour_that_is_none_becomes_the_usual_one() {
        let mut values = good();
        values.insert("TENANT_COLOR", "red;}");
        assert_eq!(read(&values).unwrap().tenant.colour, Colour::default());
    }

    /// Part of it would look as if people were asked who they are when they cannot be.
    #[test]
    fn part_of_the_sign_in_is_refused_and_none_of_it_is_none() {
        let all = ["CLIENT_ID", "CLIENT_SECRET_FILE", "DISCOVERY_URL", "TOKEN_ISSUER", "JWKS_URL"];
        for name in all {
            let mut values = good();
            values.remove(name);
            assert!(
                matches!(read(&values), Err(Error::Missing(said)) if said.contains(name.trim_end_matches("_FILE")))
            );
            for other in all.iter().filter(|other| **other != name) {
                values.remove(other);
            }
            assert!(read(&values).unwrap().sign_in.is_none());
            values.insert(name, good()[name]);
            assert!(matches!(read(&values), Err(Error::Missing(_))), "{name}");
        }
        let mut values = good();
        values.remove("APP_KEY_FILE");
        assert!(matches!(read(&values), Err(Error::Missing(_))));
    }
}
