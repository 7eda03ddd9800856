//! The real nginx: what it routes, what it lets through, and what it never does.

use std::net::SocketAddr;

use control_plane::edge::{Error, Route, Way};
use control_plane::model::hostname::HostName;
use control_plane::render::nginx::EdgeLimits;

use crate::support::house::{House, until};
use crate::support::nginx::{Nginx, SECRET};
use crate::support::visitor::{Visitor, ask, get};

const ACME: &str = "acme.example.test";
const GLOBEX: &str = "globex.example.test";

fn host(name: &str) -> HostName {
    name.parse().expect("a host name")
}

fn route(name: &str, house: &str, address: SocketAddr) -> Route {
    Route { host: host(name), house: house.parse().expect("a house id"), address }
}

/// An address where nobody listens.
async fn nowhere() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address")
}

#[tokio::test]
async fn routes_come_and_go_without_a_reload() {
    let (acme, globex) = (House::open("acme").await, House::open("globex").await);
    let of_acme = route(ACME, "acmeacme22", acme.address());
    let of_globex = route(GLOBEX, "globexglob", globex.address());
    let nginx = Nginx::start(std::slice::from_ref(&of_acme), EdgeLimits::default()).await;
    let _gateway = House::open_socket("gateway", &nginx.run_path("gateway/gateway.sock"));
    let _api = House::open_socket("api", &nginx.run_path("api/api.sock"));
    let edge = &nginx.edge;
    let processes = nginx.processes();

    // One connection lives through everything that is done to the routes.
    let mut visitor = Visitor::at(nginx.public).await;
    let mut asks = async |name: &str| {
        visitor.send(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")).await;
        visitor.answer().await.header("x-house").map(str::to_owned)
    };
    assert_eq!(edge.routes().await.unwrap(), std::slice::from_ref(&of_acme), "from the start file");
    assert_eq!(asks(ACME).await.as_deref(), Some("acme"));
    assert_eq!(asks(&format!("{}.:80", ACME.to_uppercase())).await.as_deref(), Some("acme"));
    assert_eq!(asks(GLOBEX).await.as_deref(), Some("gateway"));
    assert_eq!(asks("example.test").await.as_deref(), Some("api"));
    assert_eq!(asks("admin.example.test").await.as_deref(), Some("api"));
    assert_eq!(asks("platform.internal").await.as_deref(), Some("gateway"), "not from outside");

    edge.set(std::slice::from_ref(&of_globex)).await.unwrap();
    assert_eq!(asks(GLOBEX).await.as_deref(), Some("globex"));
    assert_eq!(edge.routes().await.unwrap(), [of_acme.clone(), of_globex.clone()]);
    edge.set(&[Route { address: globex.address(), ..of_acme.clone() }]).await.unwrap();
    assert_eq!(asks(ACME).await.as_deref(), Some("globex"), "a route that is moved");
    edge.withdraw(&[host(ACME), host("never.example.test")]).await.unwrap();
    assert_eq!(asks(ACME).await.as_deref(), Some("gateway"));
    edge.replace_all(std::slice::from_ref(&of_acme)).await.unwrap();
    assert_eq!(edge.routes().await.unwrap(), std::slice::from_ref(&of_acme));
    assert_eq!(asks(ACME).await.as_deref(), Some("acme"));
    assert_eq!(asks(GLOBEX).await.as_deref(), Some("gateway"));
    assert_eq!(nginx.processes(), processes, "no process was replaced");

    // Which way it went is nginx's own word.
    let proof = edge.prove(&host(ACME), "/healthz").await.unwrap();
    assert_eq!(proof.way, Way::Direct { house: of_acme.house.clone(), address: acme.address() });
    assert_eq!((proof.status, acme.last().target.as_str()), (200, "/healthz"));
    assert_eq!(edge.prove(&host(GLOBEX), "/").await.unwrap().way, Way::Gateway);
    assert_eq!(edge.prove(&host("example.test"), "/").await.unwrap().way, Way::Platform);

    // What was written down is what it starts with, also after it was killed.
    edge.remember(std::slice::from_ref(&of_globex)).await.unwrap();
    nginx.restart();
    nginx.until_healthy().await;
    assert_eq!(edge.routes().await.unwrap(), std::slice::from_ref(&of_globex));
    edge.remember(&[of_acme.clone(), of_globex.clone()]).await.unwrap();
    nginx.kill();
    nginx.until_healthy().await;
    assert_eq!(get(nginx.public, ACME, "/", &[]).await.header("x-house"), Some("acme"));
    edge.replace_all(&[]).await.unwrap();
    assert_eq!(edge.routes().await.unwrap(), []);
}

#[tokio::test]
async fn a_house_that_is_not_there_is_the_gateways_affair() {
    let acme = House::open("acme").await;
    let nginx = Nginx::start(
        &[route(ACME, "acmeacme22", acme.address()), route(GLOBEX, "globexglob", nowhere().await)],
        EdgeLimits::default(),
    )
    .await;

    // With the whole control plane away, who is awake is served, and the rest is told so.
    assert_eq!(get(nginx.public, ACME, "/", &[]).await.status, 200);
    let away = get(nginx.public, GLOBEX, "/", &["Accept: text/html"]).await;
    assert_eq!((away.status, away.header("content-type")), (503, Some("text/html; charset=utf-8")));
    let away = get(nginx.public, "example.test", "/", &[]).await;
    assert_eq!((away.status, away.header("content-type")), (503, Some("application/problem+json")));

    let gateway = House::open_socket("gateway", &nginx.run_path("gateway/gateway.sock"));
    let proof = nginx.edge.prove(&host(GLOBEX), "/").await.unwrap();
    assert_eq!((proof.way, proof.status), (Way::Gateway, 200));
    let order = format!("POST /orders HTTP/1.1\r\nHost: {GLOBEX}\r\nContent-Length: 5\r\n");
    assert_eq!(ask(nginx.public, &order, "order").await.header("x-house"), Some("gateway"));
    assert_eq!((gateway.last().method.as_str(), gateway.last().body.as_str()), ("POST", "order"));

    // What a house has received is sent to nobody else, and only what changes nothing is sent to it again.
    let (before, at_gateway) = (acme.seen().len(), gateway.seen().len());
    let order = format!("POST /break-off HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 5\r\n");
    assert_eq!(ask(nginx.public, &order, "order").await.status, 502);
    assert_eq!(acme.seen().len(), before + 1);
    let delete = format!("DELETE /break-off HTTP/1.1\r\nHost: {ACME}\r\n");
    assert_eq!(ask(nginx.public, &delete, "").await.status, 502);
    assert_eq!(acme.seen().len(), before + 2);
    assert_eq!(get(nginx.public, ACME, "/break-off", &[]).await.status, 502);
    assert_eq!(gateway.seen().len(), at_gateway);

    // Counted is who is somebody: with a live route, or by the gateway's word.
    for name in ["known.example.test", "unknown.example.test"] {
        assert_eq!(get(nginx.public, name, "/", &[]).await.status, 200);
    }
    let mut slow = Visitor::at(nginx.public).await;
    slow.send(format!("GET /slow HTTP/1.1\r\nHost: {ACME}\r\n\r\n")).await;
    until("the request is open", async || nginx.edge.open_requests(&host(ACME), None).await.unwrap() == 1)
        .await;
    acme.go_on();
    slow.answer().await;
    until("the request has ended", async || nginx.edge.open_requests(&host(ACME), None).await.unwrap() == 0)
        .await;
    let counted = async || nginx.edge.counts().await.unwrap();
    until("all are counted", async || {
        let counts = counted().await;
        let ended = |name| counts.get(&host(name)).is_some_and(|of| of.requests > 0 && of.open == 0);
        ended("known.example.test") && ended(ACME) && counts[&host(ACME)].requests >= 5
    })
    .await;
    let counts = counted().await;
    let of_acme = counts[&host(ACME)];
    assert_eq!(of_acme.requests, 5, "{of_acme:?}");
    assert!(of_acme.bytes_in > 100 && of_acme.bytes_out > 100 && of_acme.last_at.is_some(), "{of_acme:?}");
    assert!(counts.contains_key(&host("known.example.test")));
    assert!(!counts.contains_key(&host("unknown.example.test")));
    assert_eq!(nginx.edge.open_requests(&host("nobody.example.test"), None).await.unwrap(), 0);
}

#[tokio::test]
async fn between_visitor_and_app_are_our_own_headers_only() {
    let acme = House::open("acme").await;
    let nginx = Nginx::start(&[route(ACME, "acmeacme22", acme.address())], EdgeLimits::default()).await;
    let gateway = House::open_socket("gateway", &nginx.run_path("gateway/gateway.sock"));
    let api = House::open_socket("api", &nginx.run_path("api/api.sock"));
    let port = nginx.public.port();

    let forged = [
        "X-Forwarded-For: 6.6.6.6",
        "x-forwarded-host: globex.example.test",
        "X-Forwarded-Proto: https",
        "X-Forwarded-User: root",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-Freehold-Tenant: globex",
        "x-FREEHOLD-anything: 1",
        "X-Request-Id: mine",
        "X_Forwarded_For: 6.6.6.6",
        "X-Freehold-Probe: guessed",
        "X-Original-URL: /admin",
        "Client-IP: 6.6.6.6",
        "CF-Connecting-IP: 6.6.6.6",
        "Front-End-Https: on",
        "X-Host: globex.example.test",
        "X-Accel-Mapping: /=/",
        "X-Sendfile-Type: X-Accel-Redirect",
        "Proxy: http://6.6.6.6",
        "Proxy-Authorization: Basic abc",
        "Upgrade: h2c",
        "Connection: Upgrade, HTTP2-Settings",
        "HTTP2-Settings: AAMAAABk",
        "Cookie: a=b",
        "X-Own: kept",
    ];
    let answer = get(nginx.public, ACME, "/a%2Fb/../c?d=e%20f", &forged).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-freehold-way"), None, "a guess is not answered");
    let seen = acme.last();
    assert_eq!(seen.target, "/a%2Fb/../c?d=e%20f", "as it was sent");
    let authority = format!("{ACME}:{port}");
    let mut headers: Vec<_> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    headers.sort_unstable();
    let ours = [
        "cookie",
        "host",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-own",
        "x-request-id",
    ];
    assert_eq!(headers, ours, "{seen:?}");
    for (name, value) in [
        ("host", authority.as_str()),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", &authority),
        ("x-forwarded-port", &port.to_string()),
        ("x-forwarded-proto", "http"),
    ] {
        assert_eq!(seen.header(name), [value], "{name}");
    }
    assert_eq!(seen.header("x-request-id"), [answer.header("x-request-id").expect("a request id")]);

    // Each of them alone is dropped as well: most requests have none, and nginx first looks whether there are any.
    for line in forged.iter().chain(&["True-Client-IP: 6.6.6.6", "Proxy-Connection: close"]) {
        let (name, value) = line.split_once(": ").expect("a name and a value");
        let name = name.to_ascii_lowercase();
        assert_eq!(get(nginx.public, ACME, "/", &[line]).await.status, 200, "{line}");
        let seen = acme.last();
        let passed = seen.header(&name).contains(&value);
        assert_eq!(passed, ["cookie", "x-own"].contains(&name.as_str()), "{line}: {seen:?}");
    }

    // The prober is known, and its secret goes no further, whichever way the request takes.
    let probe = format!("X-Freehold-Probe: {SECRET}");
    for (name, house, way) in [
        (ACME, &acme, "direct acmeacme22 "),
        (GLOBEX, &gateway, "gateway"),
        ("example.test", &api, "platform"),
    ] {
        let answer = get(nginx.public, name, "/", &[&probe]).await;
        assert!(answer.header("x-freehold-way").is_some_and(|said| said.starts_with(way)), "{answer:?}");
        assert!(!format!("{:?}", house.last()).contains(SECRET));
        let twice = get(nginx.public, name, "/", &[&probe, &probe]).await;
        assert_eq!(twice.header("x-freehold-way"), None, "{name}");
        assert!(!format!("{:?}", house.last()).contains(SECRET));
    }

    // Heads have a bound, which is told as one.
    for (what, head, status) in [
        ("one line", format!("X-Long: {}", "a".repeat(17_000)), 431),
        ("many lines", format!("X-Long: {}\r\n", "a".repeat(15_000)).repeat(5), 431),
    ] {
        let answer = get(nginx.public, ACME, "/", &[head.trim_end()]).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(answer.body.contains("Headers too large"), "{what}: {answer:?}");
    }
    assert_eq!(get(nginx.public, ACME, &format!("/{}", "a".repeat(17_000)), &[]).await.status, 414);

    // An app cannot use nginx, nor speak in its name.
    let answer = get(nginx.public, ACME, "/accel", &[]).await;
    assert_eq!((answer.status, answer.header("x-house")), (200, Some("acme")));
    assert!(!answer.head.to_ascii_lowercase().contains("x-accel"), "{}", answer.head);
    assert_eq!(answer.header("x-freehold-way"), None);
    assert!(answer.header("x-request-id").is_some_and(|id| id != "mine"));

    // Paths and hosts that are ours, or nobody's.
    let before = acme.seen().len();
    for path in [
        "/.freehold/",
        "/.freehold/whoami",
        "/a/../.freehold/x",
        "/%2efreehold/x",
        "/.freehold/error",
        "//.well-known/acme-challenge/token",
        "/.well-known/acme-challenge/token",
    ] {
        assert_eq!(get(nginx.public, ACME, path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(acme.seen().len(), before);
    for bad in
        ["a_b.example.test", "-a.example.test", "[::1]", "a..b", &"a".repeat(64), "a%00b", "\u{e4}.test"]
    {
        assert_eq!(get(nginx.public, bad, "/", &[]).await.status, 400, "{bad}");
    }
    assert_eq!(ask(nginx.public, "GET / HTTP/1.0", "").await.status, 400, "no host at all");

    // The back door leads to the platform alone.
    let back = get(nginx.back_door, "platform.internal", "/.well-known/jwks.json", &[]).await;
    assert_eq!(back.header("x-house"), Some("api"));
    assert_eq!(get(nginx.back_door, ACME, "/", &[]).await.status, 404);
    assert_eq!(get(nginx.back_door, "admin.example.test", "/", &[]).await.status, 404);
}

#[tokio::test]
async fn no_request_hides_in_another() {
    let (acme, globex) = (House::open("acme").await, House::open("globex").await);
    let routes = [route(ACME, "acmeacme22", acme.address()), route(GLOBEX, "globexglob", globex.address())];
    let nginx = Nginx::start(&routes, EdgeLimits::default()).await;
    let _gateway = House::open_socket("gateway", &nginx.run_path("gateway/gateway.sock"));

    let hidden = format!("GET /hidden HTTP/1.1\r\nHost: {GLOBEX}\r\n\r\n");
    let length = hidden.len();
    let chunked = format!("0\r\n\r\n{hidden}");
    let with = |lines: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: {ACME}\r\n{lines}\r\n\r\n{body}");
    let refused = [
        ("both lengths", with("Content-Length: 5\r\nTransfer-Encoding: chunked", &chunked)),
        ("both lengths, turned round", with("Transfer-Encoding: chunked\r\nContent-Length: 5", &chunked)),
        ("two lengths", with(&format!("Content-Length: 0\r\nContent-Length: {length}"), &hidden)),
        ("a list of lengths", with(&format!("Content-Length: 0, {length}"), &hidden)),
        ("a signed length", with("Content-Length: +0", &hidden)),
        ("an unknown encoding", with("Transfer-Encoding: xchunked", &chunked)),
        ("two encodings", with("Transfer-Encoding: chunked, identity", &chunked)),
        ("a header with a blank", with("Content-Length : 5", &hidden)),
        ("a folded header", with("X-Folded: a\r\n Host: globex.example.test", "")),
        ("two hosts", format!("GET / HTTP/1.1\r\nHost: {ACME}\r\nHost: {GLOBEX}\r\n\r\n")),
        ("a host with a path", format!("GET / HTTP/1.1\r\nHost: {ACME}/x@{GLOBEX}\r\n\r\n")),
        ("a chunk that is none", with("Transfer-Encoding: chunked", &format!("zz\r\n{hidden}"))),
    ];
    for (what, bytes) in refused {
        let mut visitor = Visitor::at(nginx.public).await;
        visitor.send(&bytes).await;
        let answer = visitor.answer().await;
        assert!((400..=501).contains(&answer.status), "{what}: {answer:?}");
        // Nothing that came after it is taken for a request.
        assert!(!visitor.rest().await.contains("x-house: globex"), "{what}");
    }
    assert!(globex.seen().is_empty(), "{:?}", globex.seen());

    // The target's host outdoes the header's, for routing and for what the app is told alike.
    let absolute = format!("GET http://{ACME}/absolute HTTP/1.1\r\nHost: {GLOBEX}");
    assert_eq!(ask(nginx.public, &absolute, "").await.header("x-house"), Some("acme"));
    assert!(acme.last().header("host")[0].starts_with(ACME) && acme.last().target == "/absolute");

    // A body that looks like a request is a body.
    let answer = ask(nginx.public, &with(&format!("Content-Length: {length}"), ""), &hidden).await;
    assert_eq!((answer.header("x-house"), acme.last().body.as_str()), (Some("acme"), hidden.as_str()));
    // Two requests in one piece are two requests, each to its own house.
    let mut visitor = Visitor::at(nginx.public).await;
    visitor.send(with("Transfer-Encoding: chunked", &chunked)).await;
    assert_eq!(visitor.answer().await.header("x-house"), Some("acme"));
    assert_eq!(visitor.answer().await.header("x-house"), Some("globex"));
}

#[tokio::test]
async fn streams_flow_and_limits_hold() {
    let acme = House::open("acme").await;
    let limits = EdgeLimits { body_mib: 1, connections_per_host: 8, ..EdgeLimits::default() };
    let nginx = Nginx::start(&[route(ACME, "acmeacme22", acme.address())], limits).await;
    let _gateway = House::open_socket("gateway", &nginx.run_path("gateway/gateway.sock"));

    // Events arrive one by one, each before the next is sent.
    let mut events = Visitor::at(nginx.public).await;
    events.send(format!("GET /events HTTP/1.1\r\nHost: {ACME}\r\n\r\n")).await;
    for event in ["data: 0\n\n", "data: 1\n\n", "data: 2\n\n"] {
        events.read_until(event).await;
        acme.go_on();
    }

    // A body arrives as it is sent.
    let mut upload = Visitor::at(nginx.public).await;
    let head = format!("POST /upload HTTP/1.1\r\nHost: {ACME}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let before = acme.arrived();
    upload.send(head + "5\r\nfirst\r\n").await;
    until("the first part has arrived", async || acme.arrived() == before + 5).await;
    upload.send("6\r\nsecond\r\n0\r\n\r\n").await;
    assert_eq!(upload.answer().await.body, "acme POST /upload 11\n");

    // A WebSocket is a tunnel; nothing else is.
    let upgrade = |to: &str| {
        format!("GET /socket HTTP/1.1\r\nHost: {ACME}\r\nConnection: Upgrade\r\nUpgrade: {to}\r\n\r\n")
    };
    let mut socket = Visitor::at(nginx.public).await;
    socket.send(upgrade("WebSocket")).await;
    assert!(socket.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    socket.read_until("hello\n").await;
    socket.send("and back\n").await;
    socket.read_until("and back\n").await;
    until("only the tunnel is open", async || {
        nginx.edge.open_requests(&host(ACME), None).await.unwrap() == 1
    })
    .await;
    let mut other = Visitor::at(nginx.public).await;
    other.send(upgrade("h2c")).await;
    assert_eq!(other.answer().await.status, 200);

    // Too much is refused, for this host alone.
    let large = format!("POST / HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 1048577\r\n");
    assert_eq!(ask(nginx.public, &large, "").await.status, 413);
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut slow = Visitor::at(nginx.public).await;
        slow.send(format!("GET /slow HTTP/1.1\r\nHost: {ACME}\r\n\r\n")).await;
        waiting.push(slow);
    }
    until("the limit is reached", async || {
        let answer = get(nginx.public, ACME, "/", &[]).await;
        answer.status == 429 && answer.header("retry-after") == Some("5")
    })
    .await;
    assert_eq!(get(nginx.public, GLOBEX, "/", &[]).await.status, 200);
    drop(waiting);
    until("their places are free", async || get(nginx.public, ACME, "/", &[]).await.status == 200).await;
    drop(socket);
    until("nothing is open", async || nginx.edge.open_requests(&host(ACME), None).await.unwrap() == 0).await;
}

#[tokio::test]
async fn the_door_takes_many_routes_and_no_nonsense() {
    let nginx = Nginx::start(&[], EdgeLimits { routes_mib: 4, ..EdgeLimits::default() }).await;
    let door = nginx.run_path("edge/door.sock");
    let put = async |body: &str| {
        let mut visitor = Visitor::at_socket(&door).await;
        visitor
            .send(format!(
                "PUT /routes HTTP/1.1\r\nHost: door\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        visitor.answer().await
    };
    let one = |host: &str, house: &str, address: &str| {
        format!(r#"{{"routes":[{{"host":"{host}","house":"{house}","address":"{address}"}}]}}"#)
    };
    for (status, body) in [
        (400, "not json".to_owned()),
        (400, "{}".to_owned()),
        (422, r#"{"routes":["x"]}"#.to_owned()),
        (422, one("UPPER.test", "acmeacme22", "127.0.0.1:80")),
        (422, one("a.test\\n", "acmeacme22", "127.0.0.1:80")),
        (422, one("a.test", "house", "127.0.0.1:80")),
        (422, one("a.test", "acmeacme22", "unix:/run/x")),
        (422, one("a.test", "acmeacme22", "localhost:80")),
        (422, one("a.test", "acmeacme22", "127.0.0.1:70000")),
    ] {
        let answer = put(&body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.body.contains("error"), "{answer:?}");
    }
    assert_eq!(nginx.edge.routes().await.unwrap(), []);

    let many = |count: usize| -> Vec<Route> {
        (0..count)
            .map(|n| route(&format!("t{n:06}.example.test"), "acmeacme22", ([10, 0, 0, 1], 80).into()))
            .collect()
    };
    let routes = many(12_000);
    nginx.edge.replace_all(&routes).await.unwrap();
    assert_eq!(nginx.edge.routes().await.unwrap(), routes);
    // A look at one house sees its routes, and whoever has the names that it should have.
    let own = route("own.example.test", "globexglob", ([10, 0, 0, 2], 80).into());
    nginx.edge.set(std::slice::from_ref(&own)).await.unwrap();
    let names = [routes[7].host.clone(), "nobody.example.test".parse().unwrap()].into();
    let mut seen = nginx.edge.routes_of(&own.house, &names).await.unwrap();
    seen.sort();
    assert_eq!(seen, [own.clone(), routes[7].clone()]);
    assert_eq!(nginx.edge.routes_of(&own.house, &Default::default()).await.unwrap().len(), 1);
    nginx.edge.withdraw(&[own.host]).await.unwrap();
    nginx.edge.withdraw(&routes.iter().map(|route| route.host.clone()).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(nginx.edge.healthy().await.unwrap().routes, 0);
    // Without room it says so, and nobody else's route goes.
    let refused = nginx.edge.replace_all(&many(60_000)).await;
    assert!(matches!(refused, Err(Error::Refused { status: 507, .. })), "{refused:?}");
    let left = nginx.edge.healthy().await.unwrap().routes;
    assert!(left > 12_000, "{left}");
    assert!(nginx.edge.healthy().await.unwrap().prober);
}
