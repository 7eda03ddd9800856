//! Providers over TLS: one that is vouched for, and by whom.

use std::path::Path;
use std::sync::Arc;

use control_plane::identity::outside::{Outside, OutsideError, OutsideSettings};
use control_plane::model::provider::Trust;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::nasty::{Key, Nasty};
use super::reaching_loopback;
use crate::mail::tls::certify;

/// A server that shows a certificate of an authority, which are in this folder.
fn server(folder: &Path, authority: &str) -> ServerConfig {
    let read = |end: &str| {
        std::fs::read_to_string(folder.join(format!("{authority}-server.{end}"))).expect("a file")
    };
    let chain = CertificateDer::pem_slice_iter(read("pem").as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .expect("certificates");
    let private = PrivateKeyDer::from_pem_slice(read("key").as_bytes()).expect("a key");
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .expect("a server")
}

/// A provider over TLS, and who vouches for it.
pub async fn vouched_for(keys: &[&Key]) -> (Nasty, String) {
    let folder = tempfile::tempdir().expect("a directory");
    certify(folder.path(), "ours");
    let authority = std::fs::read_to_string(folder.path().join("ours.pem")).expect("a file");
    (Nasty::encrypted(keys, server(folder.path(), "ours")).await, authority)
}

#[tokio::test]
async fn a_provider_is_believed_that_is_vouched_for_and_no_other() {
    let folder = tempfile::tempdir().expect("a directory");
    for authority in ["ours", "other"] {
        certify(folder.path(), authority);
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file");
    let nasty = Nasty::encrypted(&[&Key::ed25519("e")], server(folder.path(), "ours")).await;

    let prove = async |settings: OutsideSettings, issuer: &str| {
        let issuer = issuer.parse().expect("an issuer");
        Outside::new(settings).prove(&issuer, Trust::Platform).await.map(drop)
    };
    let trusting = |pem: &str| reaching_loopback().trusting(pem).expect("settings");
    // Two of them in one file: whoever changes theirs has both for a while.
    let both = format!("{}{}", read("other.pem"), read("ours.pem"));
    assert_eq!(prove(trusting(&both), &nasty.url).await, Ok(()));
    for settings in [reaching_loopback(), trusting(&read("other.pem"))] {
        let refused = prove(settings, &nasty.url).await;
        let Err(OutsideError::Unreachable { why, .. }) = refused else { panic!("{refused:?}") };
        assert!(why.contains("certificate"), "{why}");
    }
    // It is for the address that was asked, and for no other that leads to the same place.
    let named = nasty.url.replace("127.0.0.1", "localhost");
    let refused = prove(trusting(&both), &named).await;
    let Err(OutsideError::Unreachable { why, .. }) = refused else { panic!("{refused:?}") };
    assert!(why.contains("certificate"), "{why}");
    let plain = nasty.url.replace("https:", "http:");
    assert!(matches!(prove(trusting(&both), &plain).await, Err(OutsideError::Garbage { .. })));

    let none = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for bad in ["", "no certificate", none] {
        let refused = reaching_loopback().trusting(bad).expect_err("a refusal").to_string();
        assert!(refused.contains("providers.ca_file"), "{refused}");
    }
}
