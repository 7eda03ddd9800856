//! Setting a second factor up, with an authenticator app.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::answer::{Answer, Trouble, see_other};
use super::form::Form;
use super::visitor::Visitor;
use super::way::{Way, link};
use super::{ACCOUNT, SECOND_FACTOR, SIGN_IN, done, wrongs};
use crate::app::people::Enrolment;
use crate::http::AppState;
use crate::http::error::Problem;
use crate::http::extract::Query;
use crate::render::person::{self, Field, Kind, Look, PersonPage};
use crate::render::qr;

/// Letters of the secret between two spaces, for those who type it.
const GROUP: usize = 4;

/// Where somebody was about to go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    to: String,
}

/// A code of the app; none to begin.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Typed {
    code: String,
    to: String,
}

fn form(submit: &'static str, way: Option<&Way>) -> person::Form {
    let form = person::Form::new(SECOND_FACTOR, submit);
    way.map_or(form.clone(), |way| form.hidden("to", way.as_str()))
}

fn first_page(way: Option<&Way>) -> PersonPage {
    PersonPage::new(Look::default(), "Set up a second factor")
        .lead("You sign in with your password and a code that your phone shows. You need an authenticator app on it.")
        .form(form("Begin", way))
        .link(ACCOUNT, "Your account")
}

fn code_form(way: Option<&Way>) -> person::Form {
    let field = Field::new(Kind::Text, "code", "Code", 7)
        .autocomplete("one-time-code")
        .inputmode("numeric")
        .hint("The six digits that the app shows now.");
    form("Confirm", way).field(field)
}

/// The secret, this once.
fn secret_page(begun: &Enrolment, way: Option<&Way>) -> PersonPage {
    let letters: Vec<char> = begun.secret.expose_secret().chars().collect();
    let groups: Vec<String> = letters.chunks(GROUP).map(|group| group.iter().collect()).collect();
    let page = PersonPage::new(Look::default(), "Scan this with your app")
        .lead("Where you cannot scan it, type in the letters below it instead.")
        .code(groups.join(" "))
        .form(code_form(way))
        .link(begun.uri.expose_secret(), "Open an authenticator app on this device");
    match qr::picture(begun.uri.expose_secret()) {
        Some(picture) => page.picture(picture, "A QR code with the same secret as the text below it."),
        None => page,
    }
}

/// `GET /second-factor`
pub(super) async fn show(
    visitor: Visitor,
    query: Result<Query<Asked>, Problem>,
) -> Result<Response, Trouble> {
    let Query(asked) = query?;
    let Some(browser) = &visitor.browser else {
        return Ok(see_other(&link(SIGN_IN, Some(&Way::to_second_factor()))));
    };
    let way = Way::read(&asked.to);
    let page = if browser.principal.has_second_factor {
        PersonPage::new(Look::default(), "You have a second factor")
            .lead("Whenever you sign in with your password, a code is asked for.")
            .onward(way.as_ref().map_or(ACCOUNT, Way::as_str), "Go on")
    } else {
        first_page(way.as_ref())
    };
    Ok(Answer::new(StatusCode::OK, page).into_response())
}

/// `POST /second-factor`
pub(super) async fn take(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    let Some(caller) = visitor.caller() else {
        return Ok(see_other(&link(SIGN_IN, Some(&Way::to_second_factor()))));
    };
    let (app, way, code) = (state.app.clone(), Way::read(&typed.to), typed.code);
    let (result, page) = if code.is_empty() {
        let begun = done(async move { app.begin_second_factor(&caller).await }).await;
        (begun.map(|begun| secret_page(&begun, way.as_ref())), first_page(way.as_ref()))
    } else {
        let codes = done(async move { app.confirm_second_factor(&caller, &code).await }).await;
        let page = PersonPage::new(Look::default(), "Confirm your second factor")
            .form(code_form(way.as_ref()))
            .link(link(SECOND_FACTOR, way.as_ref()), "Begin anew");
        (codes.map(|codes| codes_page(&codes, way.as_ref())), page)
    };
    let (status, page) = match result {
        Ok(page) => (StatusCode::OK, page),
        Err(error) => {
            let (status, wrong) = wrongs(error)?;
            (status, wrong.into_iter().fold(page, |page, (field, why)| page.wrong(&field, why)))
        }
    };
    Ok(Answer::new(status, page).into_response())
}

/// The recovery codes, this once.
fn codes_page(codes: &[secrecy::SecretString], way: Option<&Way>) -> PersonPage {
    let page = PersonPage::new(Look::default(), "Your second factor is set up")
        .lead("Keep these codes where you find them without your phone. Each lets you in once, when the phone is lost. They are shown this once.");
    codes
        .iter()
        .fold(page, |page, code| page.code(code.expose_secret()))
        .onward(way.map_or(ACCOUNT, Way::as_str), "Go on")
}
