//! Pages for people: the front pages, and those on which they sign in, prove what they must, ask to join and sign out.
//!
//! The latter are on the apex alone, hold no script, and take forms from nobody but themselves.

mod account;
pub(crate) mod answer;
pub(crate) mod cookie;
pub(crate) mod form;
mod front;
mod invitation;
mod join;
mod password;
mod provider;
mod second_factor;
mod sign_in;
mod verify;
pub(crate) mod visitor;
mod way;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::error::Problem;
use super::{AppState, guard};
use crate::app::Error;
use crate::app::providers::CALLBACK;
use answer::Trouble;

/// Where people sign in.
pub(crate) const SIGN_IN: &str = "/sign-in";
const CODE: &str = "/sign-in/code";
/// Signing in by a provider outside: the provider's id comes behind it.
const WITH: &str = "/sign-in/with/";
const FORGOT: &str = "/forgot-password";
const RESET: &str = "/reset-password";
const VERIFY: &str = "/verify-email";
const JOIN: &str = "/join/";
const INVITATION: &str = "/invitations";
const SECOND_FACTOR: &str = "/second-factor";
const ACCOUNT: &str = "/account";
const SIGN_OUT: &str = "/sign-out";

/// The longest that fields take, in characters.
const NAME_LENGTH: usize = 120;
const EMAIL_LENGTH: usize = 254;
const PASSWORD_LENGTH: usize = 1_024;

pub(super) fn router(state: &AppState) -> Router<AppState> {
    let people = Router::new()
        .route(SIGN_IN, get(sign_in::show).post(sign_in::take))
        .route(CODE, get(sign_in::show_code).post(sign_in::take_code))
        .route("/sign-in/with/{provider}", get(provider::go))
        .route("/sign-in/callback/{*provider}", get(provider::come_back))
        .route(FORGOT, get(password::show_forgot).post(password::forgot))
        .route(RESET, get(password::show_reset).post(password::reset))
        .route(VERIFY, get(verify::show).post(verify::take))
        .route("/join/{tenant}", get(join::show).post(join::take))
        .route(INVITATION, get(invitation::show).post(invitation::take))
        .route(SECOND_FACTOR, get(second_factor::show).post(second_factor::take))
        .route(ACCOUNT, get(account::show))
        .route(SIGN_OUT, get(account::show_sign_out).post(account::sign_out))
        .route_layer(from_fn_with_state(state.clone(), on_the_apex));
    Router::new().route("/", get(front::front)).merge(people)
}

/// The cookies are the apex's, so the pages are, too.
async fn on_the_apex(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if guard::host_of(&request).is_some_and(|host| host == state.app.settings().domain) {
        next.run(request).await
    } else {
        Problem::not_found("nothing has this address").into_response()
    }
}

/// Whether a request is for one of these pages, and whether it is where something could be guessed or mail be sent, or
/// where a provider is asked on somebody's behalf.
pub(super) fn of_people(method: &Method, path: &str) -> Option<bool> {
    let known = [SIGN_IN, CODE, FORGOT, RESET, VERIFY, INVITATION, SECOND_FACTOR, ACCOUNT, SIGN_OUT];
    let back = path.starts_with(CALLBACK);
    let ours = back || known.contains(&path) || path.starts_with(JOIN) || path.starts_with(WITH);
    ours.then(|| back || method == Method::POST && path != SIGN_OUT)
}

/// Runs a change to its end, also when the browser goes away meanwhile.
async fn done<T, F>(change: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    super::run(change).await
}

/// What a form is answered with that was refused, beside what is wrong in its fields.
///
/// # Errors
/// What no field of a form is to blame for.
fn wrongs(error: Error) -> Result<(StatusCode, Vec<(String, String)>), Trouble> {
    let general = |text: String| vec![(String::new(), text)];
    Ok(match error {
        Error::Invalid(wrong) => {
            let wrong = wrong.into_iter().map(|one| (one.field, one.message)).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, wrong)
        }
        Error::NotNow(text) => (StatusCode::CONFLICT, general(text)),
        Error::Forbidden(text) => (StatusCode::FORBIDDEN, general(text)),
        Error::TooManyFailures(wait) => {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            let text = format!(
                "too many sign-ins failed; try again in {seconds} seconds, or have a new password mailed"
            );
            (StatusCode::TOO_MANY_REQUESTS, general(text))
        }
        Error::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, general(error.to_string())),
        other => return Err(other.into()),
    })
}
