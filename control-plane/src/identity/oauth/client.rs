//! How a client shows who it is: `client_secret_basic` or `client_secret_post` (RFC 6749, 2.3.1), and never both.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::params::Params;

/// Who a client says it is.
#[derive(Clone)]
pub struct Credentials {
    pub id: String,
    pub secret: SecretString,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why it is not known who a client says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclear {
    /// It says nothing, or nothing that can be read.
    Missing,
    /// It says it in two ways.
    Twice,
}

/// Reads a client's credentials from the header `Authorization`, if there is one, and the body.
///
/// # Errors
/// [`Unclear`].
pub fn read(authorization: Option<&str>, body: &Params) -> Result<Credentials, Unclear> {
    let posted = body.get("client_secret");
    let named = body.get("client_id");
    let Some(header) = authorization else {
        let (id, secret) = named.zip(posted).ok_or(Unclear::Missing)?;
        return Ok(Credentials { id: id.to_owned(), secret: secret.into() });
    };
    if posted.is_some() {
        return Err(Unclear::Twice);
    }
    let credentials = basic(header).ok_or(Unclear::Missing)?;
    // Naming oneself once more is no second way, as long as it is the same name.
    if named.is_some_and(|named| named != credentials.id) {
        return Err(Unclear::Twice);
    }
    Ok(credentials)
}

fn basic(header: &str) -> Option<Credentials> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let (id, secret) = (decoded(id), decoded(secret));
    (!id.is_empty() && !secret.is_empty()).then(|| Credentials { id, secret: secret.into() })
}

/// Each part stands in the form's encoding.
fn decoded(part: &str) -> String {
    // A name that nothing can end but the end.
    let whole = part.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(whole.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn both_ways_are_read_and_the_parts_of_the_first_are_encoded() {
        let none = Params::default();
        let posted = Params::read(b"client_id=a&client_secret=b%2Bc");
        for (header, body, id, secret) in [
            (Some(header("a:b")), &none, "a", "b"),
            (Some(header("a%3Ab:c%2B+%25:d=e&f")), &none, "a:b", "c+ %:d=e&f"),
            (Some(header("a:b")), &Params::read(b"client_id=a"), "a", "b"),
            (None, &posted, "a", "b+c"),
        ] {
            let read = read(header.as_deref(), body).expect("read");
            assert_eq!((read.id.as_str(), read.secret.expose_secret()), (id, secret));
            assert!(!format!("{read:?}").contains(&format!("\"{secret}\"")));
        }
    }

    #[test]
    fn two_ways_at_once_are_none() {
        let twice = |header: Option<String>, body: &[u8]| read(header.as_deref(), &Params::read(body)).err();
        assert_eq!(twice(Some(header("a:b")), b"client_secret=b"), Some(Unclear::Twice));
        assert_eq!(twice(Some(header("a:b")), b"client_id=b"), Some(Unclear::Twice));
        for missing in ["", "Basic", "Basic ?", "Bearer abc", &header("a"), &header(":b"), &header("a:")] {
            assert_eq!(twice(Some(missing.to_owned()), b""), Some(Unclear::Missing), "{missing}");
        }
        for missing in [&b"client_id=a"[..], b"client_secret=b", b"client_id=a&client_id=c&client_secret=b"] {
            assert_eq!(twice(None, missing), Some(Unclear::Missing));
        }
    }
}
