//! From rendered values to the typed stack: every field by its type, every unknown one refused by name.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::tree::{Node, Path, Scalar};
use crate::model::plan::Limits;
use crate::model::stack::{Health, Secret, Service, ServiceName, SignIn, Stack};

/// How long a service may take to stop when the file does not say, in seconds.
const STOP_SECONDS: u32 = 15;

type Wrong = (Path, String);
type Result<T> = std::result::Result<T, Wrong>;

pub(super) fn stack(root: &Node, plan: Limits) -> Result<Stack> {
    let root = Field { path: Path::default(), node: root };
    let fields = root.fields(&["database", "web", "sign_in", "services"])?;
    let mut services = BTreeMap::new();
    for (name, field) in fields.required("services")?.entries()? {
        let parsed = name.parse::<ServiceName>().map_err(|error| field.wrong(error.to_string()))?;
        services.insert(parsed, service(&field, plan)?);
    }
    Ok(Stack {
        database: fields.required("database")?.parsed()?,
        web: fields.required("web")?.parsed()?,
        sign_in: fields.optional("sign_in").map_or(Ok(SignIn::default()), |field| sign_in(&field))?,
        services,
    })
}

fn sign_in(field: &Field<'_>) -> Result<SignIn> {
    let fields = field.fields(&["callback", "signed_out"])?;
    let path = |name, or: String| fields.optional(name).map_or(Ok(or), |field| field.text());
    let usual = SignIn::default();
    Ok(SignIn {
        callback: path("callback", usual.callback)?,
        signed_out: path("signed_out", usual.signed_out)?,
    })
}

fn service(field: &Field<'_>, plan: Limits) -> Result<Service> {
    let fields = field.fields(&[
        "image",
        "command",
        "environment",
        "secrets",
        "port",
        "health",
        "volume",
        "tmpfs",
        "read_only",
        "after",
        "patient",
        "limits",
        "stop_seconds",
        "stop_signal",
    ])?;
    let port = fields.optional("port").map(|field| field.number::<u16>()).transpose()?;
    let health = match fields.optional("health") {
        Some(field) => health(&field.text()?),
        None if port.is_some() => Health::Tcp,
        None => Health::None,
    };
    let limits = match fields.optional("limits") {
        Some(field) => limits(&field, plan)?,
        None => plan,
    };
    Ok(Service {
        image: fields.required("image")?.text()?,
        command: fields.list("command", Field::text)?,
        environment: fields.map("environment", Field::text)?,
        secrets: fields.map("secrets", secret)?,
        port,
        health,
        volume: fields.optional("volume").map(|field| field.text()).transpose()?,
        tmpfs: fields.map("tmpfs", Field::number)?,
        read_only: fields.optional("read_only").map_or(Ok(false), |field| field.flag())?,
        after: fields.list("after", Field::parsed)?,
        patient: fields.optional("patient").map_or(Ok(false), |field| field.flag())?,
        limits,
        stop_seconds: fields.optional("stop_seconds").map_or(Ok(STOP_SECONDS), |field| field.number())?,
        stop_signal: fields.optional("stop_signal").map_or(Ok(String::new()), |field| field.text())?,
    })
}

/// A path, or one of two words. Whether a path is one is judged with the whole stack.
fn health(text: &str) -> Health {
    match text {
        "tcp" => Health::Tcp,
        "none" => Health::None,
        path => Health::Http(path.to_owned()),
    }
}

fn secret(field: &Field<'_>) -> Result<Secret> {
    match field.text()?.as_str() {
        "database_superuser_password" => Ok(Secret::DatabaseSuperuserPassword),
        "database_url" => Ok(Secret::DatabaseUrl),
        "app_key" => Ok(Secret::AppKey),
        "client_secret" => Ok(Secret::ClientSecret),
        // What is written here could be a secret itself, put in the wrong place: it is not repeated.
        _ => Err(field.wrong("none of: database_superuser_password, database_url, app_key, client_secret")),
    }
}

/// Each part that the file gives, at most the plan's; the plan's where it gives none.
fn limits(field: &Field<'_>, plan: Limits) -> Result<Limits> {
    let fields = field.fields(&["memory_mib", "cpu_millis", "pids"])?;
    let part = |name, or: u32| fields.optional(name).map_or(Ok(or), |field| field.number());
    let wanted = Limits {
        memory_mib: part("memory_mib", plan.memory_mib)?,
        cpu_millis: part("cpu_millis", plan.cpu_millis)?,
        pids: part("pids", plan.pids)?,
    };
    Ok(wanted.capped_by(plan))
}

/// A value with its place.
struct Field<'a> {
    path: Path,
    node: &'a Node,
}

/// The known fields of a map.
struct Fields<'a> {
    path: Path,
    entries: Vec<(&'a str, Field<'a>)>,
}

impl<'a> Field<'a> {
    fn wrong(&self, message: impl Into<String>) -> Wrong {
        (self.path.clone(), message.into())
    }

    fn entries(&self) -> Result<Vec<(&'a str, Field<'a>)>> {
        match self.node {
            Node::Map(entries) => Ok(entries
                .iter()
                .map(|(key, node)| (key.as_str(), Field { path: self.path.key(key), node }))
                .collect()),
            other => Err(self.wrong(format!("{} where `name: value` lines are expected", kind(other)))),
        }
    }

    fn fields(&self, known: &[&str]) -> Result<Fields<'a>> {
        let entries = self.entries()?;
        for (key, field) in &entries {
            if !known.contains(key) {
                return Err(
                    field.wrong(format!("there is no such field here; there are: {}", known.join(", ")))
                );
            }
        }
        Ok(Fields { path: self.path.clone(), entries })
    }

    fn text(&self) -> Result<String> {
        match self.node {
            Node::Scalar(Scalar::Text(text)) => Ok(text.clone()),
            Node::Scalar(Scalar::Whole(number)) => Ok(number.to_string()),
            Node::Scalar(Scalar::Bool(flag)) => Ok(flag.to_string()),
            Node::Scalar(Scalar::Null) => Ok(String::new()),
            Node::Scalar(Scalar::Float(_)) => {
                Err(self.wrong("a number with a fraction where text is expected; put it in quotes"))
            }
            other => Err(self.wrong(format!("{} where text is expected", kind(other)))),
        }
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&self) -> Result<T> {
        self.text()?.parse().map_err(|error: T::Err| self.wrong(error.to_string()))
    }

    /// A whole number, also one that an expression gave as text.
    fn number<T: TryFrom<i128>>(&self) -> Result<T> {
        let number = match self.node {
            Node::Scalar(Scalar::Whole(number)) => Some(*number),
            Node::Scalar(Scalar::Text(text)) => text.trim().parse::<i128>().ok(),
            _ => None,
        };
        let expected = || {
            let largest = (1_u32..=32).rev().find(|bits| T::try_from((1_i128 << bits) - 1).is_ok());
            let largest = (1_i128 << largest.unwrap_or(1)) - 1;
            self.wrong(format!("a whole number from 0 to {largest} is expected"))
        };
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(expected)
    }

    fn flag(&self) -> Result<bool> {
        match self.node {
            Node::Scalar(Scalar::Bool(flag)) => Ok(*flag),
            Node::Scalar(Scalar::Text(text)) if text.trim() == "true" => Ok(true),
            Node::Scalar(Scalar::Text(text)) if text.trim() == "false" => Ok(false),
            _ => Err(self.wrong("true or false is expected")),
        }
    }
}

impl<'a> Fields<'a> {
    /// A field that is there and not empty.
    fn optional(&self, name: &str) -> Option<Field<'a>> {
        let (_, field) = self.entries.iter().find(|(key, _)| *key == name)?;
        let empty = matches!(field.node, Node::Scalar(Scalar::Null));
        (!empty).then(|| Field { path: field.path.clone(), node: field.node })
    }

    fn required(&self, name: &str) -> Result<Field<'a>> {
        self.optional(name).ok_or_else(|| (self.path.key(name), "is missing".to_owned()))
    }

    fn list<T>(&self, name: &str, read: impl Fn(&Field<'a>) -> Result<T>) -> Result<Vec<T>> {
        let Some(field) = self.optional(name) else { return Ok(Vec::new()) };
        let Node::List(items) = field.node else {
            return Err(field.wrong(format!("{} where a list is expected", kind(field.node))));
        };
        let items = items.iter().enumerate();
        items.map(|(index, node)| read(&Field { path: field.path.item(index), node })).collect()
    }

    fn map<T>(&self, name: &str, read: impl Fn(&Field<'a>) -> Result<T>) -> Result<BTreeMap<String, T>> {
        let Some(field) = self.optional(name) else { return Ok(BTreeMap::new()) };
        field.entries()?.into_iter().map(|(key, inner)| Ok((key.to_owned(), read(&inner)?))).collect()
    }
}

fn kind(node: &Node) -> &'static str {
    match node {
        Node::Scalar(_) => "a single value",
        Node::List(_) => "a list",
        Node::Map(_) => "a map",
    }
}
