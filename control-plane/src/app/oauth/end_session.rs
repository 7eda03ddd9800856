//! Somebody signs out in an app, and with it here (OpenID Connect RP-Initiated Logout).

use super::clients;
use crate::app::caller::Origin;
use crate::app::people::Browser;
use crate::app::{App, Result};
use crate::identity::oauth::params::Params;
use crate::model::ids::TenantId;

/// What is to be done with somebody's browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nobody is signed in any more with it. It goes to this address of the app's, if that wanted it back.
    Out(Option<String>),
    /// They are asked on a page of ours whether they want it: anybody can make up such a link. It leads there then.
    Confirm { client: Option<TenantId>, back: Option<String> },
    /// They are told why it cannot go on.
    Refused(&'static str),
}

impl App {
    /// Ends the session of a browser, if an ID token of this very session was sent, or
    /// if they said yes on our own page.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn end_browser_session(
        &self,
        params: &Params,
        browser: Option<&Browser>,
        confirmed: bool,
        origin: &Origin,
    ) -> Result<Ended> {
        if params.is_ambiguous() {
            return Ok(Ended::Refused("It gave something twice."));
        }
        // One that is not ours, or whose key was withdrawn, proves nothing: they are asked (RP-Initiated Logout, 2).
        let shown = params.get("id_token_hint");
        let hint = shown.and_then(|hint| self.app_verifier.hint(hint).ok());
        let named = params.get("client_id");
        let hinted = hint.as_ref().map(|hint| hint.aud);
        let id = match named.map(clients::id) {
            None => hinted,
            Some(Some(id)) if hinted.is_none_or(|hinted| hinted == id) => Some(id),
            Some(_) => return Ok(Ended::Refused("It named another app than itself.")),
        };
        let client = match id {
            Some(id) => self.oauth_client(id).await?,
            None => None,
        };
        // Of an app that is named by such a hint alone it cannot be told which one it is, nor what its addresses are.
        let nameless = client.is_none() && shown.is_some() && hint.is_none();
        let back = match params.get("post_logout_redirect_uri").filter(|_| !nameless) {
            None => None,
            Some(asked) => {
                let own = client
                    .as_ref()
                    .and_then(|client| self.own_address(client, &client.signed_out_path, asked));
                let Some(own) = own else {
                    return Ok(Ended::Refused("The address that it wanted you sent back to is not its own."));
                };
                let answer = match params.get("state") {
                    Some(state) => Params::default().with("state", state),
                    None => Params::default(),
                };
                Some(answer.at(own))
            }
        };
        // Without a session here there is nothing to end, and nothing to ask.
        let Some(browser) = browser else { return Ok(Ended::Out(back)) };
        let proven = hint.is_some_and(|hint| hint.sid == browser.principal.session);
        if !proven && !confirmed {
            return Ok(Ended::Confirm { client: client.map(|client| client.tenant_id), back });
        }
        self.sign_out(&browser.caller(origin)).await?;
        Ok(Ended::Out(back))
    }
}
