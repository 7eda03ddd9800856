//! An app that shows who it is, with what it asks.

use axum::extract::{FromRequest, Request};
use axum::http::header;

use super::answer::Refusal;
use super::form::Form;
use crate::app::Origin;
use crate::app::oauth::{Client, Code, Refused};
use crate::http::caller::origin;
use crate::http::{AppState, limits};
use crate::identity::oauth::client::{self, Unclear};
use crate::identity::oauth::params::Params;

/// A form of an app's that has shown who it is.
pub(super) struct FromClient {
    pub client: Client,
    pub form: Params,
    pub origin: Origin,
}

impl FromRequest<AppState> for FromClient {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let Form(form) = Form::from_request(Request::from_parts(parts.clone(), body), state).await?;
        let authorization = parts.headers.get(header::AUTHORIZATION);
        let text = authorization.map(|value| value.to_str().unwrap_or_default());
        let shown = match client::read(text, &form) {
            Ok(shown) => shown,
            Err(Unclear::Twice) => {
                return Err(Refusal::invalid("the client shows who it is in two ways; one is enough"));
            }
            Err(Unclear::Missing) => {
                limits::count_stranger(&state.limits, &parts)?;
                let text = "show who the client is: client_secret_basic or client_secret_post";
                return Err(Refused::For(Code::InvalidClient, text).into());
            }
        };
        match state.app.authenticate_client(&shown).await {
            Ok(client) => {
                limits::count_client(&state.limits, client.tenant_id)?;
                Ok(Self { client, form, origin: origin(&parts.headers) })
            }
            Err(refused @ Refused::For(..)) => {
                limits::count_stranger(&state.limits, &parts)?;
                Err(refused.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
