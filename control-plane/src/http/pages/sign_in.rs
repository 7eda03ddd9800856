//! Signing in with email and password, and with a second factor where there is one.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::answer::{Answer, Trouble, look, see_other};
use super::cookie::Cookie;
use super::form::Form;
use super::visitor::Visitor;
use super::way::{Way, link};
use super::{ACCOUNT, CODE, EMAIL_LENGTH, FORGOT, PASSWORD_LENGTH, SIGN_IN, VERIFY, WITH, done, wrongs};
use crate::app::Error;
use crate::app::people::{BrowserSession, SignIn, Step};
use crate::app::places::Place;
use crate::app::providers::Doors;
use crate::http::AppState;
use crate::http::extract::Query;
use crate::model::signup::SignupMode;
use crate::render::person::{self, Field, Kind, PersonPage};

/// Where to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub to: String,
}

/// What somebody types. The password is not printed.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Typed {
    email: String,
    password: String,
    remember: String,
    to: String,
}

/// A code of a second factor.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Code {
    code: String,
    to: String,
}

/// Where somebody goes on, whose place that is, and by what they may sign in to it.
pub(super) struct Road {
    pub way: Option<Way>,
    pub place: Option<Place>,
    doors: Doors,
}

impl Road {
    pub async fn of(state: &AppState, to: &str) -> Result<Self, Trouble> {
        let way = Way::read(to);
        let place = match &way {
            Some(way) => way.place(&state.app).await?,
            None => None,
        };
        let doors = state.app.ways_in(place.as_ref().map(|place| place.tenant)).await?;
        Ok(Self { way, place, doors })
    }

    /// A form that takes the way along.
    fn form(&self, action: &str, submit: &'static str) -> person::Form {
        let form = person::Form::new(action, submit);
        self.way.as_ref().map_or(form.clone(), |way| form.hidden("to", way.as_str()))
    }

    pub fn answer(&self, state: &AppState, status: StatusCode, page: PersonPage) -> Answer {
        let end = self.way.as_ref().zip(self.place.as_ref());
        Answer::new(status, page)
            .leading_to(end.and_then(|(way, place)| way.end(place, state.app.settings())))
    }

    /// Lets the browser keep its session, and go on.
    pub fn go_on(&self, state: &AppState, session: &BrowserSession) -> Response {
        let settings = state.app.settings();
        let mut response = see_other(self.way.as_ref().map_or(ACCOUNT, Way::as_str));
        let headers = response.headers_mut();
        headers.append(header::SET_COOKIE, Cookie::Session.set(settings, &session.cookie, session.kept_for));
        headers.append(header::SET_COOKIE, Cookie::Ticket.forgotten(settings));
        response
    }

    /// Has the browser keep a ticket, and asks for a code.
    pub fn ask_for_code(&self, state: &AppState, ticket: &SecretString) -> Response {
        let mut response = see_other(&link(CODE, self.way.as_ref()));
        let ticket = Cookie::Ticket.set(state.app.settings(), ticket, None);
        response.headers_mut().append(header::SET_COOKIE, ticket);
        response
    }

    pub fn page(&self, email: &str, remember: bool) -> PersonPage {
        let form = self
            .form(SIGN_IN, "Sign in")
            .field(
                Field::new(Kind::Email, "email", "Email", EMAIL_LENGTH).autocomplete("username").value(email),
            )
            .field(
                Field::new(Kind::Password, "password", "Password", PASSWORD_LENGTH)
                    .autocomplete("current-password"),
            )
            .field(
                Field::new(Kind::Checkbox, "remember", "Stay signed in on this device", 3)
                    .value(if remember { "yes" } else { "" }),
            );
        let heading = self
            .place
            .as_ref()
            .map_or_else(|| "Sign in".to_owned(), |place| format!("Sign in to {}", place.name));
        let page = PersonPage::new(look(self.place.as_ref()), heading)
            .form(form)
            .link(link(FORGOT, self.way.as_ref()), "I forgot my password");
        let page = self.doors.offered.iter().fold(page, |page, one| {
            let href = link(&format!("{WITH}{}", one.id), self.way.as_ref());
            page.offer(href, format!("Sign in with {}", one.title))
        });
        let page =
            if self.doors.required { page.folded("For owners: sign in with your password") } else { page };
        match self.place.as_ref().filter(|place| place.signups != SignupMode::Closed) {
            Some(place) => {
                page.link(Way::to_join(&place.slug).as_str(), format!("Ask to join {}", place.name))
            }
            None => page,
        }
    }

    fn code_page(&self) -> PersonPage {
        let field = Field::new(Kind::Text, "code", "Code", 64)
            .autocomplete("one-time-code")
            .hint("Six digits from your authenticator app, or one of your recovery codes.");
        PersonPage::new(look(self.place.as_ref()), "Enter your code")
            .form(self.form(CODE, "Go on").field(field))
            .link(link(SIGN_IN, self.way.as_ref()), "Begin anew")
    }
}

/// `GET /sign-in`
pub(super) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    query: Result<Query<Asked>, crate::http::error::Problem>,
) -> Result<Response, Trouble> {
    let Query(asked) = query?;
    let road = Road::of(&state, &asked.to).await?;
    let (email, lead) = match (&visitor.browser, &road.way) {
        (Some(_), None) => return Ok(see_other(ACCOUNT)),
        // An app may ask that somebody signs in who is signed in.
        (Some(browser), Some(way)) => {
            let present = browser.principal.email.as_str();
            let meant = Some(way.hint()).filter(|hint| !hint.is_empty()).unwrap_or(present.to_owned());
            let how = match (road.doors.required, meant == present) {
                (true, _) => "sign in by what this place asks for",
                (false, true) => "show once more that it is you",
                (false, false) => "sign in as whom this place means",
            };
            (meant, Some(format!("You are signed in as {present}. To go on, {how}.")))
        }
        (None, way) => (way.as_ref().map(Way::hint).unwrap_or_default(), None),
    };
    let shown = road.page(&email, false);
    let shown = match lead {
        Some(lead) => shown.lead(lead),
        None => shown,
    };
    Ok(road.answer(&state, StatusCode::OK, shown).into_response())
}

/// `POST /sign-in`
pub(super) async fn take(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    let road = Road::of(&state, &typed.to).await?;
    let remember = typed.remember == "yes";
    let with = SignIn {
        email: typed.email.clone(),
        password: SecretString::from(typed.password),
        remember,
        second_factor: None,
    };
    let app = state.app.clone();
    let step =
        done(async move { app.sign_in_browser(with, visitor.cookie.as_ref(), &visitor.origin).await }).await;
    let error = match step {
        Ok(Step::In(session)) => return Ok(road.go_on(&state, &session)),
        Ok(Step::Code(ticket)) => return Ok(road.ask_for_code(&state, &ticket)),
        Err(error) => error,
    };
    let page = road.page(&typed.email, remember);
    let (status, page) = match error {
        Error::WrongCredentials => {
            (StatusCode::UNPROCESSABLE_ENTITY, page.wrong("email", "email or password is wrong"))
        }
        Error::EmailNotVerified => {
            let page =
                page.wrong("email", "this address is yet to be confirmed, by the link that was mailed to it");
            (StatusCode::FORBIDDEN, page.link(VERIFY, "Have that mail sent again"))
        }
        other => {
            let (status, wrong) = wrongs(other)?;
            let page = wrong.into_iter().fold(page, |page, (field, message)| page.wrong(&field, message));
            (status, page)
        }
    };
    Ok(road.answer(&state, status, page).into_response())
}

/// `GET /sign-in/code`
pub(super) async fn show_code(
    State(state): State<AppState>,
    headers: axum::http::HeaderMap,
    query: Result<Query<Asked>, crate::http::error::Problem>,
) -> Result<Response, Trouble> {
    let Query(asked) = query?;
    let road = Road::of(&state, &asked.to).await?;
    if Cookie::Ticket.of(&headers, state.app.settings()).is_none() {
        return Ok(see_other(&link(SIGN_IN, road.way.as_ref())));
    }
    Ok(road.answer(&state, StatusCode::OK, road.code_page()).into_response())
}

/// `POST /sign-in/code`
pub(super) async fn take_code(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: axum::http::HeaderMap,
    Form(typed): Form<Code>,
) -> Result<Response, Trouble> {
    let road = Road::of(&state, &typed.to).await?;
    let Some(ticket) = Cookie::Ticket.of(&headers, state.app.settings()) else {
        return Ok(see_other(&link(SIGN_IN, road.way.as_ref())));
    };
    let app = state.app.clone();
    let signed_in = done(async move {
        app.sign_in_with_code(&ticket, &typed.code, visitor.cookie.as_ref(), &visitor.origin).await
    });
    let (status, page) = match signed_in.await {
        Ok(session) => return Ok(road.go_on(&state, &session)),
        Err(Error::Unauthenticated) => {
            let page = road.page("", false).wrong("", "that took too long; begin anew");
            let forgotten = Cookie::Ticket.forgotten(state.app.settings());
            let answer = road.answer(&state, StatusCode::UNPROCESSABLE_ENTITY, page);
            return Ok(answer.header(header::SET_COOKIE, forgotten).into_response());
        }
        Err(Error::WrongSecondFactor) => {
            let page = road.code_page().wrong("code", "the code is wrong, or was used before");
            (StatusCode::UNPROCESSABLE_ENTITY, page)
        }
        Err(other) => {
            let (status, wrong) = wrongs(other)?;
            let page = road.code_page();
            (status, wrong.into_iter().fold(page, |page, (field, message)| page.wrong(&field, message)))
        }
    };
    Ok(road.answer(&state, status, page).into_response())
}
