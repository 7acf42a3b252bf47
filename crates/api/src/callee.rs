//! Whom to call and from whom, as a parameter says it (rest-voice §1.10).

use model::ApplicationSid;
use switch::{Callee, Parameter};

use crate::form::Form;
use crate::problem::Problem;

/// Reads `To`. `app:` is for participants only.
pub(crate) fn to(text: &str, applications_too: bool) -> Result<Callee, Problem> {
    const TO: &str = "To";
    let malformed = |expected| Problem::Invalid { code: 21211, name: TO, expected };
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("client:") {
        let (identity, query) = rest.split_once('?').unwrap_or((rest, ""));
        let right = (1..=IDENTITY_CHARACTERS_MAX).contains(&identity.chars().count()) && is_printable(identity);
        let parameters = pairs(query).filter(|_| right);
        let parameters = parameters.ok_or(malformed("client: and a name of 1 to 121 characters"))?;
        return Ok(Callee::Client { identity: identity.to_owned(), parameters });
    }
    if text.starts_with("sip:") || text.starts_with("sips:") {
        return sip(text);
    }
    if let Some(rest) = text.strip_prefix("app:").filter(|_| applications_too) {
        let (sid, query) = rest.split_once('?').unwrap_or((rest, ""));
        let sid: ApplicationSid = sid.parse().map_err(|_| malformed("app: and the SID of an application"))?;
        let parameters = pairs(query).ok_or(malformed("app:, a SID and parameters as in a query"))?;
        return Ok(Callee::Application { sid, parameters });
    }
    number(text).map(Callee::Number).map_err(|why| match why {
        NotNumber::Malformed => malformed("a phone number, client:NAME or sip:USER@HOST"),
        NotNumber::Implausible => Problem::Invalid { code: 21217, name: TO, expected: "a number that can be dialled" },
    })
}

/// Reads `From` or `CallerId`: for a number it is a number; clients and SIP phones are shown any text.
pub(crate) fn from(name: &'static str, text: &str, to: &Callee) -> Result<String, Problem> {
    let text = text.trim();
    if let Ok(number) = number(text) {
        return Ok(number);
    }
    let expected = "a phone number, or what a client or SIP phone is to show";
    let shows_anything = !matches!(to, Callee::Number(_));
    let right = shows_anything && text.len() <= URI_BYTES_MAX && !text.is_empty() && is_printable(text);
    if right { Ok(text.to_owned()) } else { Err(Problem::Invalid { code: 21212, name, expected }) }
}

/// Digits as they are dialled: without the punctuation that people write; a plus before a country's.
fn number(text: &str) -> Result<String, NotNumber> {
    let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotNumber::Malformed);
    }
    let plausible = match number.starts_with('+') {
        true => (7..=15).contains(&digits.len()) && !digits.starts_with('0'),
        // Short codes, extensions, national numbers.
        false => (3..=15).contains(&digits.len()),
    };
    if plausible { Ok(number) } else { Err(NotNumber::Implausible) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotNumber {
    Malformed,
    Implausible,
}

fn sip(text: &str) -> Result<Callee, Problem> {
    let invalid = |code, expected| Problem::Invalid { code, name: "To", expected };
    let (uri, query) = text.split_once('?').unwrap_or((text, ""));
    let host = uri.split_once(':').map_or("", |(_, rest)| rest);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(';').next().unwrap_or_default();
    let right = uri.len() < URI_BYTES_MAX
        && is_printable(uri)
        && !host.is_empty()
        && !uri.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ','));
    if !right {
        return Err(invalid(21211, "sip:USER@HOST of less than 255 characters"));
    }
    if query.len() >= HEADERS_BYTES_MAX {
        return Err(invalid(21227, "headers of less than 1024 characters together"));
    }
    let headers = pairs(query).ok_or(invalid(21229, "headers as in a query: X-Name=value&X-Other=value"))?;
    for Parameter { name, value } in &headers {
        let token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
        let allowed = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
            || HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        if !token || !allowed {
            return Err(invalid(21228, "names of headers that begin with X-, or one of those that may be set"));
        }
        if !is_printable(value) {
            return Err(invalid(21229, "values of headers without control characters"));
        }
    }
    Ok(Callee::Sip { uri: uri.to_owned(), headers })
}

/// What follows a question mark.
fn pairs(query: &str) -> Option<Vec<Parameter>> {
    let form = Form::parse(query.as_bytes()).ok()?;
    Some(form.iter().map(|(name, value)| Parameter { name: name.to_owned(), value: value.to_owned() }).collect())
}

fn is_printable(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// Longest name of a client.
const IDENTITY_CHARACTERS_MAX: usize = 121;
/// A URI is shorter than this.
const URI_BYTES_MAX: usize = 255;
/// All its headers are shorter than this.
const HEADERS_BYTES_MAX: usize = 1024;
/// Headers that may be set beside `X-…` (twiml §5).
const HEADERS: [&str; 4] = ["User-to-User", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID"];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Vec<Parameter> {
        pairs.iter().map(|(name, value)| Parameter { name: (*name).to_owned(), value: (*value).to_owned() }).collect()
    }

    fn number_of(number: &str) -> Result<Callee, u32> {
        Ok(Callee::Number(number.to_owned()))
    }

    fn client(identity: &str, parameters: &[(&str, &str)]) -> Result<Callee, u32> {
        Ok(Callee::Client { identity: identity.to_owned(), parameters: told(parameters) })
    }

    fn sip(uri: &str, headers: &[(&str, &str)]) -> Result<Callee, u32> {
        Ok(Callee::Sip { uri: uri.to_owned(), headers: told(headers) })
    }

    fn code<T>(read: Result<T, Problem>) -> Result<T, u32> {
        read.map_err(|problem| match problem {
            Problem::Invalid { code, .. } => code,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn whom_to_call_is_read_in_every_form() {
        let long = "x".repeat(121);
        let app = "AP0123456789abcdef0123456789abcdef";
        let sid = app.parse().expect("a SID");
        for (text, want) in [
            ("+15005550006", number_of("+15005550006")),
            (" +91 8884796044 ", number_of("+918884796044")),
            ("+1 (500) 555-0006", number_of("+15005550006")),
            ("5005550006", number_of("5005550006")),
            ("911", number_of("911")),
            ("12", Err(21217)),
            ("+12345", Err(21217)),
            ("+0123456789", Err(21217)),
            ("1234567890123456", Err(21217)),
            ("+1500CALLME", Err(21211)),
            ("alice", Err(21211)),
            ("", Err(21211)),
            ("client:alice", client("alice", &[])),
            ("client:alice?mode=x&id=7", client("alice", &[("mode", "x"), ("id", "7")])),
            (&format!("client:{long}"), client(&long, &[])),
            (&format!("client:{long}y"), Err(21211)),
            ("client:", Err(21211)),
            ("client:a\u{7}b", Err(21211)),
            ("client:alice?x=%zz", Err(21211)),
            ("sip:alice@phone.test", sip("sip:alice@phone.test", &[])),
            ("sip:alice@phone.test:5070;transport=tcp", sip("sip:alice@phone.test:5070;transport=tcp", &[])),
            ("sips:phone.test", sip("sips:phone.test", &[])),
            ("sip:a@b.test?X-Id=7&User-to-User=ab", sip("sip:a@b.test", &[("X-Id", "7"), ("User-to-User", "ab")])),
            ("sip:a@b.test?x-id=a%20b", sip("sip:a@b.test", &[("x-id", "a b")])),
            ("sip:a@b.test?Via=x", Err(21228)),
            ("sip:a@b.test?X-A%3AB=x", Err(21228)),
            ("sip:a@b.test?X-A=a%0D%0AVia:x", Err(21229)),
            ("sip:a@b.test?X-A=%zz", Err(21229)),
            (&format!("sip:a@b.test?X-A={}", "x".repeat(1020)), Err(21227)),
            (&format!("sip:{}@b.test", "x".repeat(250)), Err(21211)),
            ("sip:", Err(21211)),
            ("sip:alice@", Err(21211)),
            ("sip:a b@c.test", Err(21211)),
            ("sip:a@b.test>;tag=1", Err(21211)),
            (&format!("app:{app}"), Ok(Callee::Application { sid, parameters: told(&[]) })),
            (&format!("app:{app}?k=v"), Ok(Callee::Application { sid, parameters: told(&[("k", "v")]) })),
            ("app:AP1", Err(21211)),
        ] {
            assert_eq!(code(to(text, true)), want, "{text}");
        }
        assert_eq!(code(to(&format!("app:{app}"), false)), Err(21211), "no call is to an application");
    }

    #[test]
    fn a_caller_is_a_number_where_a_number_is_called() {
        let number = Callee::Number("+15005550001".to_owned());
        let client = Callee::Client { identity: "alice".to_owned(), parameters: Vec::new() };
        for (text, to_number, to_client) in [
            ("+1 500 555-0006", Ok("+15005550006"), Ok("+15005550006")),
            ("client:ben", Err(21212), Ok("client:ben")),
            ("Front desk", Err(21212), Ok("Front desk")),
            ("+12", Err(21212), Ok("+12")),
            ("a\u{0}b", Err(21212), Err(21212)),
            ("", Err(21212), Err(21212)),
        ] {
            let read = |to| code(from("From", text, to));
            assert_eq!(read(&number).as_deref(), to_number.as_ref().map(|text: &&str| *text), "{text} to a number");
            assert_eq!(read(&client).as_deref(), to_client.as_ref().map(|text: &&str| *text), "{text} to a client");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = to(&text, true);
        }
    }
}
