//! Asking to join a tenant that takes people who ask.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::answer::{Answer, Trouble, look, no_such_place, url};
use super::form::Form;
use super::password::new_password;
use super::visitor::Visitor;
use super::way::{Way, link};
use super::{EMAIL_LENGTH, NAME_LENGTH, SIGN_IN, done, wrongs};
use crate::app::caller::Principal;
use crate::app::people::Registration;
use crate::app::places::Place;
use crate::app::signups::MESSAGE_CHARACTERS;
use crate::app::{Origin, Settings};
use crate::http::AppState;
use crate::http::extract::Path;
use crate::model::signup::{SignupMode, SignupState};
use crate::render::person::{self, Field, Kind, PersonPage};

/// What somebody says about themselves; whoever has no account, what one is to be made of. Not printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    message: String,
    name: String,
    email: String,
    password: String,
}

async fn open_place(state: &AppState, reference: &str) -> Result<Option<Place>, Trouble> {
    let place = state.app.place(reference).await?;
    Ok(place.filter(|place| place.signups != SignupMode::Closed && place.slug.as_str() == reference))
}

fn page(place: &Place) -> PersonPage {
    PersonPage::new(look(Some(place)), format!("Join {}", place.name))
}

fn message_field(message: &str) -> Field {
    Field::new(Kind::Lines, "message", "A word to its admins", MESSAGE_CHARACTERS)
        .hint("May be left empty.")
        .value(message)
}

/// For somebody who is signed in.
fn ask_page(place: &Place, me: &Principal, message: &str) -> PersonPage {
    let way = Way::to_join(&place.slug);
    if place.signups == SignupMode::Automatic {
        let form = person::Form::new(way.as_str(), "Join");
        return page(place).lead(format!("You join as {}.", me.email)).form(form);
    }
    let lead = format!(
        "Its admins are asked whether they take you in, as {}. What they say is mailed to you.",
        me.email
    );
    page(place).lead(lead).form(person::Form::new(way.as_str(), "Ask to join").field(message_field(message)))
}

/// For somebody who may have no account yet. The password is not shown again.
fn stranger_page(place: &Place, typed: &Typed) -> PersonPage {
    let way = Way::to_join(&place.slug);
    let form = person::Form::new(way.as_str(), "Ask to join")
        .field(Field::new(Kind::Text, "name", "Name", NAME_LENGTH).autocomplete("name").value(&typed.name))
        .field(
            Field::new(Kind::Email, "email", "Email", EMAIL_LENGTH)
                .autocomplete("username")
                .value(&typed.email),
        )
        .field(new_password("Password"));
    let form = match place.signups {
        SignupMode::Automatic => form,
        _ => form.field(message_field(&typed.message)),
    };
    page(place)
        .lead("You get an account with it. A mail asks you first whether the address is yours.")
        .form(form)
        .link(link(SIGN_IN, Some(&way)), "I have an account: sign in")
}

fn inside(place: &Place, settings: &Settings) -> PersonPage {
    PersonPage::new(look(Some(place)), format!("You belong to {}", place.name))
        .onward(url(place, settings), format!("Go to {}", place.name))
}

fn waiting(place: &Place) -> PersonPage {
    PersonPage::new(look(Some(place)), "You asked to join")
        .lead(format!("The admins of {} have yet to decide. What they say is mailed to you.", place.name))
}

/// `GET /join/{tenant}`
pub(super) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    path: Result<Path<String>, crate::http::error::Problem>,
) -> Result<Response, Trouble> {
    let Path(reference) = path?;
    let Some(place) = open_place(&state, &reference).await? else { return Ok(no_such_place(None)) };
    let Some(browser) = &visitor.browser else {
        return Ok(Answer::new(StatusCode::OK, stranger_page(&place, &Typed::default())).into_response());
    };
    let me = &browser.principal;
    if me.memberships.iter().any(|one| one.tenant == place.tenant) {
        return Ok(Answer::new(StatusCode::OK, inside(&place, state.app.settings())).into_response());
    }
    let wish = state.app.wish_of(me, place.tenant).await?;
    let page = match wish {
        Some(wish) if wish.state == SignupState::Pending => waiting(&place),
        Some(wish) if wish.state == SignupState::Rejected => {
            let said = wish.reason.unwrap_or_default();
            ask_page(&place, me, "").lead(format!("You asked before, and were told: {said}"))
        }
        _ => ask_page(&place, me, ""),
    };
    Ok(Answer::new(StatusCode::OK, page).into_response())
}

/// `POST /join/{tenant}`
pub(super) async fn take(
    State(state): State<AppState>,
    visitor: Visitor,
    path: Result<Path<String>, crate::http::error::Problem>,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    let Path(reference) = path?;
    let Some(place) = open_place(&state, &reference).await? else { return Ok(no_such_place(None)) };
    let (Some(caller), Some(browser)) = (visitor.caller(), &visitor.browser) else {
        return take_stranger(&state, &place, visitor.origin, typed).await;
    };
    let (app, tenant, message) = (state.app.clone(), place.tenant.to_string(), typed.message.clone());
    let asked = done(async move { app.join_tenant(&caller, &tenant, &message).await }).await;
    let (status, page) = match asked {
        Ok(signup) if signup.state == SignupState::Approved => {
            (StatusCode::OK, inside(&place, state.app.settings()))
        }
        Ok(_) => (StatusCode::OK, waiting(&place)),
        Err(error) => {
            let (status, wrong) = wrongs(error)?;
            let page = ask_page(&place, &browser.principal, &typed.message);
            (status, wrong.into_iter().fold(page, |page, (field, message)| page.wrong(&field, message)))
        }
    };
    Ok(Answer::new(status, page).into_response())
}

/// Somebody without an account asks. Whether the address has one is told by mail alone.
async fn take_stranger(
    state: &AppState,
    place: &Place,
    origin: Origin,
    typed: Typed,
) -> Result<Response, Trouble> {
    let (app, tenant, message) = (state.app.clone(), place.tenant.to_string(), typed.message.clone());
    let wanted = Registration {
        email: typed.email.clone(),
        name: typed.name.clone(),
        password: SecretString::from(typed.password.clone()),
        terms: None,
    };
    let asked = done(async move { app.join_unknown(&tenant, &message, wanted, &origin).await }).await;
    let (status, page) = match asked {
        Ok(()) => {
            let page = PersonPage::new(look(Some(place)), "Look into your mail")
                .lead("It says what comes next. Nobody hears of your wish before you have opened it.");
            (StatusCode::OK, page)
        }
        Err(error) => {
            let (status, wrong) = wrongs(error)?;
            let page = stranger_page(place, &typed);
            (status, wrong.into_iter().fold(page, |page, (field, message)| page.wrong(&field, message)))
        }
    };
    Ok(Answer::new(status, page).into_response())
}
