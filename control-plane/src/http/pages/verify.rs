//! The proof of an address, by what was mailed to it, and another mail for whoever lost the first.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::answer::{Answer, Trouble};
use super::form::Form;
use super::password::{Mailed, OF_SECRETS};
use super::visitor::Visitor;
use super::{EMAIL_LENGTH, SIGN_IN, VERIFY, done, wrongs};
use crate::app::Error;
use crate::http::AppState;
use crate::http::error::Problem;
use crate::http::extract::Query;
use crate::render::person::{self, Field, Kind, Look, PersonPage};

/// What was mailed, or where to mail it once more. Not printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    token: String,
    email: String,
}

fn again_page(heading: &str, email: &str) -> PersonPage {
    let email = Field::new(Kind::Email, "email", "Email", EMAIL_LENGTH).autocomplete("username").value(email);
    PersonPage::new(Look::default(), heading)
        .lead("We mail you a new link, if your address is yet to be confirmed.")
        .form(person::Form::new(VERIFY, "Send the link").field(email))
        .link(SIGN_IN, "Sign in")
}

/// `GET /verify-email`. It takes nothing from the link: mail scanners follow links, too.
pub(super) async fn show(query: Result<Query<Mailed>, Problem>) -> Result<Response, Trouble> {
    let Query(mailed) = query?;
    if mailed.token.is_empty() {
        return Ok(Answer::new(StatusCode::OK, again_page("Confirm your address", "")).into_response());
    }
    let page = PersonPage::new(Look::default(), "Confirm your address")
        .lead("One step is left: say that this address is yours.")
        .form(person::Form::new(VERIFY, "It is mine").hidden("token", &mailed.token));
    Ok(Answer::new(StatusCode::OK, page).header(header::REFERRER_POLICY, OF_SECRETS).into_response())
}

/// `POST /verify-email`
pub(super) async fn take(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    let app = state.app.clone();
    if typed.token.is_empty() {
        let email = typed.email.clone();
        let sent = done(async move { app.resend_proof(&email, &visitor.origin).await }).await;
        let (status, page) = match sent {
            Ok(()) => {
                let page = PersonPage::new(Look::default(), "Look into your mail")
                    .lead("If this address waits to be confirmed, a mail is on its way to it. The link in it is good for 24 hours.")
                    .onward(SIGN_IN, "Sign in");
                (StatusCode::OK, page)
            }
            Err(error) => {
                let (status, wrong) = wrongs(error)?;
                let page = again_page("Confirm your address", &typed.email);
                (status, wrong.into_iter().fold(page, |page, (field, message)| page.wrong(&field, message)))
            }
        };
        return Ok(Answer::new(status, page).into_response());
    }
    let token = SecretString::from(typed.token);
    match done(async move { app.prove_address(&token, &visitor.origin).await }).await {
        Ok(()) => {
            let page = PersonPage::new(Look::default(), "Your address is confirmed")
                .lead("Sign in now.")
                .onward(SIGN_IN, "Sign in");
            Ok(Answer::new(StatusCode::OK, page).into_response())
        }
        Err(Error::Invalid(_)) => {
            let page = again_page("This link is good no more", "");
            Ok(Answer::new(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
