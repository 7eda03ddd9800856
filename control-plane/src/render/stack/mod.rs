//! The stack file: YAML first, then Tera in its scalar leaves, then a typed and validated stack.
//!
//! The order is what makes it safe. Structure is read from the file before any value of a tenant is seen, a
//! rendered leaf is put back as one text, and nothing is rendered twice. So no name, setting or secret can add a
//! key, a service or a mount.

mod context;
mod read;
mod tree;

use tera::{Context, Tera};

use crate::model::plan::Limits;
use crate::model::stack::Stack;

pub use context::{StackContext, TenantContext};
use tree::{Node, Path, Scalar};

/// The stack file that is used unless the configuration names another.
pub const DEFAULT: &str = include_str!("../../../../templates/stack/default.yaml");

/// How errors call [`DEFAULT`].
pub const DEFAULT_NAME: &str = "templates/stack/default.yaml";

/// The longest stack file, in bytes.
pub const MAX_FILE: usize = 64 * 1024;

/// The longest text that one value may render to, in bytes.
const MAX_LEAF: usize = 64 * 1024;

/// What is wrong with a stack file: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}{}{}: {message}",
    line.map(|line| format!(", line {line}")).unwrap_or_default(),
    if field.is_empty() { String::new() } else { format!(", {field}") }
)]
pub struct StackError {
    pub file: String,
    /// Counted from 1; none when the fault is in no single place.
    pub line: Option<usize>,
    /// The dotted path of the field, such as `services.app.port`; empty for the file as a whole.
    pub field: String,
    pub message: String,
}

/// A stack file whose structure is known and whose values are not rendered yet.
#[derive(Debug, Clone)]
pub struct StackFile {
    file: String,
    text: String,
    root: Node,
}

/// Reads a stack file. `file` is what errors call it.
///
/// # Errors
/// Text that is too long or not YAML, keys given twice or holding templates, YAML tags, and expressions that are
/// not Tera.
pub fn parse(text: &str, file: &str) -> Result<StackFile, StackError> {
    let whole = |line, message| StackError { file: file.to_owned(), line, field: String::new(), message };
    if text.len() > MAX_FILE {
        return Err(whole(None, format!("longer than {MAX_FILE} bytes")));
    }
    let root = tree::parse(text).map_err(|error| {
        let message = error.to_string();
        // The line is said once, by us.
        let plain = message.split(" at line ").next().unwrap_or_default().to_owned();
        whole(error.location().map(|location| location.line()), plain)
    })?;
    let parsed = StackFile { file: file.to_owned(), text: text.to_owned(), root };
    parsed.check_syntax()?;
    Ok(parsed)
}

impl StackFile {
    /// Puts one tenant's values in and reads the result.
    ///
    /// # Errors
    /// A value that the context does not have, a field that does not exist or has the wrong type, or a stack that
    /// cannot work.
    pub fn render(&self, context: &StackContext) -> Result<Stack, StackError> {
        let values = Context::from_serialize(context).map_err(|error| StackError {
            file: self.file.clone(),
            line: None,
            field: String::new(),
            message: super::message(&error),
        })?;
        // An environment of its own: no templates to include, and only the engine's built-in functions, none of
        // which reads files or variables.
        let tera = Tera::new();
        let rendered = self.rendered(&self.root, &mut Path::default(), &tera, &values)?;
        self.typed(&rendered, context.limits)
    }

    /// Renders it for a tenant who has chosen nothing, to find mistakes before any tenant meets them.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn check(&self) -> Result<Stack, StackError> {
        self.render(&StackContext::sample())
    }

    fn rendered(
        &self,
        node: &Node,
        path: &mut Path,
        tera: &Tera,
        values: &Context,
    ) -> Result<Node, StackError> {
        Ok(match node {
            Node::Scalar(Scalar::Text(text)) if is_template(text) => {
                let mut bounded = Bounded::default();
                tera.render_str_to(text, values, false, &mut bounded).map_err(|error| {
                    let message = if bounded.full {
                        format!("renders to more than {MAX_LEAF} bytes")
                    } else {
                        super::message(&error)
                    };
                    self.wrong(path, message)
                })?;
                let text = String::from_utf8(bounded.text)
                    .map_err(|_| self.wrong(path, "renders to what is not text".to_owned()))?;
                Node::Scalar(Scalar::Text(text))
            }
            Node::Scalar(scalar) => Node::Scalar(scalar.clone()),
            Node::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    list.push(path.within_item(index, |path| self.rendered(item, path, tera, values))?);
                }
                Node::List(list)
            }
            Node::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for (key, inner) in entries {
                    let inner = path.within(key, |path| self.rendered(inner, path, tera, values))?;
                    map.push((key.clone(), inner));
                }
                Node::Map(map)
            }
        })
    }

    fn typed(&self, rendered: &Node, plan: Limits) -> Result<Stack, StackError> {
        let stack = read::stack(rendered, plan).map_err(|(path, message)| self.wrong(&path, message))?;
        stack.validate().map_err(|invalid| {
            let path = Path::of_field(&invalid.field);
            self.wrong(&path, invalid.message)
        })?;
        Ok(stack)
    }

    /// All expressions are parsed before any tenant needs them.
    fn check_syntax(&self) -> Result<(), StackError> {
        let mut tera = Tera::new();
        for (path, text) in self.root.texts() {
            if !is_template(&text) {
                continue;
            }
            if text.contains("{% extends") || text.contains("{% include") || text.contains("{% block") {
                let message = "a value is rendered by itself: it extends and includes nothing".to_owned();
                return Err(self.wrong(&path, message));
            }
            tera.add_raw_template("value", &text)
                .map_err(|error| self.wrong(&path, super::message(&error)))?;
        }
        Ok(())
    }

    fn wrong(&self, path: &Path, message: String) -> StackError {
        StackError {
            file: self.file.clone(),
            line: tree::line_of(&self.text, path),
            field: path.to_string(),
            message,
        }
    }
}

fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

/// Takes what is written until it is too much.
#[derive(Default)]
struct Bounded {
    text: Vec<u8>,
    full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.text.len() + bytes.len() > MAX_LEAF {
            self.full = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
