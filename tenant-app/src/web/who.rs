//! Whose request is it? Everything but the health check, the style sheets and the way in and out needs a
//! person, or a program with a person's token.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::guards::HEALTH;
use super::problem::Error;
use super::state::Shared;
use crate::pages::sign_in::{OPEN, SESSION, way_in};
use crate::people::guests::Credential;
use crate::people::person::Person;
use crate::people::sessions::Sessions;
use crate::tenant::token::presented;

/// Who asks, and by what they are known.
#[derive(Clone)]
pub struct Known {
    pub person: Arc<Person>,
    pub credential: Credential,
}

/// The person of a request. A handler that was reached without one says so to the world as a fault of ours.
pub struct Who(pub Known);

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Known>().cloned().map(Self).ok_or(Error::Internal)
    }
}

/// Lets those in who are known, may read, and, for a change, come from where they may make one.
pub async fn must_be_known(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path == HEALTH || path.starts_with("/assets/") || OPEN.contains(&path) {
        return next.run(request).await;
    }
    let known = match known(&app, request.headers()).await {
        Ok(known) => known,
        Err(Error::SignInNeeded) if !is_for_programs(path) => {
            // What a form held is lost with the session; its page is no place to come back to.
            let safe = matches!(*request.method(), Method::GET | Method::HEAD);
            let to = request.uri().path_and_query().filter(|_| safe).map(|place| place.as_str());
            return Redirect::to(&way_in(to)).into_response();
        }
        Err(error) => return error.into_response(),
    };
    let answer = match may_ask(&app, &known, request.method(), request.headers()) {
        Ok(()) => {
            request.extensions_mut().insert(known.clone());
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    let mut answer = answer;
    // So that a problem's page can say who is signed in.
    answer.extensions_mut().insert(known);
    answer
}

fn is_for_programs(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

async fn known(app: &Shared, headers: &HeaderMap) -> Result<Known, Error> {
    let token = presented(headers)?;
    let guests = app.guests.as_ref().ok_or(Error::NoSignIn)?;
    let credential = match token {
        Some(token) => Credential::Token(token.to_owned().into()),
        None => {
            let number = app.cookies.get(headers, SESSION);
            Credential::Session(number.and_then(Sessions::id_of).ok_or(Error::SignInNeeded)?)
        }
    };
    Ok(Known { person: guests.who(&credential).await?, credential })
}

fn may_ask(app: &Shared, known: &Known, method: &Method, headers: &HeaderMap) -> Result<(), Error> {
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        let from_here = match known.credential {
            Credential::Session(_) => app.tenant.names.may_change_with_a_cookie(headers),
            Credential::Token(_) => app.tenant.names.may_change(headers),
        };
        if !from_here {
            return Err(Error::CrossSite);
        }
    }
    if known.person.may_read() {
        return Ok(());
    }
    Err(Error::NotAllowed("Your role in this tenant does not let you read its data. Ask one of its admins."))
}
