//! What commands print: JSON for scripts, tables and sentences for people.

use chrono::{DateTime, Local, Utc};
use serde::Serialize;

use super::Error;

pub use super::table::{self, plain};

/// Writes one JSON document and a line's end to standard output.
///
/// # Errors
/// When the value has no JSON.
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::failed(error.to_string()))?;
    println!("{text}");
    Ok(())
}

/// A moment in the reader's own time, to the minute.
#[must_use]
pub fn time(moment: DateTime<Utc>) -> String {
    moment.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}

/// Names with values below each other; those without a value are left out.
pub fn details(rows: &[(&str, Option<String>)]) {
    let mut table = table::new(&[]);
    for (name, value) in rows {
        if let Some(value) = value {
            table.add_row([format!("{name}:"), plain(value)]);
        }
    }
    table::print(&table);
}
