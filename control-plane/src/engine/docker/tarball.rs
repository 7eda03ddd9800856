//! Tar archives, which is how Docker takes files.

use std::io::{self, Read, Write};

use bytes::Bytes;
use futures_util::Stream;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::engine::{Content, ContextFile, SecretFile};

/// Secret files of one owner, in memory.
pub(super) fn secrets(files: &[SecretFile], uid: u64, gid: u64) -> io::Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let content = file.content.expose_secret().as_bytes();
        let mut header = header(content.len() as u64, file.mode);
        header.set_uid(uid);
        header.set_gid(gid);
        archive.append_data(&mut header, &file.name, content)?;
    }
    Ok(archive.into_inner()?.into())
}

fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The files of a build as they are sent: an executable is larger than what one wants to hold in memory.
pub(super) fn context(files: Vec<ContextFile>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(8);
    tokio::task::spawn_blocking(move || {
        let written = write_context(&files, Pieces { sender: sender.clone(), piece: Vec::new() });
        if let Err(error) = written {
            // Nobody left to tell it to is the receiver's own decision.
            drop(sender.blocking_send(Err(error)));
        }
    });
    ReceiverStream::new(receiver)
}

fn write_context(files: &[ContextFile], to: Pieces) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    for file in files {
        let mode = if file.executable { 0o755 } else { 0o644 };
        match &file.content {
            Content::Bytes(bytes) => {
                archive.append_data(&mut header(bytes.len() as u64, mode), &file.path, bytes.as_ref())?;
            }
            Content::File(path) => {
                let source = std::fs::File::open(path)?;
                let size = source.metadata()?.len();
                archive.append_data(&mut header(size, mode), &file.path, source.take(size))?;
            }
        }
    }
    archive.into_inner()?.flush()
}

/// Collects what is written into pieces worth sending.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

const PIECE: usize = 256 * 1024;

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The content of the first file of an archive.
pub(super) fn first_file(archive: &[u8]) -> io::Result<String> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive.entries()?.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let mut text = String::new();
    entry.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn secrets_belong_to_their_reader() {
        let files = [SecretFile::new("key", SecretString::from("hush"))];
        let bytes = secrets(&files, 999, 7).expect("archive");
        let mut archive = tar::Archive::new(bytes.as_ref());
        let entry = archive.entries().expect("entries").next().expect("one").expect("readable");
        let header = entry.header();
        assert_eq!((header.uid().expect("uid"), header.gid().expect("gid")), (999, 7));
        assert_eq!(header.mode().expect("mode"), 0o400);
        assert_eq!(first_file(&bytes).expect("content"), "hush");
    }

    #[tokio::test]
    async fn a_context_is_sent_whole() {
        let large = vec![7_u8; 3 * PIECE + 5];
        let file = |path: &str, content| ContextFile { path: path.into(), executable: true, content };
        let files = vec![
            file("Dockerfile", Content::Bytes(b"FROM scratch".as_slice().into())),
            file("bin/large", Content::Bytes(large.clone().into())),
        ];
        let pieces: Vec<Bytes> = context(files).try_collect().await.expect("sent");
        let bytes = pieces.concat();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let sizes: Vec<u64> =
            archive.entries().expect("entries").map(|entry| entry.expect("entry").size()).collect();
        assert_eq!(sizes, [12, large.len() as u64]);
    }

    #[tokio::test]
    async fn a_missing_file_ends_the_sending() {
        let content = Content::File("/nonexistent/file".into());
        let files = vec![ContextFile { path: "x".into(), executable: false, content }];
        let result: io::Result<Vec<Bytes>> = context(files).try_collect().await;
        assert_eq!(result.expect_err("nothing to send").kind(), io::ErrorKind::NotFound);
    }
}
