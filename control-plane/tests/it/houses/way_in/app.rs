//! What the app of `tests/apps/raw.pl` has written down.

use super::super::installation::Installation;
use super::super::objects::{containers, docker, house_of};

/// One request, as its bytes came to the app.
#[derive(Debug, Clone)]
pub struct Seen {
    pub app: String,
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Names, in small letters, and values.
    pub fn headers(&self) -> Vec<(String, &str)> {
        let lines = self.head.split("\r\n").skip(1).filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no header"));
                (name.to_ascii_lowercase(), value)
            })
            .collect()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers().into_iter().filter(|(found, _)| found == name).map(|(_, value)| value).collect()
    }
}

/// Everything that the app of this tenant has seen since it was started.
pub fn seen(installation: &Installation, slug: &str) -> Vec<Seen> {
    let container = containers(installation, &house_of(installation, slug), "app").remove(0);
    let text = |hex: &str| {
        let bytes = hex::decode(hex).unwrap_or_else(|error| panic!("{error}: {hex}"));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    docker(&["exec", &container, "sh", "-c", "cat /tmp/seen 2>/dev/null || true"])
        .lines()
        .map(|line| {
            let (head, body) = line.split_once(' ').unwrap_or((line, ""));
            Seen { app: slug.to_owned(), head: text(head), body: text(body) }
        })
        .collect()
}
