//! Somebody whom an app sent to sign in.

use chrono::{TimeDelta, Utc};
use secrecy::ExposeSecret;

use super::clients;
use super::error::Code;
use super::request::{self, Request};
use crate::app::audit::{Action, Entry};
use crate::app::caller::Origin;
use crate::app::people::Browser;
use crate::app::principal::Lack;
use crate::app::{App, Error, Result};
use crate::identity::oauth::code;
use crate::identity::oauth::params::Params;
use crate::identity::permissions::Permission;
use crate::identity::random_secret;
use crate::model::ids::{GrantId, TenantId};
use crate::store::Scope;
use crate::store::oauth_clients::ClientRecord;
use crate::store::oauth_grants::{self, NewGrant};

/// How long a code is good: an app exchanges it at once.
const CODE_SECONDS: i64 = 60;
/// Where it is asked, as a path of ours.
pub const PATH: &str = "/oauth/authorize";

/// Longest way of ours that people come back to from signing in, in bytes: one cookie holds it in base64 with the rest
/// while they are at a provider, and browsers keep about 4,000 bytes of each.
pub const LONGEST_WAY: usize = 2_700;

/// What is to be done with somebody's browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorized {
    /// It goes back to the app, at this address.
    Back(String),
    /// They sign in first, and come back to this path of ours.
    SignIn(String),
    /// They are told that there is no such place: they are no member.
    Nowhere(TenantId),
    /// They are suspended there.
    Suspended(TenantId),
    /// They came by something else than the provider that the tenant requires. They sign in anew, and come back to this
    /// path of ours.
    Provider { tenant: TenantId, back: String },
    /// They signed in without the second factor that the tenant requires. They may have one, and come back to this
    /// path of ours.
    SecondFactor { tenant: TenantId, has_one: bool, back: String },
    /// They are told why it cannot go on. It is never sent anywhere: whoever asked is not known.
    Refused(&'static str),
}

impl App {
    /// Answers an app's request that somebody sign in.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn authorize(
        &self,
        params: &Params,
        browser: Option<&Browser>,
        origin: &Origin,
    ) -> Result<Authorized> {
        let client = match params.get("client_id").and_then(clients::id) {
            Some(id) => self.oauth_client(id).await?,
            None => None,
        };
        let Some(client) = client else {
            return Ok(Authorized::Refused("It named no app that is known here."));
        };
        let asked = params.get("redirect_uri").unwrap_or_default();
        let Some(back) = self.own_address(&client, &client.callback_path, asked) else {
            return Ok(Authorized::Refused("The address that it wanted you sent back to is not its own."));
        };
        let refused = |code: Code, why: &str| {
            let answer = Params::default().with("error", code).with("error_description", why);
            Ok(Authorized::Back(self.answered(params, answer).at(back)))
        };
        let request = match request::read(params) {
            Ok(request) => request,
            Err((code, why)) => return refused(code, why),
        };
        let meant = match request.hint.as_deref().map(|hint| self.app_verifier.hint(hint)) {
            None => None,
            Some(Ok(hint)) if hint.aud == client.tenant_id => Some(hint),
            Some(_) => return refused(Code::InvalidRequest, "id_token_hint is no ID token of this client"),
        };
        let now = Utc::now().timestamp();
        let email = meant.as_ref().and_then(|hint| hint.profile.email.as_ref());
        let come_back = format!("{PATH}?{}", request.after_signing_in(params, email, now).to_query());
        if come_back.len() > LONGEST_WAY {
            return refused(
                Code::InvalidRequest,
                "the request is too long: it would be lost while somebody signs in",
            );
        }
        // One that is good in another tenant alone is none here.
        let recent = browser
            .filter(|one| one.principal.is_good_in(client.tenant_id))
            .filter(|one| request.is_met_by(one.since.timestamp(), now));
        let met = recent.filter(|one| meant.as_ref().is_none_or(|hint| hint.sub == one.principal.user));
        let Some(browser) = met else {
            return match recent {
                _ if request.silent => {
                    refused(Code::LoginRequired, "nobody is signed in, or not recently enough")
                }
                // They were asked to sign in as whom the app means.
                Some(_) if request.since.is_some() => refused(Code::LoginRequired, "somebody else signed in"),
                _ => Ok(Authorized::SignIn(come_back)),
            };
        };
        let tenant = client.tenant_id;
        match browser.principal.may(&tenant.to_string(), Permission::DataRead) {
            Ok(_) => {}
            Err(Error::NotFound(_) | Error::Forbidden(_)) if request.silent => {
                return match browser.principal.lack(tenant) {
                    Some(Lack::Provider | Lack::SecondFactor) => refused(
                        Code::InteractionRequired,
                        "whoever is signed in has to sign in by something else",
                    ),
                    _ => refused(Code::AccessDenied, "whoever is signed in may not"),
                };
            }
            Err(Error::NotFound(_)) => return Ok(Authorized::Nowhere(tenant)),
            Err(Error::Forbidden(_)) => {
                return Ok(match browser.principal.lack(tenant) {
                    Some(Lack::Suspended) => Authorized::Suspended(tenant),
                    Some(Lack::Provider) => Authorized::Provider { tenant, back: come_back },
                    Some(Lack::SecondFactor) => Authorized::SecondFactor {
                        tenant,
                        has_one: browser.principal.has_second_factor,
                        back: come_back,
                    },
                    None => Authorized::Nowhere(tenant),
                });
            }
            Err(error) => return Err(error),
        }
        let code = self.grant(&client, &request, back, browser, origin).await?;
        Ok(Authorized::Back(self.answered(params, Params::default().with("code", code)).at(back)))
    }

    /// What every answer holds: what the app knows it by, and who gives it (RFC 9207), so that it cannot be taken for
    /// somebody else's.
    fn answered(&self, params: &Params, answer: Params) -> Params {
        let answer = match params.get("state") {
            Some(state) => answer.with("state", state),
            None => answer,
        };
        answer.with("iss", self.issuer.name())
    }

    /// Keeps what a code will be good for; the code.
    async fn grant(
        &self,
        client: &ClientRecord,
        request: &Request,
        back: &str,
        browser: &Browser,
        origin: &Origin,
    ) -> Result<String> {
        let secret = random_secret();
        let secret = secret.expose_secret();
        let tenant = client.tenant_id;
        let grant = NewGrant {
            id: GrantId::random(),
            tenant,
            session: browser.principal.session,
            user: browser.principal.user,
            scope: request.scopes.to_string(),
            nonce: request.nonce.clone(),
            redirect_uri: back.to_owned(),
            code_hash: code::hash(secret),
            code_challenge: request.challenge.as_str().to_owned(),
            code_expires_at: Utc::now() + TimeDelta::seconds(CODE_SECONDS),
            auth_time: browser.since,
        };
        let mut tx = self.store.begin(Scope::Tenant(tenant)).await?;
        oauth_grants::create(&mut tx, &grant).await?;
        let entry = Entry::done(Action::AppSignIn, Some(tenant), &browser.principal.email);
        self.auditor.write(&mut tx, &browser.caller(origin), entry).await?;
        tx.commit().await?;
        Ok(secret.to_owned())
    }
}
