//! What an app asks when it sends somebody to sign in (OpenID Connect Core, 3.1.2.1).

use super::authorize::PATH;
use super::error::Code;
use crate::identity::oauth::params::Params;
use crate::identity::oauth::pkce::Challenge;
use crate::identity::oauth::scopes::{ScopeName, Scopes};
use crate::model::email::Email;

/// Longest value of what is given back or kept, in bytes.
const LONGEST: usize = 1024;
/// Our own: when the sign-in that was asked for must be younger than this, in seconds since 1970. It stands in place of
/// `prompt=login` and `max_age` while somebody signs in, or they would be asked for ever.
pub(super) const SIGNED_IN_AFTER: &str = "signed_in_after";

/// Since when they must have signed in who go on by this way of ours, in seconds since 1970; none where an older sign-in
/// will do.
pub(in crate::app) fn signed_in_after(way: &str) -> Option<i64> {
    let query = way.strip_prefix(PATH)?.strip_prefix('?')?;
    Params::read(query.as_bytes()).get(SIGNED_IN_AFTER)?.parse().ok()
}

/// A request that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub scopes: Scopes,
    pub nonce: Option<String>,
    pub challenge: Challenge,
    /// Whether nobody may be asked anything.
    pub silent: bool,
    /// Whether they must sign in though they are.
    pub again: bool,
    /// How long ago they may have signed in, in seconds.
    pub max_age: Option<u32>,
    /// Since when they must have signed in, in seconds since 1970.
    pub since: Option<i64>,
    /// An ID token of whom it is to be.
    pub hint: Option<String>,
}

/// Reads a request of a known client.
///
/// # Errors
/// The code by which it is told what is wrong, and why.
pub(super) fn read(params: &Params) -> Result<Request, (Code, &'static str)> {
    let wrong = |text| Err((Code::InvalidRequest, text));
    if params.is_ambiguous() {
        return wrong("a parameter is given twice, or there are too many");
    }
    match params.get("response_type") {
        Some("code") => {}
        None => return wrong("response_type is missing"),
        Some(_) => return Err((Code::UnsupportedResponseType, "response_type is code, and nothing else")),
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return wrong("response_mode is query, and nothing else");
    }
    for (name, code) in [
        ("request", Code::RequestNotSupported),
        ("request_uri", Code::RequestUriNotSupported),
        ("registration", Code::RegistrationNotSupported),
    ] {
        if params.get(name).is_some() {
            return Err((code, "the request itself is asked for in parameters of its own"));
        }
    }
    for name in ["state", "nonce"] {
        if params.get(name).is_some_and(|value| value.len() > LONGEST) {
            return wrong("state and nonce have at most 1024 bytes");
        }
    }
    let scopes = Scopes::read(params.get("scope").unwrap_or_default());
    if !scopes.has(ScopeName::Openid) {
        return Err((Code::InvalidScope, "scope must hold openid"));
    }
    if params.get("code_challenge_method") != Some("S256") {
        return wrong("PKCE is required: code_challenge_method is S256, and nothing else");
    }
    let Some(challenge) = params.get("code_challenge").and_then(Challenge::read) else {
        return wrong("PKCE is required: code_challenge is a SHA-256 hash in base64url without padding");
    };
    let prompt: Vec<&str> = params.get("prompt").unwrap_or_default().split_whitespace().collect();
    let (silent, again) = match prompt.as_slice() {
        ["none"] => (true, false),
        // App and platform are one house, so consent is given; another account is chosen by signing in anew.
        words if words.iter().all(|word| ["login", "select_account", "consent"].contains(word)) => {
            (false, words.iter().any(|word| *word != "consent"))
        }
        _ => return wrong("prompt is none alone, or of login, select_account and consent"),
    };
    let max_age = match params.get("max_age").map(str::parse) {
        None => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return wrong("max_age is a number of seconds"),
    };
    let since = match params.get(SIGNED_IN_AFTER).map(str::parse) {
        None => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return wrong("signed_in_after is a number of seconds"),
    };
    let kept = |name| params.get(name).map(str::to_owned);
    Ok(Request {
        scopes,
        nonce: kept("nonce"),
        challenge,
        silent,
        again,
        max_age,
        since,
        hint: kept("id_token_hint"),
    })
}

impl Request {
    /// Whether a sign-in of that moment is good enough. Both times are in seconds since 1970.
    pub(super) fn is_met_by(&self, auth_time: i64, now: i64) -> bool {
        !self.again
            && self.max_age.is_none_or(|age| now - auth_time <= i64::from(age))
            && self.since.is_none_or(|since| auth_time >= since)
    }

    /// The same request for whoever comes back from signing in: it asks for that no more, and yet takes no older one. They
    /// are led to sign in by the address of whom the app means, and who signs in as somebody else is not asked again.
    pub(super) fn after_signing_in(&self, params: &Params, meant: Option<&Email>, now: i64) -> Params {
        let rest = params.without(&["prompt", "max_age", SIGNED_IN_AFTER]);
        let rest = match meant {
            Some(email) => rest.without(&["login_hint"]).with("login_hint", email),
            None => rest,
        };
        let anew = self.again || self.max_age.is_some() || self.hint.is_some() && self.since.is_none();
        match anew.then_some(now).or(self.since) {
            Some(since) => rest.with(SIGNED_IN_AFTER, since),
            None => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "response_type=code&scope=openid+email&state=s&nonce=n&code_challenge_method=S256\
                        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn asked(more: &str) -> Result<Request, Code> {
        read(&Params::read(format!("{GOOD}{more}").as_bytes())).map_err(|(code, _)| code)
    }

    #[test]
    fn what_cannot_be_answered_is_told_by_its_code() {
        assert!(asked("&prompt=none&max_age=60&ui_locales=de&claims=%7B%7D&display=popup").is_ok());
        for (prompt, silent, again) in [
            ("none", true, false),
            ("consent", false, false),
            ("login", false, true),
            ("consent+select_account", false, true),
        ] {
            let request = asked(&format!("&prompt={prompt}")).expect("a request");
            assert_eq!((request.silent, request.again), (silent, again), "{prompt}");
        }
        for (from, to, code) in [
            ("response_type=code", "response_type=token", Code::UnsupportedResponseType),
            ("response_type=code", "response_type=code+id_token", Code::UnsupportedResponseType),
            ("response_type=code", "", Code::InvalidRequest),
            ("openid+", "", Code::InvalidScope),
            ("S256", "plain", Code::InvalidRequest),
            ("code_challenge_method=S256", "", Code::InvalidRequest),
            ("&code_challenge=E9", "&code_challenge=E", Code::InvalidRequest),
            ("&code_challenge=", "&challenge=", Code::InvalidRequest),
            ("state=s", "state=s&state=t", Code::InvalidRequest),
            ("state=s", "state=s&response_mode=fragment", Code::InvalidRequest),
            ("state=s", "state=s&response_mode=form_post", Code::InvalidRequest),
            ("state=s", "state=s&request=x.y.z", Code::RequestNotSupported),
            ("state=s", "state=s&request_uri=https://x", Code::RequestUriNotSupported),
            ("state=s", "prompt=none+login", Code::InvalidRequest),
            ("state=s", "prompt=consent+none", Code::InvalidRequest),
            ("state=s", "prompt=create", Code::InvalidRequest),
            ("state=s", "max_age=-1", Code::InvalidRequest),
            ("nonce=n", &format!("nonce={}", "n".repeat(LONGEST + 1)), Code::InvalidRequest),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let text = GOOD.replacen(from, to, 1);
            let refused = read(&Params::read(text.as_bytes())).map_err(|(code, _)| code);
            assert_eq!(refused, Err(code), "{text}");
        }
    }

    #[test]
    fn somebody_signs_in_again_once_and_not_for_ever() {
        let now = 1_000_000;
        for (more, met) in
            [("", true), ("&max_age=60", false), ("&max_age=900", true), ("&prompt=login", false)]
        {
            let text = format!("{GOOD}{more}");
            let params = Params::read(text.as_bytes());
            let request = read(&params).expect("a request");
            assert_eq!(request.is_met_by(now - 300, now), met, "{more}");
            assert_eq!(signed_in_after(&params.at(PATH)), None);
            if !met {
                let after = request.after_signing_in(&params, None, now);
                let request = read(&after).expect("a request");
                assert!(request.is_met_by(now + 3, now + 900), "{more}");
                assert!(!request.is_met_by(now - 1, now), "an older sign-in is none");
                assert_eq!(after.get("state"), Some("s"));
                let again = request.after_signing_in(&after, None, now + 9);
                assert_eq!(again.get(SIGNED_IN_AFTER), after.get(SIGNED_IN_AFTER));
                assert_eq!(signed_in_after(&again.at(PATH)), Some(now));
                assert_eq!(signed_in_after(&again.at("/join/acme")), None);
            }
        }
        assert!(!asked("&max_age=0").expect("a request").is_met_by(now - 1, now));
    }
}
