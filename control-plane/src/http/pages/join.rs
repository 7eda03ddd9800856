//! Asking to join a tenant that takes people who ask.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answer::{Answer, Trouble, look, no_such_place, see_other, url};
use super::form::Form;
use super::visitor::Visitor;
use super::way::{Way, link};
use super::{SIGN_IN, done, wrongs};
use crate::app::Settings;
use crate::app::caller::Principal;
use crate::app::places::Place;
use crate::app::signups::MESSAGE_CHARACTERS;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::model::signup::{SignupMode, SignupState};
use crate::render::person::{self, Field, Kind, PersonPage};

/// What somebody says about themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    message: String,
}

async fn open_place(state: &AppState, reference: &str) -> Result<Option<Place>, Trouble> {
    let place = state.app.place(reference).await?;
    Ok(place.filter(|place| place.signups != SignupMode::Closed && place.slug.as_str() == reference))
}

fn page(place: &Place) -> PersonPage {
    PersonPage::new(look(Some(place)), format!("Join {}", place.name))
}

fn ask_page(place: &Place, me: &Principal, message: &str) -> PersonPage {
    let form = person::Form::new(Way::to_join(&place.slug).as_str(), "Ask to join");
    if place.signups == SignupMode::Automatic {
        let form = person::Form::new(Way::to_join(&place.slug).as_str(), "Join");
        return page(place).lead(format!("You join as {}.", me.email)).form(form);
    }
    let message = Field::new(Kind::Lines, "message", "A word to its admins", MESSAGE_CHARACTERS)
        .hint("May be left empty.")
        .value(message);
    page(place)
        .lead(format!(
            "Its admins are asked whether they take you in, as {}. What they say is mailed to you.",
            me.email
        ))
        .form(form.field(message))
}

fn inside(place: &Place, settings: &Settings) -> PersonPage {
    PersonPage::new(look(Some(place)), format!("You belong to {}", place.name))
        .link(url(place, settings), format!("Go to {}", place.name))
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
        let way = Way::to_join(&place.slug);
        let page =
            page(&place).lead("Sign in with your account first.").link(link(SIGN_IN, Some(&way)), "Sign in");
        return Ok(Answer::new(StatusCode::OK, page).into_response());
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
        return Ok(see_other(&link(SIGN_IN, Some(&Way::to_join(&place.slug)))));
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
