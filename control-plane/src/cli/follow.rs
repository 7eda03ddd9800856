//! Following an operation to its end, across lost connections and restarts of the API.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::client::{Call, Client, Event, encode};
use super::output::plain;
use super::{Error, Exit, Session};
use crate::http::v1::types::{Operation, OperationEvent};
use crate::model::operation::OperationState;

/// Whether a command waits for what it asked for.
#[derive(Debug, Clone, Copy, Args)]
pub struct Wait {
    /// Do not wait for the end: print the operation and return
    #[arg(long)]
    pub no_wait: bool,
}

/// How long a lost API is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// Shows an operation's steps until it is over or stuck, and returns it as it then is.
///
/// # Errors
/// When the API is gone for longer than a minute, or the person breaks off; the operation goes on all the same.
pub(super) async fn follow(
    client: &Client<'_>,
    session: &Session,
    operation: Operation,
) -> Result<Operation, Error> {
    let id = operation.id;
    tokio::select! {
        outcome = Box::pin(until_over(client, session, operation)) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::failed("broken off; the operation goes on")
            .advise(format!("`freehold operation watch {id}` follows it again"))),
    }
}

/// What a finished operation means for the exit code.
///
/// # Errors
/// [`Exit::Failed`] for one that is stuck or was cancelled.
pub(super) fn verdict(operation: &Operation) -> Result<(), Error> {
    let reason = || operation.reason.as_deref().map(plain).unwrap_or_else(|| "no reason is known".to_owned());
    match operation.state {
        OperationState::Stuck => {
            let (id, slug) = (operation.id, &operation.slug);
            Err(Error::failed(format!("{} of {slug} is stuck: {}", operation.kind, reason())).advise(format!(
                "put right what it says, then `freehold tenant retry {slug}` or `freehold tenant set-release {slug} \
                 RELEASE`; `freehold operation watch {id}` shows its steps"
            )))
        }
        OperationState::Cancelled => Err(Error::failed(format!(
            "{} of {} was cancelled: {}",
            operation.kind,
            operation.slug,
            reason()
        ))),
        OperationState::Succeeded | OperationState::Pending | OperationState::Running => Ok(()),
    }
}

fn ended(operation: &Operation) -> bool {
    operation.state.is_over() || operation.state == OperationState::Stuck
}

async fn until_over(
    client: &Client<'_>,
    session: &Session,
    operation: Operation,
) -> Result<Operation, Error> {
    let id = operation.id.to_string();
    let mut progress = Progress::begin(session, &operation);
    let mut last: Option<String> = None;
    let mut heard = Instant::now();
    loop {
        let lost = match client.events(&id, last.as_deref()).await {
            Ok(Some(mut events)) => {
                while let Some(event) = events.next().await {
                    heard = Instant::now();
                    match event {
                        Event::Step(step) => progress.step(&step),
                        Event::Operation(now) if ended(&now) => return Ok(progress.end(*now)),
                        Event::Operation(now) => progress.waits(&now),
                    }
                }
                last = events.last().map(str::to_owned).or(last);
                None
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let now = match lost {
            None => client.fetch::<Operation>(Call::get(format!("operations/{}", encode(&id)))).await,
            Some(error) => Err(error),
        };
        match now {
            Ok(now) if ended(&now) => return Ok(progress.end(now)),
            Ok(_) => heard = Instant::now(),
            // The API may be restarting; the operation does not depend on it.
            Err(error) if error.exit == Exit::Unreachable && heard.elapsed() < PATIENCE => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is shown meanwhile, on standard error.
struct Progress {
    /// A line that moves, on a terminal.
    bar: Option<ProgressBar>,
    /// Whether finished steps are told at all.
    told: bool,
    title: String,
    running: BTreeMap<String, Instant>,
}

impl Progress {
    fn begin(session: &Session, operation: &Operation) -> Self {
        let told = !session.global.quiet && !session.global.json;
        let title = format!("{} {}", operation.kind, operation.slug);
        let bar = (told && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_message(title.clone());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, told, title, running: BTreeMap::new() }
    }

    fn step(&mut self, event: &OperationEvent) {
        let step = plain(&event.step);
        let message = plain(&event.message);
        match event.state.as_str() {
            "started" => {
                self.running.insert(step, Instant::now());
            }
            state => {
                self.running.remove(&step);
                let mark = match state {
                    "done" => "ok",
                    "failed" => "failed",
                    _ => "note",
                };
                let line = format!("{mark:>6}  {step}  {message}");
                self.line(line.trim_end());
            }
        }
        if let Some(bar) = &self.bar {
            let running: Vec<&str> = self.running.keys().map(String::as_str).collect();
            bar.set_message(format!("{}: {}", self.title, running.join(", ")));
        }
    }

    fn waits(&self, operation: &Operation) {
        if let Some(reason) = &operation.reason {
            self.line(&format!("{:>6}  {}", "waits", plain(reason)));
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None if self.told => eprintln!("{line}"),
            None => {}
        }
    }

    fn end(self, operation: Operation) -> Operation {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        operation
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
