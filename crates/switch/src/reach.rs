//! Reach: from which of our addresses somebody is spoken to.

use std::net::{IpAddr, SocketAddr};

use sip::{Flow, Host, SipUri, Transport};

use crate::config::Config;

/// The path of datagrams to an address: from the one of ours that leads there, else from one of the same family, on
/// loopback from loopback.
pub(crate) fn flow_towards(config: &Config, remote: SocketAddr) -> Option<Flow> {
    let fits = |local: &&SocketAddr| local.is_ipv6() == remote.is_ipv6();
    let same = config.own.signalling.iter().filter(fits);
    let route = config.own.routes.iter().find(|(network, _)| network.contains(remote.ip())).map(|(_, own)| *own);
    let leads =
        |local: &&SocketAddr| (Some(local.ip()) == route, local.ip().is_loopback() == remote.ip().is_loopback());
    let local = same.max_by_key(leads)?;
    Some(Flow { transport: Transport::Udp, local: *local, remote, connection: None })
}

/// The same to where a URI says, if it says so in digits and datagrams are what it wants.
pub(crate) fn flow_to(config: &Config, uri: &SipUri) -> Option<Flow> {
    let ip: IpAddr = match uri.host {
        Host::V4(ip) => ip.into(),
        Host::V6(ip) => ip.into(),
        Host::Name(_) => return None,
    };
    let by_datagrams = uri.transport().is_none_or(|transport| transport.eq_ignore_ascii_case("udp"));
    if !by_datagrams || uri.secure {
        return None;
    }
    flow_towards(config, SocketAddr::new(ip, uri.port.unwrap_or(SIP_PORT)))
}

/// Whether that is one of the places where we listen ourselves. Our own rooms and numbers are not asked for from outside:
/// who may do that is not known there any more.
pub(crate) fn is_here(config: &Config, remote: SocketAddr) -> bool {
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let own = |ip: IpAddr| {
        ip.is_loopback()
            || config.own.signalling.iter().any(|own| own.ip() == ip)
            || config.sip.advertised.iter().any(|advertised| advertised.public == ip)
    };
    let listens = |at: &SocketAddr| {
        at.port() == remote.port() && (at.ip() == remote.ip() || at.ip().is_unspecified() && own(remote.ip()))
    };
    config.own.signalling.contains(&remote) || config.sip.listening.iter().any(|(_, at)| listens(at))
}

/// The path of datagrams to a phone that was reached by this one before a restart. We may listen elsewhere now.
pub(crate) fn flow_again(config: &Config, flow: Flow) -> Option<Flow> {
    let Flow { local, remote, .. } = flow;
    let is_open = |(transport, address): &(Transport, SocketAddr)| {
        let same_family = address.is_ipv6() == local.is_ipv6();
        let there = address.ip() == local.ip() || address.ip().is_unspecified() && same_family;
        *transport == Transport::Udp && there && address.port() == local.port()
    };
    if config.sip.listening.iter().any(is_open) { Some(flow) } else { flow_towards(config, remote) }
}

/// Where SIP is listened for when nothing else is said (RFC 3261 §18.1.1).
const SIP_PORT: u16 = 5060;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_we_listen_is_here() {
        let mut config = crate::tests::config();
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        config.own.signalling = vec![address("10.1.0.1:5060")];
        config.sip.advertised = vec![sip::Advertised { local: None, public: [198, 51, 100, 7].into() }];
        config.sip.listening =
            vec![(Transport::Udp, address("0.0.0.0:5060")), (Transport::Tcp, address("10.2.0.1:5070"))];
        for (remote, want) in [
            ("10.1.0.1:5060", true),
            ("[::ffff:10.1.0.1]:5060", true),
            ("127.0.0.9:5060", true),
            ("198.51.100.7:5060", true),
            ("10.2.0.1:5070", true),
            ("10.1.0.1:5070", false),
            ("127.0.0.1:5080", false),
            ("10.1.0.2:5060", false),
        ] {
            assert_eq!(is_here(&config, address(remote)), want, "{remote}");
        }
    }

    #[test]
    fn calls_out_name_the_address_that_leads_there() {
        let mut config = crate::tests::config();
        let own = ["127.0.0.1", "10.1.0.1", "10.2.0.1", "192.0.2.1", "[::1]", "[2001:db8::1]"];
        config.own.signalling = own.map(|own| format!("{own}:5060").parse().expect("an address")).to_vec();
        let routes = [("10.2.7.0/24", "10.1.0.1"), ("10.1.0.0/16", "10.1.0.1"), ("10.2.0.0/16", "10.2.0.1")];
        let route = |(network, own): (&str, &str)| (network.parse().expect("one"), own.parse().expect("an address"));
        config.own.routes = routes.map(route).to_vec();
        for (remote, want) in [
            ("10.1.3.3:5060", Some("10.1.0.1:5060")),
            ("10.2.3.3:5060", Some("10.2.0.1:5060")),
            ("10.2.7.3:5060", Some("10.1.0.1:5060")),
            ("198.51.100.7:5080", Some("192.0.2.1:5060")),
            ("127.3.3.3:5060", Some("127.0.0.1:5060")),
            ("[::1]:5060", Some("[::1]:5060")),
            ("[2001:db8:7::7]:5060", Some("[2001:db8::1]:5060")),
        ] {
            let flow = flow_towards(&config, remote.parse().expect("an address"));
            assert_eq!(flow.map(|flow| flow.local.to_string()).as_deref(), want, "{remote}");
        }
        config.own.signalling.truncate(4);
        assert_eq!(flow_towards(&config, "[2001:db8:7::7]:5060".parse().expect("an address")), None);
    }
}
