//! Whoever asks for a page with a browser, signed in or not.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use secrecy::SecretString;

use super::answer::Trouble;
use super::cookie::Cookie;
use crate::app::people::Browser;
use crate::app::{Caller, Origin};
use crate::http::caller::origin;
use crate::http::error::Problem;
use crate::http::{AppState, limits};

/// A browser, known by its cookie.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// Who is signed in with it.
    pub browser: Option<Browser>,
    /// What it sent, good or not.
    pub cookie: Option<SecretString>,
    pub origin: Origin,
}

impl Visitor {
    /// The same as the one who does something, if anybody is signed in.
    pub(crate) fn caller(&self) -> Option<Caller> {
        self.browser.as_ref().map(|browser| browser.caller(&self.origin))
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Trouble> {
        let origin = origin(&parts.headers);
        let cookie = Cookie::Session.of(&parts.headers, state.app.settings());
        let browser = match &cookie {
            Some(cookie) => state.app.browser(cookie, &origin).await?,
            None => None,
        };
        let visitor = Self { browser, cookie, origin };
        if let Some(caller) = visitor.caller() {
            limits::count_caller(&state.limits, parts, &caller).map_err(Problem::from)?;
        }
        Ok(visitor)
    }
}
