//! What may be reached, whose certificates are trusted, and how long is waited.

use std::time::Duration;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::OutsideError;
use super::address::Reach;
use crate::config::ProvidersConfig;

/// How long is waited, and how long what was said is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// To one address.
    pub connect: Duration,
    /// From the first look at a name to an answer's last byte.
    pub whole: Duration,
    /// What is younger is believed without asking again; what is older is asked for first.
    pub fresh: Duration,
    /// What is younger is believed when the provider does not answer.
    pub stale: Duration,
    /// At the most one question in this time for what is kept, whatever strangers send us.
    pub between: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            whole: Duration::from_secs(8),
            fresh: Duration::from_secs(3_600),
            stale: Duration::from_secs(24 * 3_600),
            between: Duration::from_secs(10),
        }
    }
}

/// How providers are talked to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutsideSettings {
    pub reach: Reach,
    /// Authorities that vouch for providers, besides those that the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
    pub pace: Pace,
}

impl From<&ProvidersConfig> for OutsideSettings {
    /// Without the authorities, which are in a file.
    fn from(config: &ProvidersConfig) -> Self {
        let reach = Reach { platform: config.reachable.clone(), ..Reach::default() };
        Self { reach, ..Self::default() }
    }
}

impl OutsideSettings {
    /// The same with the authorities of a text in PEM.
    ///
    /// # Errors
    /// [`OutsideError::Settings`] when it holds none, or one that cannot vouch for anybody.
    pub fn trusting(self, pem: &str) -> Result<Self, OutsideError> {
        let wrong = |why: String| OutsideError::Settings(format!("providers.ca_file: {why}"));
        let authorities: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(error.to_string()))?;
        if authorities.is_empty() {
            return Err(wrong("certificates in PEM are expected".to_owned()));
        }
        let mut store = RootCertStore::empty();
        for authority in &authorities {
            store.add(authority.clone()).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(Self { authorities, ..self })
    }
}
