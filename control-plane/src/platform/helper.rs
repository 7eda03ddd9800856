//! Helpers: containers that live for a moment, do one thing and are removed.

use std::time::Duration;

use rand::RngExt;

use crate::engine::{ContainerSpec, Engine, Result, names};
use crate::model::ids::InstallationId;

const DEADLINE: Duration = Duration::from_secs(60);
/// How much of what it wrote is told.
const LINES: usize = 20;

/// Runs a helper with this role to its end: its exit code and its last lines. Its name and labels are given here.
///
/// # Errors
/// When the engine did not run it to its end.
pub(super) async fn run(
    engine: &dyn Engine,
    installation: &InstallationId,
    role: &str,
    spec: ContainerSpec,
) -> Result<(i64, String)> {
    // Several may be at work at once, a worker's and an operator's; none waits for another's name.
    let number: u32 = rand::rng().random();
    let name = format!("{}-{number:08x}", names::platform(installation, role));
    let spec = ContainerSpec { name, labels: names::platform_labels(installation, role), ..spec };
    let id = engine.ensure_container(&spec).await?;
    let outcome = to_its_end(engine, &id).await;
    // Removed whatever came of it; a helper that is left behind is swept by `down --erase` and the next `up`.
    let removed = engine.remove_container(&id).await;
    let outcome = outcome?;
    removed?;
    Ok(outcome)
}

async fn to_its_end(engine: &dyn Engine, id: &str) -> Result<(i64, String)> {
    engine.start(id).await?;
    let code = engine.wait_exit(id, DEADLINE).await?;
    let output = engine.logs(id, LINES).await?;
    Ok((code, output.trim().to_owned()))
}
