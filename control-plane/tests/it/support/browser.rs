//! A real browser without a window: Chromium, asked through its WebDriver (`chromedriver`), over plain HTTP.
//!
//! It finds `*.localhost` by itself. What it makes is gone with the value, also when a test fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::visitor;

const PATIENCE: Duration = Duration::from_secs(20);
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// Starts one.
    pub async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver; scripts/test installs it");
        let port = BufReader::new(driver.stdout.take().expect("its output"))
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .expect("a port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut browser = Self { driver, address, session: String::new() };
        // Without a sandbox of its own: those who run tests may be root, and it visits nothing but our own pages.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            // Of what others' pages want to fetch from elsewhere nothing is found.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE 127.*, EXCLUDE 198.18.*",
            // No smaller than what a page is looked at in.
            "--window-size=1400,1000",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let made = browser.ask("POST", "/session", &wanted).await;
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_ask(method, path, body).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    async fn try_ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}",
            self.address,
            body.len()
        );
        let answer = visitor::ask(self.address, &head, &body).await;
        let mut said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        match answer.status {
            200 => Ok(said["value"].take()),
            _ => Err(said["value"].to_string()),
        }
    }

    async fn command(&self, method: &str, what: &str, body: Value) -> Value {
        self.ask(method, &format!("/session/{}/{what}", self.session), &body).await
    }

    /// Opens an address, and waits until it is there.
    pub async fn go(&self, url: &str) {
        self.command("POST", "url", json!({"url": url})).await;
    }

    /// Goes back, as its button does.
    pub async fn back(&self) {
        self.command("POST", "back", json!({})).await;
    }

    /// The address that is shown.
    pub async fn url(&self) -> String {
        self.command("GET", "url", Value::Null).await.as_str().expect("an address").to_owned()
    }

    /// Waits until the address that is shown is so.
    pub async fn until_url(&self, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let url = self.url().await;
            if is_so(&url) {
                return url;
            }
            assert!(Instant::now() < deadline, "still at {url}\n{}", self.text("body").await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The first element that a CSS selector finds; waits until there is one.
    async fn find(&self, css: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let path = format!("/session/{}/element", self.session);
        loop {
            let found = self.try_ask("POST", &path, &json!({"using": "css selector", "value": css})).await;
            match found {
                Ok(element) => return element[ELEMENT].as_str().expect("an element").to_owned(),
                Err(error) => assert!(Instant::now() < deadline, "{css}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The text that is seen of an element.
    pub async fn text(&self, css: &str) -> String {
        let element = self.find(css).await;
        self.command("GET", &format!("element/{element}/text"), Value::Null)
            .await
            .as_str()
            .expect("text")
            .to_owned()
    }

    /// Waits until an element shows this text.
    pub async fn until_text(&self, css: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // An element may be gone with its page between the two questions.
            let shown = self.run(&format!("document.querySelector({css:?})?.innerText ?? ''")).await;
            if shown.as_str().is_some_and(|shown| shown.contains(text)) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{css} never said {text:?}, but {shown} at {}",
                self.url().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into a field, in place of what it holds.
    pub async fn fill(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.command("POST", &format!("element/{element}/clear"), json!({})).await;
        self.command("POST", &format!("element/{element}/value"), json!({"text": text})).await;
    }

    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.command("POST", &format!("element/{element}/click"), json!({})).await;
    }

    /// The value of an expression in the page. The page's own policy does not hold for it.
    pub async fn run(&self, expression: &str) -> Value {
        self.command("POST", "execute/sync", json!({"script": format!("return {expression}"), "args": []}))
            .await
    }

    /// Has the page seen so many CSS pixels wide and high, in the dark or the light scheme.
    pub async fn look(&self, width: u32, height: u32, dark: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.command("POST", "goog/cdp/execute", json!({"cmd": command, "params": parameters})).await;
    }

    /// Keeps what is seen as `target/screenshots/<name>.png`.
    pub async fn screenshot(&self, name: &str) {
        let picture = self.command("GET", "screenshot", Value::Null).await;
        let bytes = STANDARD.decode(picture.as_str().expect("a picture")).expect("base 64");
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join(format!("{name}.png")), bytes).expect("the picture is written");
    }
}

impl Drop for Browser {
    /// Has the driver end the browser, and ends the driver.
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                self.session, self.address
            );
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 512]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
