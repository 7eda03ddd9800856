//! How hard a password is to guess, and why it is not harder.

use zxcvbn::zxcvbn;

/// Why a password would be guessed, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TooWeak(String);

/// Whether a password reaches the score `least`, with what is `known` of its owner.
///
/// # Errors
/// [`TooWeak`] with the reason.
pub fn judge(password: &str, known: &[String], least: u8) -> Result<(), TooWeak> {
    // Whoever guesses tries the parts of an address and of a name, too.
    let parts = known.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let known: Vec<&str> =
        known.iter().map(String::as_str).chain(parts).filter(|part| part.chars().count() > 2).collect();
    let entropy = zxcvbn(password, &known);
    if u8::from(entropy.score()) >= least {
        return Ok(());
    }
    let feedback = entropy.feedback();
    let warning = feedback.and_then(|feedback| feedback.warning()).map(|warning| warning.to_string());
    let suggestions = feedback.map(|feedback| feedback.suggestions()).unwrap_or_default();
    let reason: Vec<String> = warning
        .into_iter()
        .chain(suggestions.iter().map(ToString::to_string))
        .map(|sentence| sentence.trim_end_matches('.').to_owned())
        .collect();
    Err(TooWeak(if reason.is_empty() {
        "it is too easy to guess: make it longer, or of words that have nothing to do with one another"
            .to_owned()
    } else {
        format!("it is too easy to guess: {}", reason.join(". "))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_reason_is_told() {
        let reason = |text: &str, known: &[&str]| {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            judge(text, &known, 3).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(reason("password1234", &[]).contains("common password"), "{}", reason("password1234", &[]));
        assert!(reason("aaaaaaaaaaaa", &[]).contains("epeat"), "{}", reason("aaaaaaaaaaaa", &[]));
        assert!(!reason("qwertyuiop", &[]).is_empty());
        assert_eq!(reason("correct horse battery staple", &[]), "");
        assert!(!reason("lovelace-2026", &["ada.lovelace@example.com"]).is_empty());
    }

    #[test]
    fn a_random_secret_is_strong_and_anything_will_do_where_nothing_is_asked() {
        assert_eq!(judge(crate::identity::random_secret().expose_secret(), &[], 4), Ok(()));
        assert_eq!(judge("aaaaaaaaaa", &[], 0), Ok(()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn it_judges_every_text(text in ".{0,60}", known in ".{0,30}") {
            let _ = judge(&text, &[known], 3);
        }
    }
}
