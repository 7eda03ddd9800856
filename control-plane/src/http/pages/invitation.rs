//! The invitation that a mail leads to: what is offered, and taking it.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;

use super::answer::{Answer, Trouble, look, url};
use super::form::Form;
use super::password::{Mailed, OF_SECRETS, new_password};
use super::visitor::Visitor;
use super::way::{Way, link};
use super::{ACCOUNT, INVITATION, NAME_LENGTH, SIGN_IN, SIGN_OUT, done, wrongs};
use crate::app::invitations::{NewAccount, Offer};
use crate::app::places::Place;
use crate::app::{Caller, Error, Who};
use crate::http::AppState;
use crate::http::error::Problem;
use crate::http::extract::Query;
use crate::render::person::{self, Field, Kind, Look, PersonPage};

/// What stood in the mail's link; whoever has no account, what one is to be made of. Not printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    token: String,
    name: String,
    password: String,
}

/// An invitation that is open, and the place that it leads to.
struct Open {
    offer: Offer,
    place: Place,
}

/// What the secret of a link offers, if it offers anything any more.
async fn open(state: &AppState, token: &str) -> Result<Result<Open, Response>, Trouble> {
    let offer = match state.app.preview_invitation(&SecretString::from(token)).await {
        Ok(offer) => offer,
        Err(Error::NotFound(_)) => {
            let why = "A part of the link was lost on the way, or a later mail has another.";
            return Ok(Err(spent(StatusCode::NOT_FOUND, why.to_owned())));
        }
        Err(Error::NotNow(why)) => return Ok(Err(spent(StatusCode::CONFLICT, person::sentence(&why)))),
        Err(error) => return Err(error.into()),
    };
    Ok(match state.app.place(&offer.tenant.id.to_string()).await? {
        Some(place) => Ok(Open { offer, place }),
        None => Err(spent(StatusCode::NOT_FOUND, "The place that it led to is gone.".to_owned())),
    })
}

fn spent(status: StatusCode, why: String) -> Response {
    let page = PersonPage::new(Look::default(), "This invitation is good no more")
        .lead(why)
        .lead("Ask whoever invited you for another one.")
        .link(ACCOUNT, "Your account and where you belong");
    Answer::new(status, page).into_response()
}

impl Open {
    fn page(&self) -> PersonPage {
        let Place { name, .. } = &self.place;
        let invitation = &self.offer.invitation;
        PersonPage::new(look(Some(&self.place)), format!("Join {name}"))
            .lead(format!("{} invites you to {name}, as {}.", invitation.invited_by, invitation.role))
    }

    /// The page for whoever is signed in as this address, or is not.
    fn shown(&self, token: &str, me: Option<&str>, name: &str) -> PersonPage {
        let email = self.offer.invitation.email.as_str();
        let form = person::Form::new(INVITATION, "Join").hidden("token", token);
        match me {
            Some(me) if me == email => self.page().lead(format!("You join as {me}.")).form(form),
            Some(me) => self
                .page()
                .lead(format!("It was sent to {email}, and you are signed in as {me}."))
                .lead("Sign out, then open the link in the mail again.")
                .onward(SIGN_OUT, "Sign out"),
            None => {
                let form = form
                    .field(
                        Field::new(Kind::Text, "name", "Name", NAME_LENGTH).autocomplete("name").value(name),
                    )
                    .field(new_password("Password"));
                self.page()
                    .lead(format!("You get an account with it, as {email}."))
                    .form(form)
                    .link(self.sign_in(token), "I have an account: sign in")
            }
        }
    }

    fn sign_in(&self, token: &str) -> String {
        link(SIGN_IN, Way::to_invitation(token).as_ref())
    }

    /// The page with a form that holds the secret.
    fn answer(status: StatusCode, page: PersonPage) -> Response {
        Answer::new(status, page).header(header::REFERRER_POLICY, OF_SECRETS).into_response()
    }
}

/// `GET /invitations`. It takes nothing from the link: mail scanners follow links, too.
pub(super) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    query: Result<Query<Mailed>, Problem>,
) -> Result<Response, Trouble> {
    let Query(mailed) = query?;
    let open = match open(&state, &mailed.token).await? {
        Ok(open) => open,
        Err(spent) => return Ok(spent),
    };
    let me = visitor.browser.as_ref().map(|browser| browser.principal.email.as_str());
    Ok(Open::answer(StatusCode::OK, open.shown(&mailed.token, me, "")))
}

/// `POST /invitations`
pub(super) async fn take(
    State(state): State<AppState>,
    visitor: Visitor,
    Form(typed): Form<Typed>,
) -> Result<Response, Trouble> {
    let open = match open(&state, &typed.token).await? {
        Ok(open) => open,
        Err(spent) => return Ok(spent),
    };
    let nobody = || Caller { who: Who::Nobody, origin: visitor.origin.clone() };
    let caller = visitor.caller().unwrap_or_else(nobody);
    let me = visitor.browser.as_ref().map(|browser| browser.principal.email.as_str());
    let (app, token) = (state.app.clone(), SecretString::from(typed.token.clone()));
    let account = NewAccount {
        name: Some(typed.name.clone()).filter(|name| !name.is_empty()),
        password: Some(typed.password).filter(|password| !password.is_empty()).map(SecretString::from),
    };
    let page = || open.shown(&typed.token, me, &typed.name);
    let (status, page) =
        match done(async move { app.accept_invitation(&caller, &token, account).await }).await {
            Ok(_) => {
                let name = &open.place.name;
                let page = PersonPage::new(look(Some(&open.place)), format!("You belong to {name}"))
                    .onward(url(&open.place, state.app.settings()), format!("Go to {name}"));
                return Ok(Answer::new(StatusCode::OK, page).into_response());
            }
            Err(Error::SignInFirst(why)) => {
                let page = open.page().wrong("", why).onward(open.sign_in(&typed.token), "Sign in");
                (StatusCode::UNPROCESSABLE_ENTITY, page)
            }
            Err(error) => {
                let (status, wrong) = wrongs(error)?;
                (status, wrong.into_iter().fold(page(), |page, (field, why)| page.wrong(&field, why)))
            }
        };
    Ok(Open::answer(status, page))
}
