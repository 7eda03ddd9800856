//! What is said in place of a tenant that is not there: a page for people, a problem document for programs.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::json;

use super::door::DoorState;
use crate::render::pages::{self, GatewayPage};

/// A body that streams from a house, or one of our own.
pub(super) type Body = BoxBody<Bytes, hyper::Error>;

/// How long who is told to come back should wait, in seconds.
const SOON: u32 = 3;
const LATER: u32 = 30;

/// Why a request did not get to its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    BadHost,
    Unknown,
    Suspended,
    Stuck,
    Waking,
    Provisioning,
    /// Too many wait already.
    Crowded,
    /// This visitor has woken too many.
    WokenTooMuch,
    /// The house broke off before it had answered.
    BrokenOff,
    /// Something of ours is broken.
    Broken,
}

impl Absence {
    /// Why nobody needs to wait at this door.
    pub(super) fn lasting(state: DoorState) -> Option<Self> {
        match state {
            DoorState::Suspended => Some(Self::Suspended),
            DoorState::Stuck => Some(Self::Stuck),
            DoorState::Deleted => Some(Self::Unknown),
            DoorState::Running { .. } | DoorState::Asleep | DoorState::Waking | DoorState::Provisioning => {
                None
            }
        }
    }

    /// What who has waited long enough is told.
    pub(super) fn coming(state: DoorState) -> Self {
        if state == DoorState::Provisioning { Self::Provisioning } else { Self::Waking }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadHost => StatusCode::BAD_REQUEST,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::WokenTooMuch => StatusCode::TOO_MANY_REQUESTS,
            Self::BrokenOff => StatusCode::BAD_GATEWAY,
            Self::Suspended
            | Self::Stuck
            | Self::Waking
            | Self::Provisioning
            | Self::Crowded
            | Self::Broken => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadHost => "This address is not valid",
            Self::Unknown => "Nobody lives here",
            Self::Suspended => "Suspended",
            Self::Stuck | Self::Broken => "Unavailable",
            Self::Waking => "Waking up",
            Self::Provisioning => "Getting ready",
            Self::Crowded => "Many are waiting",
            Self::WokenTooMuch => "Too many requests",
            Self::BrokenOff => "The connection broke off",
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::BadHost => "The request does not name a valid host.",
            Self::Unknown => "There is no site at this address. Please check its spelling.",
            Self::Suspended => "This site is suspended. Its owner can tell why, and can have it resumed.",
            Self::Stuck => "This site is unavailable at the moment. Its operators have been told.",
            Self::Waking => "This site was asleep and is being woken. It will be there in a moment.",
            Self::Provisioning => "This site is being set up. It will be there in a moment.",
            Self::Crowded => "This site is on its way, and many are waiting for it already.",
            Self::WokenTooMuch => "Too much was asked for from your address. Please wait a little.",
            Self::BrokenOff => {
                "This site broke off before it had answered. What was asked of it may have been done."
            }
            Self::Broken => "This site cannot be reached at the moment.",
        }
    }

    /// Seconds after which it is worth to ask again.
    fn again(self) -> Option<u32> {
        match self {
            Self::Waking | Self::Provisioning | Self::Crowded => Some(SOON),
            Self::WokenTooMuch | Self::Stuck | Self::Broken => Some(LATER),
            Self::BadHost | Self::Unknown | Self::Suspended | Self::BrokenOff => None,
        }
    }

    /// The answer to this request: `name` is the tenant's, where there is one.
    pub(super) fn answer<B>(self, request: &Request<B>, name: Option<&str>) -> Response<Body> {
        let request_id =
            request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        // A browser repeats by GET what was sent by POST: only what was a GET may repeat itself.
        let refresh =
            if matches!(*request.method(), Method::GET | Method::HEAD) { self.again() } else { None };
        let page = wants_page(request).then(|| {
            pages::gateway(&GatewayPage {
                status: self.status().as_u16(),
                title: self.title(),
                detail: self.detail(),
                name,
                refresh,
                request_id,
            })
        });
        let (content_type, content) = match page {
            Some(Ok(page)) => ("text/html; charset=utf-8", page),
            // A page that cannot be made is no reason to say nothing.
            Some(Err(_)) | None => ("application/problem+json", self.problem(request_id)),
        };
        let mut response = Response::new(full(content));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        );
        if let Some(seconds) = self.again() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    fn problem(self, request_id: &str) -> String {
        json!({
            "type": "about:blank",
            "title": self.title(),
            "status": self.status().as_u16(),
            "detail": self.detail(),
            "request_id": request_id,
        })
        .to_string()
    }
}

fn wants_page<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

fn full(content: String) -> Body {
    Full::new(Bytes::from(content)).map_err(|never: Infallible| match never {}).boxed()
}
