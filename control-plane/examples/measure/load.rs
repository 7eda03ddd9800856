//! A load that asks as fast as it is answered.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

use super::client::{Caller, Failure, Question};

#[derive(Parser, Clone)]
pub struct Load {
    socket: PathBuf,
    path: String,
    #[arg(long, default_value = "freehold.localhost")]
    host: String,
    /// Sent by POST, as JSON.
    #[arg(long)]
    body: Option<String>,
    /// Sent by POST, as a form is.
    #[arg(long, conflicts_with = "body")]
    form: Option<String>,
    /// Sent as `Authorization`, to the letter.
    #[arg(long, conflicts_with = "tokens")]
    authorization: Option<String>,
    /// A file with a token on each line; each connection takes one.
    #[arg(long)]
    tokens: Option<PathBuf>,
    /// The tokens are API keys that sign each request.
    #[arg(long, requires = "tokens")]
    sign: bool,
    #[arg(long, default_value_t = 10)]
    connections: usize,
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

pub async fn under_load(load: Load) -> Result<(), Failure> {
    let tokens: Vec<String> = match &load.tokens {
        Some(file) => std::fs::read_to_string(file)?.lines().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(load.seconds);
    let callers: Vec<_> = (0..load.connections)
        .map(|number| {
            let token = (!tokens.is_empty()).then(|| tokens[number % tokens.len()].clone());
            tokio::spawn(ask_until(load.clone(), token, end))
        })
        .collect();
    let (mut took, mut refused) = (Vec::new(), std::collections::BTreeMap::<u16, usize>::new());
    for caller in callers {
        for (status, milliseconds) in caller.await?? {
            if (200..300).contains(&status) {
                took.push(milliseconds);
            } else {
                *refused.entry(status).or_default() += 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)));
    println!(
        "{}",
        serde_json::json!({
            "answered": took.len(),
            "per_second": took.len() as f64 / seconds,
            "p50": at(0.5),
            "p95": at(0.95),
            "refused": refused,
        })
    );
    Ok(())
}

/// Status and milliseconds of each answer.
async fn ask_until(load: Load, token: Option<String>, end: Instant) -> Result<Vec<(u16, f64)>, Failure> {
    let mut question = Question::new(&load.path)?;
    if let Some(token) = token {
        question = if load.sign { question.signed_by(&token) } else { question.bearer(&token)? };
    }
    if let Some(value) = &load.authorization {
        question = question.authorization(value)?;
    }
    if let Some(form) = &load.form {
        question = question.form(form);
    }
    if let Some(body) = &load.body {
        question = question.body(body);
    }
    let mut answers = Vec::new();
    let mut caller = Caller::connect(&load.socket, &load.host).await?;
    while Instant::now() < end {
        let answer = caller.ask(&question).await?;
        answers.push((answer.status, answer.milliseconds));
    }
    Ok(answers)
}
