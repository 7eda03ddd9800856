//! A new password for whoever forgot theirs, by mail.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::answer::{Answer, Trouble};
use super::cookie::Cookie;
use super::form::Form;
use super::visitor::Visitor;
use super::way::{Way, link};
use super::{EMAIL_LENGTH, FORGOT, PASSWORD_LENGTH, RESET, SIGN_IN, done, wrongs};
use crate::app::Error;
use crate::http::AppState;
use crate::http::error::Problem;
use crate::http::extract::Query;
use crate::render::person::{self, Field, Kind, Look, PersonPage};

/// Of a page whose address holds a secret: no more than its host is told to where somebody goes from there, and our own
/// forms are still known by it.
pub(super) const OF_SECRETS: HeaderValue = HeaderValue::from_static("strict-origin");

/// Whose password it is, and where they were about to go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Address {
    email: String,
    to: String,
}

/// What stood in the link of a mail. Not printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Mailed {
    pub token: String,
}

/// A new password. Not printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct New {
    token: String,
    password: String,
}

fn forgot_page(email: &str, way: Option<&Way>) -> PersonPage {
    let form = person::Form::new(FORGOT, "Send the link");
    let form = way.map_or(form.clone(), |way| form.hidden("to", way.as_str()));
    let email = Field::new(Kind::Email, "email", "Email", EMAIL_LENGTH).autocomplete("username").value(email);
    PersonPage::new(Look::default(), "Set a new password")
        .lead("We mail you a link by which you set a new one.")
        .form(form.field(email))
        .link(link(SIGN_IN, way), "Sign in")
}

/// `GET /forgot-password`
pub(super) async fn show_forgot(query: Result<Query<Address>, Problem>) -> Result<Response, Trouble> {
    let Query(asked) = query?;
    let way = Way::read(&asked.to);
    Ok(Answer::new(StatusCode::OK, forgot_page("", way.as_ref())).into_response())
}

/// `POST /forgot-password`
pub(super) async fn forgot(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(typed): Form<Address>,
) -> Result<Response, Trouble> {
    let (app, email, way) = (state.app.clone(), typed.email.clone(), Way::read(&typed.to));
    let (status, page) = match done(async move { app.forgot_password(&email, &visitor.origin).await }).await {
        Ok(()) => {
            let page = PersonPage::new(Look::default(), "Look into your mail")
                .lead("If this address has an account, a mail is on its way to it. The link in it is good for 30 minutes.")
                .onward(link(SIGN_IN, way.as_ref()), "Sign in");
            (StatusCode::OK, page)
        }
        Err(error) => {
            let (status, wrong) = wrongs(error)?;
            let page = forgot_page(&typed.email, way.as_ref());
            (status, wrong.into_iter().fold(page, |page, (field, message)| page.wrong(&field, message)))
        }
    };
    Ok(Answer::new(status, page).into_response())
}

/// A field for a password that is to be.
pub(super) fn new_password(label: &'static str) -> Field {
    Field::new(Kind::Password, "password", label, PASSWORD_LENGTH).autocomplete("new-password").hint(
        "10 characters at least. A few words that do not belong together are easy to keep and hard to guess.",
    )
}

fn reset_page(token: &str) -> PersonPage {
    PersonPage::new(Look::default(), "Set a new password")
        .lead("You are signed out everywhere then, and sign in with the new one.")
        .form(
            person::Form::new(RESET, "Set the password")
                .hidden("token", token)
                .field(new_password("New password")),
        )
}

/// `GET /reset-password`. It takes nothing from the link: mail scanners follow links, too.
pub(super) async fn show_reset(query: Result<Query<Mailed>, Problem>) -> Result<Response, Trouble> {
    let Query(mailed) = query?;
    if mailed.token.is_empty() {
        return Ok(spent(StatusCode::BAD_REQUEST));
    }
    let answer = Answer::new(StatusCode::OK, reset_page(&mailed.token));
    Ok(answer.header(header::REFERRER_POLICY, OF_SECRETS).into_response())
}

fn spent(status: StatusCode) -> Response {
    let page = PersonPage::new(Look::default(), "This link is good no more")
        .lead("It was used before, its time is over, or a part of it was lost on the way.")
        .onward(FORGOT, "Have a new link sent");
    Answer::new(status, page).into_response()
}

/// `POST /reset-password`
pub(super) async fn reset(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(typed): Form<New>,
) -> Result<Response, Trouble> {
    let (token, password) = (SecretString::from(typed.token.clone()), SecretString::from(typed.password));
    let app = state.app.clone();
    let error = match done(async move { app.reset_password(&token, password, &visitor.origin).await }).await {
        Ok(()) => {
            let page = PersonPage::new(Look::default(), "Your password is set")
                .lead("Sign in with it now.")
                .onward(SIGN_IN, "Sign in");
            let forgotten = Cookie::Session.forgotten(state.app.settings());
            let answer = Answer::new(StatusCode::OK, page).header(header::SET_COOKIE, forgotten);
            return Ok(answer.into_response());
        }
        Err(error) => error,
    };
    if matches!(&error, Error::Invalid(wrong) if wrong.iter().any(|one| one.field == "token")) {
        return Ok(spent(StatusCode::UNPROCESSABLE_ENTITY));
    }
    let (status, wrong) = wrongs(error)?;
    let page = reset_page(&typed.token);
    let page = wrong.into_iter().fold(page, |page, (field, message)| page.wrong(&field, message));
    Ok(Answer::new(status, page).header(header::REFERRER_POLICY, OF_SECRETS).into_response())
}
