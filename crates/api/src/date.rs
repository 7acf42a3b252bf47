//! Dates as they come in: `YYYY-MM-DD` or ISO 8601 (rest-voice §1.2). Always UTC.

use model::Timestamp;
use store::Span;

/// The stretch of time that a filter's value names: a whole day, or a whole second, since the API shows no less.
pub(crate) fn span(text: &str) -> Option<Span> {
    let (date, time) = match text.split_at_checked(DATE_LEN)? {
        (date, "") => (date, None),
        (date, rest) => (date, Some(rest.strip_prefix(['T', 't', ' '])?)),
    };
    let day = parse_date(date)? * DAY_SECONDS;
    let (from, length) = match time {
        None => (day, DAY_SECONDS),
        Some(time) => (day + parse_time(time)?, 1),
    };
    let at = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
    Some(Span { from: at(from), until: at(from + length) })
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
fn parse_date(text: &str) -> Option<i64> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    let days = days_from_civil(year, month, day);
    // What is no date (31 April) comes back as another one.
    let date = Timestamp::from_micros(days * DAY_SECONDS * 1_000_000).date();
    (year >= 1 && (1..=12).contains(&month) && date == (year, month, day)).then_some(days)
}

/// Seconds since midnight UTC of `hh:mm:ss`, with an optional fraction (cut off) and `Z` or an offset.
fn parse_time(text: &str) -> Option<i64> {
    let (time, rest) = text.split_at_checked(TIME_LEN)?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return None;
            }
            zone
        }
    };
    Some(hour * 3600 + minute * 60 + second - offset(zone)?)
}

/// Seconds east of UTC of `Z`, nothing, `+hh:mm` or `-hhmm`.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let [hour, minute] = match digits.len() {
        4 => numbers(&format!("{}:{}", digits.get(..2)?, digits.get(2..)?), ':', [2, 2])?,
        _ => numbers(digits, ':', [2, 2])?,
    };
    (hour <= 23 && minute <= 59).then_some(sign * (hour * 3600 + minute * 60))
}

/// Reads numbers of exactly so many digits each, with `separator` in between.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, len) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == len && part.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The way back from [`Timestamp::date`], after the same source.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const DAY_SECONDS: i64 = 86_400;
const DATE_LEN: usize = "YYYY-MM-DD".len();
const TIME_LEN: usize = "hh:mm:ss".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_a_day_or_a_second() {
        const TEN: i64 = 1_770_714_487; // 2026-02-10T09:08:07Z
        const DAY: i64 = 1_770_681_600;
        for (text, want) in [
            ("2026-02-10", Some((DAY, DAY + 86_400))),
            ("2026-02-10T09:08:07Z", Some((TEN, TEN + 1))),
            ("2026-02-10T09:08:07", Some((TEN, TEN + 1))),
            ("2026-02-10 09:08:07", Some((TEN, TEN + 1))),
            ("2026-02-10T09:08:07.999Z", Some((TEN, TEN + 1))),
            ("2026-02-10T10:38:07+01:30", Some((TEN, TEN + 1))),
            ("2026-02-10T01:08:07-0800", Some((TEN, TEN + 1))),
            ("2024-02-29", Some((1_709_164_800, 1_709_251_200))),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-00-10", None),
            ("0000-01-01", None),
            ("26-02-10", None),
            ("2026-2-10", None),
            ("2026-02-10T", None),
            ("2026-02-10T09:08", None),
            ("2026-02-10T24:00:00Z", None),
            ("2026-02-10T09:08:07.Z", None),
            ("2026-02-10T09:08:07+", None),
            ("2026-02-10T09:08:07+1:30", None),
            ("+026-02-10", None),
            ("Tue, 10 Feb 2026", None),
            ("2026-02-1é", None),
            ("", None),
        ] {
            let at = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
            assert_eq!(span(text), want.map(|(from, until)| Span { from: at(from), until: at(until) }), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_day_there_and_back(days in -719_162_i64..2_932_896) {
            let (year, month, day) = Timestamp::from_micros(days * DAY_SECONDS * 1_000_000).date();
            assert_eq!(parse_date(&format!("{year:04}-{month:02}-{day:02}")), Some(days));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            let _ = span(&text);
        }
    }
}
