//! The events of one operation, as the API streams them.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::sse::{Message, Parser};
use crate::http::v1::types::{Operation, OperationEvent};

/// Longer than the API's pauses between signs of life: silence for this long is a lost connection.
const SILENCE: Duration = Duration::from_secs(60);

/// What a stream tells.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Event {
    Step(OperationEvent),
    /// How the operation stands now.
    Operation(Box<Operation>),
}

/// A stream that may end at any time; [`Events::last`] says where to go on.
pub(in crate::cli) struct Events {
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Message>,
    last: Option<String>,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, parser: Parser::default(), ready: VecDeque::new(), last: None }
    }

    /// The id of the last event that was seen.
    pub(in crate::cli) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// The next event that means something to us; none when the stream is over, however it ended.
    pub(in crate::cli) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(message) = self.ready.pop_front() {
                self.last = message.id.clone().or(self.last.take());
                if let Ok(step) = serde_json::from_str(&message.data) {
                    return Some(Event::Step(step));
                }
                if let Ok(operation) = serde_json::from_str(&message.data) {
                    return Some(Event::Operation(Box::new(operation)));
                }
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await.ok()??.ok()?;
            if let Some(bytes) = frame.data_ref() {
                self.ready.extend(self.parser.feed(bytes));
            }
        }
    }
}
