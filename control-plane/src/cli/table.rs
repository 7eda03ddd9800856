//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};

/// An empty table: columns by space alone, as wide as the terminal at the most.
#[must_use]
pub fn new(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table
}

/// Writes a table to standard output, without the space around it.
pub fn print(table: &Table) {
    for line in table.lines() {
        println!("{}", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    }
}

/// A text of others' making, without control characters that could move the cursor or change colours.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
