//! Visits by one way: everything that is sent, every answer that comes, and the two held against what apps have seen.

use std::net::Ipv4Addr;

use super::super::installation::Installation;
use super::app::{Seen, seen};
use super::requests::{ACME, GLOBEX};
use super::{answers, requests};
use crate::support::visitor::{Answer, Visitor};

/// Room for the cases of one way.
const CASES: usize = 1000;

/// An answer that some app's request has got.
#[derive(Debug)]
struct Got {
    app: String,
    target: String,
    request: String,
}

pub struct Visits<'a> {
    installation: &'a Installation,
    /// Where the visitor's connections come from.
    source: Ipv4Addr,
    first: usize,
    next: usize,
    got: Vec<Got>,
    /// What was said in tunnels, which nobody reads.
    tunnelled: Vec<String>,
}

impl<'a> Visits<'a> {
    pub fn new(installation: &'a Installation, way: u8) -> Self {
        let first = usize::from(way) * CASES;
        let source = Ipv4Addr::new(127, 0, 0, 10 + way);
        Self { installation, source, first, next: first, got: Vec::new(), tunnelled: Vec::new() }
    }

    async fn visitor(&mut self) -> (usize, Visitor) {
        self.next += 1;
        let address = (Ipv4Addr::LOCALHOST, self.installation.port).into();
        (self.next, Visitor::from(self.source, address).await)
    }

    fn note(&mut self, answer: &Answer) -> String {
        let Some((app, target)) = answer.header("x-app").and_then(|said| said.split_once(' ')) else {
            return answer.status.to_string();
        };
        let request = answer.header("x-request-id").unwrap_or_default().to_owned();
        self.got.push(Got { app: app.to_owned(), target: target.to_owned(), request });
        app.to_owned()
    }

    /// Sends the bytes of one case and reads who answers, then asks once more on the same connection.
    pub async fn request(&mut self, case: &requests::Case) {
        let (id, mut visitor) = self.visitor().await;
        let bytes = case.bytes(id);
        let what = format!("{}: {:?}", case.what, bytes.chars().take(400).collect::<String>());
        visitor.send(&bytes).await;
        let (mut found, mut last) = (Vec::new(), None);
        while found.len() < case.answers.len()
            && let Some(answer) = visitor.answer_or_end().await
        {
            found.push(self.note(&answer));
            last = Some(answer);
        }
        assert_eq!(found, case.answers, "{what}");
        self.end(visitor, id, last.as_ref(), &what).await;
    }

    /// Lets Acme's app answer as the case says.
    pub async fn answer(&mut self, case: &answers::Case, status: u16) {
        let (id, mut visitor) = self.visitor().await;
        let target = format!("/{id}/x");
        let said = case.said(&format!("acme {target}"));
        visitor
            .send(format!("GET {target} HTTP/1.1\r\nHost: {ACME}\r\nX-Say: {}\r\n\r\n", hex::encode(said)))
            .await;
        let answer = visitor.answer().await;
        let what = format!("{}: {answer:?}", case.what);
        assert_eq!(answer.status, status, "{what}");
        for name in ["x-accel-", "x-freehold-", "x-request-id: mine", "forged"] {
            assert!(!answer.head.to_ascii_lowercase().contains(name), "{what}");
        }
        assert_eq!(answer.head.matches("X-Request-Id").count(), 1, "{what}");
        if self.note(&answer) != "acme" {
            let request = answer.header("x-request-id").unwrap_or_default().to_owned();
            self.got.push(Got { app: "acme".to_owned(), target, request });
        }
        self.end(visitor, id, Some(&answer), &what).await;
        // Nothing of it waits for whoever comes to this app next.
        let mut next = self.visitor().await.1;
        next.send(format!("GET /{id}/next HTTP/1.1\r\nHost: {ACME}\r\nConnection: close\r\n\r\n")).await;
        let answer = next.answer().await;
        assert_eq!(
            (self.note(&answer).as_str(), answer.body),
            ("acme", format!("acme /{id}/next")),
            "{what}"
        );
        assert_eq!(next.rest().await, "", "{what}");
    }

    /// A connection that is still open answers one more request, for the other tenant, and that alone.
    async fn end(&mut self, mut visitor: Visitor, id: usize, last: Option<&Answer>, what: &str) {
        if last.and_then(|answer| answer.header("connection")) == Some("close") {
            assert_eq!(visitor.rest().await, "", "{what}");
            return;
        }
        visitor.send(format!("GET /{id}/last HTTP/1.1\r\nHost: {GLOBEX}\r\nConnection: close\r\n\r\n")).await;
        let answer = visitor.answer().await;
        assert_eq!(
            (self.note(&answer).as_str(), answer.body),
            ("globex", format!("globex /{id}/last")),
            "{what}"
        );
        assert_eq!(visitor.rest().await, "", "{what}");
    }

    /// A WebSocket that Acme's app agrees to is its own to the end.
    pub async fn tunnel(&mut self) {
        let (id, mut visitor) = self.visitor().await;
        let said = hex::encode(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        let head =
            format!("GET /{id}/x HTTP/1.1\r\nHost: {ACME}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n");
        visitor.send(format!("{head}X-Say: {said}\r\n\r\n")).await;
        let switched = visitor.answer().await;
        assert_eq!((switched.status, switched.header("upgrade")), (101, Some("websocket")));
        let request = switched.header("x-request-id").unwrap_or_default().to_owned();
        self.got.push(Got { app: "acme".to_owned(), target: format!("/{id}/x"), request });
        visitor.send(format!("GET /{id}/inside HTTP/1.1\r\nHost: {GLOBEX}\r\n\r\n")).await;
        let answer = visitor.answer().await;
        assert_eq!(self.note(&answer), "acme", "{answer:?}");
        self.tunnelled.push(format!("/{id}/inside"));
    }

    /// Holds what the apps have seen against what was answered, and each request against what an app may be told.
    pub fn compare(&self) {
        let ids = self.first + 1..=self.next;
        let ours = |one: &Seen| {
            let id = one.target().split('/').find_map(|part| part.parse::<usize>().ok());
            id.is_some_and(|id| ids.contains(&id))
        };
        let mut all: Vec<Seen> =
            ["acme", "globex"].iter().flat_map(|slug| seen(self.installation, slug)).collect();
        all.retain(ours);
        let mut left: Vec<&Got> = self.got.iter().collect();
        for one in &all {
            let at = left.iter().position(|got| got.app == one.app && got.target == one.target());
            let got = left.remove(at.unwrap_or_else(|| panic!("nobody was answered this request: {one:?}")));
            if self.tunnelled.iter().any(|target| target == one.target()) {
                assert_eq!(one.app, "acme");
            } else {
                self.forwarded(one, got);
            }
        }
        assert!(left.is_empty(), "answered, but not seen by an app: {left:?}");
        assert!(!all.is_empty());
    }

    /// What the edge says of a request is said once, and is so; nothing else says it.
    fn forwarded(&self, one: &Seen, got: &Got) {
        let port = self.installation.port.to_string();
        let authority = format!("{}.{}:{port}", one.app, self.installation.domain);
        for (name, value) in [
            ("host", authority.as_str()),
            ("x-forwarded-host", &authority),
            ("x-forwarded-for", &self.source.to_string()),
            ("x-forwarded-port", &port),
            ("x-forwarded-proto", "http"),
            ("x-request-id", &got.request),
        ] {
            assert_eq!(one.all(name), [value], "{name}: {one:?}");
        }
        let lengths = one.all("content-length").len() + one.all("transfer-encoding").len();
        assert!(lengths <= 1, "{one:?}");
        for (name, value) in one.headers() {
            let upgrade = name == "upgrade" || name == "connection";
            assert!(
                !upgrade || value.eq_ignore_ascii_case("websocket") || value.eq_ignore_ascii_case("upgrade"),
                "{one:?}"
            );
            for forged in [
                "forwarded",
                "x-real-ip",
                "client-ip",
                "x-freehold-",
                "x-accel-",
                "x-sendfile",
                "http2-settings",
            ] {
                assert!(!name.starts_with(forged), "{one:?}");
            }
        }
        if one.target().ends_with("/hidden") || one.target().ends_with("/last") {
            assert_eq!((one.app.as_str(), one.body.as_str()), ("globex", ""), "{one:?}");
        }
    }
}
