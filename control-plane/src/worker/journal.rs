//! What people see of the work on a house: each step's beginning and end, under the operation it is done for.

use super::Worker;
use super::failure::{Failure, chain};
use super::house::House;
use crate::model::ids::OperationId;
use crate::model::operation::EventState;
use crate::planner::Step;
use crate::store::{Scope, operations};

/// Writes under one operation.
pub(super) struct Journal {
    operation: Option<OperationId>,
}

impl Journal {
    /// Finds the operation that the work is for. A settled house that has work to do was changed by somebody else,
    /// and a repair is opened.
    pub(super) async fn open(worker: &Worker, house: &House) -> Result<Self, Failure> {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        let tenant = &house.record.tenant;
        let why = house.record.due_reason.as_deref().unwrap_or("it was not as it should be");
        let operation = operations::open_repair(&mut tx, &house.claim, tenant.generation, why).await?;
        tx.commit().await?;
        Ok(Self { operation })
    }

    pub(super) async fn begun(&self, worker: &Worker, step: &Step) {
        self.tell(worker, step, EventState::Started, &step.to_string()).await;
    }

    pub(super) async fn ended(&self, worker: &Worker, step: &Step, result: &Result<(), Failure>) {
        match result {
            Ok(()) => self.tell(worker, step, EventState::Done, &step.to_string()).await,
            Err(failure) => self.tell(worker, step, EventState::Failed, &failure.reason).await,
        }
    }

    /// An event that cannot be written is no reason to stop working; the outcome will be.
    async fn tell(&self, worker: &Worker, step: &Step, state: EventState, message: &str) {
        let Some(operation) = self.operation else { return };
        let written = async {
            let mut tx = worker.deps.store.begin(Scope::System).await?;
            operations::event(&mut tx, operation, step.name(), state, message).await?;
            tx.commit().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%operation, step = step.name(), error = chain(&error), "an event was not written");
        }
    }
}
