//! The structure of a stack file, and the way back from a field to its line.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most values a file may have once its aliases are put in.
const MAX_NODES: usize = 4_000;

/// A value that holds no others.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Whole(i128),
    Float(f64),
    Text(String),
}

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the file's order, each key once.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// All texts with their places.
    pub(super) fn texts(&self) -> Vec<(Path, String)> {
        fn walk(node: &Node, path: &mut Path, found: &mut Vec<(Path, String)>) {
            match node {
                Node::Scalar(Scalar::Text(text)) => found.push((path.clone(), text.clone())),
                Node::Scalar(_) => {}
                Node::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        path.within_item(index, |path| walk(item, path, found));
                    }
                }
                Node::Map(entries) => {
                    for (key, inner) in entries {
                        path.within(key, |path| walk(inner, path, found));
                    }
                }
            }
        }
        let mut found = Vec::new();
        walk(self, &mut Path::default(), &mut found);
        found
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

/// A place in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// The place that a dotted field of the model means.
    pub(super) fn of_field(field: &str) -> Self {
        Self(field.split('.').map(|part| Step::Key(part.to_owned())).collect())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let mut inner = self.clone();
        inner.0.push(Step::Key(key.to_owned()));
        inner
    }

    pub(super) fn item(&self, index: usize) -> Self {
        let mut inner = self.clone();
        inner.0.push(Step::Item(index));
        inner
    }

    pub(super) fn within<T>(&mut self, key: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.0.push(Step::Key(key.to_owned()));
        let result = work(self);
        self.0.pop();
        result
    }

    pub(super) fn within_item<T>(&mut self, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        self.0.push(Step::Item(index));
        let result = work(self);
        self.0.pop();
        result
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

pub(super) fn parse(text: &str) -> Result<Node, serde_yaml::Error> {
    let left = Cell::new(MAX_NODES);
    NodeSeed { left: &left }.deserialize(serde_yaml::Deserializer::from_str(text))
}

/// Reads a value and counts it, so that aliases of aliases end early.
#[derive(Clone, Copy)]
struct NodeSeed<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(de::Error::custom(format!("more than {MAX_NODES} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain YAML value without a tag")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Whole(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Whole(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if super::is_template(&key) {
                return Err(de::Error::custom(format!("{key:?}: expressions are for values, not for keys")));
            }
            if entries.iter().any(|(other, _)| *other == key) {
                return Err(de::Error::custom(format!("{key:?} is given twice")));
            }
            let value = map.next_value_seed(self)?;
            entries.push((key, value));
        }
        Ok(Node::Map(entries))
    }
}

/// The line of a field, or of the nearest thing around it that is there.
///
/// The parser keeps no places, but it puts them on errors: so the text is walked to the field, and the walk ends
/// with an error on purpose.
pub(super) fn line_of(text: &str, path: &Path) -> Option<usize> {
    (0..=path.0.len()).rev().find_map(|length| {
        let finder = Finder { path: path.0.get(..length)? };
        let outcome = finder.deserialize(serde_yaml::Deserializer::from_str(text));
        let error = outcome.err()?;
        error.to_string().contains(HERE).then(|| error.location().map(|place| place.line()))?
    })
}

const HERE: &str = "\u{1}here\u{1}";

#[derive(Clone, Copy)]
struct Finder<'a> {
    path: &'a [Step],
}

impl Finder<'_> {
    fn arrive<E: de::Error>(self) -> Result<(), E> {
        if self.path.is_empty() { Err(E::custom(HERE)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field looked for")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.arrive()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.arrive()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.arrive()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.arrive()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.arrive()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.arrive()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        self.arrive()?;
        if let Some((Step::Item(wanted), rest)) = self.path.split_first() {
            for _ in 0..*wanted {
                sequence.next_element::<IgnoredAny>()?;
            }
            sequence.next_element_seed(Finder { path: rest })?;
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.arrive()?;
        let Some((Step::Key(wanted), rest)) = self.path.split_first() else { return Ok(()) };
        while let Some(found) = map.next_key_seed(KeyFinder { wanted, last: rest.is_empty() })? {
            if found {
                map.next_value_seed(Finder { path: rest })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Whether a key is the one looked for. The last key of a path is where the walk ends: the line of `limits:` is
/// its own, not that of the first entry below it.
struct KeyFinder<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for KeyFinder<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyFinder<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        if key == self.wanted && self.last { Err(E::custom(HERE)) } else { Ok(key == self.wanted) }
    }
}
