//! Two api processes that are asked all the time, while somebody changes what those who ask are known by.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use control_plane::app::Settings;
use control_plane::config::LimitsConfig;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::World;
use super::signing_keys::another_process;

/// Requests in a second, of all together.
const PER_SECOND: u32 = 200;
/// The part of them that is made at least, on a machine that does other things as well.
const LEAST: f64 = 0.25;
/// Those who ask at the same time, each when it is its turn and its last one was answered.
pub(super) const ASKING: u32 = 20;
/// More than is asked in any of these tests.
const NO_LIMIT: u32 = 1_000_000;

/// Two api processes on one registry.
pub(super) struct Stage {
    pub apis: [World; 2],
    over: AtomicBool,
    /// When each request was made.
    asked: Mutex<Vec<Instant>>,
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
        Arc::new(Self { apis: [one, two], over: AtomicBool::new(false), asked: Mutex::default() })
    }

    /// One or the other, in turn.
    pub(super) fn api(&self, turn: usize) -> &World {
        &self.apis[turn % 2]
    }

    /// Counts requests that somebody makes.
    pub(super) fn count(&self, requests: usize) {
        let asked = std::iter::repeat_n(Instant::now(), requests);
        self.asked.lock().expect("nobody failed").extend(asked);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends it, and has whatever went wrong for somebody be told. Between any two of the moments, the first of which is when
    /// everybody had begun, they were all at it.
    pub(super) async fn end(&self, moments: &[Instant], asking: Vec<JoinHandle<()>>) {
        let ended = Instant::now();
        self.over.store(true, Ordering::SeqCst);
        for one in asking {
            one.await.expect("nobody was refused");
        }
        let asked = self.asked.lock().expect("nobody failed");
        let rate = |from: Instant, to: Instant| {
            let within = asked.iter().filter(|at| (from..to).contains(*at)).count();
            within as f64 / (to - from).as_secs_f64()
        };
        let ends = moments[1..].iter().chain([&ended]);
        let rates: Vec<f64> = moments.iter().zip(ends).map(|(from, to)| rate(*from, *to)).collect();
        let whole = rate(moments[0], ended);
        println!("{} requests, {whole:.0} a second; in between {rates:.0?}", asked.len());
        // A machine that does much else is slower; that hardly anything was asked would show nothing.
        assert!(whole > f64::from(PER_SECOND) * LEAST, "only {whole:.0} requests a second");
        assert!(rates.iter().all(|rate| *rate > f64::from(PER_SECOND) * LEAST / 2.0), "{rates:.0?} a second");
    }
}

/// When it is somebody's turn.
pub(super) fn turns() -> tokio::time::Interval {
    let mut turns = tokio::time::interval(Duration::from_secs(1) * ASKING / PER_SECOND);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}
