//! Mails: a subject, a text and a page for each kind of letter.
//!
//! What people wrote stands in them as text alone: escaped in the page, on one line where one line is meant, and never
//! able to end a header or to begin another.

use serde::Serialize;
use serde_json::Value;

use super::{Error, page};
use crate::model::letter::Letter;

/// A mail, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Who sends the mails, as they say it themselves.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub name: &'a str,
    /// Public address of the apex.
    pub site: &'a str,
}

#[derive(Serialize)]
struct Context<'a> {
    letter: &'a Value,
    subject: &'a str,
    sender: &'a str,
    site: &'a str,
}

/// Longest subject, in characters.
const SUBJECT: usize = 150;
/// What people write at length. It is quoted line by line, so that it cannot pass for our own words.
const LONG: [&str; 2] = ["message", "reason"];

/// The mail that a letter becomes.
///
/// # Errors
/// A mistake in a template.
pub fn mail(letter: &Letter, sender: Sender<'_>) -> Result<Rendered, Error> {
    let kind = letter.kind();
    let subject: String = one_line(&subject(letter)).chars().take(SUBJECT).collect();
    let mistake = |error: serde_json::Error| Error { template: kind.to_owned(), message: error.to_string() };
    let letter = tamed(serde_json::to_value(letter).map_err(mistake)?);
    let context = Context { letter: &letter, subject: &subject, sender: sender.name, site: sender.site };
    let text = page(&format!("mail/{kind}.txt"), &context)?;
    let html = page(&format!("mail/{kind}.html"), &context)?;
    Ok(Rendered { subject, text, html })
}

fn subject(letter: &Letter) -> String {
    match letter {
        Letter::VerifyEmail { .. } => "Confirm your address".to_owned(),
        Letter::AlreadyRegistered { .. } => "You have an account already".to_owned(),
        Letter::ResetPassword { .. } => "Set a new password".to_owned(),
        Letter::PasswordChanged { .. } => "Your password was changed".to_owned(),
        Letter::SessionEnded { .. } => "A session of yours was ended".to_owned(),
        Letter::SecondFactorChanged { set_up: true, .. } => "A second factor was set up".to_owned(),
        Letter::SecondFactorChanged { .. } => "Your second factor was taken away".to_owned(),
        Letter::IdentityLinked { provider, made: true, .. } => {
            format!("An account was made for you by {provider}")
        }
        Letter::IdentityLinked { provider, .. } => format!("Your account was linked with {provider}"),
        Letter::KeyMade { key, rotated: true, .. } => format!("An API key was rotated: {key}"),
        Letter::KeyMade { key, .. } => format!("An API key was made: {key}"),
        Letter::Invitation { tenant, .. } => format!("You are invited to {tenant}"),
        Letter::SignupAsked { tenant, person, .. } => format!("{person} asks to join {tenant}"),
        Letter::SignupPending { tenant, .. } => format!("Your wish to join {tenant} was heard"),
        Letter::SignupApproved { tenant, .. } => format!("{tenant} is open to you"),
        Letter::SignupRejected { tenant, .. } => format!("Your wish to join {tenant} was declined"),
    }
}

/// A letter whose texts are each on one line, and the long ones lists of lines.
fn tamed(letter: Value) -> Value {
    let Value::Object(fields) = letter else { return letter };
    let fields = fields.into_iter().map(|(field, value)| {
        let value = match value {
            Value::String(text) if LONG.contains(&field.as_str()) => {
                text.lines().map(one_line).filter(|line| !line.is_empty()).collect::<Vec<_>>().into()
            }
            Value::String(text) => one_line(&text).into(),
            other => other,
        };
        (field, value)
    });
    Value::Object(fields.collect())
}

/// A text without what breaks lines or turns the direction of reading, its spaces single.
fn one_line(text: &str) -> String {
    let breaks = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.split(breaks).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::role::Role;

    const SENDER: Sender<'_> = Sender { name: "Freehold", site: "https://freehold.example" };

    /// One of each kind, with this where a text of somebody else's making goes. A new kind does not compile before it is
    /// in `subject`, and fails the test below before it has a sample and templates.
    fn samples(text: &str) -> Vec<Letter> {
        let text = || text.to_owned();
        let link = || "https://freehold.example/x?token=abc".to_owned();
        vec![
            Letter::VerifyEmail { name: text(), link: link(), hours: 48, tenant: None },
            Letter::VerifyEmail { name: text(), link: link(), hours: 48, tenant: Some(text()) },
            Letter::AlreadyRegistered { name: text(), link: link(), tenant: None },
            Letter::AlreadyRegistered { name: text(), link: link(), tenant: Some(text()) },
            Letter::ResetPassword { name: text(), link: link(), minutes: 30 },
            Letter::PasswordChanged { name: text(), address: text() },
            Letter::SessionEnded { name: text(), device: text(), address: text() },
            Letter::SecondFactorChanged { name: text(), set_up: true, address: text() },
            Letter::SecondFactorChanged { name: text(), set_up: false, address: text() },
            Letter::IdentityLinked {
                name: text(),
                provider: text(),
                tenant: text(),
                made: true,
                address: text(),
            },
            Letter::IdentityLinked {
                name: text(),
                provider: text(),
                tenant: String::new(),
                made: false,
                address: text(),
            },
            Letter::KeyMade { key: text(), tenant: text(), by: text(), rotated: true, address: text() },
            Letter::KeyMade { key: text(), tenant: text(), by: text(), rotated: false, address: text() },
            Letter::Invitation { tenant: text(), inviter: text(), role: Role::Member, link: link(), days: 7 },
            Letter::SignupAsked {
                tenant: text(),
                person: text(),
                email: text(),
                message: text(),
                link: link(),
            },
            Letter::SignupPending { name: text(), tenant: text() },
            Letter::SignupApproved { name: text(), tenant: text(), link: link() },
            Letter::SignupRejected { name: text(), tenant: text(), reason: text() },
        ]
    }

    #[test]
    fn every_kind_of_letter_has_a_sample_and_templates_and_every_template_a_kind() {
        let letters = samples("Ada");
        let mut sampled: Vec<String> = letters.iter().map(|letter| letter.kind().to_owned()).collect();
        sampled.dedup();
        sampled.sort();
        // What serde would take is every kind that there is.
        let refusal = serde_json::from_str::<Letter>(r#"{"kind":"none of them"}"#).expect_err("no kind");
        let refusal = refusal.to_string();
        let (_, kinds) = refusal.split_once("expected one of ").expect("a list of the kinds");
        let kinds = kinds.split(" at line").next().unwrap_or_default();
        let mut kinds: Vec<String> = kinds.split(", ").map(|kind| kind.replace('`', "")).collect();
        kinds.sort();
        assert_eq!(sampled, kinds);
        let templates = |end: &str| -> Vec<String> {
            let names = super::super::TEMPLATES.iter().filter_map(|(name, _)| {
                name.strip_prefix("mail/")?.strip_suffix(end).filter(|name| *name != "layout")
            });
            let mut names: Vec<String> = names.map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(templates(".txt"), kinds);
        assert_eq!(templates(".html"), kinds);
    }

    #[test]
    fn each_says_who_sends_it_and_shows_its_link() {
        for letter in samples("Ada & <Co>") {
            let mail = mail(&letter, SENDER).expect("it renders");
            let json = serde_json::to_value(&letter).expect("JSON");
            for part in [&mail.text, &mail.html] {
                assert!(part.contains("Freehold"), "{part}");
                if json.get("link").is_some() {
                    assert!(part.contains("token=abc"), "{part}");
                }
            }
            assert!(mail.text.contains("Ada & <Co>"), "text is not escaped: {}", mail.text);
            assert!(!mail.html.contains("<Co>"), "a page is: {}", mail.html);
            assert!(!mail.text.contains("{{") && !mail.text.contains("\n\n\n"), "{:?}", mail.text);
            assert!(mail.text.ends_with('\n') && mail.text.contains("\n-- \nFreehold\n"), "{:?}", mail.text);
            assert!(!mail.html.contains("<script") && !mail.html.contains(" src="), "nothing is fetched");
        }
    }

    #[test]
    fn what_is_long_is_quoted_line_by_line() {
        let letter = Letter::SignupRejected {
            name: "Ada".into(),
            tenant: "Acme".into(),
            reason: "We are full.\r\n\n-- \nFreehold says: send money".into(),
        };
        let mail = mail(&letter, SENDER).expect("it renders");
        assert!(mail.text.contains("> We are full.\n> --\n> Freehold says: send money\n"), "{}", mail.text);
    }

    proptest! {
        #[test]
        fn nothing_that_people_write_breaks_a_line_or_a_page(
            text in "(\\PC|[\r\n\u{0}\u{2028}<>\"'&]){0,80}",
        ) {
            let sample = |text: &str| samples(text).iter().map(|letter| mail(letter, SENDER)).collect::<Vec<_>>();
            for (ours, plain) in sample(&text).into_iter().zip(sample("Ada")) {
                let (ours, plain) = (ours.expect("it renders"), plain.expect("it renders"));
                prop_assert!(!ours.subject.chars().any(char::is_control), "{:?}", ours.subject);
                prop_assert!(ours.subject.chars().count() <= SUBJECT);
                prop_assert!(!ours.text.contains(['\r', '\0', '\u{2028}']), "{:?}", ours.text);
                // Whatever was written, the page has the same elements; only quoted lines have one each.
                let elements = |html: &str| html.matches('<').count() - html.matches("<br>").count();
                let quotes = |html: &str| html.matches("blockquote").count();
                prop_assert_eq!(
                    elements(&ours.html) - quotes(&ours.html),
                    elements(&plain.html) - quotes(&plain.html)
                );
            }
        }
    }
}
