//! DTMF by SIP INFO: the digit in its body, in both spellings that phones use.

/// The digit in `Signal=5\r\nDuration=160` (application/dtmf-relay) or in a body that is just the digit.
pub(crate) fn read(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    let key = signal.unwrap_or(text).trim();
    // Some write the number that its event has (RFC 4733 §3.2).
    if let Some(digit) = EVENTS.iter().find(|(event, _)| *event == key).map(|(_, digit)| *digit) {
        return Some(digit);
    }
    let mut characters = key.chars();
    let digit = characters.next()?.to_ascii_uppercase();
    let alone = characters.next().is_none();
    (alone && matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(digit)
}

/// Events of more than one figure.
const EVENTS: [(&str, char); 6] = [("10", '*'), ("11", '#'), ("12", 'A'), ("13", 'B'), ("14", 'C'), ("15", 'D')];

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
            ("an event", "Signal=11\r\nDuration=160\r\n", Some('#')),
            ("an event, plain", "10", Some('*')),
            ("a flash by its event", "Signal=16", None),
            ("two digits", "Signal=55", None),
            ("flash", "Signal=hf", None),
            ("nothing", "", None),
            ("no text", "\u{fffd}", None),
        ] {
            assert_eq!(read(body.as_bytes()), want, "{case}");
        }
    }
}
