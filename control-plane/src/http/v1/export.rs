//! The audit log as a stream: JSON lines or CSV, in pages as they are asked for, so that it needs no more memory however
//! long it is.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use super::audit::entry;
use super::types::AuditEntry;
use crate::app::audit_log::Export;
use crate::model::tenant::words;

words!(
    /// How entries are written.
    Format {
        Jsonl = "jsonl",
        Csv = "csv",
    }
);

/// The columns of the CSV, in the order of [`row`].
const COLUMNS: &str = "at,id,tenant_id,actor_kind,actor_id,actor,action,target,outcome,address,user_agent,request_id,diff,position\r\n";

/// The body of an answer. It breaks off, visibly to whoever reads it, when the registry cannot be reached.
pub(super) fn body(format: Format, entries: Export) -> Body {
    let head = matches!(format, Format::Csv).then(|| Ok(Bytes::from_static(COLUMNS.as_bytes())));
    let pages = stream::try_unfold(entries, move |mut entries| async move {
        let page = match entries.more().await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "an export of the audit log broke off");
                return Err(error);
            }
        };
        if page.is_empty() {
            return Ok(None);
        }
        let text: String = page.into_iter().map(entry).map(|entry| line(format, &entry)).collect();
        Ok(Some((Bytes::from(text), entries)))
    });
    Body::from_stream(futures_util::StreamExt::chain(stream::iter(head), pages))
}

fn line(format: Format, entry: &AuditEntry) -> String {
    match format {
        // an entry holds nothing that JSON could not say
        Format::Jsonl => serde_json::to_string(entry).unwrap_or_default() + "\n",
        Format::Csv => row(entry),
    }
}

fn row(entry: &AuditEntry) -> String {
    let text = |value: Option<String>| value.unwrap_or_default();
    let fields = [
        entry.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        entry.id.to_string(),
        text(entry.tenant_id.map(|id| id.to_string())),
        entry.actor_kind.clone(),
        text(entry.actor_id.map(|id| id.to_string())),
        entry.actor.clone(),
        entry.action.clone(),
        entry.target.clone(),
        entry.outcome.clone(),
        entry.address.clone(),
        entry.user_agent.clone(),
        entry.request_id.clone(),
        text(entry.diff.as_ref().map(ToString::to_string)),
        text(entry.position.map(|position| position.to_string())),
    ];
    fields.map(|field| cell(&field)).join(",") + "\r\n"
}

/// A cell (RFC 4180), always in quotes. A text that a spreadsheet would take for a formula gets an apostrophe before it:
/// user agents and names are anybody's to choose.
fn cell(text: &str) -> String {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_ends_before_its_end() {
        for (text, expected) in [
            ("plain", "\"plain\""),
            ("a \"b\", c\r\nd", "\"a \"\"b\"\", c\r\nd\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("  +1", "\"'  +1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("a=1", "\"a=1\""),
            ("", "\"\""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
