//! Where apps send people to sign in.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};

use super::AUTHORIZE;
use super::answer::Refusal;
use super::form::Form;
use crate::app::oauth::Authorized;
use crate::http::pages::SIGN_IN;
use crate::http::pages::answer::{
    Trouble, bad_request, no_such_place, second_factor_required, see_other, suspended,
};
use crate::http::pages::visitor::Visitor;
use crate::http::{AppState, run};
use crate::identity::oauth::params::Params;
use crate::model::ids::TenantId;

/// `GET /oauth/authorize`
pub(super) async fn ask(
    State(state): State<AppState>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let params = Params::read(query.unwrap_or_default().as_bytes());
    let app = Arc::clone(&state.app);
    let Visitor { browser, origin, .. } = visitor;
    let authorized = run(async move { app.authorize(&params, browser.as_ref(), &origin).await }).await?;
    let place = async |tenant: TenantId| state.app.place(&tenant.to_string()).await;
    Ok(match authorized {
        Authorized::Back(address) => see_other(&address),
        Authorized::SignIn(path) => see_other(&Params::default().with("to", path).at(SIGN_IN)),
        Authorized::Refused(why) => bad_request(why),
        Authorized::Nowhere(tenant) => no_such_place(place(tenant).await?.as_ref()),
        Authorized::Suspended(tenant) => match place(tenant).await? {
            Some(place) => suspended(&place),
            None => no_such_place(None),
        },
        // The page where people sign in knows by the way on which provider that place requires.
        Authorized::Provider { back, .. } => see_other(&Params::default().with("to", back).at(SIGN_IN)),
        Authorized::SecondFactor { tenant, has_one, back } => match place(tenant).await? {
            Some(place) => second_factor_required(&place, has_one, &back),
            None => no_such_place(None),
        },
    })
}

/// `POST /oauth/authorize`: the same. It is asked again by a GET, because browsers keep our cookie back from what other
/// sites have them post.
pub(super) async fn posted(form: Result<Form, Refusal>) -> Response {
    match form {
        Ok(Form(params)) => see_other(&params.at(AUTHORIZE)),
        Err(refusal) => refusal.into_response(),
    }
}
