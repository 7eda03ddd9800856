//! An operation followed as it happens, over the real socket.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use control_plane::http::serve;
use control_plane::model::ids::OperationId;
use control_plane::model::operation::EventState;
use control_plane::store::operations;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{HOST, World};

/// Longer than anything takes on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream that is being read.
struct Reader {
    body: hyper::body::Incoming,
    text: String,
    status: StatusCode,
}

impl Reader {
    async fn open(world: &World, socket: &std::path::Path, path: &str, last: Option<i64>) -> Self {
        let stream = loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await.expect("handshake");
        tokio::spawn(connection);
        let mut request = Request::get(path)
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, format!("Bearer {}", world.token));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response =
            sender.send_request(request.body(Body::empty()).expect("request")).await.expect("answer");
        let status = response.status();
        Self { body: response.into_body(), text: String::new(), status }
    }

    /// Reads until `wanted` was said; `None` reads to the end.
    async fn until(&mut self, wanted: Option<&str>) {
        let read = async {
            while !wanted.is_some_and(|wanted| self.text.contains(wanted)) {
                match self.body.frame().await {
                    Some(frame) => {
                        let frame = frame.expect("a frame");
                        let data = frame.data_ref().expect("data");
                        self.text.push_str(&String::from_utf8_lossy(data));
                    }
                    None if wanted.is_none() => return,
                    None => panic!("{wanted:?} was never said: {}", self.text),
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("in time");
    }

    /// The events of one name, by their data.
    fn data(&self, name: &str) -> Vec<Value> {
        let blocks =
            self.text.split("\n\n").filter(|block| block.lines().any(|l| l == format!("event: {name}")));
        blocks
            .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("data: ")))
            .map(|data| serde_json::from_str(data).expect("json"))
            .collect()
    }
}

async fn tell(world: &World, operation: OperationId, step: &str) {
    let mut tx = world.registry.worker().await;
    operations::event(&mut tx, operation, chrono::Utc::now(), step, EventState::Done, "as it should")
        .await
        .expect("event");
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn an_operation_is_followed_resumed_and_ends() {
    let world = World::start().await;
    let directory = tempfile::tempdir().expect("directory");
    let socket = directory.path().join("api.sock");
    let server = {
        let (socket, router, closing) = (socket.clone(), world.router.clone(), world.closing.clone());
        tokio::spawn(async move { serve(&socket, router, closing).await })
    };
    let made = world.make("acme").await;
    let id: OperationId = made["operation"]["id"].as_str().expect("id").parse().expect("id");
    let path = format!("/api/v1/operations/{id}/events");

    // What happens is told while it happens.
    let mut reader = Reader::open(&world, &socket, &path, None).await;
    assert_eq!(reader.status, 200);
    reader.until(Some("\"pending\"")).await;
    let claims = world.claim().await;
    reader.until(Some("\"running\"")).await;
    tell(&world, id, "network").await;
    tell(&world, id, "volume").await;
    reader.until(Some("\"volume\"")).await;
    let steps = reader.data("step");
    assert_eq!(steps.iter().map(|one| one["id"].as_i64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
    drop(reader);

    // Resumed after the first: only what came later.
    tell(&world, id, "container").await;
    let mut reader = Reader::open(&world, &socket, &path, Some(1)).await;
    reader.until(Some("\"container\"")).await;
    let steps: Vec<_> = reader.data("step").iter().map(|one| one["step"].clone()).collect();
    assert_eq!(steps, ["volume", "container"]);

    // It is over: the end is told last, and the stream ends.
    world.converge(&claims).await;
    reader.until(None).await;
    let states = reader.data("state");
    assert_eq!(states.last().expect("a state")["state"], "succeeded");

    // From the beginning everything is still there; from the end there is nothing.
    let mut reader = Reader::open(&world, &socket, &path, None).await;
    reader.until(None).await;
    assert_eq!(reader.data("step").len(), 3);
    assert!(reader.text.trim_end().rsplit("\n\n").next().expect("the last").contains("event: state"));
    let last = reader.data("step")[2]["id"].as_i64();
    assert_eq!(Reader::open(&world, &socket, &path, last).await.status, StatusCode::NO_CONTENT);
    world.get(&format!("{path}?x=1")).await;
    let request = world.request(Method::GET, &path).header("Last-Event-ID", "x").body(Body::empty());
    assert_eq!(world.send(request.expect("request")).await.expect(422).fields(), ["Last-Event-ID"]);

    // A stream without an end does not hold up the end of the process.
    let other = world.make("globex").await;
    let path = format!("/api/v1/operations/{}/events", other["operation"]["id"].as_str().expect("id"));
    let mut reader = Reader::open(&world, &socket, &path, None).await;
    reader.until(Some("\"pending\"")).await;
    world.closing.cancel();
    reader.until(None).await;
    tokio::time::timeout(PATIENCE, server).await.expect("in time").expect("no panic").expect("served");
}
