//! SIDs: two letters that name the resource, 32 hex digits that name the one.
//!
//! Parsed once at the edge; inside, a SID is 128 bits and copying it costs nothing. Either case of hex is
//! accepted, lower case is written, so comparison is on the bits.

use std::fmt;
use std::str::FromStr;

/// Why a text is not the SID it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SidError {
    /// It does not start with the letters of this resource.
    Prefix {
        /// The two letters expected.
        expected: &'static str,
    },
    /// It is not exactly 34 characters, or not hex after the letters.
    Malformed,
}

impl fmt::Display for SidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix { expected } => write!(f, "the SID does not start with {expected}"),
            Self::Malformed => f.write_str("a SID is two letters and 32 hex digits"),
        }
    }
}

impl std::error::Error for SidError {}

macro_rules! sid {
    ($($(#[$meta:meta])* $name:ident = $prefix:literal),+ $(,)?) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// The two letters every SID of this resource starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes the SID whose 32 hex digits are these 128 (random) bits.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{:032x}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = SidError;
            fn from_str(text: &str) -> Result<Self, SidError> {
                let hex = text.strip_prefix($prefix).ok_or(SidError::Prefix { expected: $prefix })?;
                // `from_str_radix` would take a sign, so the digits are checked first.
                if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(SidError::Malformed);
                }
                u128::from_str_radix(hex, 16).map(Self).map_err(|_| SidError::Malformed)
            }
        }
    )+ };
}

sid! {
    /// An account: `AC…`.
    AccountSid = "AC",
    /// An API key: `SK…`.
    ApiKeySid = "SK",
    /// A call: `CA…`. Also the participant's name inside a conference.
    CallSid = "CA",
    /// A conference: `CF…`.
    ConferenceSid = "CF",
    /// A notification: `NO…`, something that went wrong, as its developer is told of it.
    NotificationSid = "NO",
    /// A queue: `QU…`.
    QueueSid = "QU",
    /// A recording: `RE…`.
    RecordingSid = "RE",
    /// A media stream: `MZ…`.
    StreamSid = "MZ",
    /// One request to the API: `RQ…`, echoed in `Twilio-Request-Id`.
    RequestSid = "RQ",
    /// A number: `PN…`, one that is called or one that calls are shown to come from.
    PhoneNumberSid = "PN",
    /// An application, a set of URLs under one name: `AP…`.
    ApplicationSid = "AP",
    /// A trunk: `TK…`.
    TrunkSid = "TK",
    /// A trunk of another carrier: `BY…`.
    ByocTrunkSid = "BY",
    /// A SIP domain: `SD…`.
    SipDomainSid = "SD",
    /// A list of credentials: `CL…`.
    CredentialListSid = "CL",
    /// A user name and its password: `CR…`.
    CredentialSid = "CR",
    /// A list of addresses that may call: `AL…`.
    IpAccessControlListSid = "AL",
    /// One entry of such a list: `IP…`.
    IpAddressSid = "IP",
    /// A postal address: `AD…`; kept and echoed.
    AddressSid = "AD",
    /// A proof of identity: `RI…`; kept and echoed.
    IdentitySid = "RI",
    /// A bundle of such proofs: `BU…`; kept and echoed.
    BundleSid = "BU",
    /// What a worker is doing: `WA…`.
    ActivitySid = "WA",
    /// A kind of work, such as voice or chat: `TC…`.
    TaskChannelSid = "TC",
    /// Somebody who takes tasks: `WK…`.
    WorkerSid = "WK",
    /// A queue of tasks: `WQ…`.
    TaskQueueSid = "WQ",
    /// What brings tasks into queues: `WW…`.
    WorkflowSid = "WW",
    /// A task: `WT…`.
    TaskSid = "WT",
    /// A task offered to a worker: `WR…`.
    ReservationSid = "WR",
    /// Where tasks, workers, queues and workflows belong together: `WS…`.
    WorkspaceSid = "WS",
    /// One kind of work of one worker: `WC…`.
    WorkerChannelSid = "WC",
    /// A task on its way from one worker to another: `TT…`.
    TransferSid = "TT",
    /// Something that happened in a workspace: `EV…`.
    EventSid = "EV",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_writes_and_refuses_the_rest() {
        let sid = CallSid::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(sid.to_string(), "CA0123456789abcdef0123456789abcdef");
        for (case, text, want) in [
            ("as written", "CA0123456789abcdef0123456789abcdef", Ok(sid)),
            ("upper-case hex", "CA0123456789ABCDEF0123456789ABCDEF", Ok(sid)),
            ("another resource", "CF0123456789abcdef0123456789abcdef", Err(SidError::Prefix { expected: "CA" })),
            ("lower-case letters", "ca0123456789abcdef0123456789abcdef", Err(SidError::Prefix { expected: "CA" })),
            ("one digit short", "CA0123456789abcdef0123456789abcde", Err(SidError::Malformed)),
            ("a sign", "CA+123456789abcdef0123456789abcdef", Err(SidError::Malformed)),
            ("not hex", "CAx123456789abcdef0123456789abcdef", Err(SidError::Malformed)),
            ("empty", "", Err(SidError::Prefix { expected: "CA" })),
        ] {
            assert_eq!(text.parse::<CallSid>(), want, "{case}");
        }
    }
}
