//! Mails over an encrypted way, to a server that shows who it is.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use control_plane::config::SmtpTls;
use control_plane::model::letter::MailState;
use control_plane::worker::mail::{MailSettings, Post};
use secrecy::SecretString;

use super::sink::Sink;
use super::{only, post, queue, reset, settings, until};
use crate::support::postgres::Registry;

fn openssl(folder: &Path, arguments: &str) {
    let output =
        Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an authority, and a certificate of it for 127.0.0.1 and no name.
pub fn certify(folder: &Path, authority: &str) {
    const NEW: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(folder, &format!("{NEW} -keyout {authority}.key -out {authority}.pem -subj /CN={authority}"));
    openssl(
        folder,
        &format!(
            "{NEW} -CA {authority}.pem -CAkey {authority}.key -keyout {authority}-server.key \
             -out {authority}-server.pem -subj /CN=mail -addext subjectAltName=IP:127.0.0.1 \
             -addext basicConstraints=critical,CA:FALSE"
        ),
    );
}

fn over(tls: SmtpTls, port: u16, authorities: Option<&str>) -> MailSettings {
    let mut settings = settings(Some(port));
    if let Some((smtp, _)) = &mut settings.smtp {
        smtp.tls = tls;
    }
    settings.authorities = authorities.map(SecretString::from);
    settings.pauses = vec![Duration::from_secs(3600)];
    settings
}

#[tokio::test]
async fn mails_go_encrypted_to_a_server_that_is_vouched_for_and_to_no_other() {
    let registry = Registry::start().await;
    let folder = tempfile::tempdir().expect("a directory");
    for authority in ["ours", "other"] {
        certify(folder.path(), authority);
    }
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let pem = |name: &str| std::fs::read_to_string(path(name)).expect("a certificate");
    let (certificate, key) = (path("ours-server.pem"), path("ours-server.key"));
    // Two of them in one file: whoever changes theirs has both for a while.
    let (both, other) = (format!("{}{}", pem("other.pem"), pem("ours.pem")), pem("other.pem"));
    for (option, tls) in [("--starttls", SmtpTls::Starttls), ("--tls", SmtpTls::Tls)] {
        let sink = Sink::start(&[option, &certificate, &key]);
        let named = |host: &str| {
            let mut settings = over(tls, sink.port, Some(&both));
            if let Some((smtp, _)) = &mut settings.smtp {
                smtp.host = Some(host.to_owned());
            }
            settings
        };
        for settings in [over(tls, sink.port, None), over(tls, sink.port, Some(&other)), named("localhost")] {
            let _post = post(&registry, settings);
            let id = queue(&registry, "ada@example.com", &reset("Ada")).await;
            let mail = until(&registry, id, |mail| mail.last_error.is_some()).await;
            // Our settings or theirs are at fault, and no mail: it waits for somebody to set them right.
            assert_eq!((mail.state, mail.attempts), (MailState::Queued, 1), "{mail:?}");
            assert!(mail.last_error.expect("why").contains("certificate"), "{option}");
            assert!(sink.taken().is_empty(), "{option}");
        }
        let _post = post(&registry, named("127.0.0.1"));
        let id = queue(&registry, "ada@example.com", &reset("Ada")).await;
        until(&registry, id, |mail| mail.state == MailState::Sent).await;
        assert!(only(&sink.taken(), "ada@example.com").parts[0].1.contains("t=secret"));
    }
    let wrong = over(SmtpTls::Tls, 1, Some("no certificate"));
    let refused = Post::new(registry.worker.clone(), wrong).err().expect("a refusal");
    assert!(refused.contains("mail.smtp.ca_file"), "{refused}");
}
