//! How the platform itself is: counts for dashboards, and whether changes can be carried out.

use std::collections::BTreeMap;

use super::{App, Result};
use crate::model::operation::OperationState;
use crate::model::tenant::Status;
use crate::store::{operations, tenants, workers};

/// How many of what there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tenants by status; every status is there.
    pub tenants: BTreeMap<String, i64>,
    /// Operations by state; every state is there.
    pub operations: BTreeMap<String, i64>,
}

/// Whether what tenants are changed by is there.
#[derive(Debug, Clone)]
pub struct Readiness {
    pub workers: Vec<workers::WorkerRecord>,
    /// What is missing, in words that an operator can act on. Nothing when all is well.
    pub problems: Vec<String>,
}

impl App {
    /// Counts tenants and operations.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn counts(&self) -> Result<Counts> {
        let mut tx = self.begin_as_system().await?;
        let tenants = tenants::count_by_status(&mut tx).await?;
        let operations = operations::count_by_state(&mut tx).await?;
        tx.commit().await?;
        Ok(Counts {
            tenants: complete(Status::ALL, &tenants),
            operations: complete(OperationState::ALL, &operations),
        })
    }

    /// Asks the registry, and through it the workers and the engine as they last reported themselves.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn readiness(&self) -> Result<Readiness> {
        let mut tx = self.begin_as_system().await?;
        let workers = workers::list(&mut tx).await?;
        tx.commit().await?;
        let problems = problems(&workers);
        Ok(Readiness { workers, problems })
    }
}

/// Every word with its count: one that is missing would look like a series that ended.
fn complete<W: Copy + PartialEq + ToString>(all: &[W], counted: &[(W, i64)]) -> BTreeMap<String, i64> {
    let count = |word: &W| counted.iter().find(|(other, _)| other == word).map_or(0, |(_, count)| *count);
    all.iter().map(|word| (word.to_string(), count(word))).collect()
}

/// One worker that is there and reaches its engine is enough.
fn problems(workers: &[workers::WorkerRecord]) -> Vec<String> {
    let present: Vec<_> = workers.iter().filter(|worker| worker.present).collect();
    if present.is_empty() {
        return vec!["no worker is running".to_owned()];
    }
    if present.iter().any(|worker| worker.engine_ok) {
        return Vec::new();
    }
    present.iter().map(|worker| format!("engine not reachable: {}", worker.engine_message)).collect()
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    fn worker(present: bool, engine_ok: bool) -> workers::WorkerRecord {
        workers::WorkerRecord {
            key: 1,
            host: "here".to_owned(),
            started_at: Utc::now(),
            seen_at: Utc::now(),
            present,
            engine_ok,
            engine_message: if engine_ok { String::new() } else { "connection refused".to_owned() },
        }
    }

    #[test]
    fn one_worker_with_an_engine_is_enough() {
        assert_eq!(problems(&[]), ["no worker is running"]);
        assert_eq!(problems(&[worker(false, true)]), ["no worker is running"]);
        assert_eq!(problems(&[worker(true, false)]), ["engine not reachable: connection refused"]);
        assert!(problems(&[worker(true, false), worker(true, true), worker(false, false)]).is_empty());
    }
}
