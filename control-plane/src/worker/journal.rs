//! What people see of the work on a house: each step's beginning and end, under the operation it is done for.
//!
//! Nobody works slower for being watched: events are written beside the work, in their order, as many at a time as
//! there are.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Worker;
use super::failure::{Failure, chain};
use super::house::House;
use crate::model::ids::OperationId;
use crate::model::operation::EventState;
use crate::planner::Step;
use crate::store::{Scope, operations};

/// Events written in one transaction at most.
const BATCH: usize = 32;

struct Event {
    at: DateTime<Utc>,
    step: &'static str,
    state: EventState,
    message: String,
}

/// Writes under one operation.
pub(super) struct Journal {
    /// `None` without an operation: there is nobody to tell.
    writer: Option<(mpsc::UnboundedSender<Event>, JoinHandle<()>)>,
}

impl Journal {
    /// Finds the operation that the work is for. A settled house that has work to do was changed by somebody else,
    /// and a repair is opened.
    pub(super) async fn open(worker: &Arc<Worker>, house: &House) -> Result<Self, Failure> {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        let tenant = &house.record.tenant;
        let why = house.record.due_reason.as_deref().unwrap_or("it was not as it should be");
        let operation = operations::open_repair(&mut tx, &house.claim, tenant.generation, why).await?;
        tx.commit().await?;
        let writer = operation.map(|operation| {
            let (sender, events) = mpsc::unbounded_channel();
            (sender, tokio::spawn(write(Arc::clone(worker), operation, events)))
        });
        Ok(Self { writer })
    }

    pub(super) fn begun(&self, step: &Step) {
        self.tell(step, EventState::Started, step.to_string());
    }

    pub(super) fn ended(&self, step: &Step, result: &Result<(), Failure>) {
        match result {
            Ok(()) => self.tell(step, EventState::Done, step.to_string()),
            Err(failure) => self.tell(step, EventState::Failed, failure.reason.clone()),
        }
    }

    fn tell(&self, step: &Step, state: EventState, message: String) {
        if let Some((sender, _)) = &self.writer {
            // a writer that is gone has said why
            let _ = sender.send(Event { at: Utc::now(), step: step.name(), state, message });
        }
    }

    /// Waits until all of it is written: the end of an operation is told after its steps.
    pub(super) async fn close(self) {
        if let Some((sender, writing)) = self.writer {
            drop(sender);
            let _ = writing.await;
        }
    }
}

async fn write(worker: Arc<Worker>, operation: OperationId, mut events: mpsc::UnboundedReceiver<Event>) {
    let mut batch = Vec::with_capacity(BATCH);
    while events.recv_many(&mut batch, BATCH).await > 0 {
        let written = async {
            let mut tx = worker.deps.store.begin(Scope::System).await?;
            for event in &batch {
                operations::event(&mut tx, operation, event.at, event.step, event.state, &event.message)
                    .await?;
            }
            tx.commit().await
        };
        // an event that cannot be written is no reason to stop working; the outcome will be
        if let Err(error) = written.await {
            tracing::debug!(%operation, error = chain(&error), "events were not written");
        }
        batch.clear();
    }
}
