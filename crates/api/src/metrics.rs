//! Metrics in Prometheus's text format, version 0.0.4.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::http::StatusCode;

/// One number, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// `partyline_…`: letters, digits, underscores.
    pub name: &'static str,
    /// What it counts, in a short sentence.
    pub help: &'static str,
    /// How to read it.
    pub kind: MetricKind,
    /// What tells it from others of its name.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// How a metric is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, until a restart.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The metrics as Prometheus reads them; those of one name come together, in the order of their first.
pub(crate) fn exposition(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for (index, first) in metrics.iter().enumerate() {
        if metrics[..index].iter().any(|metric| metric.name == first.name) {
            continue;
        }
        let kind = match first.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {} {}", first.name, escape(first.help, false));
        let _ = writeln!(text, "# TYPE {} {kind}", first.name);
        for metric in metrics[index..].iter().filter(|metric| metric.name == first.name) {
            let labels: Vec<_> =
                metric.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value, true))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{}{labels} {}", metric.name, number(metric.value));
        }
    }
    text
}

/// Help text escapes backslash and line feed, a label's value its quotes, too.
fn escape(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string() // NaN is spelled NaN
}

/// Answers given, by the first digit of their status.
#[derive(Debug, Default)]
pub(crate) struct Requests([AtomicU64; CLASSES.len()]);

impl Requests {
    pub(crate) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.0.get(class) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn metrics(&self) -> impl Iterator<Item = Metric> {
        CLASSES.iter().zip(&self.0).map(|(class, counter)| Metric {
            name: "partyline_http_responses_total",
            help: "HTTP requests answered, by class of status.",
            kind: MetricKind::Counter,
            labels: vec![("status", (*class).to_owned())],
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 answers")]
            value: counter.load(Relaxed) as f64,
        })
    }
}

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_one_name_come_together_and_texts_are_escaped() {
        let metric = |name, kind, label: Option<&str>, value| Metric {
            name,
            help: "One \\ two\nlines \"quoted\".",
            kind,
            labels: label.map(|label| ("room", label.to_owned())).into_iter().collect(),
            value,
        };
        let text = exposition(&[
            metric("legs", MetricKind::Gauge, Some("a\"b\\c\nd"), 3.0),
            metric("calls_total", MetricKind::Counter, None, 12_345_678_901.0),
            metric("legs", MetricKind::Gauge, Some("é"), f64::INFINITY),
        ]);
        assert_eq!(
            text,
            "# HELP legs One \\\\ two\\nlines \"quoted\".\n\
             # TYPE legs gauge\n\
             legs{room=\"a\\\"b\\\\c\\nd\"} 3\n\
             legs{room=\"é\"} +Inf\n\
             # HELP calls_total One \\\\ two\\nlines \"quoted\".\n\
             # TYPE calls_total counter\n\
             calls_total 12345678901\n"
        );
        assert_eq!(exposition(&[]), "");
    }
}
