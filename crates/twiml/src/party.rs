//! Whom a `<Dial>` rings: `<Number>`, `<Client>`, `<Sip>`, and `<Application>`.

use std::time::Duration;

use model::{AccountSid, ApplicationSid, ByocTrunkSid};

use crate::attributes::Attributes;
use crate::document::{childless, unknown_child};
use crate::link::{MALFORMED, Visit};
use crate::prompt::dial_string;
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::Element;
use crate::{Link, Warning};

/// Somebody to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// A telephone number.
    Number(NumberNoun),
    /// A registered client.
    Client(ClientNoun),
    /// A SIP address.
    Sip(SipNoun),
}

/// `<Number>`, or the plain text of a `<Dial>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberNoun {
    /// As written, trimmed.
    pub number: String,
    /// Keys to send once it is answered.
    pub send_digits: Option<String>,
    /// A document that runs on the callee before the two are connected.
    pub url: Option<Link>,
    /// Who is told how the call goes.
    pub status: CallCallback,
    /// A trunk of the customer's own: `BY…`.
    pub byoc: Option<ByocTrunkSid>,
    /// Is it a machine that answers?
    pub machine_detection: Option<MachineDetection>,
}

/// `<Client>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientNoun {
    /// Without `client:`.
    pub identity: String,
    /// As for a number.
    pub url: Option<Link>,
    /// As for a number.
    pub status: CallCallback,
    /// Told to the client.
    pub parameters: Vec<Parameter>,
}

/// `<Sip>` in a `<Dial>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipNoun {
    /// `sip:` or `sips:`, header parameters included.
    pub uri: String,
    /// From `<Headers>`.
    pub headers: Vec<Parameter>,
    /// For a challenge.
    pub credentials: Option<SipCredentials>,
    /// Keys to send once it is answered.
    pub send_digits: Option<String>,
    /// As for a number.
    pub url: Option<Link>,
    /// As for a number.
    pub status: CallCallback,
    /// As for a number.
    pub machine_detection: Option<MachineDetection>,
}

/// What a challenged INVITE answers with.
#[derive(Clone, PartialEq, Eq)]
pub struct SipCredentials {
    /// User name.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for SipCredentials {
    // A password is nothing for a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SipCredentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// `<Application>`: another TwiML application as callee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationNoun {
    /// `AP…`.
    pub application_sid: ApplicationSid,
    /// Asked instead of the application's own URL.
    pub url: Option<Link>,
    /// As for a number.
    pub status: CallCallback,
    /// The account it belongs to, if another.
    pub customer_id: Option<AccountSid>,
    /// `To` there is the parent's, and not the application.
    pub copy_parent_to: bool,
    /// Told to the application.
    pub parameters: Vec<Parameter>,
}

/// `<Parameter name value>` or `<Header name value>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `statusCallback` and its companions, of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCallback {
    /// Told, if anybody.
    pub link: Option<Link>,
    /// The INVITE has left.
    pub initiated: bool,
    /// It rings.
    pub ringing: bool,
    /// It is answered.
    pub answered: bool,
    /// It is over.
    pub completed: bool,
}

/// `machineDetection` and its companions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineDetection {
    /// Wait for the end of a machine's greeting.
    pub message_end: bool,
    /// Give up after.
    pub timeout: Duration,
    /// Speech longer than this is a machine's.
    pub speech_threshold: Duration,
    /// Silence that ends a greeting's sentence.
    pub speech_end_threshold: Duration,
    /// Silence at the start that is nobody.
    pub silence_timeout: Duration,
    /// Told the result; the call goes on meanwhile.
    pub callback: Option<Link>,
}

impl Party {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        match element.name.as_str() {
            "Client" => ClientNoun::parse(element, warnings).map(Self::Client),
            "Sip" => SipNoun::parse(element, warnings).map(Self::Sip),
            _ => NumberNoun::parse(element, warnings).map(Self::Number),
        }
    }
}

impl Party {
    pub(crate) fn links(&mut self, visit: &mut Visit<'_>) {
        let (url, status, detection) = match self {
            Self::Number(noun) => (&mut noun.url, &mut noun.status, noun.machine_detection.as_mut()),
            Self::Client(noun) => (&mut noun.url, &mut noun.status, None),
            Self::Sip(noun) => (&mut noun.url, &mut noun.status, noun.machine_detection.as_mut()),
        };
        visit(url, MALFORMED);
        visit(&mut status.link, MALFORMED);
        if let Some(detection) = detection {
            visit(&mut detection.callback, MALFORMED);
        }
    }
}

impl NumberNoun {
    fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        let mut attributes = Attributes::of(element, warnings);
        let send_digits = attributes.read("sendDigits", 13222, "0-9 # * A-D w W", dial_string);
        let url = attributes.callback("url", "method", 13221);
        let status = CallCallback::parse(&mut attributes);
        let byoc = attributes.read("byoc", UNKNOWN, "BY and 32 hex digits", |sid| sid.parse().ok());
        let machine_detection = MachineDetection::parse(&mut attributes);
        attributes.finish();
        childless(element, warnings);
        let number = dialable(&element.text())?;
        Ok(Self { number, send_digits, url, status, byoc, machine_detection })
    }

    /// The text of a `<Dial>` without nouns.
    pub(crate) fn plain(text: &str) -> Result<Self, Warning> {
        let number = dialable(text)?;
        let status = CallCallback { completed: true, ..CallCallback::default() };
        Ok(Self { number, send_digits: None, url: None, status, byoc: None, machine_detection: None })
    }
}

/// Digits with what people write between them; which number it is, the switch's directory knows.
fn dialable(text: &str) -> Result<String, Warning> {
    let known = |c: char| c.is_ascii_digit() || matches!(c, '+' | '*' | '#' | ' ' | '-' | '.' | '(' | ')' | '/');
    if text.chars().any(|c| c.is_ascii_digit()) && text.chars().all(known) && text.len() <= NUMBER_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err(Warning::new(13223, format!("{:?} is not a telephone number", shorten(text))))
    }
}

impl ClientNoun {
    fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        let mut attributes = Attributes::of(element, warnings);
        let url = attributes.callback("url", "method", UNKNOWN);
        let status = CallCallback::parse(&mut attributes);
        attributes.finish();
        let (identity, parameters) = named(element, "Identity", warnings);
        if identity.is_empty() {
            return Err(Warning::new(UNKNOWN, "<Client> without an identity is skipped"));
        }
        Ok(Self { identity, url, status, parameters })
    }
}

impl ApplicationNoun {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        let mut attributes = Attributes::of(element, warnings);
        let url = attributes.callback("url", "method", UNKNOWN);
        let status = CallCallback::parse(&mut attributes);
        let customer_id = attributes.read("customerId", UNKNOWN, "AC and 32 hex digits", |sid| sid.parse().ok());
        let copy_parent_to = attributes.flag("copyParentTo", false, UNKNOWN);
        attributes.finish();
        let (application_sid, parameters) = named(element, "ApplicationSid", warnings);
        let application_sid = application_sid.parse().map_err(|_| {
            let found = shorten(&application_sid);
            Warning::new(UNKNOWN, format!("<Application> {found:?}: expected AP and 32 hex digits"))
        })?;
        Ok(Self { application_sid, url, status, customer_id, copy_parent_to, parameters })
    }
}

impl SipNoun {
    fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        let mut attributes = Attributes::of(element, warnings);
        let send_digits = attributes.read("sendDigits", 13242, "0-9 # * A-D w W", dial_string);
        let url = attributes.callback("url", "method", 13241);
        let status = CallCallback::parse(&mut attributes);
        let machine_detection = MachineDetection::parse(&mut attributes);
        let credentials = SipCredentials::parse(&mut attributes);
        attributes.finish();
        let address = SipAddress::parse(element, warnings)?;
        let credentials = credentials.or(address.credentials);
        let SipAddress { uri, headers, .. } = address;
        Ok(Self { uri, headers, credentials, send_digits, url, status, machine_detection })
    }
}

impl SipCredentials {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Option<Self> {
        let (username, password) = (attributes.text("username"), attributes.raw("password"));
        match (username, password) {
            (Some(username), Some(password)) => Some(Self { username, password: password.to_owned() }),
            (None, None) => None,
            (Some(username), None) => {
                attributes.warn(13249, "username", &username, "a password beside it; none of them is used");
                None
            }
            (None, Some(_)) => {
                attributes.warn(13249, "password", "…", "a username beside it; none of them is used");
                None
            }
        }
    }
}

/// The content of a `<Sip>`: plain text, or `<Uri>` and `<Headers>` as the SDKs build them.
#[derive(Debug)]
pub(crate) struct SipAddress {
    pub(crate) uri: String,
    pub(crate) headers: Vec<Parameter>,
    credentials: Option<SipCredentials>,
}

impl SipAddress {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        let mut uri = element.text();
        let (mut headers, mut credentials) = (Vec::new(), None);
        for child in element.elements() {
            match child.name.as_str() {
                "Uri" => {
                    let mut attributes = Attributes::of(child, warnings);
                    let theirs = SipCredentials::parse(&mut attributes);
                    attributes.ignore(&["priority", "weight"]);
                    attributes.finish();
                    if uri.is_empty() {
                        (uri, credentials) = (child.text(), theirs);
                    } else {
                        warnings.warn(13250, "<Sip> has more than one URI; the first is called");
                    }
                }
                "Headers" => {
                    Attributes::of(child, warnings).finish();
                    for header in child.elements() {
                        match header.name.as_str() {
                            "Header" => headers.extend(sip_header(header, warnings)),
                            _ => unknown_child(child, header, UNKNOWN, warnings),
                        }
                    }
                }
                _ => unknown_child(element, child, UNKNOWN, warnings),
            }
        }
        if headers.len() > SIP_HEADERS_MAX {
            warnings.warn(13251, format!("<Sip> has more than {SIP_HEADERS_MAX} headers; the others are left out"));
            headers.truncate(SIP_HEADERS_MAX);
        }
        let scheme = uri.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest.is_empty()));
        match scheme {
            Some((scheme, false)) if matches!(scheme.as_str(), "sip" | "sips") => {}
            _ => return Err(Warning::new(13243, format!("{:?} is not a SIP URI", shorten(&uri)))),
        }
        // A blank or a line's end would go on as another header of the INVITE.
        if uri.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Warning::new(13243, format!("{:?} is not a SIP URI", shorten(&uri))));
        }
        Ok(Self { uri, headers, credentials })
    }
}

/// `<Header>`: a name that is a token, a value that stays on its line.
fn sip_header(element: &Element, warnings: &mut Warnings) -> Option<Parameter> {
    let header = Parameter::parse(element, warnings)?;
    let token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if !header.name.chars().all(token) {
        warnings.warn(13252, format!("{:?} is not the name of a SIP header", shorten(&header.name)));
        return None;
    }
    if header.name.len() + header.value.len() > SIP_HEADER_BYTES_MAX || header.value.chars().any(char::is_control) {
        warnings.warn(13253, format!("the header {} is too long, or not of one line", shorten(&header.name)));
        return None;
    }
    Some(header)
}

impl Parameter {
    /// `None`, with a warning, without a name.
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Option<Self> {
        let mut attributes = Attributes::of(element, warnings);
        let name = attributes.text("name");
        let value = attributes.raw("value").unwrap_or_default().to_owned();
        attributes.finish();
        if name.is_none() {
            warnings.warn(UNKNOWN, format!("<{}> without a name is skipped", element.name));
        }
        Some(Self { name: name?, value })
    }
}

/// What a noun is for (the child of this name, or else the text), and its parameters.
fn named(element: &Element, name: &str, warnings: &mut Warnings) -> (String, Vec<Parameter>) {
    let (mut text, mut parameters) = (element.text(), Vec::new());
    for child in element.elements() {
        match child.name.as_str() {
            "Parameter" => parameters.extend(Parameter::parse(child, warnings)),
            found if found == name => {
                Attributes::of(child, warnings).finish();
                text = child.text();
            }
            _ => unknown_child(element, child, UNKNOWN, warnings),
        }
    }
    (text, parameters)
}

impl CallCallback {
    pub(crate) fn parse(attributes: &mut Attributes<'_, '_>) -> Self {
        let link = attributes.callback("statusCallback", "statusCallbackMethod", UNKNOWN);
        let mut callback = Self { link, ..Self::default() };
        let given = attributes.words("statusCallbackEvent", UNKNOWN, |word| {
            let flag = match word {
                "initiated" => &mut callback.initiated,
                "ringing" => &mut callback.ringing,
                "answered" => &mut callback.answered,
                "completed" => &mut callback.completed,
                _ => return false,
            };
            *flag = true;
            true
        });
        callback.completed |= !given;
        callback
    }
}

impl MachineDetection {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Option<Self> {
        let words = [("Enable", false), ("DetectMessageEnd", true)];
        let message_end = attributes.word("machineDetection", 21263, &words);
        let or = |given: Option<Duration>, millis| given.unwrap_or(Duration::from_millis(millis));
        let detection = Self {
            message_end: message_end.unwrap_or(false),
            timeout: or(attributes.seconds("machineDetectionTimeout", 21263, 3..=59), 30_000),
            speech_threshold: or(attributes.millis("machineDetectionSpeechThreshold", 21263, 1_000..=6_000), 2_400),
            speech_end_threshold: or(
                attributes.millis("machineDetectionSpeechEndThreshold", 21263, 500..=5_000),
                1_200,
            ),
            silence_timeout: or(attributes.millis("machineDetectionSilenceTimeout", 21263, 2_000..=10_000), 5_000),
            callback: attributes.callback("amdStatusCallback", "amdStatusCallbackMethod", 21263),
        };
        message_end.map(|_| detection)
    }
}

/// E.164 has fifteen digits; the rest is for what people write between them, and for internal numbers.
const NUMBER_BYTES_MAX: usize = 64;

/// Far more than anybody sends.
const SIP_HEADERS_MAX: usize = 32;

/// Name and value together.
const SIP_HEADER_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::read;

    #[test]
    fn reads_a_password_and_hides_it_from_logs() {
        for (case, sip) in [
            ("attributes", "<Sip username='u' password=' p w '>sip:a@b.test</Sip>"),
            ("of the URI", "<Sip><Uri username='u' password=' p w '>sip:a@b.test</Uri></Sip>"),
        ] {
            let noun = SipNoun::parse(&read(sip).expect(case), &mut Warnings::default()).expect(case);
            let credentials = noun.credentials.expect(case);
            assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("u", " p w "), "{case}");
            assert!(!format!("{credentials:?}").contains("p w"), "{case}");
        }
    }

    #[test]
    fn headers_are_bounded_and_stay_on_their_line() {
        let many = "<Header name='X-A' value='1'/>".repeat(SIP_HEADERS_MAX + 1);
        let long = format!("<Header name='X-A' value='{}'/>", "1".repeat(SIP_HEADER_BYTES_MAX));
        for (case, headers, kept, codes) in [
            ("one", "<Header name='X-A' value='1'/>", 1, vec![]),
            ("too many", &many, SIP_HEADERS_MAX, vec![13251]),
            ("too long", &long, 0, vec![13253]),
            ("two lines", "<Header name='X-A' value='1&#13;&#10;Via: x'/>", 0, vec![13253]),
            ("a name of two words", "<Header name='X A' value='1'/>", 0, vec![13252]),
            ("a name with a colon", "<Header name='X-A:' value='1'/>", 0, vec![13252]),
            ("no name", "<Header value='1'/>", 0, vec![UNKNOWN]),
        ] {
            let sip = format!("<Sip><Uri>sip:a@b.test</Uri><Headers>{headers}</Headers></Sip>");
            let mut warnings = Warnings::default();
            let noun = SipNoun::parse(&read(&sip).expect(case), &mut warnings).expect(case);
            assert_eq!(noun.headers.len(), kept, "{case}");
            let seen: Vec<u16> = warnings.take().iter().map(|warning| warning.code).collect();
            assert_eq!(seen, codes, "{case}");
        }
    }

    #[test]
    fn knows_what_may_be_a_number() {
        for (text, want) in [
            ("+15005550006", true),
            ("(500) 555-0006", true),
            ("100", true),
            ("*21#", true),
            ("", false),
            ("+", false),
            ("ann", false),
            ("sip:100@b.test", false),
            ("1;phone-context=x", false),
        ] {
            assert_eq!(dialable(text).is_ok(), want, "{text:?}");
        }
        assert!(dialable(&"1".repeat(NUMBER_BYTES_MAX + 1)).is_err());
    }
}
