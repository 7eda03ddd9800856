//! The name of an image, as engines take it.

/// Parts in small letters, behind a registry, with a tag and a digest if wanted; or an immutable id.
#[must_use]
pub fn is_name(text: &str) -> bool {
    if text.starts_with("sha256:") {
        return is_digest(text);
    }
    let (name, digest) = split(text, '@');
    // what stands behind a colon is a tag, unless it is the port of a registry
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let (registry, parts) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, path),
    };
    path.len() <= 255
        && registry.is_none_or(is_registry)
        && parts.split('/').all(|part| is_part(part, |b| b.is_ascii_lowercase()))
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_registry(text: &str) -> bool {
    let (host, port) = split(text, ':');
    is_part(host, |b| b.is_ascii_alphabetic()) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Letters and digits, with dots, underscores and hyphens between them.
fn is_part(text: &str, letter: impl Fn(u8) -> bool) -> bool {
    let plain = |b: u8| letter(b) || b.is_ascii_digit();
    let (first, last) = (text.bytes().next(), text.bytes().last());
    first.is_some_and(plain)
        && last.is_some_and(plain)
        && text.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
}

fn is_tag(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_is_none() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for good in [
            "app",
            "example/app",
            "freehold/base:trixie",
            "registry.example/team/app:1.2-rc.1_x",
            "registry.example:5000/app",
            "localhost/app:_1",
            "a__b/c-d.e",
            &digest,
            &format!("example/app@{digest}"),
            &format!("example/app:1@{digest}"),
        ] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "App",
            "http://example/app",
            "../app",
            "app/",
            "/app",
            "a//b",
            "app:",
            "app:a b",
            "app:1:2",
            "app:-1",
            "-app",
            "app@sha256:12",
            "sha256:12",
            "registry.example:port/app",
            "registry.example:70000/app",
            "app?x=y",
            "app/json#",
            "ä",
            "a\0b",
            &"a".repeat(256),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
