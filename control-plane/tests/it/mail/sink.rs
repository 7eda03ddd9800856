//! A mail server in another process, not of our making.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde::Deserialize;

/// A mail as the server took it.
#[derive(Debug, Clone, Deserialize)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub headers: Vec<(String, String)>,
    pub parts: Vec<(String, String)>,
}

impl Taken {
    /// The values of the headers of this name.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// The server; it ends with this value.
pub struct Sink {
    process: Child,
    pub port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Sink {
    /// Starts one with options that its file tells of.
    pub fn start(options: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/venv/bin/python");
        assert!(python.exists(), "{} is missing: scripts/test makes it", python.display());
        let mut process = Command::new(python)
            .arg(root.join("tests/it/mail/sink.py"))
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the mail server starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let port = lines.next().expect("a line").expect("text").parse().expect("a port");
        let taken: Arc<Mutex<Vec<Taken>>> = Arc::default();
        let heard = Arc::clone(&taken);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mail = serde_json::from_str(&line).expect("a mail as JSON");
                heard.lock().expect("the list").push(mail);
            }
        });
        Self { process, port, taken }
    }

    /// What it took so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().expect("the list").clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
