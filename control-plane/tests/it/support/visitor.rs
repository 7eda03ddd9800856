//! A visitor that sends exactly the bytes it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

const PATIENCE: Duration = Duration::from_secs(60);

/// An answer: head and body, as they came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

pub struct Visitor {
    stream: Box<dyn Both>,
    read: Vec<u8>,
}

impl Visitor {
    pub async fn at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    /// From an address of this machine that is chosen.
    pub async fn from(source: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).expect("an address of this machine");
        let stream = socket.connect(address).await.expect("a connection");
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    pub async fn at_socket(path: &Path) -> Self {
        let stream = UnixStream::connect(path).await.expect("a connection");
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("bytes sent");
    }

    /// Everything up to and with this text.
    pub async fn read_until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.read.windows(text.len()).position(|window| window == text.as_bytes()) {
                let rest = self.read.split_off(at + text.len());
                let found = std::mem::replace(&mut self.read, rest);
                return String::from_utf8_lossy(&found).into_owned();
            }
            assert!(
                self.more().await,
                "closed before {text:?} came: {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// The next answer, or none when the connection was closed instead.
    pub async fn answer_or_end(&mut self) -> Option<Answer> {
        if self.read.is_empty() && !self.more().await { None } else { Some(self.answer().await) }
    }

    /// The next answer on a connection that stays open; its length must be given or it must have no body.
    pub async fn answer(&mut self) -> Answer {
        let head = self.read_until("\r\n\r\n").await;
        let mut answer = Answer { status: status(&head), head, body: String::new() };
        if matches!(answer.status, 100..=199 | 204 | 304) {
            return answer;
        }
        if answer.header("transfer-encoding").is_some() {
            loop {
                let size = self.read_until("\r\n").await;
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
                answer.body.push_str(&self.take(size).await);
                self.read_until("\r\n").await;
                if size == 0 {
                    return answer;
                }
            }
        }
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.body = self.take(length).await;
        answer
    }

    /// Everything that comes until the other side closes.
    pub async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    async fn take(&mut self, size: usize) -> String {
        while self.read.len() < size {
            assert!(self.more().await, "closed within a body");
        }
        let rest = self.read.split_off(size);
        String::from_utf8_lossy(&std::mem::replace(&mut self.read, rest)).into_owned()
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 8192];
        let read =
            tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("no answer in time");
        let size = read.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..size]);
        size > 0
    }
}

fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status in {head:?}"))
}

/// One request of a few lines; `head` is without the last empty line.
pub async fn ask(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut visitor = Visitor::at(address).await;
    visitor.send(format!("{}\r\n\r\n{body}", head.trim_end())).await;
    visitor.answer().await
}

/// A GET for this host and path with these further header lines.
pub async fn get(address: SocketAddr, host: &str, path: &str, lines: &[&str]) -> Answer {
    let lines: String = lines.iter().map(|line| format!("\r\n{line}")).collect();
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {host}{lines}"), "").await
}
