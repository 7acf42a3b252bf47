//! Deadlines: a call ends when its caller no longer waits (`grpc-timeout`), whatever it was about.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{Extensions, HeaderMap};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// When the caller stops waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

impl Deadline {
    /// The one of this call, if it has one.
    pub(super) fn of(extensions: &Extensions) -> Option<Instant> {
        extensions.get::<Self>().map(|deadline| deadline.0)
    }
}

/// Ends a call that is not answered by its deadline. A stream, once begun, keeps its own.
pub(super) async fn keep(mut request: Request, next: Next) -> Response {
    let Some(patience) = patience(request.headers()) else { return next.run(request).await };
    let deadline = Instant::now() + patience;
    request.extensions_mut().insert(Deadline(deadline));
    match timeout_at(deadline, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => exceeded().into_http::<axum::body::Body>().into_response(),
    }
}

/// What is said of a call whose time is up.
pub(super) fn exceeded() -> Status {
    Status::deadline_exceeded("the deadline has come")
}

/// At most eight digits, and a unit. Whatever else it is, is passed over.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let right = (1..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| right)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
    .map(|patience| patience.min(PATIENCE_MAX))
}

/// More than a month is no deadline.
const PATIENCE_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_number_and_a_unit() {
        for (text, want) in [
            ("1S", Some(Duration::from_secs(1))),
            ("250m", Some(Duration::from_millis(250))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("5n", Some(Duration::from_nanos(5))),
            ("99999999H", Some(PATIENCE_MAX)),
            ("", None),
            ("S", None),
            ("1", None),
            ("-1S", None),
            ("123456789S", None),
            ("1é", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", axum::http::HeaderValue::from_bytes(text.as_bytes()).expect("a value"));
            assert_eq!(patience(&headers), want, "{text}");
        }
        assert_eq!(patience(&HeaderMap::new()), None);
    }
}
