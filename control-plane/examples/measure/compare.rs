//! Two kinds of question by turns, to see whether the time of an answer tells which it was.

use std::path::PathBuf;

use clap::Parser;

use super::client::{Caller, Failure, Question};

#[derive(Parser)]
pub struct Compare {
    socket: PathBuf,
    path: String,
    /// A file with a body of JSON on each line; those of one kind by turns with those of the other.
    one: PathBuf,
    other: PathBuf,
    #[arg(long, default_value = "freehold.localhost")]
    host: String,
}

/// One after another over one connection, each from an address of its own, so that nobody is slowed down for what
/// failed before. Which kind comes first of two changes each time.
pub async fn compared(compare: Compare) -> Result<(), Failure> {
    let read = |path: &PathBuf| -> Result<Vec<String>, Failure> {
        Ok(std::fs::read_to_string(path)?.lines().map(str::to_owned).collect())
    };
    let (one, other) = (read(&compare.one)?, read(&compare.other)?);
    let question = Question::new(&compare.path)?;
    let mut caller = Caller::connect(&compare.socket, &compare.host).await?;
    let (mut took, mut statuses) =
        ([Vec::new(), Vec::new()], std::collections::BTreeMap::<u16, usize>::new());
    for (turn, (one, other)) in one.iter().zip(&other).enumerate() {
        let bodies = [one, other];
        for kind in [turn % 2, 1 - turn % 2] {
            let address = format!("198.18.{}.{}", turn / 200, turn % 200 + 1);
            let asked = question.clone().body(bodies[kind]).from(&address)?;
            let answer = caller.ask(&asked).await?;
            took[kind].push(answer.milliseconds);
            *statuses.entry(answer.status).or_default() += 1;
        }
    }
    let [one, other] = took;
    println!("{}", serde_json::json!({ "one": one, "other": other, "statuses": statuses }));
    Ok(())
}
