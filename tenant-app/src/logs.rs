//! One JSON object per line on stdout, each with the tenant it is of.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging for the process; a second call changes nothing. A filter that cannot be read is `info`.
pub fn start(slug: &str, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let format = Lines { tenant: slug.to_owned() };
    let _ = tracing_subscriber::fmt().with_env_filter(filter).event_format(format).try_init();
}

/// Puts the tenant on every line, also on those that libraries write outside any request.
struct Lines {
    tenant: String,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Fields::default();
        event.record(&mut line);
        let meta = event.metadata();
        // Last, so that a field of the same name cannot stand in for them.
        line.put("time", Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true));
        line.put("level", meta.level().to_string());
        line.put("target", meta.target().to_owned());
        line.put("tenant", self.tenant.clone());
        let text = serde_json::to_string(&line.0).map_err(|_| fmt::Error)?;
        writeln!(out, "{text}")
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, Value>);

impl Fields {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.insert(name, value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }
}
