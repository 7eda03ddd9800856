//! The rooms and who may use whom, read from the sources themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each room may use directly. It may also use what stands below what it uses.
const USES: &[(&str, &[&str])] = &[
    ("cli", &["platform", "http", "gateway", "worker"]),
    ("http", &["app", "render", "socket"]),
    ("gateway", &["app", "render", "socket"]),
    ("platform", &["planner", "store", "engine", "database", "edge", "identity", "render"]),
    ("worker", &["planner", "store", "engine", "database", "edge", "identity", "render"]),
    ("app", &["store", "identity"]),
    ("planner", &["model"]),
    ("store", &["model"]),
    ("engine", &["model"]),
    ("database", &["model"]),
    ("edge", &["model"]),
    ("identity", &["model"]),
    ("render", &["model"]),
    ("telemetry", &["config"]),
    ("config", &["model"]),
    ("model", &[]),
    ("socket", &[]),
];

/// Rooms that every other may use, but for these two.
const COMMON: &[&str] = &["config", "telemetry"];
const WITHOUT_COMMON: &[&str] = &["model", "planner"];

/// Crates that only these places may name.
const CRATES: &[(&str, &[&str])] = &[
    ("bollard", &["engine/docker"]),
    ("governor", &["http/counts"]),
    ("lettre", &["worker/mail"]),
    ("qrcode", &["render"]),
    ("tera", &["render"]),
    ("refinery", &["database/migrate"]),
    ("refinery_core", &["database/migrate"]),
    ("sqlx", &["store", "database"]),
];

/// A file is one thing, and short enough to be read at one go.
const MAX_LINES: usize = 500;

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            (path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned(), text)
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn room_of(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

/// Everything that a room may use, what is below included.
fn allowed(room: &str) -> BTreeSet<&'static str> {
    let table: BTreeMap<&str, &[&str]> = USES.iter().copied().collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<&'static str> = table.get(room).map(|uses| uses.to_vec()).unwrap_or_default();
    if !WITHOUT_COMMON.contains(&room) && !COMMON.contains(&room) {
        open.extend(COMMON);
    }
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(table.get(next).copied().unwrap_or_default());
        }
    }
    reached
}

/// A source without its comments, so that prose may name what code may not.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| if line.trim_start().starts_with("//") { "" } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The places at which a word stands by itself.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let bytes = text.as_bytes();
        let before =
            at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|byte| !is_word(*byte));
        let after = bytes.get(at + word.len()).is_none_or(|byte| !is_word(*byte));
        before && after
    })
}

/// The rooms that a source names after `crate::`, alone or in braces.
fn rooms_used(text: &str) -> BTreeSet<String> {
    let first_word = |text: &str| text.bytes().take_while(|byte| is_word(*byte)).count();
    let mut used = BTreeSet::new();
    for at in words(text, "crate") {
        let Some(rest) = text[at + "crate".len()..].strip_prefix("::") else { continue };
        match rest.strip_prefix('{') {
            None => {
                used.insert(rest[..first_word(rest)].to_owned());
            }
            Some(list) => {
                let mut depth = 0;
                let mut item = String::new();
                for character in list.chars() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            used.insert(item[..first_word(&item)].to_owned());
                            item.clear();
                            continue;
                        }
                        _ => {}
                    }
                    if !(item.is_empty() && character.is_whitespace()) {
                        item.push(character);
                    }
                }
                used.insert(item[..first_word(&item)].to_owned());
            }
        }
    }
    used.retain(|room| !room.is_empty());
    used
}

#[test]
fn rooms_use_only_what_stands_below_them() {
    let rooms: BTreeSet<&str> = USES.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = room_of(&path);
        if ["lib", "main"].contains(&room) {
            continue;
        }
        if !rooms.contains(room) {
            wrong.push(format!("{path}: {room} is no room of the plan"));
            continue;
        }
        let allowed = allowed(room);
        for used in rooms_used(&code(&text)) {
            if rooms.contains(used.as_str()) && used != room && !allowed.contains(used.as_str()) {
                wrong.push(format!("{path}: {room} may not use {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stand_behind_the_one_room_that_knows_them() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        // A test may make up an error of the crate's to see what becomes of it.
        let code = code(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        for (name, places) in CRATES {
            let known = places
                .iter()
                .any(|place| path.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '.'])));
            let named = words(&code, name).any(|at| {
                // As a path's beginning, or in a `use`; a word in a text is no use of the crate.
                code[at + name.len()..].starts_with("::")
                    || code[..at].trim_end().ends_with("use") && code[at + name.len()..].starts_with(';')
            });
            if named && !known {
                wrong.push(format!("{path}: only {} may name {name}", places.join(" and ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_long() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| {
            format!("{path}: {lines} lines; a file is one thing, {MAX_LINES} lines at the most")
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn uses_are_found_in_every_spelling() {
    let text = "use crate::{engine::{names, Engine}, model, store::{self, Tx}};\nfn f() { crate::edge::x() }\nmycrate::no();";
    let used: Vec<String> = rooms_used(text).into_iter().collect();
    assert_eq!(used, ["edge", "engine", "model", "store"]);
    assert!(allowed("http").contains("store") && !allowed("http").contains("engine"));
    assert!(allowed("planner").iter().eq(["model"].iter()));
}
