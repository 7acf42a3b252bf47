//! DTMF by SIP INFO: the digit in its body, in both spellings that phones use.

/// The digit in `Signal=5\r\nDuration=160` (application/dtmf-relay) or in a body that is just the digit.
pub(crate) fn read(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    let mut characters = signal.unwrap_or(text).trim().chars();
    let digit = characters.next()?.to_ascii_uppercase();
    let alone = characters.next().is_none();
    (alone && matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_by_info() {
        for (case, body, want) in [
            ("relay", "Signal=5\r\nDuration=160\r\n", Some('5')),
            ("relay with blanks", "Signal= #\nDuration= 100", Some('#')),
            ("lower case", "signal=d", Some('D')),
            ("plain", "7", Some('7')),
            ("two digits", "Signal=55", None),
            ("flash", "Signal=hf", None),
            ("nothing", "", None),
            ("no text", "\u{fffd}", None),
        ] {
            assert_eq!(read(body.as_bytes()), want, "{case}");
        }
    }
}
