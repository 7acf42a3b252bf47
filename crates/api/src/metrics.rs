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
    /// What tells it from others of its name.
    pub labels: Vec<(&'static str, String)>,
    /// The number, and how to read it.
    pub reading: Reading,
}

/// What is counted or measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Only grows, until a restart.
    Counter(f64),
    /// Goes up and down.
    Gauge(f64),
    /// How often something was how large.
    Histogram {
        /// The upper bound of each bin, and how often it fell into that; the bounds ascend.
        bins: Vec<(f64, u64)>,
        /// How often it was larger than all bounds.
        above: u64,
        /// All together.
        sum: f64,
    },
}

/// The metrics as Prometheus reads them; those of one name come together, in the order of their first.
pub(crate) fn exposition(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for (index, first) in metrics.iter().enumerate() {
        if metrics[..index].iter().any(|metric| metric.name == first.name) {
            continue;
        }
        let kind = match first.reading {
            Reading::Counter(_) => "counter",
            Reading::Gauge(_) => "gauge",
            Reading::Histogram { .. } => "histogram",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {} {}", first.name, escape(first.help, false));
        let _ = writeln!(text, "# TYPE {} {kind}", first.name);
        metrics[index..].iter().filter(|metric| metric.name == first.name).for_each(|metric| write(metric, &mut text));
    }
    text
}

fn write(metric: &Metric, text: &mut String) {
    let mut line = |suffix: &str, bound: Option<f64>, value: f64| {
        let bound = bound.map(|bound| ("le", number(bound)));
        let labels = metric.labels.iter().map(|(name, value)| (*name, escape(value, true))).chain(bound);
        let labels: Vec<_> = labels.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(text, "{}{suffix}{labels} {}", metric.name, number(value));
    };
    match &metric.reading {
        Reading::Counter(value) | Reading::Gauge(value) => line("", None, *value),
        Reading::Histogram { bins, above, sum } => {
            let mut so_far = 0;
            for (bound, count) in bins {
                so_far += count;
                line("_bucket", Some(*bound), so_far as f64);
            }
            let count = (so_far + above) as f64;
            line("_bucket", Some(f64::INFINITY), count);
            line("_sum", None, *sum);
            line("_count", None, count);
        }
    }
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
            labels: vec![("status", (*class).to_owned())],
            reading: Reading::Counter(counter.load(Relaxed) as f64), // exact up to 2^53 answers
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
        let metric = |name, label: Option<&str>, reading| Metric {
            name,
            help: "One \\ two\nlines \"quoted\".",
            labels: label.map(|label| ("room", label.to_owned())).into_iter().collect(),
            reading,
        };
        let text = exposition(&[
            metric("legs", Some("a\"b\\c\nd"), Reading::Gauge(3.0)),
            metric("calls_total", None, Reading::Counter(12_345_678_901.0)),
            metric("legs", Some("é"), Reading::Gauge(f64::INFINITY)),
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

    #[test]
    fn a_histogram_adds_up_from_bin_to_bin() {
        let reading = Reading::Histogram { bins: vec![(0.000_05, 7), (0.5, 0), (2.0, 2)], above: 1, sum: 12.25 };
        let labels = vec![("thread", "0".to_owned())];
        let text = exposition(&[Metric { name: "late_seconds", help: "How late.", labels, reading }]);
        assert_eq!(
            text,
            "# HELP late_seconds How late.\n\
             # TYPE late_seconds histogram\n\
             late_seconds_bucket{thread=\"0\",le=\"0.00005\"} 7\n\
             late_seconds_bucket{thread=\"0\",le=\"0.5\"} 7\n\
             late_seconds_bucket{thread=\"0\",le=\"2\"} 9\n\
             late_seconds_bucket{thread=\"0\",le=\"+Inf\"} 10\n\
             late_seconds_sum{thread=\"0\"} 12.25\n\
             late_seconds_count{thread=\"0\"} 10\n"
        );
    }
}
