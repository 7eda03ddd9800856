//! Answers by which an app tries to speak for others: what it says, and what becomes of it.

/// What an app says, with the status that the visitor gets straight from the edge and by way of the gateway.
///
/// `{who}` stands for the app's name and the target, so that an answer of its own is known.
pub struct Case {
    pub what: &'static str,
    said: &'static str,
    pub direct: u16,
    pub held: u16,
}

impl Case {
    pub fn said(&self, who: &str) -> String {
        self.said.replace("{who}", who)
    }
}

const fn case(what: &'static str, said: &'static str, direct: u16, held: u16) -> Case {
    Case { what, said, direct, held }
}

pub const ALL: &[Case] = &[
    case(
        "sends nginx to a place of its own",
        "HTTP/1.1 200 OK\r\nX-App: {who}\r\nX-Accel-Redirect: /.freehold/error\r\nContent-Length: 2\r\n\r\nok",
        200,
        200,
    ),
    case(
        "sends nginx to a named place",
        "HTTP/1.1 200 OK\r\nX-App: {who}\r\nX-Accel-Redirect: @body\r\nContent-Length: 2\r\n\r\nok",
        200,
        200,
    ),
    case(
        "tells nginx how to send",
        "HTTP/1.1 200 OK\r\nX-App: {who}\r\nX-Accel-Buffering: yes\r\nX-Accel-Limit-Rate: 1\r\nX-Accel-Expires: 9\r\n\
         X-Accel-Charset: koi8-r\r\nContent-Length: 2\r\n\r\nok",
        200,
        200,
    ),
    case(
        "speaks in our name",
        "HTTP/1.1 200 OK\r\nX-App: {who}\r\nX-Freehold-Way: platform\r\nX-Freehold-Tenant: globex\r\n\
         X-Request-Id: mine\r\nContent-Length: 2\r\n\r\nok",
        200,
        200,
    ),
    case(
        "two answers",
        "HTTP/1.1 200 OK\r\nX-App: {who}\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: 6\r\n\r\nforged",
        200,
        200,
    ),
    case(
        "no body, then an answer",
        "HTTP/1.1 204 No Content\r\nX-App: {who}\r\n\r\nHTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: 6\r\n\r\nforged",
        204,
        204,
    ),
    case(
        "nothing new, then an answer",
        "HTTP/1.1 304 Not Modified\r\nX-App: {who}\r\nContent-Length: 60\r\n\r\nHTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: 6\r\n\r\nforged",
        304,
        304,
    ),
    case(
        "an interim answer first",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-App: {who}\r\nContent-Length: 2\r\n\r\nok",
        502,
        200,
    ),
    case(
        "hints first",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nX-App: {who}\r\nContent-Length: 2\r\n\r\nok",
        502,
        200,
    ),
    case(
        "another protocol",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: 6\r\n\r\nforged",
        502,
        502,
    ),
    case(
        "a WebSocket that nobody asked for",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: 6\r\n\r\nforged",
        502,
        502,
    ),
    case(
        "no HTTP",
        "forged\r\n\r\nHTTP/1.1 200 OK\r\nX-App: forged\r\nX-Freehold-Way: direct\r\nContent-Length: 6\r\n\r\nforged",
        502,
        502,
    ),
    case(
        "a status of two digits",
        "HTTP/1.1 20 OK\r\nX-App: forged\r\nContent-Length: 2\r\n\r\nok",
        502,
        502,
    ),
    case("a status of zero", "HTTP/1.1 000 OK\r\nX-App: forged\r\nContent-Length: 2\r\n\r\nok", 502, 502),
    case(
        "two lengths",
        "HTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok",
        502,
        502,
    ),
    case("a length below zero", "HTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: -2\r\n\r\nok", 502, 502),
    case(
        "a length and chunks",
        "HTTP/1.1 200 OK\r\nX-App: forged\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        502,
        502,
    ),
    case(
        "a NUL in a header",
        "HTTP/1.1 200 OK\r\nX-App: forged\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
        502,
        502,
    ),
    case(
        "a return in a header",
        "HTTP/1.1 200 OK\r\nX-App: forged\r\nX-A: a\rX-Freehold-Way: direct\r\nContent-Length: 2\r\n\r\nok",
        502,
        502,
    ),
    case(
        "a folded header",
        "HTTP/1.1 200 OK\r\nX-App: forged\r\nX-A: a\r\n X-Freehold-Way: direct\r\nContent-Length: 2\r\n\r\nok",
        502,
        502,
    ),
    case(
        "our name with a blank",
        "HTTP/1.1 200 OK\r\nX-App: forged\r\nX-Freehold-Way : direct\r\nContent-Length: 2\r\n\r\nok",
        502,
        502,
    ),
];
