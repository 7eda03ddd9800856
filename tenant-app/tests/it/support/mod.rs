//! A server to keep rows in, the app on it, and a client to ask it.

mod browser;
mod client;
mod platform;
mod postgres;
mod provider;

use std::future::Future;
use std::time::{Duration, Instant};

use tenant_app::server;
use tenant_app::settings::Settings;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use browser::{Browser, place};
pub use client::{Answer, Client};
pub use platform::{Platform, sign};
pub use postgres::Postgres;
pub use provider::Provider;

pub const TENANT: &str = "0190a0b0-0000-7000-8000-000000000001";
pub const SECRET: &str = "of-this-client-alone";
pub const HOST: &str = "acme.example.org";

/// Long enough for a slow and busy machine; nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// So long these apps believe the platform's word about somebody; more often than others, so that nobody waits.
pub const BELIEVED: Duration = Duration::from_millis(500);
/// And within this time they know of another word, also on a busy machine.
pub const KNOWN_WITHIN: Duration = Duration::from_secs(4);

/// Waits until `condition` gives something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Settings of tenant `acme` at a platform, with more or other variables.
pub fn settings(database_url: &str, platform: &str, more: &[(&str, &str)]) -> Settings {
    let (discovery, keys) = (format!("{platform}/configuration"), format!("{platform}/keys"));
    let usual = [
        ("TENANT_ID", TENANT),
        ("TENANT_SLUG", "acme"),
        ("TENANT_NAME", "Acme <& Sons>"),
        ("PUBLIC_URL", "http://acme.example.org:8080"),
        ("DATABASE_URL", database_url),
        ("DATABASE_POOL", "3"),
        ("CLIENT_ID", TENANT),
        ("CLIENT_SECRET", SECRET),
        ("APP_KEY", "a key of the app alone"),
        ("TOKEN_ISSUER", platform),
        ("DISCOVERY_URL", &discovery),
        ("JWKS_URL", &keys),
    ];
    let find = |name: &str| {
        let found = more.iter().chain(&usual).find(|(key, _)| *key == name)?;
        Some(found.1.to_owned())
    };
    let mut settings = Settings::read(find, |_| None).expect("good settings");
    if let Some(sign_in) = &mut settings.sign_in {
        sign_in.believed = BELIEVED;
    }
    settings
}

/// The app, serving on a port of its own.
pub struct App {
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<Result<(), server::Error>>>,
}

impl App {
    pub async fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = Client::to(listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(server::serve(listener, settings, async {
            let _ = stopped.await;
        }));
        Self { client, stop: Some(stop), served: Some(served) }
    }

    /// As [`Self::start`], and waits until it serves: it gives its database a second, a busy machine may
    /// need more of them.
    pub async fn healthy(settings: Settings) -> Self {
        let app = Self::start(settings).await;
        app.client.healthy().await;
        app
    }

    /// The same as somebody with this token.
    pub fn with(mut self, token: String) -> Self {
        self.client = self.client.with(token);
        self
    }

    /// Tells it to stop and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let served = self.served.take().expect("not stopped before");
        tokio::time::timeout(PATIENCE, served).await.expect("in time").expect("no panic").expect("no error");
    }
}
