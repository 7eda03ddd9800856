//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};

/// An empty table: columns by space alone, as wide as the terminal at the most.
#[must_use]
pub fn new(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().copied());
    table
}

/// A text of others' making, without control characters that could move the cursor or change colours.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
