//! Lists of the API, page after page.

use serde_json::Value;

use super::Error;
use super::client::{Call, Client, encode};
use crate::http::v1::types::Page;

/// The most items that the API gives at once.
const PAGE: usize = 200;

/// Everything that a listing gives, up to `limit` items.
pub(super) async fn all(
    client: &Client<'_>,
    path: &str,
    query: &[(&str, Option<String>)],
    limit: Option<usize>,
) -> Result<Vec<Value>, Error> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let wanted = limit.map_or(PAGE, |limit| limit.saturating_sub(items.len()).clamp(1, PAGE));
        let mut pairs: Vec<String> = query
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))))
            .collect();
        pairs.push(format!("limit={wanted}"));
        pairs.extend(cursor.map(|cursor| format!("cursor={}", encode(&cursor))));
        let page: Page<Value> = client.fetch(Call::get(format!("{path}?{}", pairs.join("&")))).await?;
        let empty = page.items.is_empty();
        items.extend(page.items);
        if let Some(limit) = limit {
            items.truncate(limit);
        }
        cursor = page.next;
        if empty || cursor.is_none() || limit.is_some_and(|limit| items.len() >= limit) {
            return Ok(items);
        }
    }
}

/// Words joined by commas, as the API takes several; none for none.
pub(super) fn joined(words: &[impl ToString]) -> Option<String> {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join(","))
}
