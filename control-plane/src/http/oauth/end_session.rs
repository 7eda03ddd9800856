//! Where apps send people who sign out.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::END_SESSION;
use super::answer::Refusal;
use super::form::Form;
use crate::app::oauth::Ended;
use crate::http::pages::SIGN_IN;
use crate::http::pages::answer::{Trouble, bad_request, confirm_sign_out, see_other};
use crate::http::pages::cookie::Cookie;
use crate::http::pages::form::is_from_us;
use crate::http::pages::visitor::Visitor;
use crate::http::{AppState, run};
use crate::identity::oauth::params::Params;

/// `GET /oauth/end-session`
pub(super) async fn ask(
    State(state): State<AppState>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let params = Params::read(query.unwrap_or_default().as_bytes());
    ended(&state, visitor, params, false).await
}

/// `POST /oauth/end-session`: from our own page, that they said yes. From an app, the same as a GET, which is what it
/// is made: browsers keep our cookie back from what other sites have them post.
pub(super) async fn posted(
    State(state): State<AppState>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Result<Form, Refusal>,
) -> Result<Response, Trouble> {
    let Ok(Form(params)) = form else { return Ok(bad_request("What it sent cannot be read.")) };
    if is_from_us(&headers, state.app.settings()) {
        ended(&state, visitor, params, true).await
    } else {
        Ok(see_other(&params.at(END_SESSION)))
    }
}

async fn ended(
    state: &AppState,
    visitor: Visitor,
    params: Params,
    confirmed: bool,
) -> Result<Response, Trouble> {
    let app = Arc::clone(&state.app);
    let Visitor { browser, origin, .. } = visitor;
    let name = browser.as_ref().map(|browser| browser.principal.email.to_string()).unwrap_or_default();
    let asked = params.clone();
    let ended =
        run(async move { app.end_browser_session(&asked, browser.as_ref(), confirmed, &origin).await });
    Ok(match ended.await? {
        Ended::Out(back) => {
            let mut response = see_other(back.as_deref().unwrap_or(SIGN_IN));
            let forgotten = Cookie::Session.forgotten(state.app.settings());
            response.headers_mut().append(header::SET_COOKIE, forgotten);
            response
        }
        Ended::Confirm { client, back } => {
            let place = match client {
                Some(client) => state.app.place(&client.to_string()).await?,
                None => None,
            };
            let fields: Vec<(&str, &str)> = params.iter().collect();
            confirm_sign_out(place.as_ref(), &name, END_SESSION, &fields, back.as_deref().and_then(origin_of))
        }
        Ended::Refused(why) => bad_request(why),
    })
}

/// The origin of an address of an app's.
fn origin_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    Some(format!("{scheme}://{host}"))
}
