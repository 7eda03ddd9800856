//! The real nginx, while a house moves and while its app closes what was kept open.

use std::net::SocketAddr;

use control_plane::edge::Route;
use control_plane::model::hostname::HostName;
use control_plane::render::nginx::EdgeLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::house::{House, until};
use crate::support::nginx::Nginx;
use crate::support::visitor::Visitor;

const ACME: &str = "acme.example.test";

fn host() -> HostName {
    ACME.parse().expect("a host name")
}

fn route(address: SocketAddr) -> Route {
    Route { host: host(), house: "acmeacme22".parse().expect("a house id"), address }
}

#[tokio::test]
async fn a_house_that_moves_is_followed_and_what_is_left_at_the_old_place_is_known() {
    let (old, new) = (House::open("old").await, House::open("new").await);
    let nginx = Nginx::start(&[route(old.address())], EdgeLimits::default()).await;
    let open = async |but: Option<SocketAddr>| nginx.edge.open_requests(&host(), but).await.expect("counts");

    let begin = async |method: &str| {
        let mut visitor = Visitor::at(nginx.public).await;
        let head =
            format!("{method} /break-off-at-old HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 0\r\n\r\n");
        visitor.send(head).await;
        visitor
    };
    let (mut reader, mut writer) = (begin("GET").await, begin("POST").await);
    until("both are at the old house", async || old.seen().len() == 2).await;
    assert_eq!((open(None).await, open(Some(old.address())).await), (2, 0));
    nginx.edge.set(&[route(new.address())]).await.expect("moved");
    assert_eq!(open(Some(new.address())).await, 2, "they stay where they began");

    for closed in 1..=2 {
        old.go_on();
        until("the old house breaks off", async || {
            old.connections().iter().filter(|open| !**open).count() == closed
        })
        .await;
    }
    // the new house is asked in place of the old one, where that can do no harm
    assert_eq!(reader.answer().await.header("x-house"), Some("new"));
    assert_eq!(writer.answer().await.status, 502);
    until("nothing is open", async || open(None).await == 0).await;
    let seen = |house: &House| house.seen().into_iter().map(|seen| seen.method).collect::<Vec<_>>();
    assert_eq!((seen(&old).len(), seen(&new)), (2, vec!["GET".to_owned()]));
}

#[tokio::test]
async fn what_cannot_be_sent_twice_is_sent_on_young_connections_only() {
    let house = House::open("acme").await;
    let nginx = Nginx::start(&[route(house.address())], EdgeLimits::default()).await;
    let mut visitor = Visitor::at(nginx.public).await;
    let mut ask = async |method: &str, path: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 1\r\n\r\n.");
        let bare = format!("{method} {path} HTTP/1.1\r\nHost: {ACME}\r\n\r\n");
        visitor.send(if method == "GET" { bare } else { head }).await;
        visitor.answer().await.status
    };

    // readers share one connection, writers another
    for method in ["GET", "POST", "GET", "PUT", "POST"] {
        assert_eq!(ask(method, "/").await, 200);
    }
    assert_eq!(house.connections(), [true, true]);
    // and the writers' is given up first, long before an app closes it under a writer's hands
    until("the writers' is closed", async || house.connections() == [true, false]).await;
    assert_eq!(ask("POST", "/").await, 200);
    assert_eq!(house.connections(), [true, false, true]);
}

/// An app that gives each request an interim answer before the final one.
async fn hasty() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read_buf(&mut head).await, Ok(1..)) {}
                let answers = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(answers.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn an_edge_that_is_about_to_be_reloaded_ends_connections_and_guards_them_all_the_same() {
    let house = House::open("globex").await;
    let globex: HostName = "globex.example.test".parse().expect("a host name");
    let there = Route {
        host: globex.clone(),
        house: "globexglob".parse().expect("a house id"),
        address: house.address(),
    };
    let nginx = Nginx::start(&[route(hasty().await), there], EdgeLimits::default()).await;
    let ask = async |host: &HostName| {
        let mut visitor = Visitor::at(nginx.public).await;
        visitor.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        visitor.answer().await
    };
    assert_eq!(ask(&host()).await.status, 502);
    assert_eq!(ask(&globex).await.header("connection"), Some("keep-alive"));
    until("answers end connections", async || {
        nginx.edge.close_connections().await.expect("asked");
        ask(&globex).await.header("connection") == Some("close")
    })
    .await;
    assert_eq!(ask(&host()).await.status, 502);
}
