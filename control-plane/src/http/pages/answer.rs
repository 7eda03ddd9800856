//! Pages as answers: their headers, what went wrong, and the few that others show too.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use secrecy::ExposeSecret;

use super::way;
use crate::app::places::Place;
use crate::app::{self, Error, Settings};
use crate::http::error::Problem;
use crate::identity::random_secret;
use crate::model::signup::SignupMode;
use crate::render::person::{Form, Look, PersonPage};

/// A page that is to be answered with.
pub(crate) struct Answer {
    status: StatusCode,
    page: PersonPage,
    /// Where a form's answer may lead beside our own origin.
    leads_to: Option<String>,
    headers: HeaderMap,
}

/// What went wrong, as a page.
#[derive(Debug)]
pub(crate) struct Trouble {
    status: StatusCode,
    title: String,
    detail: String,
    /// When to try again.
    retry_after: Option<HeaderValue>,
}

/// Where a page says to others that somebody came from it: to ourselves alone. Our own forms are known by it, and
/// without any browsers would not say it to us either.
const REFERRER: &str = "same-origin";

impl Answer {
    pub(crate) fn new(status: StatusCode, page: PersonPage) -> Self {
        Self { status, page, leads_to: None, headers: HeaderMap::new() }
    }

    /// Has browsers follow the page's form to this origin.
    pub(crate) fn leading_to(self, origin: Option<String>) -> Self {
        Self { leads_to: origin, ..self }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// What a page may do: style itself, and post to where it must. No script runs in it, nothing is fetched by it, and no
/// other page holds it.
fn policy(nonce: &str, leads_to: Option<&str>) -> String {
    let leads_to = leads_to.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'{leads_to}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let nonce = random_secret();
        let nonce = nonce.expose_secret();
        let html = match self.page.render(nonce) {
            Ok(html) => html,
            Err(error) => return Problem::from(Error::internal(error)).into_response(),
        };
        let mut response = (self.status, Html(html)).into_response();
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static(REFERRER));
        let policy = policy(nonce, self.leads_to.as_deref());
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

impl Trouble {
    pub(crate) fn of(status: StatusCode, title: &str, detail: &str) -> Self {
        Self { status, title: title.to_owned(), detail: detail.to_owned(), retry_after: None }
    }

    /// What was sent is no form of ours.
    pub(super) fn unreadable() -> Self {
        Self::of(StatusCode::BAD_REQUEST, "This cannot be read", "Open the page anew and try again.")
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let page = PersonPage::new(Look::default(), self.title).lead(self.detail);
        let answer = Answer::new(self.status, page);
        let answer = match self.retry_after {
            Some(after) => answer.header(header::RETRY_AFTER, after),
            None => answer,
        };
        answer.into_response()
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        let (status, title) = (problem.status(), problem.title.clone());
        let detail = problem.detail.clone().unwrap_or_else(|| "Try again in a moment.".to_owned());
        let retry_after = problem.into_response().headers().get(header::RETRY_AFTER).cloned();
        Self { status, title, detail, retry_after }
    }
}

impl From<app::Error> for Trouble {
    fn from(error: app::Error) -> Self {
        Problem::from(error).into()
    }
}

/// In whose name and colours a page is that leads to this place.
pub(super) fn look(place: Option<&Place>) -> Look {
    place.map_or_else(Look::default, |place| Look::of(&place.name, place.colour))
}

/// What those are told who are no members of a tenant, and those who look for what never was: the same, unless the
/// tenant takes people who ask.
pub(crate) fn no_such_place(place: Option<&Place>) -> Response {
    let page = PersonPage::new(Look::default(), "There is no such place")
        .lead("Nothing is here, or nothing that you belong to. Did you sign in with the right account?");
    let page = match place.filter(|place| place.signups != SignupMode::Closed) {
        Some(place) => page.onward(way::Way::to_join(&place.slug).as_str(), "Ask to join"),
        None => page,
    };
    let page = page.link(super::ACCOUNT, "Your account and where you belong");
    Answer::new(StatusCode::NOT_FOUND, page).into_response()
}

/// What somebody is told who is suspended in a tenant.
pub(crate) fn suspended(place: &Place) -> Response {
    let page = PersonPage::new(look(Some(place)), "You are suspended here")
        .lead("Its admins can let you in again.")
        .link(super::ACCOUNT, "Your account and where else you belong");
    Answer::new(StatusCode::FORBIDDEN, page).into_response()
}

/// What somebody is told who signed in without the second factor that a tenant requires. `has_one`: they have one, and
/// need only sign in with it.
pub(crate) fn second_factor_required(place: &Place, has_one: bool, to: &str) -> Response {
    let page = PersonPage::new(look(Some(place)), "A second factor is required");
    let to = way::Way::read(to);
    let page = if has_one {
        page.lead("You signed in without one. Sign in again, and enter a code of your authenticator app.")
            .onward(way::link(super::SIGN_IN, to.as_ref()), "Sign in again")
    } else {
        page.lead("Whoever comes in here signs in with a second factor, and you have none yet.")
            .onward(way::link(super::SECOND_FACTOR, to.as_ref()), "Set one up")
    };
    let page = page.link(super::ACCOUNT, "Your account");
    Answer::new(StatusCode::FORBIDDEN, page).into_response()
}

/// What somebody is told whom an app sent to us with a request that cannot be answered, nor sent back.
pub(crate) fn bad_request(detail: &str) -> Response {
    let page = PersonPage::new(Look::default(), "This sign-in cannot go on")
        .lead(
            "The app that sent you here asked in a way that cannot be answered. Go back to it and try again.",
        )
        .lead(detail);
    Answer::new(StatusCode::BAD_REQUEST, page).into_response()
}

/// Asks somebody whether they want to sign out, by a form that goes to `action` with these fields, and whose answer
/// leads to `leads_to` if not to ourselves.
pub(crate) fn confirm_sign_out(
    place: Option<&Place>,
    name: &str,
    action: &str,
    fields: &[(&str, &str)],
    leads_to: Option<String>,
) -> Response {
    let form = Form::new(action, "Sign out");
    let form = fields.iter().fold(form, |form, (name, value)| form.hidden(name, value));
    let page = PersonPage::new(look(place), "Sign out?")
        .lead(format!("You are signed in as {name}. Signing out ends it in every app that you came to from here with this browser."))
        .form(form)
        .link(super::ACCOUNT, "Stay signed in");
    Answer::new(StatusCode::OK, page).leading_to(leads_to).into_response()
}

/// Sends a browser on with a GET.
pub(crate) fn see_other(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// Where a place is reached.
pub(super) fn url(place: &Place, settings: &Settings) -> String {
    place.hosts.first().map(|host| settings.url_of(host.as_str())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_runs_and_nobody_frames_a_page() {
        let of = |leads_to| policy("abc", leads_to);
        let text = of(None);
        for part in
            ["default-src 'none'", "style-src 'nonce-abc'", "frame-ancestors 'none'", "form-action 'self';"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("script") && !text.contains("unsafe"), "{text}");
        let to = of(Some("http://acme.freehold.localhost:8080"));
        assert!(to.contains("form-action 'self' http://acme.freehold.localhost:8080;"), "{to}");
        let trouble = Trouble::of(StatusCode::BAD_REQUEST, "<b>", "<i>").into_response();
        assert_eq!(trouble.headers()[header::REFERRER_POLICY], REFERRER);
        assert_eq!(trouble.status(), 400);
    }

    async fn shown(response: Response) -> (u16, String) {
        let (parts, body) = response.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.expect("a body").to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("text");
        (parts.status.as_u16(), text.split_once("</style>").expect("a style").1.to_owned())
    }

    #[tokio::test]
    async fn who_may_not_come_in_is_told_why_and_where_else_to_go() {
        let place = |signups| Place {
            tenant: crate::model::ids::TenantId::random(),
            slug: "acme".parse().expect("a slug"),
            name: "<b>Acme".to_owned(),
            colour: None,
            hosts: Vec::new(),
            signups,
        };
        let (open, closed) = (place(SignupMode::Manual), place(SignupMode::Closed));
        let (status, none) = shown(no_such_place(None)).await;
        let (_, hidden) = shown(no_such_place(Some(&closed))).await;
        assert_eq!((status, &none), (404, &hidden), "there is nothing, or nothing for them");
        let (_, asked) = shown(no_such_place(Some(&open))).await;
        assert!(asked.contains("/join/acme") && !asked.contains("Acme"), "{asked}");
        let (status, text) = shown(suspended(&open)).await;
        assert!(
            status == 403 && text.contains("You are suspended here") && text.contains("&lt;b&gt;Acme"),
            "{text}"
        );
        let to = "/oauth/authorize?client_id=x";
        for (has_one, to, href) in [
            (true, to, "/sign-in?to=%2Foauth%2Fauthorize%3Fclient_id%3Dx\""),
            (false, to, "/second-factor?to=%2Foauth%2Fauthorize%3Fclient_id%3Dx\""),
            (false, "https://evil.example", "/second-factor\""),
        ] {
            let (status, text) = shown(second_factor_required(&open, has_one, to)).await;
            assert!(status == 403 && text.contains(href), "{text}");
            assert_eq!(text.contains("you have none yet"), !has_one);
        }
        let (status, text) = shown(bad_request("<i>")).await;
        assert!(status == 400 && text.contains("&lt;i&gt;"), "{text}");
        let back = "http://acme.freehold.localhost:8080".to_owned();
        let fields = [("state", "\"x")];
        let asked = confirm_sign_out(None, "<ada>", "/oauth/end-session", &fields, Some(back.clone()));
        assert!(asked.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").contains(&back));
        let (status, text) = shown(asked).await;
        assert!(status == 200 && text.contains("action=\"/oauth/end-session\""), "{text}");
        assert!(text.contains("name=\"state\" value=\"&quot;x\"") && text.contains("&lt;ada&gt;"), "{text}");
    }
}
