//! Requests that try to be two at once or for somebody else: what is sent, and who answers.

/// The two tenants.
pub const ACME: &str = "acme.freehold.localhost";
pub const GLOBEX: &str = "globex.freehold.localhost";

/// The bytes of one connection, and who answers in their order: an app by its slug, or the edge by a status.
///
/// `{id}` stands for the case's number, `{hidden}` for a whole request to Globex, `{length}` for its length.
pub struct Case {
    pub what: &'static str,
    bytes: String,
    pub answers: &'static [&'static str],
}

impl Case {
    /// What a sleeping tenant is woken with: a request in a body, one behind it, and forged names in front.
    pub fn that_wakes() -> Self {
        let forged =
            "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nClient-IP: 6.6.6.6";
        let lines = format!(
            "{forged}\r\nX-Forwarded-Host: {GLOBEX}\r\nConnection: X-Forwarded-For\r\nContent-Length: {{length}}"
        );
        case("a request that wakes", post(&lines, "{hidden}{hidden}"), BOTH)
    }

    pub fn bytes(&self, id: usize) -> String {
        let hidden = format!("GET /{id}/hidden HTTP/1.1\r\nHost: {GLOBEX}\r\n\r\n");
        let length = hidden.len().to_string();
        let bytes = self.bytes.replace("{hidden}", &hidden).replace("{length}", &length);
        bytes.replace("{id}", &id.to_string())
    }
}

const ACME_ALONE: &[&str] = &["acme"];
const BOTH: &[&str] = &["acme", "globex"];
const REFUSED: &[&str] = &["400"];
const UNKNOWN: &[&str] = &["501"];

/// A chunked body that has ended, and what comes after it.
const ENDED: &str = "0\r\n\r\n{hidden}";

fn case(what: &'static str, bytes: String, answers: &'static [&'static str]) -> Case {
    Case { what, bytes, answers }
}

fn post(lines: &str, body: &str) -> String {
    format!("POST /{{id}}/x HTTP/1.1\r\nHost: {ACME}\r\n{lines}\r\n\r\n{body}")
}

fn get(lines: &str) -> String {
    format!("GET /{{id}}/x HTTP/1.1\r\nHost: {ACME}\r\n{lines}\r\n")
}

pub fn all() -> Vec<Case> {
    [lengths(), chunks(), lines(), hosts(), targets(), upgrades()].into_iter().flatten().collect()
}

/// Where a body ends.
fn lengths() -> Vec<Case> {
    let mut cases = vec![
        case(
            "a length, then chunks",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked", ENDED),
            REFUSED,
        ),
        case(
            "chunks, then a length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5", ENDED),
            REFUSED,
        ),
        case("two lengths", post("Content-Length: 0\r\nContent-Length: {length}", "{hidden}"), REFUSED),
        case(
            "one length twice",
            post("Content-Length: {length}\r\nContent-Length: {length}", "{hidden}"),
            REFUSED,
        ),
        case("a body that looks like a request", post("Content-Length: {length}", "{hidden}"), ACME_ALONE),
        case("a GET with a body", get("Content-Length: {length}\r\n") + "{hidden}", ACME_ALONE),
        case("a length of many zeros", post("Content-Length: 00", "{hidden}"), BOTH),
        case(
            "asked first, then sent",
            post("Expect: 100-continue\r\nContent-Length: {length}", "{hidden}"),
            &["100", "acme"],
        ),
        case(
            "a body for a path that is ours",
            format!(
                "POST /.freehold/x HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: {{length}}\r\n\r\n{{hidden}}"
            ),
            &["404"],
        ),
    ];
    for length in [
        "+0",
        "-0",
        "0x0",
        "0 0",
        "",
        "0, {length}",
        "0;",
        "1e1",
        "99999999999999999999",
        "18446744073709551616",
    ] {
        cases.push(case(
            "a length that is none",
            post(&format!("Content-Length: {length}"), "{hidden}"),
            REFUSED,
        ));
    }
    for (coding, answers) in [
        ("CHUNKED", BOTH),
        ("xchunked", UNKNOWN),
        ("chunked, identity", UNKNOWN),
        ("gzip, chunked", UNKNOWN),
        ("identity", UNKNOWN),
        ("\"chunked\"", UNKNOWN),
        ("", UNKNOWN),
        ("\tchunked", UNKNOWN),
        ("\u{b}chunked", UNKNOWN),
        ("chunked\t", UNKNOWN),
        ("chunked\r\nTransfer-Encoding: chunked", REFUSED),
        ("identity\r\nTransfer-Encoding: chunked", REFUSED),
        ("chunked\r\nTransfer-Encoding: identity", REFUSED),
    ] {
        cases.push(case("an encoding", post(&format!("Transfer-Encoding: {coding}"), ENDED), answers));
    }
    for name in ["Transfer-Encoding ", " Transfer-Encoding", "\tTransfer-Encoding", "Transfer-Encoding\u{b}"]
    {
        let lines = format!("Content-Length: 5\r\n{name}: chunked");
        cases.push(case("an encoding by a broken name", post(&lines, ENDED), REFUSED));
    }
    let underscore = "Content-Length: {length}\r\nTransfer_Encoding: chunked";
    cases.push(case("an encoding by another name", post(underscore, "{hidden}"), ACME_ALONE));
    let old = format!(
        "POST /{{id}}/x HTTP/1.0\r\nHost: {ACME}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{ENDED}"
    );
    cases.push(case("chunks before there were chunks", old, REFUSED));
    cases
}

/// What chunks may look like.
fn chunks() -> Vec<Case> {
    let long = format!("0;{}\r\n\r\n{{hidden}}", "a".repeat(5_000));
    let trailers =
        format!("0\r\nHost: {GLOBEX}\r\nX-Forwarded-For: 6.6.6.6\r\nContent-Length: 9\r\n\r\n{{hidden}}");
    [
        (ENDED, BOTH),
        ("0 \r\n\r\n{hidden}", BOTH),
        ("0000000000000000000000\r\n\r\n{hidden}", BOTH),
        ("0;a=b\r\n\r\n{hidden}", BOTH),
        ("0;a=\"\nb\"\r\n\r\n{hidden}", BOTH),
        (&long, BOTH),
        ("0\n\n{hidden}", BOTH),
        ("3\r\nabc\n0\r\n\r\n{hidden}", BOTH),
        (&trailers, BOTH),
        ("0x0\r\n\r\n{hidden}", REFUSED),
        ("+0\r\n\r\n{hidden}", REFUSED),
        ("-0\r\n\r\n{hidden}", REFUSED),
        (" 0\r\n\r\n{hidden}", REFUSED),
        ("0_0\r\n\r\n{hidden}", REFUSED),
        ("g\r\n\r\n{hidden}", REFUSED),
        ("\r\n\r\n{hidden}", REFUSED),
        ("fffffffffffffffff\r\n\r\n{hidden}", REFUSED),
        ("ffffffffffffffff\r\n\r\n{hidden}", REFUSED),
        ("3\r\nabcX0\r\n\r\n{hidden}", REFUSED),
        ("2\r\nabc\r\n0\r\n\r\n{hidden}", REFUSED),
    ]
    .into_iter()
    .map(|(body, answers)| case("chunks", post("Transfer-Encoding: chunked", body), answers))
    .collect()
}

/// How lines end, and what stands in them.
fn lines() -> Vec<Case> {
    let bare = format!("POST /{{id}}/x HTTP/1.1\nHost: {ACME}\nContent-Length: {{length}}\n\n{{hidden}}");
    vec![
        case("lines that end without a return", bare, ACME_ALONE),
        case(
            "an encoding behind a bare newline",
            post("Content-Length: 5\r\nX: 1\nTransfer-Encoding: chunked", ENDED),
            REFUSED,
        ),
        case(
            "an encoding behind a bare return",
            post("Content-Length: 5\r\nX: 1\rTransfer-Encoding: chunked", ENDED),
            REFUSED,
        ),
        case("a folded line", post("X: 1\r\n Transfer-Encoding: chunked", ENDED), REFUSED),
        case("a NUL in a value", post("X: a\0b", "{hidden}"), REFUSED),
        case("a NUL in a name", post("X\0A: b", "{hidden}"), REFUSED),
        case("a name that is empty", post(": b", "{hidden}"), REFUSED),
        case("two requests in one piece", get("") + "{hidden}", BOTH),
        case("empty lines first", format!("\r\n\r\n{}", get("")), ACME_ALONE),
        case(
            "headers of this connection",
            get("Connection: Host, X-Forwarded-For, X-Forwarded-Host\r\n"),
            ACME_ALONE,
        ),
        case(
            "names of ours",
            get(
                "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-host: globex.freehold.localhost\r\nX-Real-IP: 6.6.6.6\r\n\
                 Forwarded: for=6.6.6.6\r\nClient-IP: 6.6.6.6\r\nX-Freehold-Tenant: globex\r\nX-Freehold-Probe: x\r\n\
                 X-Request-Id: mine\r\nX-Accel-Redirect: /x\r\nX-Sendfile-Type: X-Accel-Redirect\r\nX_Forwarded_For: 6.6.6.6\r\n",
            ),
            ACME_ALONE,
        ),
        case("too much of a head", get(&format!("X-Long: {}\r\n", "a".repeat(17_000))), &["431"]),
        case(
            "an address that is too long",
            format!("GET /{{id}}/{} HTTP/1.1\r\nHost: {ACME}\r\n\r\n", "a".repeat(17_000)),
            &["414"],
        ),
    ]
}

/// Whom a request is for, by its header.
fn hosts() -> Vec<Case> {
    let of = |lines: &str| format!("GET /{{id}}/x HTTP/1.1\r\n{lines}\r\n\r\n");
    let mut cases = vec![
        case("two hosts", of(&format!("Host: {ACME}\r\nHost: {GLOBEX}")), REFUSED),
        case("a host twice", of(&format!("Host: {ACME}\r\nHost: {ACME}")), REFUSED),
        case("a host by a broken name", of(&format!("Host : {ACME}")), REFUSED),
        case("a folded host", of(&format!("Host:\r\n {ACME}")), REFUSED),
        case("no host", of("X: 1"), REFUSED),
    ];
    for (host, answers) in [
        ("ACME.Freehold.LOCALHOST", ACME_ALONE),
        ("acme.freehold.localhost.", ACME_ALONE),
        ("acme.freehold.localhost:80", ACME_ALONE),
        ("acme.freehold.localhost.:65536", ACME_ALONE),
        ("acme.freehold.localhost:80@globex.freehold.localhost", ACME_ALONE),
        ("acme.freehold.localhost@globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost,globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost\\globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost/@globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost#globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost?globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost\0globex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost%2eglobex.freehold.localhost", REFUSED),
        ("acme.freehold.localhost..", REFUSED),
        ("acme.freehold.localhost\t", REFUSED),
        ("[acme.freehold.localhost]", REFUSED),
        ("acme.freehold.loc\u{e0}lhost", REFUSED),
        ("", REFUSED),
        (".", REFUSED),
        ("x.acme.freehold.localhost", &["404"]),
        ("127.0.0.1", &["404"]),
        ("platform.internal", &["404"]),
    ] {
        cases.push(case("a host", of(&format!("Host: {host}")), answers));
    }
    cases
}

/// Whom a request is for, by its first line: the host in a target outdoes the header's.
fn targets() -> Vec<Case> {
    [
        ("GET http://acme.freehold.localhost/{id}/x HTTP/1.1", ACME_ALONE),
        ("GET HTTP://ACME.freehold.localhost.:80/{id}/x HTTP/1.1", ACME_ALONE),
        ("GET https://acme.freehold.localhost/{id}/x HTTP/1.1", ACME_ALONE),
        ("GET http://acme.freehold.localhost?/{id}/x HTTP/1.1", ACME_ALONE),
        ("GET http://acme.freehold.localhost@globex.freehold.localhost/{id}/x HTTP/1.1", REFUSED),
        ("GET http://acme.freehold.localhost:80@globex.freehold.localhost/{id}/x HTTP/1.1", REFUSED),
        ("GET http://acme.freehold.localhost\\@globex.freehold.localhost/{id}/x HTTP/1.1", REFUSED),
        ("GET http://acme.freehold.localhost%00/{id}/x HTTP/1.1", REFUSED),
        ("GET http://[acme.freehold.localhost]/{id}/x HTTP/1.1", REFUSED),
        ("GET http:/acme.freehold.localhost/{id}/x HTTP/1.1", REFUSED),
        ("GET http:///{id}/x HTTP/1.1", REFUSED),
        ("GET acme.freehold.localhost/{id}/x HTTP/1.1", REFUSED),
        ("GET /{id}/x http://acme.freehold.localhost/ HTTP/1.1", REFUSED),
        ("GET //acme.freehold.localhost/{id}/x HTTP/1.1", &["globex"]),
        ("GET /{id}/..%2f.freehold/x HTTP/1.1", &["404"]),
        ("GET /../{id}/x HTTP/1.1", REFUSED),
        ("GET /{id}/%00 HTTP/1.1", REFUSED),
        ("GET /{id}/\0 HTTP/1.1", REFUSED),
        ("GET /{id}/\r HTTP/1.1", REFUSED),
        ("GET /{id}/\t HTTP/1.1", REFUSED),
        ("GET * HTTP/1.1", REFUSED),
        ("OPTIONS * HTTP/1.1", REFUSED),
        ("CONNECT acme.freehold.localhost:80 HTTP/1.1", REFUSED),
        ("CONNECT /{id}/x HTTP/1.1", &["405"]),
        ("TRACE /{id}/x HTTP/1.1", &["405"]),
        ("get /{id}/x HTTP/1.1", REFUSED),
        ("GE\0T /{id}/x HTTP/1.1", REFUSED),
        ("GET  /{id}/x  HTTP/1.1", &["globex"]),
        ("GET /{id}/x HTTP/1.2", &["globex"]),
        ("GET /{id}/x HTTP/1.1 HTTP/1.1", REFUSED),
        ("GET /{id}/x HTTP/2.0", &["505"]),
        ("GET /{id}/x HTTP/0.9", REFUSED),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", REFUSED),
    ]
    .into_iter()
    .map(|(line, answers)| case("a first line", format!("{line}\r\nHost: {GLOBEX}\r\n\r\n"), answers))
    .collect()
}

/// Other protocols on the same connection.
fn upgrades() -> Vec<Case> {
    let upgrade = |to: &str| {
        get(&format!("Connection: Upgrade, HTTP2-Settings\r\n{to}\r\nHTTP2-Settings: AAMAAABk\r\n"))
    };
    vec![
        case("HTTP/2", upgrade("Upgrade: h2c") + "{hidden}", BOTH),
        case("TLS", upgrade("Upgrade: TLS/1.0") + "{hidden}", BOTH),
        case("one of two", upgrade("Upgrade: h2c, websocket") + "{hidden}", BOTH),
        case("HTTP/2, then WebSocket", upgrade("Upgrade: h2c\r\nUpgrade: websocket") + "{hidden}", BOTH),
        case("WebSocket, then HTTP/2", upgrade("Upgrade: websocket\r\nUpgrade: h2c") + "{hidden}", BOTH),
        case("a WebSocket that the app does not want", upgrade("Upgrade: websocket") + "{hidden}", BOTH),
        case(
            "a WebSocket with a body",
            upgrade("Upgrade: websocket\r\nContent-Length: {length}") + "{hidden}",
            ACME_ALONE,
        ),
    ]
}
