//! Forms as browsers post them, from our own pages alone.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::answer::Trouble;
use crate::app::Settings;
use crate::http::AppState;
use crate::http::extract::{is_kind, read};

/// A form that one of our own pages posted. What another site has a browser send is refused: neither may somebody be
/// signed out by it, nor signed in as somebody else.
#[derive(Debug)]
pub(crate) struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Form<T> {
    type Rejection = Trouble;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Trouble> {
        if !is_from_us(request.headers(), state.app.settings()) {
            return Err(Trouble::of(
                StatusCode::FORBIDDEN,
                "This did not come from our own page",
                "Open the page anew and try again. If that does not help, your browser keeps back where a form comes from.",
            ));
        }
        if !is_kind(request.headers(), "application/x-www-form-urlencoded") {
            return Err(Trouble::unreadable());
        }
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, read(body).await?.into());
        let form = axum::extract::Form::<T>::from_request(request, state).await;
        form.map(|axum::extract::Form(value)| Self(value)).map_err(|_| Trouble::unreadable())
    }
}

/// Whether a browser says that a page of our own origin sent this. Older ones say so by `Origin` alone; what says
/// neither is no form of ours.
pub(crate) fn is_from_us(headers: &HeaderMap, settings: &Settings) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == settings.url_of(settings.domain.as_str()),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_form_comes_from_our_own_pages() {
        let settings = Settings::from(&Config::default());
        let ours = "http://freehold.localhost:8080";
        for (site, origin, counts) in [
            (Some("same-origin"), Some(ours), true),
            (Some("same-origin"), Some("null"), true),
            (Some("same-origin"), None, true),
            (None, Some(ours), true),
            (Some("same-site"), Some(ours), false),
            (Some("same-site"), Some("http://acme.freehold.localhost:8080"), false),
            (Some("cross-site"), None, false),
            (Some("none"), None, false),
            (None, Some("http://freehold.localhost"), false),
            (None, Some("https://freehold.localhost:8080"), false),
            (None, Some("http://acme.freehold.localhost:8080"), false),
            (None, Some("null"), false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().expect("a header"));
            }
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("a header"));
            }
            assert_eq!(is_from_us(&headers, &settings), counts, "{site:?} {origin:?}");
        }
    }
}
