//! Passing a request on to its house and the answer back, unread in both directions.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::answer::{Absence, Body};
use super::tunnel;

/// Headers of one connection, which are never passed on (RFC 9110, 7.6.1). `Trailer` is not among them:
/// trailers are passed on with the body.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// Sends the request over a connection to its house and gives back what the house answers.
///
/// # Errors
/// When the house breaks off before it has answered. What is left of the request comes back for the answer in
/// its place: it is not sent again, as the house may have acted on it.
pub(super) async fn pass(
    mut request: Request<Incoming>,
    house: TcpStream,
    tunnels: &TaskTracker,
) -> Result<Response<Body>, (Request<()>, hyper::Error)> {
    let websocket = wants_websocket(request.headers());
    let visitor = websocket.then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let original = remember(&parts);
    drop_hop_by_hop(&mut parts.headers);
    if websocket {
        parts.headers.insert(header::CONNECTION, UPGRADE);
        parts.headers.insert(header::UPGRADE, WEBSOCKET);
    }
    // The house is told the host by the header alone, whatever form the target came in.
    if let Some(target) = parts.uri.path_and_query() {
        parts.uri = http::Uri::from(target.clone());
    }
    parts.version = Version::HTTP_11;

    let (mut sender, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(house)).await {
        Ok(both) => both,
        Err(error) => return Err((original, error)),
    };
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to a house ended early");
        }
    });
    let mut response = match sender.send_request(Request::from_parts(parts, body)).await {
        Ok(response) => response,
        Err(error) => return Err((original, error)),
    };

    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let house = hyper::upgrade::on(&mut response);
        return Ok(match visitor {
            Some(visitor) if names(response.headers(), &header::UPGRADE, "websocket") => {
                tunnels.spawn(tunnel::join(visitor, house));
                let mut response = response.map(|_| Body::default());
                drop_hop_by_hop(response.headers_mut());
                response.headers_mut().insert(header::CONNECTION, UPGRADE);
                response.headers_mut().insert(header::UPGRADE, WEBSOCKET);
                response
            }
            // A house that switches to what nobody asked for has not answered.
            _ => Absence::BrokenOff.answer(&original, None),
        });
    }
    if ends_twice(response.headers()) {
        return Ok(Absence::BrokenOff.answer(&original, None));
    }
    drop_hop_by_hop(response.headers_mut());
    Ok(response.map(BodyExt::boxed))
}

/// What an answer of our own must know of the request.
fn remember(parts: &http::request::Parts) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    for name in [header::ACCEPT, HeaderName::from_static("x-request-id")] {
        if let Some(value) = parts.headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    request
}

/// Whether an answer says in two ways where it ends: nobody can tell which of them is meant, and the edge takes none.
fn ends_twice(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH)
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    names(headers, &header::CONNECTION, "upgrade") && names(headers, &header::UPGRADE, "websocket")
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in listed(headers, &header::CONNECTION) {
        // Those that say how long the body is and who it is for are not the sender's to take away.
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && name != header::HOST
            && name != header::CONTENT_LENGTH
        {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn names(headers: &HeaderMap, header: &HeaderName, word: &str) -> bool {
    listed(headers, header).iter().any(|found| found.eq_ignore_ascii_case(word))
}

fn listed(headers: &HeaderMap, header: &HeaderName) -> Vec<String> {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_connection_end_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("connection", "host, content-length"),
            ("x-mine", "1"),
            ("host", "acme.example"),
            ("content-length", "3"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("cookie", "a=b"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        drop_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "cookie", "host"]);
    }

    #[test]
    fn only_a_websocket_is_upgraded() {
        let asks = |connection, upgrade| {
            wants_websocket(&HeaderMap::from_iter([
                (header::CONNECTION, HeaderValue::from_static(connection)),
                (header::UPGRADE, HeaderValue::from_static(upgrade)),
            ]))
        };
        assert!(asks("keep-alive, Upgrade", "WebSocket"));
        assert!(!asks("Upgrade, HTTP2-Settings", "h2c"));
        assert!(!asks("keep-alive", "websocket"));
    }
}
