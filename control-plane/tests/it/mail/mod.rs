//! Mails on their way from the registry to a server.

pub mod sink;
pub mod tls;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use control_plane::config::{Config, SmtpConfig, SmtpTls};
use control_plane::model::ids::MailId;
use control_plane::model::letter::{Letter, MailState};
use control_plane::model::role::Role;
use control_plane::store::mails::{self, MailBody, MailRecord};
use control_plane::worker::mail::{MailSettings, Post};
use secrecy::SecretString;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::postgres::Registry;
use sink::{Sink, Taken};

/// Settings that differ from real ones in their pace alone.
fn settings(port: Option<u16>) -> MailSettings {
    let smtp = |port| SmtpConfig {
        host: Some("127.0.0.1".to_owned()),
        port,
        tls: SmtpTls::None,
        username: None,
        password_file: None,
        ca_file: None,
    };
    MailSettings {
        smtp: port.map(|port| (smtp(port), None)),
        look: Duration::from_millis(20),
        pauses: vec![Duration::from_millis(10); 3],
        ..MailSettings::new(&Config::default(), None, None)
    }
}

/// A post that ends with what is given back.
fn post(registry: &Registry, settings: MailSettings) -> DropGuard {
    let shutdown = CancellationToken::new();
    tokio::spawn(Post::new(registry.worker.clone(), settings).expect("a post").run(shutdown.clone()));
    shutdown.drop_guard()
}

fn reset(name: &str) -> Letter {
    Letter::ResetPassword { name: name.to_owned(), link: "https://x.example/?t=secret".into(), minutes: 30 }
}

async fn queue(registry: &Registry, recipient: &str, letter: &Letter) -> MailId {
    let mut tx = registry.api().await;
    let recipient = recipient.parse().expect("an address");
    let id = mails::queue(&mut tx, None, &recipient, letter).await.expect("queued");
    tx.commit().await.expect("commit");
    id
}

async fn look(registry: &Registry, id: MailId) -> (MailRecord, MailBody) {
    mails::get(&mut registry.api().await, id).await.expect("the mail")
}

/// Waits until the mail has come to where `there` says it should.
async fn until(registry: &Registry, id: MailId, there: impl Fn(&MailRecord) -> bool) -> MailRecord {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (mail, _) = look(registry, id).await;
        if there(&mail) {
            return mail;
        }
        assert!(Instant::now() < deadline, "{mail:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn only(taken: &[Taken], recipient: &str) -> Taken {
    let mut found = taken.iter().filter(|mail| mail.to == [recipient]);
    let mail = found.next().unwrap_or_else(|| panic!("none for {recipient}: {taken:?}")).clone();
    assert!(found.next().is_none(), "more than one for {recipient}");
    mail
}

#[tokio::test]
async fn each_mail_arrives_once_with_both_parts_also_when_two_send() {
    let registry = Registry::start().await;
    let sink = Sink::start(&[]);
    let _posts = [post(&registry, settings(Some(sink.port))), post(&registry, settings(Some(sink.port)))];
    let mut all = Vec::new();
    for number in 0..40 {
        let recipient = format!("ada-{number}@example.com");
        all.push((queue(&registry, &recipient, &reset("Ada Lovelace")).await, recipient));
    }
    for (id, recipient) in &all {
        let mail = until(&registry, *id, |mail| mail.state != MailState::Queued).await;
        assert_eq!((mail.state, mail.attempts, mail.letter_kept), (MailState::Sent, 1, false));
        let taken = only(&sink.taken(), recipient);
        assert_eq!(taken.from, "no-reply@freehold.localhost");
        assert_eq!(taken.header("From"), ["Freehold <no-reply@freehold.localhost>"]);
        assert_eq!(taken.header("To"), [recipient.as_str()]);
        assert_eq!(taken.header("Subject"), ["Set a new password"]);
        assert_eq!(taken.header("Message-ID"), [format!("<{id}@freehold.localhost>")]);
        assert_eq!(taken.header("Auto-Submitted"), ["auto-generated"]);
        assert_eq!((taken.header("Date").len(), taken.header("MIME-Version").len()), (1, 1));
        let kinds: Vec<&str> = taken.parts.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["text/plain", "text/html"]);
        for (_, part) in &taken.parts {
            assert!(part.contains("Ada Lovelace") && part.contains("t=secret"), "{part}");
        }
        assert_eq!(look(&registry, *id).await.1, MailBody { body_text: None, body_html: None });
    }
    assert_eq!(sink.taken().len(), all.len());
    let ids: BTreeSet<String> = sink.taken().iter().map(|mail| mail.header("Message-ID").join("")).collect();
    assert_eq!(ids.len(), all.len());
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_and_for_good_given_up() {
    let registry = Registry::start().await;
    let sink = Sink::start(&[]);
    let later = queue(&registry, "later-2@example.com", &reset("Ada")).await;
    let full = queue(&registry, "full@example.com", &reset("Ada")).await;
    let gone = queue(&registry, "gone@example.com", &reset("Ada")).await;
    let fine = queue(&registry, "fine@example.com", &reset("Ada")).await;
    let _post = post(&registry, settings(Some(sink.port)));

    let over = |mail: &MailRecord| mail.state != MailState::Queued;
    let mail = until(&registry, fine, over).await;
    assert_eq!((mail.state, mail.attempts), (MailState::Sent, 1), "one mail stands in no other's way");
    let mail = until(&registry, later, over).await;
    assert_eq!((mail.state, mail.attempts, mail.last_error), (MailState::Sent, 3, None));
    let mail = until(&registry, gone, over).await;
    assert_eq!((mail.state, mail.attempts, mail.letter_kept), (MailState::Dead, 1, true));
    assert!(mail.last_error.expect("why").contains("nobody of this name"));
    let mail = until(&registry, full, over).await;
    assert_eq!((mail.state, mail.attempts), (MailState::Dead, 4), "three pauses are four attempts");
    assert!(mail.last_error.expect("why").contains("no room"));
    assert_eq!(sink.taken().len(), 2);

    // A person has it tried again, from the beginning; once, and only what was given up.
    let mut tx = registry.api().await;
    assert!(mails::retry(&mut tx, gone).await.expect("asked"));
    assert!(!mails::retry(&mut tx, gone).await.expect("asked"), "it waits already");
    assert!(!mails::retry(&mut tx, fine).await.expect("asked"), "it was sent");
    tx.commit().await.expect("commit");
    let mail = until(&registry, gone, over).await;
    assert_eq!((mail.state, mail.attempts), (MailState::Dead, 1));

    // What was given up long ago says nothing any more, and cannot be sent.
    let mut superuser = registry.superuser().await;
    sqlx::query("update freehold.mails set ended_at = now() - interval '31 days' where id = $1")
        .bind(gone.0)
        .execute(&mut superuser)
        .await
        .expect("made old");
    let mut tx = registry.worker().await;
    assert_eq!(mails::forget(&mut tx, Duration::from_secs(30 * 86_400)).await.expect("asked"), 1);
    tx.commit().await.expect("commit");
    assert!(!look(&registry, gone).await.0.letter_kept && look(&registry, full).await.0.letter_kept);
    assert!(!mails::retry(&mut registry.api().await, gone).await.expect("asked"));
}

#[tokio::test]
async fn nothing_that_people_write_becomes_a_header_or_a_recipient() {
    let registry = Registry::start().await;
    let sink = Sink::start(&[]);
    let evil = "Eve\r\nBcc: victim@example.com\r\n\r\n.\r\nRCPT TO:<victim@example.com>\u{2028}<script>";
    let letter = Letter::SignupAsked {
        tenant: evil.to_owned(),
        person: format!("{evil}{}", "ä".repeat(300)),
        email: evil.to_owned(),
        message: evil.to_owned(),
        link: "https://x.example/".to_owned(),
    };
    let id = queue(&registry, "ada@example.com", &letter).await;
    let broken = queue(&registry, "bob@example.com", &reset("Bob")).await;
    let unknown = queue(&registry, "cy@example.com", &reset("Cy")).await;
    let mut superuser = registry.superuser().await;
    for (id, change) in [
        (broken, r"recipient = E'bob@example.com>\r\nRCPT TO:<victim@example.com'"),
        (unknown, r#"letter = '{"kind": "reset_password", "link": "https://x.example/?t=secret"}'"#),
    ] {
        let sql = sqlx::AssertSqlSafe(format!("update freehold.mails set {change} where id = $1"));
        sqlx::query(sql).bind(id.0).execute(&mut superuser).await.expect("changed");
    }
    let _post = post(&registry, settings(Some(sink.port)));
    let over = |mail: &MailRecord| mail.state != MailState::Queued;
    assert_eq!(until(&registry, id, over).await.state, MailState::Sent);
    assert_eq!(until(&registry, broken, over).await.state, MailState::Dead);
    let unknown = until(&registry, unknown, over).await;
    assert_eq!(unknown.state, MailState::Dead);
    assert!(!unknown.last_error.expect("why").contains("secret"), "no error quotes a letter");

    let taken = sink.taken();
    assert_eq!(taken.len(), 1);
    let mail = only(&taken, "ada@example.com");
    let mut names: Vec<&str> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected =
        ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
    assert_eq!(names, expected);
    let subject = mail.header("Subject").join("");
    assert!(subject.starts_with("Eve Bcc: victim@example.com . RCPT TO:"), "{subject}");
    assert!(!mail.parts[1].1.contains("<script"), "{}", mail.parts[1].1);
}

#[tokio::test]
async fn without_a_server_mails_are_kept_to_be_read() {
    let registry = Registry::start().await;
    let letter = Letter::Invitation {
        tenant: "Acme".into(),
        inviter: "Bob".into(),
        role: Role::Member,
        link: "https://x.example/?t=secret".into(),
        days: 7,
    };
    let id = queue(&registry, "ada@example.com", &letter).await;
    let _post = post(&registry, settings(None));
    let mail = until(&registry, id, |mail| mail.state == MailState::Sent).await;
    assert_eq!(mail.subject.as_deref(), Some("You are invited to Acme"));
    assert!(!mail.letter_kept);
    let (_, body) = look(&registry, id).await;
    assert!(body.body_text.expect("text").contains("t=secret"));
    assert!(body.body_html.expect("a page").contains("t=secret"));
}

#[tokio::test]
async fn a_mail_whose_sender_died_is_sent_by_the_next_under_the_same_id() {
    let registry = Registry::start().await;
    let sink = Sink::start(&[]);
    let id = queue(&registry, "ada@example.com", &reset("Ada")).await;
    let mut tx = registry.worker().await;
    let lost = mails::take(&mut tx, Duration::ZERO, 1).await.expect("taken").remove(0);
    tx.commit().await.expect("commit");

    let _post = post(&registry, settings(Some(sink.port)));
    let mail = until(&registry, id, |mail| mail.state == MailState::Sent).await;
    assert_eq!(mail.attempts, 2);
    assert_eq!(only(&sink.taken(), "ada@example.com").header("Message-ID").len(), 1);
    // The one that was thought dead has nothing to say any more.
    let mut tx = registry.worker().await;
    assert!(!mails::give_up(&mut tx, &lost, "too late").await.expect("asked"));
    assert!(!mails::put_off(&mut tx, &lost, Duration::ZERO, "too late").await.expect("asked"));
    assert!(!mails::sent(&mut tx, &lost, None).await.expect("asked"));
}

#[tokio::test]
async fn a_password_is_shown_where_it_is_wanted_and_no_way_is_less_closed_than_it_was_set() {
    let registry = Registry::start().await;
    let sink = Sink::start(&["--account", "freehold", "right one"]);
    let signed_in = |password: &str, tls| {
        let mut settings = settings(Some(sink.port));
        settings.pauses = vec![Duration::from_secs(3600)];
        if let Some((smtp, secret)) = &mut settings.smtp {
            smtp.username = Some("freehold".to_owned());
            smtp.tls = tls;
            // a file mostly ends in a line's end
            *secret = Some(SecretString::from(format!("{password}\n")));
        }
        settings
    };
    for (password, tls) in
        [("wrong one", SmtpTls::None), ("right one", SmtpTls::Starttls), ("right one", SmtpTls::Tls)]
    {
        let _post = post(&registry, signed_in(password, tls));
        let id = queue(&registry, "ada@example.com", &reset("Ada")).await;
        let mail = until(&registry, id, |mail| mail.last_error.is_some()).await;
        // Our settings are at fault, and no mail: it waits for somebody to set them right.
        assert_eq!((mail.state, mail.attempts), (MailState::Queued, 1), "{mail:?}");
        assert!(sink.taken().is_empty(), "{tls:?}");
    }
    let _post = post(&registry, signed_in("right one", SmtpTls::None));
    let id = queue(&registry, "ada@example.com", &reset("Ada")).await;
    until(&registry, id, |mail| mail.state == MailState::Sent).await;
    assert_eq!(sink.taken().len(), 1);
}

#[tokio::test]
async fn the_api_can_have_mails_sent_and_tried_again_and_no_more() {
    let registry = Registry::start().await;
    queue(&registry, "ada@example.com", &reset("Ada")).await;
    let session = async |role, password| registry.session(role, password).await;
    let mut api = session("freehold_api", &registry.passwords.api).await;
    for (sql, role) in [
        ("select from freehold.mails", "none"),
        ("update freehold.mails set recipient = 'eve@example.com'", "freehold_platform"),
        ("update freehold.mails set letter = null", "freehold_platform"),
        ("delete from freehold.mails", "freehold_platform"),
        ("update freehold.mails set state = 'dead', ended_at = now()", "none"),
    ] {
        sqlx::query("select set_config('role', $1, false)").bind(role).execute(&mut api).await.expect("role");
        let refused = sqlx::query(sql).execute(&mut api).await.expect_err(sql).to_string();
        assert!(refused.contains("permission denied"), "{sql}: {refused}");
    }
}
