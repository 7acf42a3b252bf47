//! Session descriptions of a plain phone: one codec, mostly PCMU, and telephone-event on one port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Who sends, in the words of RFC 3264, from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Both ways.
    SendRecv,
    /// Hold, as most phones say it.
    SendOnly,
    /// The other side holds us.
    RecvOnly,
    /// Hold, as some phones say it.
    Inactive,
    /// Hold, as phones before RFC 3264 say it: `c=IN IP4 0.0.0.0`.
    ZeroAddress,
}

/// Our description, offer or answer alike; `version` grows with each new one.
pub fn describe(local: SocketAddr, version: u32, flow: Flow, rtcp_mux: bool) -> String {
    describe_codec(local, version, flow, rtcp_mux, (0, "PCMU/8000"))
}

/// The same with another codec: its payload type, its name and clock.
pub fn describe_codec(local: SocketAddr, version: u32, flow: Flow, rtcp_mux: bool, codec: (u8, &str)) -> String {
    let (payload_type, rtpmap) = codec;
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let (address, port) = (local.ip(), local.port());
    let (connection, direction) = match flow {
        Flow::SendRecv => (address, "sendrecv"),
        Flow::SendOnly => (address, "sendonly"),
        Flow::RecvOnly => (address, "recvonly"),
        Flow::Inactive => (address, "inactive"),
        Flow::ZeroAddress => (unspecified(address), "sendrecv"),
    };
    let mux = if rtcp_mux { "a=rtcp-mux\r\n" } else { "" };
    format!(
        "v=0\r\no=- {port} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {connection}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type} 101\r\na=rtpmap:{payload_type} {rtpmap}\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\n{mux}a={direction}\r\n"
    )
}

fn unspecified(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// The other side's description, as far as we need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    /// Where it wants audio.
    pub address: SocketAddr,
    /// The first payload type it lists.
    pub payload_type: u8,
    /// Who sends, from its side.
    pub flow: Flow,
}

impl Remote {
    /// Reads a description with one audio stream.
    pub fn read(body: &str) -> Option<Self> {
        let line = |prefix: &str| {
            body.lines().map(str::trim_end).find_map(|line| line.strip_prefix(prefix).map(str::to_owned))
        };
        let address: IpAddr = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.parse().ok()?;
        let media = line("m=audio ")?;
        let mut words = media.split(' ');
        let port = words.next()?.parse().ok()?;
        let payload_type = words.nth(1)?.parse().ok()?;
        let has = |attribute: &str| body.lines().any(|line| line.trim_end() == attribute);
        let flow = match () {
            () if address.is_unspecified() => Flow::ZeroAddress,
            () if has("a=sendonly") => Flow::SendOnly,
            () if has("a=recvonly") => Flow::RecvOnly,
            () if has("a=inactive") => Flow::Inactive,
            () => Flow::SendRecv,
        };
        Some(Self { address: SocketAddr::new(address, port), payload_type, flow })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_understood() {
        let local: SocketAddr = "127.0.0.1:40000".parse().expect("an address");
        for flow in [Flow::SendRecv, Flow::SendOnly, Flow::RecvOnly, Flow::Inactive] {
            let remote = Remote { address: local, payload_type: 0, flow };
            assert_eq!(Remote::read(&describe(local, 1, flow, true)), Some(remote), "{flow:?}");
        }
        let held = Remote::read(&describe(local, 1, Flow::ZeroAddress, false)).expect("a description");
        assert_eq!(held.flow, Flow::ZeroAddress);
        let six = Remote::read(&describe("[::1]:4000".parse().expect("an address"), 1, Flow::SendRecv, false));
        assert_eq!(six.expect("a description").address, "[::1]:4000".parse().expect("an address"));
        assert_eq!(Remote::read("v=0\r\n"), None);
    }
}
