//! What Prometheus may know of the API and the fleet. Labels come from fixed sets only: the route's pattern, never
//! a path; a known method, never what was sent.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::caller::Admin;
use super::error::Problem;
use crate::app::overview::Counts;

/// Upper bounds of the latency buckets, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Requests so far, by route.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    routes: Mutex<BTreeMap<Route, Series>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    method: &'static str,
    pattern: String,
}

#[derive(Debug, Default)]
struct Series {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    seconds: f64,
    count: u64,
}

impl Metrics {
    fn record(&self, route: Route, status: u16, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let series = routes.entry(route).or_default();
        *series.by_status.entry(status).or_default() += 1;
        series.count += 1;
        series.seconds += seconds;
        for (bound, bucket) in BUCKETS.iter().zip(&mut series.buckets) {
            *bucket += u64::from(seconds <= *bound);
        }
    }

    /// The text exposition format, version 0.0.4.
    fn render(&self, counts: &Counts) -> String {
        let mut text = String::new();
        gauge(&mut text, "freehold_tenants", "Tenants by status.", "status", &counts.tenants);
        gauge(&mut text, "freehold_operations", "Operations by state.", "state", &counts.operations);
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(text, "# HELP freehold_http_requests_total Requests answered.");
        let _ = writeln!(text, "# TYPE freehold_http_requests_total counter");
        for (Route { method, pattern }, series) in routes.iter() {
            for (status, count) in &series.by_status {
                let _ = writeln!(
                    text,
                    "freehold_http_requests_total{{method=\"{method}\",route=\"{pattern}\",status=\"{status}\"}} {count}"
                );
            }
        }
        let name = "freehold_http_request_duration_seconds";
        let _ = writeln!(text, "# HELP {name} Time until the head of the answer.");
        let _ = writeln!(text, "# TYPE {name} histogram");
        for (Route { method, pattern }, series) in routes.iter() {
            let labels = format!("method=\"{method}\",route=\"{pattern}\"");
            for (bound, count) in BUCKETS.iter().zip(series.buckets) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(text, "{name}_count{{{labels}}} {}", series.count);
        }
        text
    }
}

fn gauge(text: &mut String, name: &str, help: &str, label: &str, values: &BTreeMap<String, i64>) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (value, count) in values {
        let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
    }
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A request that is being answered.
pub(super) struct Measured {
    begun: Instant,
    route: Route,
}

impl Measured {
    pub(super) fn begin(request: &Request) -> Self {
        let pattern = request
            .extensions()
            .get::<MatchedPath>()
            .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
        Self { begun: Instant::now(), route: Route { method: known(request.method()), pattern } }
    }

    /// Counts it and says in the log how it went.
    pub(super) fn end(self, metrics: &Metrics, response: &Response) {
        let Self { begun, route } = self;
        let (status, took) = (response.status().as_u16(), begun.elapsed());
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(method = route.method, route = %route.pattern, status, milliseconds, "answered");
        metrics.record(route, status, took);
    }
}

/// `GET /metrics`
pub(super) async fn show(State(state): State<AppState>, _: Admin) -> Result<Response, Problem> {
    let counts = state.app.counts().await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, state.metrics.render(&counts)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_the_format_is_prometheus() {
        let metrics = Metrics::default();
        let route = Route { method: "GET", pattern: "/api/v1/tenants/{tenant}".to_owned() };
        metrics.record(route.clone(), 200, Duration::from_millis(2));
        metrics.record(route.clone(), 404, Duration::from_millis(300));
        metrics.record(route, 200, Duration::from_secs(60));
        let counts = Counts { tenants: [("running".to_owned(), 3)].into(), operations: BTreeMap::new() };
        let text = metrics.render(&counts);
        let labels = "method=\"GET\",route=\"/api/v1/tenants/{tenant}\"";
        for line in [
            "freehold_tenants{status=\"running\"} 3".to_owned(),
            format!("freehold_http_requests_total{{{labels},status=\"200\"}} 2"),
            format!("freehold_http_request_duration_seconds_bucket{{{labels},le=\"0.0025\"}} 1"),
            format!("freehold_http_request_duration_seconds_bucket{{{labels},le=\"0.5\"}} 2"),
            format!("freehold_http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("freehold_http_request_duration_seconds_count{{{labels}}} 3"),
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }
}
