//! Binding: one place where somebody can be reached (RFC 3261 §10.3).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::{Flow, NameAddr, Request, SipUri, Transport, Uri, Via};

/// Where a request for a registered user is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The Request-URI: the contact as its owner wrote it, so that it knows itself again.
    pub uri: SipUri,
    /// Down here, whatever the URI says: the connection it registered over, or back through its NAT. `None`: where
    /// `path` or else `uri` lead, by RFC 3263.
    pub flow: Option<Flow>,
    /// The Route of such a request, topmost first (RFC 3327).
    pub path: Vec<NameAddr>,
    /// Preference, in thousandths; those of one value may be tried at once.
    pub q: u16,
    /// What the phone calls itself.
    pub user_agent: Option<String>,
}

/// A binding as it may be kept over a restart: plain values, times relative to the moment it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBinding {
    /// The Contact as it came, less what is said beside it here.
    pub contact: String,
    /// Where it registered from; only datagrams, since no connection outlives the process.
    pub flow: Option<Flow>,
    /// Path, topmost first.
    pub path: Vec<String>,
    /// Preference, in thousandths.
    pub q: u16,
    /// Call-ID and CSeq of the REGISTER that made it.
    pub call_id: String,
    /// See `call_id`.
    pub cseq: u32,
    /// What the phone calls itself.
    pub user_agent: Option<String>,
    /// How long it is still good for.
    pub expires_in: Duration,
}

/// A binding and what its registrar must know about it.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) binding: Binding,
    /// As it came, without `expires` and `q`.
    pub(super) contact: NameAddr,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) expires_at: Instant,
    /// It did not answer when it was last asked.
    pub(super) silent: bool,
}

impl Bound {
    /// Whether both are of one phone: of one instance and registration (RFC 5626 §6), or else of one address.
    pub(super) fn is_same_as(&self, contact: &NameAddr) -> bool {
        let both = |name| (self.contact.params.get_unquoted(name), contact.params.get_unquoted(name));
        match both(INSTANCE) {
            (Some(ours), Some(theirs)) => ours == theirs && both(REG_ID).0 == both(REG_ID).1,
            _ => self.contact.uri.equivalent(&contact.uri),
        }
    }

    /// The stream it cannot outlive.
    pub(super) fn connection(&self) -> Option<u64> {
        self.binding.flow.and_then(|flow| flow.connection)
    }

    /// Seconds it is still good for, at least 1 while it is.
    pub(super) fn expires_s(&self, now: Instant) -> Option<u64> {
        let left = self.expires_at.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
    }
}

/// What a REGISTER's sender says about how it is reached, besides its contacts.
#[derive(Debug)]
pub(super) struct Sender {
    flow: Flow,
    /// Its own Via, where no proxy stands between us.
    via: Option<Via>,
    path: Vec<NameAddr>,
}

impl Sender {
    /// `None` if its Via or Path do not read.
    pub(super) fn of(request: &Request, flow: Flow) -> Option<Self> {
        let mut vias = request.headers.vias().ok()?;
        let path = request.headers.addresses(crate::Name::Path).ok()?;
        let via = if vias.len() == 1 { vias.pop() } else { None };
        Some(Self { flow, via, path })
    }

    pub(super) fn path(&self) -> &[NameAddr] {
        &self.path
    }

    /// The flow that requests for this contact go down, if they shall not be sent where it says.
    ///
    /// - A connection is used as long as it lives: who connected to us often cannot be connected to (RFC 5626).
    /// - `xxx.invalid` is no place at all (RFC 7118 §5).
    /// - A phone whose packets come from elsewhere than it believes is behind a NAT, and its address means nothing here.
    pub(super) fn flow_for(&self, contact: &SipUri) -> Option<Flow> {
        let Flow { transport, remote, .. } = self.flow;
        if transport != Transport::Udp {
            return Some(self.flow);
        }
        if !self.path.is_empty() {
            return None;
        }
        let Some(host) = contact.host.ip().map(|ip| ip.to_canonical()) else {
            return contact.host.to_string().to_ascii_lowercase().ends_with(".invalid").then_some(self.flow);
        };
        let port = contact.port.unwrap_or(5060);
        if (host, port) == (remote.ip().to_canonical(), remote.port()) {
            return Some(self.flow);
        }
        let via = self.via.as_ref()?;
        let names_itself = via.host.ip().map(|ip| ip.to_canonical()) == Some(host) && via.port.unwrap_or(5060) == port;
        let translated = if host == remote.ip().to_canonical() {
            // The same host by another port: a router's doing only if the phone listens where it sends from.
            names_itself && via.wants_rport()
        } else {
            names_itself || is_unroutable(host)
        };
        translated.then_some(self.flow)
    }
}

/// Whether an address means something only where it is: private, shared, link-local, loopback, unspecified.
fn is_unroutable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_link_local()
                || ip.is_loopback()
                || ip.is_unspecified()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback() || ip.is_unspecified(),
    }
}

/// What a contact says beside its address that we keep elsewhere.
pub(super) fn without_terms(mut contact: NameAddr) -> NameAddr {
    contact.params.remove("expires");
    contact.params.remove("q");
    contact
}

/// The `q` of a contact in thousandths: 1 if unsaid, as if unsaid if it does not read (RFC 3261 §20.10).
pub(super) fn q_of(contact: &NameAddr) -> u16 {
    contact.params.get("q").and_then(thousandths).unwrap_or(1_000)
}

fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1_000),
        _ => None,
    }
}

/// The URI of a contact, as a request is sent to it.
pub(super) fn target(contact: &NameAddr) -> Option<SipUri> {
    match &contact.uri {
        // Headers in a URI are for who clicks on it, not for a Request-URI (RFC 3261 §19.1.1).
        Uri::Sip(uri) => Some(SipUri { headers: None, ..uri.clone() }),
        Uri::Other { .. } => None,
    }
}

const INSTANCE: &str = "+sip.instance";
const REG_ID: &str = "reg-id";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Name};

    #[test]
    fn preferences_have_three_digits() {
        for (text, want) in [
            ("1", 1_000),
            ("0", 0),
            ("0.5", 500),
            ("0.05", 50),
            ("0.123", 123),
            ("1.000", 1_000),
            ("0.", 0),
            ("0.1234", 1_000),
            ("1.5", 1_000),
            ("-1", 1_000),
            ("high", 1_000),
            ("", 1_000),
        ] {
            let contact: NameAddr = format!("<sip:a@x>;q={text}")
                .parse()
                .unwrap_or_else(|_| NameAddr::new("sip:a@x".parse().expect("a URI")));
            assert_eq!(q_of(&contact), want, "{text:?}");
        }
    }

    #[test]
    fn a_phone_behind_a_nat_is_reached_through_it() {
        for (case, source, transport, via, path, contact, through) in [
            ("where it says", "192.0.2.9:5060", Transport::Udp, "192.0.2.9", "", "192.0.2.9", true),
            ("with its port", "192.0.2.9:5062", Transport::Udp, "192.0.2.9:5062;rport", "", "192.0.2.9:5062", true),
            ("behind a NAT", "198.51.100.7:4711", Transport::Udp, "10.0.0.5:5060;rport", "", "10.0.0.5:5060", true),
            ("behind one, no rport", "198.51.100.7:4711", Transport::Udp, "10.0.0.5", "", "10.0.0.5", true),
            ("its private address alone", "198.51.100.7:4711", Transport::Udp, "pc", "", "192.168.1.2", true),
            ("a shared address", "198.51.100.7:4711", Transport::Udp, "pc", "", "100.64.0.2", true),
            ("another port by rport", "192.0.2.9:4711", Transport::Udp, "192.0.2.9:5060;rport", "", "192.0.2.9", true),
            ("listens elsewhere", "192.0.2.9:4711", Transport::Udp, "192.0.2.9:5060", "", "192.0.2.9", false),
            ("for somebody else", "192.0.2.9:5060", Transport::Udp, "192.0.2.9", "", "203.0.113.8", false),
            ("by name", "192.0.2.9:5060", Transport::Udp, "192.0.2.9", "", "desk.example.com", false),
            ("nowhere", "192.0.2.9:5060", Transport::Udp, "192.0.2.9", "", "df7jal23ls0d.invalid", true),
            (
                "by a path",
                "192.0.2.9:5060",
                Transport::Udp,
                "192.0.2.9",
                "<sip:edge.example.com;lr>",
                "10.0.0.5",
                false,
            ),
            ("a stream", "192.0.2.9:5060", Transport::Tcp, "192.0.2.9", "", "203.0.113.8", true),
            (
                "a stream with a path",
                "192.0.2.9:5060",
                Transport::Tcp,
                "x",
                "<sip:edge.example.com;lr>",
                "10.0.0.5",
                true,
            ),
            ("IPv6", "[2001:db8::1]:5060", Transport::Udp, "[fd00::1]:5060;rport", "", "[fd00::1]:5060", true),
        ] {
            let mut request = Request::new(Method::Register, "sip:x".parse().expect("a URI"));
            request.headers.push(Name::Via, format!("SIP/2.0/UDP {via};branch=z9hG4bK1"));
            if !path.is_empty() {
                request.headers.push(Name::Path, path);
            }
            let flow = Flow {
                transport,
                local: "192.0.2.1:5060".parse().expect("an address"),
                remote: source.parse().expect("an address"),
                connection: (transport == Transport::Tcp).then_some(1),
            };
            let sender = Sender::of(&request, flow).expect(case);
            let uri = format!("sip:ana@{contact}").parse().expect("a URI");
            let Uri::Sip(uri) = uri else { panic!("{case}: not SIP") };
            assert_eq!(sender.flow_for(&uri), through.then_some(flow), "{case}");
        }
    }
}
