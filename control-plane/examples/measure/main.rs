//! What `scripts/bench` cannot measure from outside: what costs time by itself, a server that does nothing, and those who
//! ask over a unix socket. Each prints JSON.

mod alone;
mod client;
mod compare;
mod crowd;
mod load;
mod signed;

use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::get;
use clap::Parser;
use control_plane::http;
use tokio_util::sync::CancellationToken;

use client::Failure;
use compare::Compare;
use crowd::Crowd;
use load::Load;

#[derive(Parser)]
enum Measure {
    /// Microseconds for a check, by round: of a token, of one that is known, of an API key, and a token's bare decoding.
    Tokens {
        #[arg(long, default_value_t = 12)]
        rounds: usize,
        #[arg(long, default_value_t = 2000)]
        checks: usize,
    },
    /// Milliseconds for one password's hash, by round.
    Password {
        memory_kib: u32,
        iterations: u32,
        #[arg(long, default_value_t = 50)]
        rounds: usize,
    },
    /// Serves an empty answer at a socket until it is told to stop.
    Serve { socket: PathBuf },
    /// Asks at a socket, each connection as fast as it is answered: milliseconds of each answer, and how long in all.
    Load(Load),
    /// Everybody signs in, reads and refreshes, again and again: milliseconds by what they did.
    Crowd(Crowd),
    /// Asks two kinds of question by turns: milliseconds of each.
    Compare(Compare),
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Measure::parse() {
        Measure::Tokens { rounds, checks } => alone::tokens(rounds, checks),
        Measure::Password { memory_kib, iterations, rounds } => {
            alone::password(memory_kib, iterations, rounds)
        }
        Measure::Serve { socket } => runtime.block_on(serve(&socket)),
        Measure::Load(load) => runtime.block_on(load::under_load(load)),
        Measure::Crowd(crowd) => runtime.block_on(crowd::crowded(crowd)),
        Measure::Compare(compare) => runtime.block_on(compare::compared(compare)),
    }
}

async fn serve(socket: &Path) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        told.cancel();
    });
    let router = Router::new().fallback(get(async || ()));
    Ok(http::serve(socket, router, shutdown).await?)
}
