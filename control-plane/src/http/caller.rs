//! The one place where a request's sender becomes a caller.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::AppState;
use super::error::Problem;
use crate::app::{self, Origin};

/// Whoever sent the request, known by the token in its `Authorization` header. A handler that takes it is closed to
/// everybody else.
#[derive(Debug, Clone)]
pub struct Caller(pub app::Caller);

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)
            .ok_or_else(|| Problem::unauthenticated("send a token: Authorization: Bearer <token>"))?;
        Ok(Self(state.app.who(token, origin(parts)).await?))
    }
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
        if parts.headers.contains_key(header::AUTHORIZATION) {
            let Caller(caller) = Caller::from_request_parts(parts, state).await?;
            return Ok(Self(caller));
        }
        Ok(Self(app::Caller { who: app::Who::Nobody, origin: origin(parts) }))
    }
}

/// Where a request came from, for handlers that are open to everybody.
#[derive(Debug, Clone)]
pub struct From(pub Origin);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(origin(parts)))
    }
}

/// What is known of where a request came from. What the edge says in its headers is its word: it replaces what a
/// client sends under their names, and nothing but the edge can reach the socket.
fn origin(parts: &Parts) -> Origin {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let nearest = text("x-forwarded-for").and_then(|list| list.rsplit(',').next()).map(str::trim);
    let address = nearest.and_then(|text| text.parse::<std::net::IpAddr>().ok());
    Origin {
        address: address.map_or_else(|| "local".to_owned(), |address| address.to_string()),
        user_agent: text("user-agent").unwrap_or_default().to_owned(),
        request_id: text("x-request-id").unwrap_or_default().to_owned(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

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
