//! The names of headers. They compare without case, and a compact name is the long one (RFC 3261 §7.3).

use std::fmt;

macro_rules! names {
    ($($variant:ident = $long:literal $($compact:literal)?),+ $(,)?) => {
        /// The name of a header.
        #[derive(Debug, Clone, Copy)]
        pub enum Name<'a> {
            $(#[doc = concat!("`", $long, "`", $(", compact `", $compact, "`")?)] $variant,)+
            /// Any other, as written. Made by [`Name::from`], which knows the ones above.
            Other(&'a str),
        }

        impl<'a> Name<'a> {
            /// The long form, as we write it.
            pub const fn as_str(self) -> &'a str {
                match self {
                    $(Self::$variant => $long,)+
                    Self::Other(name) => name,
                }
            }
        }

        const KNOWN: &[(&str, &str, Name<'static>)] = &[$(($long, concat!($($compact)?), Name::$variant)),+];
    };
}

names! {
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AlertInfo = "Alert-Info",
    Allow = "Allow",
    AllowEvents = "Allow-Events" "u",
    Authorization = "Authorization",
    CallId = "Call-ID" "i",
    CallInfo = "Call-Info",
    Contact = "Contact" "m",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding" "e",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length" "l",
    ContentType = "Content-Type" "c",
    CSeq = "CSeq",
    Date = "Date",
    Diversion = "Diversion",
    ErrorInfo = "Error-Info",
    Event = "Event" "o",
    Expires = "Expires",
    From = "From" "f",
    HistoryInfo = "History-Info",
    Identity = "Identity" "y",
    InReplyTo = "In-Reply-To",
    MaxForwards = "Max-Forwards",
    MimeVersion = "MIME-Version",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    Organization = "Organization",
    PAssertedIdentity = "P-Asserted-Identity",
    Path = "Path",
    Priority = "Priority",
    Privacy = "Privacy",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RAck = "RAck",
    Reason = "Reason",
    RecordRoute = "Record-Route",
    ReferredBy = "Referred-By" "b",
    ReferTo = "Refer-To" "r",
    RemotePartyId = "Remote-Party-ID",
    Replaces = "Replaces",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    RSeq = "RSeq",
    Server = "Server",
    ServiceRoute = "Service-Route",
    SessionExpires = "Session-Expires" "x",
    Subject = "Subject" "s",
    SubscriptionState = "Subscription-State",
    Supported = "Supported" "k",
    Timestamp = "Timestamp",
    To = "To" "t",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    Via = "Via" "v",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
}

impl Name<'static> {
    /// The known name spelled so, long or compact, in any case.
    pub(crate) fn known(name: &[u8]) -> Option<Self> {
        let mut slot = slot_of(name);
        loop {
            let (spelling, known) = SPELLINGS[slot]?;
            if spelling.len() == name.len() && spelling.as_bytes().eq_ignore_ascii_case(name) {
                return Some(known);
            }
            slot = (slot + 1) % SPELLINGS.len();
        }
    }
}

/// Every spelling of a known name in a hash table made at compile time: a name is looked up for every line of
/// every message, and going through all of them took a tenth of the whole.
static SPELLINGS: [Option<(&str, Name<'static>)>; 256] = {
    let mut table = [None; 256];
    let mut at = 0;
    while at < KNOWN.len() * 2 {
        let (long, compact, name) = KNOWN[at / 2];
        let spelling = if at % 2 == 0 { long } else { compact };
        at += 1;
        if spelling.is_empty() {
            continue;
        }
        let mut slot = slot_of(spelling.as_bytes());
        while table[slot].is_some() {
            slot = (slot + 1) % table.len();
        }
        table[slot] = Some((spelling, name));
    }
    table
};

/// Where the search for a spelling begins: names differ enough in length, first, middle and last letter.
const fn slot_of(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (first, middle, last) = (name[0] | 0x20, name[name.len() / 2] | 0x20, name[name.len() - 1] | 0x20);
    (name.len() * 7 + first as usize * 31 + middle as usize * 5 + last as usize * 3) % 256
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(name: &'a str) -> Self {
        Name::known(name.as_bytes()).unwrap_or(Self::Other(name))
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(one), Self::Other(two)) => one.eq_ignore_ascii_case(two),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Name<'_> {}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_known_name_is_that_name() {
        for &(long, compact, name) in KNOWN {
            for spelling in [long, compact].into_iter().filter(|spelling| !spelling.is_empty()) {
                for written in [spelling.to_owned(), spelling.to_lowercase(), spelling.to_uppercase()] {
                    assert_eq!(Name::from(written.as_str()), name, "{written}");
                }
            }
        }
        assert!(matches!(Name::from("X-Odd"), Name::Other("X-Odd")));
        assert_eq!(Name::from("x-odd"), Name::from("X-ODD"));
        assert!(matches!(Name::from(""), Name::Other("")));
    }
}
