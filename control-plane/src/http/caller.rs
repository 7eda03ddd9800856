//! The one place where a request's sender becomes a caller.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::error::Problem;
use super::{AppState, limits, signed};
use crate::app::{self, Origin};

/// Whoever sent the request, known by the token or API key in its `Authorization` header, or by its signature. A
/// handler that takes it is closed to everybody else.
#[derive(Debug, Clone)]
pub struct Caller(pub app::Caller);

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        recognised(parts, state, false).await.map(Self)
    }
}

/// The same, and a platform admin who is yet to set up the second factor that is required.
#[derive(Debug, Clone)]
pub struct Enrolling(pub app::Caller);

impl FromRequestParts<AppState> for Enrolling {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        recognised(parts, state, true).await.map(Self)
    }
}

/// Recognises and counts whoever sent a request. They are counted before anything is written down of it: who may send no
/// more leaves nothing behind.
async fn recognised(parts: &Parts, state: &AppState, enrolling: bool) -> Result<app::Caller, Problem> {
    let count = |caller: &app::Caller| limits::count_caller(&state.limits, parts, caller);
    let Some(token) = bearer(&parts.headers) else {
        if !signed::is_signed(&parts.headers) {
            return Err(Problem::unauthenticated("send a token: Authorization: Bearer <token>"));
        }
        let request = signed::request(&state.app, parts).await?;
        count(&request.caller)?;
        return Ok(state.app.take_nonce(request).await?);
    };
    let from = || origin(&parts.headers);
    let known = match enrolling {
        true => state.app.who_may_enrol(token, from()).await?,
        false => state.app.who(token, from()).await?,
    };
    let caller = match known {
        Some(caller) => caller,
        None => {
            limits::count_stranger(&state.limits, parts)?;
            Box::pin(state.app.who_has_foreign(token, from())).await?
        }
    };
    count(&caller)?;
    Ok(caller)
}

/// A caller who is a platform admin. A handler that takes it is closed to everybody else.
#[derive(Debug, Clone)]
pub struct Admin(pub app::Caller);

impl FromRequestParts<AppState> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Caller(caller) = Caller::from_request_parts(parts, state).await?;
        caller.admin()?;
        Ok(Self(caller))
    }
}

/// Whoever sent the request, signed in or not. A token that is sent must be good.
#[derive(Debug, Clone)]
pub struct Anybody(pub app::Caller);

impl FromRequestParts<AppState> for Anybody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        if parts.headers.contains_key(header::AUTHORIZATION) || signed::is_signed(&parts.headers) {
            let Caller(caller) = Caller::from_request_parts(parts, state).await?;
            return Ok(Self(caller));
        }
        Ok(Self(app::Caller { who: app::Who::Nobody, origin: origin(&parts.headers) }))
    }
}

/// Where a request came from, for handlers that are open to everybody.
#[derive(Debug, Clone)]
pub struct From(pub Origin);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(origin(&parts.headers)))
    }
}

/// What is known of where a request came from. What the edge says in its headers is its word: it replaces what a
/// client sends under their names, and nothing but the edge can reach the socket.
pub(super) fn origin(headers: &HeaderMap) -> Origin {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let nearest = text("x-forwarded-for").and_then(|list| list.rsplit(',').next()).map(str::trim);
    let address = nearest.and_then(|text| text.parse::<std::net::IpAddr>().ok());
    Origin {
        address: address.map_or_else(|| "local".to_owned(), |address| address.to_string()),
        user_agent: text("user-agent").unwrap_or_default().to_owned(),
        request_id: text("x-request-id").unwrap_or_default().to_owned(),
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The edge puts the address that it sees at the end, whatever a client sent: `houses::way_in` shows that it does.
    #[test]
    fn an_address_is_what_the_edge_says_and_not_what_a_client_claims() {
        let address = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert("x-forwarded-for", value.parse().expect("header"));
            }
            origin(&headers).address
        };
        assert_eq!(address(Some("203.0.113.9")), "203.0.113.9");
        assert_eq!(address(Some("10.0.0.1, 203.0.113.9")), "203.0.113.9");
        assert_eq!(address(Some("127.0.0.1,local, 2001:db8::1")), "2001:db8::1");
        for none in [None, Some(""), Some("203.0.113.9, unknown")] {
            assert_eq!(address(none), "local");
        }
    }

    #[test]
    fn only_bearer_tokens_count() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("header"));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer  abc").as_deref(), Some("abc"));
        for bad in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(token(bad), None, "{bad:?}");
        }
    }
}
