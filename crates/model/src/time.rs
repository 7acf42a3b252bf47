//! Wall-clock moments, as the outside world sees them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC: microseconds since 1970-01-01. Deadlines inside use `Instant`; this is for rows and dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `us` microseconds after 1970-01-01 UTC.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since 1970-01-01 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Year, month and day of the Gregorian calendar.
    ///
    /// Years are counted from 1 March, so that the leap day comes last: <https://howardhinnant.github.io/date_algorithms.html>.
    pub const fn date(self) -> (i64, i64, i64) {
        let days = self.seconds().div_euclid(DAY_SECONDS) + 719_468; // from 0000-03-01
        let era = days.div_euclid(146_097); // of 400 years
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        (year_of_era + era * 400 + (month <= 2) as i64, month, day)
    }

    /// `Tue, 10 Feb 2026 09:08:07 +0000`, as the API writes dates (RFC 2822).
    pub fn rfc2822(self) -> String {
        let (year, month, day) = self.date();
        let (days, second) = (self.seconds().div_euclid(DAY_SECONDS), self.seconds().rem_euclid(DAY_SECONDS));
        // 1970-01-01 was a Thursday.
        let weekday = WEEKDAYS[usize::try_from((days + 4).rem_euclid(7)).unwrap_or_default()];
        let month = MONTHS[usize::try_from(month - 1).unwrap_or_default()];
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
    }

    /// `2026-02-10T09:08:07Z`, as version 1 of the API writes dates (RFC 3339).
    pub fn rfc3339(self) -> String {
        let (year, month, day) = self.date();
        let second = self.seconds().rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// How long after `earlier` this is; nothing if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        // A clock set before 1970 reads as 1970: dates are then wrong, but nothing fails.
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

const DAY_SECONDS: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_version_1_have_no_fraction() {
        for (us, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (1_770_714_487_999_999, "2026-02-10T09:08:07Z"),
            (-2_208_988_800_000_000, "1900-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_micros(us).rfc3339(), want);
        }
    }

    #[test]
    fn dates_are_written_as_rfc_2822() {
        for (seconds, want) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
            (1_770_714_487, "Tue, 10 Feb 2026 09:08:07 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(Timestamp::from_micros(seconds * 1_000_000).rfc2822(), want);
        }
        for us in [i64::MIN, i64::MAX] {
            Timestamp::from_micros(us).rfc2822(); // far away, but no panic
            Timestamp::from_micros(us).rfc3339();
        }
    }
}
