//! Server-sent events, from bytes as they come.

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) data: String,
}

/// The longest event that is put together, in bytes; longer ones are dropped.
const MAX_EVENT: usize = 256 * 1024;

/// Puts events together.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    id: Option<String>,
    name: String,
    data: String,
    any_data: bool,
}

impl Parser {
    /// Takes more bytes and gives the events that end in them.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for byte in bytes {
            // A line ends at LF, CR or both.
            if *byte == b'\n' && self.after_return {
                self.after_return = false;
                continue;
            }
            self.after_return = *byte == b'\r';
            if matches!(byte, b'\n' | b'\r') {
                let line = std::mem::take(&mut self.line);
                messages.extend(self.line(&String::from_utf8_lossy(&line)));
            } else if self.line.len() < MAX_EVENT {
                self.line.push(*byte);
            }
        }
        messages
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = std::mem::take(&mut self.data);
            let any = std::mem::take(&mut self.any_data);
            return any.then(|| Message { id: self.id.clone(), name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            "data" if self.data.len() + value.len() <= MAX_EVENT => {
                if self.any_data {
                    self.data.push('\n');
                }
                self.any_data = true;
                self.data.push_str(value);
            }
            // A comment, or a field that means nothing to us.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = ": hello\nid: 1\nevent: step\ndata: one\n\nretry: 5\nid: 2\r\ndata: a\r\ndata:b\r\n\r\nevent: end\rdata\r\r";

    fn message(id: &str, name: &str, data: &str) -> Message {
        Message { id: Some(id.into()), name: name.into(), data: data.into() }
    }

    fn expected() -> Vec<Message> {
        vec![message("1", "step", "one"), message("2", "", "a\nb"), message("2", "end", "")]
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_bytes_are_cut(cuts in prop::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let mut found = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([STREAM.len()]) {
                found.extend(parser.feed(&STREAM.as_bytes()[from..cut]));
                from = cut;
            }
            prop_assert_eq!(found, expected());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            Parser::default().feed(&bytes);
        }
    }
}
