//! Reads the environment, serves until it is told to stop.

use std::process::ExitCode;

use tenant_app::{logs, server, settings::Settings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match Settings::from_environment() {
        Ok(settings) => settings,
        Err(error) => {
            // There is no tenant to log for yet, so this one line is plain.
            eprintln!("tenant-app does not start: {error}");
            return ExitCode::from(2);
        }
    };
    logs::start(&settings.tenant.slug, &settings.log_filter);
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped by an error");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), server::Error> {
    // Before the first line that says "listening": whoever waits for that line may stop us at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(settings.listen).await?;
    server::serve(listener, settings, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}
