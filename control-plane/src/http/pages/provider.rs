//! Signing in by a provider outside: the way there and back.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answer::{Answer, Trouble, look, see_other};
use super::cookie::Cookie;
use super::sign_in::{Asked, Road};
use super::visitor::Visitor;
use super::way::{Way, link};
use super::{ACCOUNT, SIGN_IN, done, wrongs};
use crate::app::Error;
use crate::app::people::Step;
use crate::app::providers::{Brought, KEPT_FOR};
use crate::http::AppState;
use crate::http::error::Problem;
use crate::http::extract::{Path, Query};
use crate::model::ids::ProviderId;
use crate::render::person::PersonPage;

/// What a provider sends somebody back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Back {
    state: String,
    code: String,
    error: Option<String>,
    iss: Option<String>,
}

/// Says on the page to sign in on what is wrong with the way that was tried.
fn not_this_way(state: &AppState, road: &Road, error: Error) -> Result<Response, Trouble> {
    let (status, wrong) = match error {
        Error::NotFound(_) => {
            let text = "nobody signs in by this provider any more; sign in another way".to_owned();
            (StatusCode::NOT_FOUND, vec![(String::new(), text)])
        }
        other => wrongs(other)?,
    };
    let page = wrong.into_iter().fold(road.page("", false), |page, (_, message)| page.wrong("", message));
    Ok(road.answer(state, status, page).into_response())
}

/// Whether somebody came from a page of our own, or by themselves. Older browsers do not say.
fn is_chosen(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or("unreadable"));
    site.is_none_or(|site| site == "same-origin" || site == "none")
}

/// `GET /sign-in/with/{provider}`
pub(super) async fn go(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    path: Result<Path<String>, Problem>,
    query: Result<Query<Asked>, Problem>,
) -> Result<Response, Trouble> {
    let (Path(reference), Query(asked)) = (path?, query?);
    let road = Road::of(&state, &asked.to).await?;
    let Ok(provider) = reference.parse::<ProviderId>() else {
        return not_this_way(&state, &road, Error::NotFound("provider"));
    };
    if visitor.browser.is_some() && road.way.is_none() {
        return Ok(see_other(ACCOUNT));
    }
    // Somebody else's page must not have its visitors signed in as whomever its own provider says: they choose it on ours.
    if !is_chosen(&headers) {
        return Ok(see_other(&link(SIGN_IN, road.way.as_ref())));
    }
    let way = road.way.as_ref().map(Way::as_str).unwrap_or_default();
    let hint = road.way.as_ref().map(Way::hint).filter(|hint| !hint.is_empty());
    match state.app.send_to_provider(provider, way, hint.as_deref()).await {
        Ok(sent) => {
            let mut response = see_other(&sent.url);
            let errand = Cookie::Errand.set(state.app.settings(), &sent.errand, Some(KEPT_FOR));
            response.headers_mut().append(header::SET_COOKIE, errand);
            Ok(response)
        }
        Err(error) => not_this_way(&state, &road, error),
    }
}

/// What somebody is told who comes back from where this browser was not sent, or too late.
fn begin_anew() -> Answer {
    let page = PersonPage::new(look(None), "This sign-in cannot go on")
        .lead("It took too long, was done already, or was not begun with this browser.")
        .onward(SIGN_IN, "Begin anew");
    Answer::new(StatusCode::BAD_REQUEST, page)
}

/// `GET /sign-in/callback/{provider}`, `GET /sign-in/callback/{tenant}/{provider}`
pub(super) async fn come_back(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    uri: Uri,
    query: Result<Query<Back>, Problem>,
) -> Result<Response, Trouble> {
    let Query(back) = query?;
    let settings = state.app.settings();
    let kept = Cookie::Errand.of(&headers, settings);
    let Some(returning) = kept.and_then(|kept| state.app.returning(&kept, &back.state)) else {
        return Ok(begin_anew().into_response());
    };
    let road = Road::of(&state, returning.way()).await?;
    let brought = Brought { path: uri.path().to_owned(), code: back.code, error: back.error, iss: back.iss };
    let app = state.app.clone();
    let step = done(async move {
        app.sign_in_by_provider(&returning, brought, visitor.cookie.as_ref(), &visitor.origin).await
    });
    let mut response = match step.await {
        Ok(Step::In(session)) => road.go_on(&state, &session),
        Ok(Step::Code(ticket)) => road.ask_for_code(&state, &ticket),
        Err(Error::Unauthenticated) => {
            let page = PersonPage::new(look(road.place.as_ref()), "This sign-in cannot go on")
                .lead("It was done already, or this answer is not from the provider that you were sent to.")
                .onward(link(SIGN_IN, road.way.as_ref()), "Begin anew");
            Answer::new(StatusCode::BAD_REQUEST, page).into_response()
        }
        Err(error) => not_this_way(&state, &road, error)?,
    };
    // What it was kept for is done, well or not.
    response.headers_mut().append(header::SET_COOKIE, Cookie::Errand.forgotten(settings));
    Ok(response)
}
