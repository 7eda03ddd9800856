//! Waits for conditions, never for time.

use std::time::{Duration, Instant};

/// Long enough for a slow machine under load; nothing that works needs it.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks until there is an answer; the last reason is told when there never is.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(reason) if start.elapsed() > PATIENCE => {
                panic!("{what}: not in {PATIENCE:?}; last: {reason}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
