//! Pages of lists: each begins right after the last row of the one before, whatever was added or removed meanwhile.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Error;

/// Where a page ended. Its text is opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The list and order it was made for.
    #[serde(rename = "o")]
    pub(super) order: String,
    /// The last row's value in that order.
    #[serde(rename = "v")]
    pub(super) value: String,
    /// The last row's id, which tells rows of equal value apart.
    #[serde(rename = "i")]
    pub(super) id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > 2048 {
            return Err(Error::InvalidCursor);
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::InvalidCursor)?;
        let cursor: Self = serde_json::from_slice(&json).map_err(|_| Error::InvalidCursor)?;
        // The database knows no NUL in texts.
        if cursor.value.contains('\0') { Err(Error::InvalidCursor) } else { Ok(cursor) }
    }
}

impl Cursor {
    /// Behind a row of a list that is ordered by time.
    pub(super) fn of_time(order: &str, at: DateTime<Utc>, id: Uuid) -> Self {
        Self { order: order.to_owned(), value: timestamp(at), id }
    }
}

/// The time and id of the row that a cursor of this list, which is ordered by time, stands behind. Nothing without one.
///
/// # Errors
/// [`Error::InvalidCursor`] when it was made by another list.
pub(super) fn behind(
    cursor: Option<&Cursor>,
    order: &str,
) -> Result<(Option<DateTime<Utc>>, Option<Uuid>), Error> {
    let Some(cursor) = cursor else { return Ok((None, None)) };
    let at = DateTime::parse_from_rfc3339(&cursor.value).ok().filter(|_| cursor.order == order);
    let at = at.ok_or(Error::InvalidCursor)?;
    Ok((Some(at.to_utc()), Some(cursor.id)))
}

/// A time with all the digits the database keeps.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts what was read, one row more than asked for, to a page.
    pub(super) fn cut(mut rows: Vec<T>, limit: u32, cursor: impl FnOnce(&T) -> Cursor) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { items: rows, next }
    }
}

/// The most rows of one page.
pub const MAX_LIMIT: u32 = 200;

pub(super) fn clamp(limit: u32) -> u32 {
    limit.clamp(1, MAX_LIMIT)
}

/// A pattern for `like` that finds `text` anywhere, and nothing else by its wildcards.
pub(super) fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars().filter(|character| *character != '\0') {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_mean_themselves() {
        assert_eq!(contains("50%_\\"), "%50\\%\\_\\\\%");
        assert_eq!(contains("plain\0"), "%plain%");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for bad in ["", "x", "%%%", "e30", &"A".repeat(4000)] {
            assert!(matches!(bad.parse::<Cursor>(), Err(Error::InvalidCursor)), "{bad:?}");
        }
    }

    #[test]
    fn only_a_page_with_more_behind_it_has_a_next() {
        let cursor = |row: &u8| Cursor { order: "n".into(), value: row.to_string(), id: Uuid::nil() };
        assert!(Page::cut(vec![1, 2], 2, cursor).next.is_none());
        let page = Page::cut(vec![1, 2, 3], 2, cursor);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(page.next.expect("more").value, "2");
    }

    proptest! {
        #[test]
        fn cursors_are_read_back(value in "[^\\x00]{0,60}", id: u128) {
            let cursor = Cursor { order: "name+".into(), value, id: Uuid::from_u128(id) };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().expect("cursor"), cursor);
        }
    }
}
