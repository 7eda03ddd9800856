use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;

async fn ask(stream: &mut UnixStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("write");
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.contains("\r\n\r\n") || !text.contains("I am") {
        let read = stream.read(&mut buffer).await.expect("read");
        assert!(read > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

async fn connect(path: &Path) -> UnixStream {
    loop {
        if let Ok(stream) = UnixStream::connect(path).await {
            return stream;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_new_process_takes_the_socket_over_and_the_old_one_drains() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("api.sock");
    let start = |name: &'static str| {
        let (path, shutdown) = (path.clone(), CancellationToken::new());
        let service =
            service_fn(move |_| async move { Ok::<_, Infallible>(Response::new(format!("I am {name}"))) });
        let patience = Patience { head: Duration::from_secs(90), drain: Duration::from_secs(10) };
        let token = shutdown.clone();
        (
            shutdown,
            tokio::spawn(async move { serve(&path, service, patience, TaskTracker::new(), token).await }),
        )
    };
    let (stop_first, first) = start("first");
    let mut kept = connect(&path).await;
    assert!(ask(&mut kept).await.contains("I am first"));

    // Both would run in one process here; the second one's fresh name is the same and is free again.
    let (stop_second, second) = start("second");
    loop {
        if ask(&mut connect(&path).await).await.contains("I am second") {
            break;
        }
    }
    assert!(ask(&mut kept).await.contains("I am first"), "an open connection stays with the old one");
    let mode = std::fs::metadata(&path).expect("socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    // Who had connected and asked is answered, taken in or not. Nothing is awaited here, so nobody is taken in.
    let late: Vec<_> = std::iter::repeat_with(|| {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("connected");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        std::io::Write::write_all(&mut stream, request).expect("write");
        stream.set_nonblocking(true).expect("a mode");
        UnixStream::from_std(stream).expect("a stream")
    })
    .take(20)
    .collect();
    stop_second.cancel();
    for mut stream in late {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.contains("I am second"), "{answer:?}");
    }
    second.await.expect("task").expect("served");

    stop_first.cancel();
    first.await.expect("task").expect("served");
}
