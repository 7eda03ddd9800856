//! A real request through the public address, and nginx's own word on which way it went.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;

use super::{EdgeSettings, Error, PROBE_HEADER, Proof, Result, WAY_HEADER, Way};
use crate::model::hostname::HostName;

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(super) async fn prove(
    settings: &EdgeSettings,
    host: &HostName,
    path: &str,
    deadline: Duration,
) -> Result<Proof> {
    let mut secret = http::HeaderValue::from_str(settings.prober_secret.expose_secret())
        .map_err(|_| Error::Unexpected("the prober's secret does not fit into a header".to_owned()))?;
    secret.set_sensitive(true);
    let request = Request::get(path)
        .header(header::HOST, host.as_str())
        .header(header::USER_AGENT, concat!("freehold-prober/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header(PROBE_HEADER, secret)
        .body(Empty::<Bytes>::new())
        .map_err(|error| Error::Unexpected(format!("{path:?} cannot be asked for: {error}")))?;

    let at = || format!("{}", settings.public);
    let (status, headers) = tokio::time::timeout(deadline, ask(settings, request))
        .await
        .map_err(|_| Error::Timeout { at: at() })?
        .map_err(|source| Error::Unreachable { at: at(), source })?;
    Ok(Proof { way: way(&headers)?, status })
}

async fn ask(
    settings: &EdgeSettings,
    request: Request<Empty<Bytes>>,
) -> std::result::Result<(u16, HeaderMap), Failure> {
    let stream = TcpStream::connect(settings.public).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    // Status and headers are all that is asked for; the body may be as long as it likes.
    driver.abort();
    let answer = answer?;
    Ok((answer.status().as_u16(), answer.headers().clone()))
}

fn way(headers: &HeaderMap) -> Result<Way> {
    let Some(value) = headers.get(WAY_HEADER) else {
        return Err(Error::Unexpected(
            "the answer does not say which way it went: nginx knows another prober's secret".to_owned(),
        ));
    };
    let unclear = || Error::Unexpected(format!("{value:?} is no way a request can go"));
    let words: Vec<_> = value.to_str().map_err(|_| unclear())?.split(' ').collect();
    match words.as_slice() {
        ["gateway"] => Ok(Way::Gateway),
        ["platform"] => Ok(Way::Platform),
        ["direct", house, address] => Ok(Way::Direct {
            house: house.parse().map_err(|_| unclear())?,
            address: address.parse().map_err(|_| unclear())?,
        }),
        _ => Err(unclear()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &'static str) -> Result<Way> {
        way(&HeaderMap::from_iter([(
            http::HeaderName::from_static(WAY_HEADER),
            http::HeaderValue::from_static(value),
        )]))
    }

    #[test]
    fn ways_are_read_as_they_are_written() {
        for value in
            ["gateway", "platform", "direct abcdefghij 10.201.0.18:8080", "direct abcdefghij [fd00::1]:80"]
        {
            assert_eq!(said(value).expect(value).to_string(), value);
        }
        for value in ["", "direct", "direct abc 10.0.0.1:80", "direct abcdefghij nowhere", "gateway now"] {
            assert!(said(value).is_err(), "{value:?}");
        }
        assert!(way(&HeaderMap::new()).is_err());
    }
}
