//! Two api processes that are asked all the time, while somebody changes what those who ask are known by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use control_plane::app::Settings;
use control_plane::config::LimitsConfig;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::World;
use super::signing_keys::another_process;

/// Requests in a second, of all together.
const PER_SECOND: u32 = 200;
/// Those who ask at the same time, each when it is its turn and its last one was answered.
pub(super) const ASKING: u32 = 20;
/// More than is asked in any of these tests.
const NO_LIMIT: u32 = 1_000_000;

/// Two api processes on one registry.
pub(super) struct Stage {
    pub apis: [World; 2],
    over: AtomicBool,
    asked: AtomicUsize,
}

impl Stage {
    pub(super) async fn set(change: impl Fn(&mut Settings)) -> Arc<Self> {
        let limits = LimitsConfig {
            address_per_minute: NO_LIMIT,
            user_per_minute: NO_LIMIT,
            tenant_per_minute: NO_LIMIT,
            client_per_minute: NO_LIMIT,
            ..LimitsConfig::default()
        };
        let one = World::started(&change, &limits).await;
        let two = another_process(&one, &change, &limits).await;
        Arc::new(Self { apis: [one, two], over: AtomicBool::new(false), asked: AtomicUsize::new(0) })
    }

    /// One or the other, in turn.
    pub(super) fn api(&self, turn: usize) -> &World {
        &self.apis[turn % 2]
    }

    /// Counts requests that somebody makes.
    pub(super) fn count(&self, requests: usize) {
        self.asked.fetch_add(requests, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends it, and has whatever went wrong for somebody be told.
    pub(super) async fn end(&self, begun: Instant, asking: Vec<JoinHandle<()>>) {
        let lasted = begun.elapsed();
        self.over.store(true, Ordering::SeqCst);
        for one in asking {
            one.await.expect("nobody was refused");
        }
        let asked = self.asked.load(Ordering::Relaxed);
        let rate = asked as f64 / lasted.as_secs_f64();
        println!("{asked} requests in {lasted:.1?}: {rate:.0} a second");
        // A machine that does much else is slower; that hardly anything was asked would show nothing.
        assert!(asked > 300, "only {asked} requests were made");
    }
}

/// When it is somebody's turn.
pub(super) fn turns() -> tokio::time::Interval {
    let mut turns = tokio::time::interval(Duration::from_secs(1) * ASKING / PER_SECOND);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}
