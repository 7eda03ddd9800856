//! Users come in, sign in and stay signed in. What goes on by mail answers the same whether or not there is an account.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};

use super::answers::{Changing, Guarded, Open, Ranked, Read, Sent, SigningIn};
use super::types::people::{Accepted, Address, LogIn, MailedToken, Refresh, Register, ResetPassword, Tokens};
use crate::app::people::{Registration, SignIn, SignedIn};
use crate::http::caller::{Caller, From};
use crate::http::error::Problem;
use crate::http::extract::Json;
use crate::http::{AppState, detached};

fn accepted(message: &str) -> (StatusCode, axum::Json<Accepted>) {
    (StatusCode::ACCEPTED, axum::Json(Accepted { message: message.to_owned() }))
}

/// What whoever registers is told, whatever they ask for besides and whether or not there is an account.
pub(super) fn registered() -> (StatusCode, axum::Json<Accepted>) {
    accepted("Open the link in the mail that was sent to this address.")
}

impl std::convert::From<Register> for Registration {
    fn from(body: Register) -> Self {
        Self {
            email: body.email,
            name: body.name,
            password: SecretString::from(body.password),
            terms: body.terms,
        }
    }
}

fn tokens(signed_in: &SignedIn) -> axum::Json<Tokens> {
    axum::Json(Tokens {
        user_id: signed_in.user.0,
        session_id: signed_in.session.0,
        access_token: signed_in.access.text.expose_secret().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_at: signed_in.access.expires_at,
        refresh_token: signed_in.refresh.expose_secret().to_owned(),
        session_expires_at: signed_in.ends_at,
    })
}

/// Register.
///
/// An address that has an account already is answered the same, and only its owner is told, by mail.
#[utoipa::path(
    post, path = "/auth/register", tag = "auth", security(()), request_body = Register,
    responses((status = 202, description = "A mail says what comes next.", body = Accepted), Open, Sent, Read)
)]
pub(super) async fn register(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<Register>,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    detached(async move { state.app.register(body.into(), &origin).await }).await?;
    Ok(registered())
}

/// Sign in.
///
/// Without a second factor that is needed it answers 401 `second_factor_required`; ask again with one. With the right
/// password alone it is told (403) that the address is not verified yet or the account is suspended.
#[utoipa::path(
    post, path = "/auth/login", tag = "auth", security(()), request_body = LogIn,
    responses((status = 200, description = "Signed in.", body = Tokens), SigningIn, Open, Sent, Read)
)]
pub(super) async fn login(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<LogIn>,
) -> Result<axum::Json<Tokens>, Problem> {
    let with = SignIn {
        email: body.email,
        password: SecretString::from(body.password),
        remember: body.remember,
        second_factor: body.second_factor,
    };
    let signed_in = detached(async move { state.app.sign_in(with, &origin).await }).await?;
    Ok(tokens(&signed_in))
}

/// Get the next pair of tokens.
///
/// A refresh token is good once. Whoever lost the answer may send it again for half a minute and gets the same next
/// one; later than that it ends the session, because somebody else must have it.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "auth", security(()), request_body = Refresh,
    responses(
        (status = 200, description = "The next pair.", body = Tokens),
        (status = 401, description = "It is no good token of a session that lasts.", body = Problem, content_type = "application/problem+json"),
        Open, Sent, Read,
    )
)]
pub(super) async fn refresh(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<Refresh>,
) -> Result<axum::Json<Tokens>, Problem> {
    let token = SecretString::from(body.refresh_token);
    let signed_in = detached(async move { state.app.refresh(&token, &origin).await }).await?;
    Ok(tokens(&signed_in))
}

/// Sign out: end the session that asks.
#[utoipa::path(
    post, path = "/auth/logout", tag = "auth",
    responses((status = 204, description = "It has ended."), Guarded, Ranked)
)]
pub(super) async fn logout(
    State(state): State<AppState>,
    Caller(caller): Caller,
) -> Result<StatusCode, Problem> {
    detached(async move { state.app.sign_out(&caller).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Prove an address by what was mailed to it.
#[utoipa::path(
    post, path = "/auth/verify-email", tag = "auth", security(()), request_body = MailedToken,
    responses((status = 204, description = "It is verified; sign in now."), Open, Sent, Read)
)]
pub(super) async fn verify_email(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<MailedToken>,
) -> Result<StatusCode, Problem> {
    let token = SecretString::from(body.token);
    detached(async move { state.app.prove_address(&token, &origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Have the mail sent again that proves an address.
#[utoipa::path(
    post, path = "/auth/resend-verification", tag = "auth", security(()), request_body = Address,
    responses((status = 202, description = "Sent, if the address waits for it.", body = Accepted), Open, Sent, Read)
)]
pub(super) async fn resend_verification(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<Address>,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    detached(async move { state.app.resend_proof(&body.email, &origin).await }).await?;
    Ok(accepted("If this address waits to be verified, a mail was sent to it."))
}

/// Have the way to a new password mailed.
#[utoipa::path(
    post, path = "/auth/forgot-password", tag = "auth", security(()), request_body = Address,
    responses((status = 202, description = "Sent, if the address has an account.", body = Accepted), Open, Sent, Read)
)]
pub(super) async fn forgot_password(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<Address>,
) -> Result<(StatusCode, axum::Json<Accepted>), Problem> {
    detached(async move { state.app.forgot_password(&body.email, &origin).await }).await?;
    Ok(accepted("If this address has an account, a mail was sent to it."))
}

/// Set a new password by what was mailed. All sessions end.
#[utoipa::path(
    post, path = "/auth/reset-password", tag = "auth", security(()), request_body = ResetPassword,
    responses((status = 204, description = "It is set; sign in with it."), Open, Changing, Sent, Read)
)]
pub(super) async fn reset_password(
    State(state): State<AppState>,
    From(origin): From,
    Json(body): Json<ResetPassword>,
) -> Result<StatusCode, Problem> {
    let (token, password) = (SecretString::from(body.token), SecretString::from(body.password));
    detached(async move { state.app.reset_password(&token, password, &origin).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
