//! A crowd that signs in, reads and refreshes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

use super::client::{Answer, Caller, Failure, Question};

#[derive(Parser, Clone)]
pub struct Crowd {
    pub socket: PathBuf,
    /// A file with an address and a password on each line.
    people: PathBuf,
    #[arg(long, default_value = "freehold.localhost")]
    host: String,
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

/// Reads between two refreshes.
const READS: usize = 5;
/// How long somebody waits who was told to come back later.
const LATER: Duration = Duration::from_millis(500);

/// Milliseconds of what was answered well, by what was asked, and how often each other status came.
#[derive(Default)]
struct Tally {
    took: std::collections::BTreeMap<&'static str, Vec<f64>>,
    others: std::collections::BTreeMap<String, usize>,
}

impl Tally {
    /// The answer, if it is a good one.
    fn count(&mut self, what: &'static str, answer: Answer) -> Option<serde_json::Value> {
        if answer.good() {
            self.took.entry(what).or_default().push(answer.milliseconds);
            return Some(answer.json());
        }
        *self.others.entry(format!("{what} {}", answer.status)).or_default() += 1;
        None
    }

    fn add(&mut self, other: Self) {
        for (what, took) in other.took {
            self.took.entry(what).or_default().extend(took);
        }
        for (what, count) in other.others {
            *self.others.entry(what).or_default() += count;
        }
    }
}

pub async fn crowded(crowd: Crowd) -> Result<(), Failure> {
    let people = std::fs::read_to_string(&crowd.people)?;
    let end = Instant::now() + Duration::from_secs_f64(crowd.seconds);
    let visits: Vec<_> = people
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(email, password)| {
            let body = serde_json::json!({ "email": email, "password": password }).to_string();
            tokio::spawn(visit(crowd.clone(), body, end))
        })
        .collect();
    let mut all = Tally::default();
    for visit in visits {
        all.add(visit.await??);
    }
    let told: serde_json::Map<String, serde_json::Value> = all
        .took
        .into_iter()
        .map(|(what, mut took)| {
            took.sort_by(f64::total_cmp);
            let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
            let of = serde_json::json!({ "answered": took.len(), "p50": at(0.5), "p95": at(0.95) });
            (what.to_owned(), of)
        })
        .collect();
    println!("{}", serde_json::json!({ "by": told, "others": all.others }));
    Ok(())
}

/// One person's visit: in, then reading and refreshing until the end.
async fn visit(crowd: Crowd, credentials: String, end: Instant) -> Result<Tally, Failure> {
    let log_in = Question::new("/api/v1/auth/login")?.body(&credentials);
    let (me, refresh) = (Question::new("/api/v1/me")?, Question::new("/api/v1/auth/refresh")?);
    let mut tally = Tally::default();
    let mut caller = Caller::connect(&crowd.socket, &crowd.host).await?;
    let mut tokens = None;
    while Instant::now() < end {
        let Some(held) = tokens.clone() else {
            let answer = caller.ask(&log_in).await?;
            tokens = tally.count("login", answer);
            if tokens.is_none() {
                tokio::time::sleep(LATER).await;
            }
            continue;
        };
        let me = me.clone().bearer(held["access_token"].as_str().unwrap_or_default())?;
        for _ in 0..READS {
            let answer = caller.ask(&me).await?;
            tally.count("me", answer);
        }
        let body = serde_json::json!({ "refresh_token": held["refresh_token"] }).to_string();
        let answer = caller.ask(&refresh.clone().body(&body)).await?;
        match tally.count("refresh", answer) {
            Some(next) => tokens = Some(next),
            None => tokio::time::sleep(LATER).await,
        }
    }
    Ok(tally)
}
