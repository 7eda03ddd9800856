//! The engine's socket with somebody in between, who can make the engine hang and disappear.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use control_plane::config::Config;
use tempfile::TempDir;

/// What of an answer gets through before the engine falls silent in the middle of it.
const BEGINNING: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Answers,
    /// Everybody may connect. Of every other connection not even the question gets through; on the rest it does, and the
    /// answer breaks off in its middle.
    Silent,
    /// The file is there, and nobody listens behind it.
    Gone,
}

struct State {
    mood: Mood,
    /// Both sides of what is open.
    open: Vec<UnixStream>,
}

struct Inner {
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

/// A socket that leads to the engine.
pub struct EngineSocket {
    inner: Arc<Inner>,
    _folder: TempDir,
}

/// The engine is away for as long as this lives.
pub struct Away<'a>(&'a EngineSocket);

impl EngineSocket {
    pub fn open() -> Self {
        let folder = TempDir::with_prefix("fh-test-").expect("a directory");
        let inner = Arc::new(Inner {
            path: folder.path().join("engine.sock"),
            state: Mutex::new(State { mood: Mood::Answers, open: Vec::new() }),
            changed: Condvar::new(),
        });
        listen(&inner);
        Self { inner, _folder: folder }
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// It takes connections and says nothing more. When it speaks again, it does what it was asked for meanwhile.
    pub fn falls_silent(&self) -> Away<'_> {
        self.inner.become_(Mood::Silent);
        Away(self)
    }

    /// It is gone, with all its connections. What comes back is another, behind another socket at the same path.
    pub fn dies(&self) -> Away<'_> {
        self.inner.become_(Mood::Gone);
        // whoever waits for the next connection notices by it that nobody shall
        drop(UnixStream::connect(&self.inner.path));
        for stream in self.inner.state().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        Away(self)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let inner = &self.0.inner;
        let was = inner.become_(Mood::Answers);
        if was == Mood::Gone {
            listen(inner);
        }
    }
}

impl Drop for EngineSocket {
    fn drop(&mut self) {
        drop(self.dies());
        self.inner.become_(Mood::Gone);
        drop(UnixStream::connect(&self.inner.path));
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn become_(&self, mood: Mood) -> Mood {
        let was = std::mem::replace(&mut self.state().mood, mood);
        self.changed.notify_all();
        was
    }

    /// Waits while the engine is silent.
    fn speaks(&self) {
        let mut state = self.state();
        while state.mood == Mood::Silent {
            state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn is_silent(&self) -> bool {
        self.state().mood == Mood::Silent
    }
}

fn listen(inner: &Arc<Inner>) {
    let _ = std::fs::remove_file(&inner.path);
    let listener = UnixListener::bind(&inner.path).expect("a socket");
    let everybody = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(&inner.path, everybody).expect("open to everybody");
    let inner = Arc::clone(inner);
    thread::spawn(move || {
        for (number, visitor) in listener.incoming().enumerate() {
            let Ok(visitor) = visitor else { return };
            if inner.state().mood == Mood::Gone {
                return;
            }
            pass(&inner, visitor, number % 2 == 0);
        }
    });
}

/// Passes everything on between a visitor and the engine; a deaf connection takes no question while it is silent.
fn pass(inner: &Arc<Inner>, visitor: UnixStream, deaf: bool) {
    let engine = UnixStream::connect(Config::default().engine.socket).expect("the engine");
    let both = |stream: &UnixStream| stream.try_clone().expect("a second handle");
    inner.state().open.extend([both(&visitor), both(&engine)]);
    for (from, to, question) in [(both(&visitor), both(&engine), true), (engine, visitor, false)] {
        let inner = Arc::clone(inner);
        thread::spawn(move || {
            let _ = carry(&inner, from, &to, question && deaf, !question);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

fn carry(
    inner: &Inner,
    mut from: UnixStream,
    mut to: &UnixStream,
    held: bool,
    breaks_off: bool,
) -> std::io::Result<()> {
    let mut bytes = [0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = &bytes[..count];
        if breaks_off && inner.is_silent() {
            let (beginning, later) = rest.split_at(BEGINNING.min(count));
            to.write_all(beginning)?;
            rest = later;
        }
        if held || breaks_off {
            inner.speaks();
        }
        to.write_all(rest)?;
    }
}
