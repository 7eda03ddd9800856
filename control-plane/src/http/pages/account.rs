//! Where somebody belongs who is signed in, and the way out.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answer::{Answer, Trouble, see_other, url};
use super::cookie::Cookie;
use super::form::Form;
use super::visitor::Visitor;
use super::{ACCOUNT, SECOND_FACTOR, SIGN_IN, SIGN_OUT, done};
use crate::app::caller::Principal;
use crate::http::AppState;
use crate::render::person::{self, Field, Kind, Look, PersonPage};

/// How far to sign out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    everywhere: String,
}

/// Who is signed in to one tenant alone ends no other session of theirs.
fn form(me: &Principal) -> person::Form {
    let form = person::Form::new(SIGN_OUT, "Sign out");
    match me.only_tenant {
        None => form.field(Field::new(Kind::Checkbox, "everywhere", "On all my devices", 3)),
        Some(_) => form,
    }
}

/// `GET /account`
pub(super) async fn show(State(state): State<AppState>, visitor: Visitor) -> Result<Response, Trouble> {
    let Some(browser) = visitor.browser else { return Ok(see_other(SIGN_IN)) };
    let me = &browser.principal;
    let places = state.app.places_of(me).await?;
    let page =
        PersonPage::new(Look::default(), "You are signed in").lead(format!("As {}, {}.", me.name, me.email));
    let page = if places.is_empty() {
        page.lead("You belong to no place yet. Ask somebody there to invite you.")
    } else {
        places.iter().fold(page, |page, place| page.place(url(place, state.app.settings()), &place.name))
    };
    let page = match me.has_second_factor || me.only_tenant.is_some() {
        true => page,
        false => page.link(SECOND_FACTOR, "Set up a second factor"),
    };
    Ok(Answer::new(StatusCode::OK, page.form(form(me))).into_response())
}

/// `GET /sign-out`. It signs nobody out: whoever makes up a link must not either.
pub(super) async fn show_sign_out(visitor: Visitor) -> Response {
    let Some(browser) = visitor.browser else { return see_other(SIGN_IN) };
    let page = PersonPage::new(Look::default(), "Sign out?")
        .lead(format!("You are signed in as {}. Signing out ends it in every app that you came to from here with this browser.", browser.principal.email))
        .form(form(&browser.principal))
        .link(ACCOUNT, "Stay signed in");
    Answer::new(StatusCode::OK, page).into_response()
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    if let Some(caller) = visitor.caller() {
        let app = state.app.clone();
        let everywhere = typed.everywhere == "yes";
        done(async move {
            if everywhere { app.end_sessions(&caller, false).await } else { app.sign_out(&caller).await }
        })
        .await?;
    }
    let page = PersonPage::new(Look::default(), "You are signed out").onward(SIGN_IN, "Sign in");
    let settings = state.app.settings();
    Ok(Answer::new(StatusCode::OK, page)
        .header(header::SET_COOKIE, Cookie::Session.forgotten(settings))
        .header(header::SET_COOKIE, Cookie::Ticket.forgotten(settings))
        .into_response())
}
