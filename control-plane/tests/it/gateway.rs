//! The gateway, in front of doors that open and close as the test wants it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use control_plane::gateway::{self, Door, DoorState, Doors, DoorsError, GatewaySettings};
use control_plane::model::hostname::HostName;
use control_plane::model::ids::{HouseId, TenantId};
use control_plane::render::nginx::EdgeLimits;
use control_plane::socket::SocketError;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::house::{House, until};
use crate::support::nginx::Nginx;
use crate::support::visitor::{Answer, Visitor};

/// A registry in memory.
#[derive(Default)]
struct Registry {
    doors: Mutex<HashMap<HostName, Door>>,
    changed: Notify,
    asked: AtomicUsize,
    woken: Mutex<Vec<TenantId>>,
}

impl Registry {
    fn put(&self, host: &str, state: DoorState) -> TenantId {
        let host: HostName = host.parse().expect("a host name");
        let mut doors = self.doors.lock().expect("no panic");
        let door = doors.entry(host).or_insert_with(|| Door {
            tenant: TenantId::random(),
            house: HouseId::random(),
            name: "Acme <script>".to_owned(),
            state,
        });
        door.state = state;
        self.changed.notify_waiters();
        door.tenant
    }

    fn woken(&self) -> Vec<TenantId> {
        self.woken.lock().expect("no panic").clone()
    }
}

#[async_trait]
impl Doors for Registry {
    async fn by_host(&self, host: &HostName) -> Result<Option<Door>, DoorsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if host.as_str() == "broken.test" {
            return Err(DoorsError(Box::new(io::Error::other("a secret of the registry"))));
        }
        Ok(self.doors.lock().expect("no panic").get(host).cloned())
    }

    async fn wake(&self, tenant: TenantId) -> Result<(), DoorsError> {
        self.woken.lock().expect("no panic").push(tenant);
        Ok(())
    }

    async fn changed(&self, _host: &HostName, deadline: Instant) {
        let _ = tokio::time::timeout_at(deadline, self.changed.notified()).await;
    }
}

struct Gateway {
    registry: Arc<Registry>,
    socket: PathBuf,
    stop: CancellationToken,
    served: JoinHandle<Result<(), SocketError>>,
    _folder: Option<tempfile::TempDir>,
}

impl Gateway {
    async fn open(settings: GatewaySettings) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let gateway = Self::open_at(folder.path().join("gateway.sock"), settings).await;
        Self { _folder: Some(folder), ..gateway }
    }

    /// Takes over the socket if there is one.
    async fn open_at(socket: PathBuf, settings: GatewaySettings) -> Self {
        let (registry, stop) = (Arc::new(Registry::default()), CancellationToken::new());
        let before = inode(&socket);
        let doors: Arc<dyn Doors> = Arc::<Registry>::clone(&registry);
        let (path, shutdown) = (socket.clone(), stop.clone());
        let served = tokio::spawn(async move { gateway::serve(&path, doors, settings, shutdown).await });
        until("the gateway listens", async || inode(&socket).is_some_and(|now| Some(now) != before)).await;
        Self { registry, socket, stop, served, _folder: None }
    }

    async fn visitor(&self) -> Visitor {
        Visitor::at_socket(&self.socket).await
    }

    async fn get(&self, host: &str, lines: &[&str]) -> Answer {
        let mut visitor = self.visitor().await;
        visitor.send(request(host, lines)).await;
        visitor.answer().await
    }
}

fn inode(path: &std::path::Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

fn request(host: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET /page?a=b HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
}

fn running(house: &House) -> DoorState {
    DoorState::Running { address: house.address() }
}

#[tokio::test]
async fn who_is_not_there_is_answered_for() {
    let gateway =
        Gateway::open(GatewaySettings { hold: Duration::from_millis(200), ..GatewaySettings::default() })
            .await;
    let registry = &gateway.registry;
    registry.put("suspended.test", DoorState::Suspended);
    registry.put("stuck.test", DoorState::Stuck);
    registry.put("deleted.test", DoorState::Deleted);
    registry.put("new.test", DoorState::Provisioning);
    registry.put("waking.test", DoorState::Waking);
    for (host, status, title, again) in [
        ("nobody.test", 404, "Nobody lives here", false),
        ("deleted.test", 404, "Nobody lives here", false),
        ("suspended.test", 503, "Suspended", false),
        ("stuck.test", 503, "Unavailable", true),
        ("broken.test", 503, "Unavailable", true),
        ("new.test", 503, "Getting ready", true),
        ("waking.test", 503, "Waking up", true),
        ("not_a_host", 400, "This address is not valid", false),
    ] {
        let page = gateway.get(host, &["Accept: text/html,*/*"]).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (status, Some("text/html; charset=utf-8")),
            "{host}"
        );
        assert!(page.body.contains(title) && !page.body.contains("<script"), "{host}: {}", page.body);
        assert_eq!(page.body.contains("http-equiv=\"refresh\""), again, "{host}");
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let problem = gateway.get(host, &["Accept: application/json", "X-Request-Id: r1"]).await;
        assert_eq!(
            (problem.status, problem.header("content-type")),
            (status, Some("application/problem+json"))
        );
        assert_eq!(problem.header("retry-after").is_some(), again, "{host}");
        let document: serde_json::Value = serde_json::from_str(&problem.body).expect("JSON");
        assert_eq!((&document["title"], &document["request_id"]), (&title.into(), &"r1".into()));
        assert!(!problem.body.contains("a secret of the registry"));
    }
    assert!(gateway.get("suspended.test", &["Accept: text/html"]).await.body.contains("Acme &lt;script"));
    assert!(gateway.get("nobody.test", &[]).await.header("x-freehold-tenant").is_none());
    assert!(gateway.get("stuck.test", &[]).await.header("x-freehold-tenant").is_some());

    // A browser repeats by itself only what changes nothing.
    let mut visitor = gateway.visitor().await;
    visitor.send(request("new.test", &["Accept: text/html"]).replacen("GET", "POST", 1)).await;
    let page = visitor.answer().await;
    assert!(page.status == 503 && !page.body.contains("http-equiv=\"refresh\""), "{}", page.body);
}

#[tokio::test]
async fn who_sleeps_is_woken_and_the_request_waits() {
    let gateway =
        Gateway::open(GatewaySettings { hold: Duration::from_secs(60), ..Default::default() }).await;
    let registry = &gateway.registry;
    let acme = House::open("acme").await;
    let tenant = registry.put("acme.test", DoorState::Asleep);

    let mut visitor = gateway.visitor().await;
    let head =
        "POST /orders HTTP/1.1\r\nHost: acme.test\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 11\r\n";
    visitor.send(format!("{head}Connection: X-Mine\r\nX-Mine: 1\r\nTE: trailers\r\n\r\norder")).await;
    until("the tenant is woken", async || registry.woken() == [tenant]).await;
    registry.put("acme.test", DoorState::Waking);
    // Where it will be is known before it listens there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let asked = registry.asked.load(Ordering::SeqCst);
    registry.put("acme.test", DoorState::Running { address });
    until("the gateway looks again", async || registry.asked.load(Ordering::SeqCst) > asked + 2).await;
    assert!(acme.seen().is_empty());
    registry.put("acme.test", running(&acme));
    // The body was not needed for any of this.
    visitor.send(" to go").await;
    let answer = visitor.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "acme POST /orders 11\n"));
    let seen = acme.last();
    assert_eq!(seen.header("host"), ["acme.test"]);
    assert_eq!(seen.header("x-forwarded-for"), ["192.0.2.1"]);
    for name in ["x-mine", "te", "connection"] {
        assert!(seen.header(name).is_empty(), "{name}: {seen:?}");
    }
    assert_eq!(registry.woken(), [tenant], "once");

    // On the same connection, another host is another tenant.
    let globex = House::open("globex").await;
    registry.put("globex.test", running(&globex));
    visitor.send(request("globex.test", &[])).await;
    assert_eq!(visitor.answer().await.header("x-house"), Some("globex"));

    // A name that goes to somebody else while a request waits for it takes the request to nobody.
    registry.put("moved.test", DoorState::Waking);
    let mut waits = gateway.visitor().await;
    waits.send(request("moved.test", &[])).await;
    let asked = registry.asked.load(Ordering::SeqCst);
    until("the request waits", async || registry.asked.load(Ordering::SeqCst) > asked).await;
    registry.doors.lock().expect("no panic").remove(&"moved.test".parse().expect("a host name"));
    registry.put("moved.test", running(&globex));
    assert_eq!(waits.answer().await.status, 404);

    // A house that breaks off is not asked again.
    let before = acme.seen().len();
    let mut breaks = gateway.visitor().await;
    breaks.send(request("acme.test", &[]).replace("/page", "/break-off")).await;
    assert_eq!(breaks.answer().await.status, 502);
    assert_eq!(acme.seen().len(), before + 1);
}

#[tokio::test]
async fn nobody_takes_all_of_it() {
    let gateway = Gateway::open(GatewaySettings {
        hold: Duration::from_secs(60),
        holds_per_address: 2,
        holds_per_tenant: 3,
        wakes_per_minute: 2,
        ..Default::default()
    })
    .await;
    let registry = &gateway.registry;
    for host in ["a.test", "b.test", "c.test"] {
        registry.put(host, DoorState::Asleep);
    }
    let held = async |host: &str, from: &str| {
        let woken = registry.woken().len();
        let mut visitor = gateway.visitor().await;
        visitor.send(request(host, &[&format!("X-Forwarded-For: {from}")])).await;
        // It wakes only once it may wait.
        until("the request is held", async || registry.woken().len() > woken).await;
        visitor
    };
    let mut waiting = vec![held("a.test", "192.0.2.1").await, held("b.test", "192.0.2.1").await];
    let crowded = gateway.get("a.test", &["X-Forwarded-For: 192.0.2.1"]).await;
    assert_eq!((crowded.status, crowded.header("retry-after")), (503, Some("3")), "one address");
    waiting.push(held("a.test", "192.0.2.2").await);
    waiting.push(held("a.test", "192.0.2.3").await);
    assert_eq!(gateway.get("a.test", &["X-Forwarded-For: 192.0.2.4"]).await.status, 503, "one tenant");

    let acme = House::open("acme").await;
    registry.put("a.test", running(&acme));
    registry.put("b.test", running(&acme));
    for visitor in &mut waiting {
        assert_eq!(visitor.answer().await.status, 200);
    }
    let again = gateway.get("c.test", &["X-Forwarded-For: 192.0.2.1"]).await;
    assert_eq!(again.status, 429, "it has woken two already: {again:?}");
    let mut other = held("c.test", "192.0.2.9").await;
    registry.put("c.test", DoorState::Suspended);
    assert_eq!(other.answer().await.status, 503);
}

#[tokio::test]
async fn one_gateway_takes_over_from_another() {
    let old = Gateway::open(GatewaySettings { hold: Duration::from_secs(60), ..Default::default() }).await;
    let acme = House::open("acme").await;
    old.registry.put("acme.test", DoorState::Waking);
    let (mut idle, mut held, mut socket) = (old.visitor().await, old.visitor().await, old.visitor().await);
    held.send(request("acme.test", &[])).await;
    until("the request is held", async || old.registry.asked.load(Ordering::SeqCst) > 1).await;

    let new = Gateway::open_at(old.socket.clone(), GatewaySettings::default()).await;
    new.registry.put("acme.test", running(&acme));
    assert_eq!(new.get("acme.test", &[]).await.status, 200);
    old.registry.put("tunnel.test", running(&acme));
    socket.send(request("tunnel.test", &["Connection: Upgrade", "Upgrade: websocket"])).await;
    socket.read_until("hello\n").await;

    old.stop.cancel();
    assert_eq!(idle.rest().await, "", "who says nothing is sent away");
    assert!(!old.served.is_finished());
    old.registry.put("acme.test", running(&acme));
    assert_eq!(held.answer().await.status, 200, "what was under way is finished");
    assert!(!old.served.is_finished());
    socket.send("and back\n").await;
    socket.read_until("and back\n").await;
    drop(socket);
    old.served.await.expect("no panic").expect("no error");
    assert_eq!(new.get("acme.test", &[]).await.status, 200);
}

#[tokio::test]
async fn through_the_edge_a_sleeper_answers_too() {
    let nginx = Nginx::start(&[], EdgeLimits::default()).await;
    let gateway = Gateway::open_at(
        nginx.run_path("gateway/gateway.sock"),
        GatewaySettings { hold: Duration::from_secs(60), ..Default::default() },
    )
    .await;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&gateway.socket, mode).expect("permissions");
    let acme = House::open("acme").await;
    let tenant = gateway.registry.put("acme.test", DoorState::Asleep);

    let mut visitor = Visitor::at(nginx.public).await;
    let head = "GET /chat HTTP/1.1\r\nHost: acme.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    visitor.send(format!("{head}X-Forwarded-For: 6.6.6.6\r\n\r\n")).await;
    until("the tenant is woken", async || gateway.registry.woken() == [tenant]).await;
    gateway.registry.put("acme.test", running(&acme));
    visitor.read_until("hello\n").await;
    visitor.send("and back\n").await;
    visitor.read_until("and back\n").await;
    assert_eq!(acme.last().header("x-forwarded-for"), ["127.0.0.1"]);
    let open = async || nginx.edge.open_requests(&"acme.test".parse().expect("a host name"), None).await;
    until("the edge knows that somebody is at home", async || open().await.expect("counts") == 1).await;
    drop(visitor);
    until("the tunnel has ended", async || open().await.expect("counts") == 0).await;
}
