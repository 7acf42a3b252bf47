//! Whom a `<Dial>` rings: `<Number>`, `<Client>`, `<Sip>`, and `<Application>`.

use std::time::Duration;

use crate::Link;

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
    pub byoc: Option<String>,
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
    pub application_sid: String,
    /// Asked instead of the application's own URL.
    pub url: Option<Link>,
    /// As for a number.
    pub status: CallCallback,
    /// The account it belongs to, if another.
    pub customer_id: Option<String>,
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
