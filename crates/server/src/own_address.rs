//! Which of our addresses the kernel would use towards somebody, now and when interfaces have come or gone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use sip::Network;
use switch::{Event, OwnAddresses};
use tracing::info;

use crate::config::SipListen;
use crate::run_loop::{Inbox, Input};

/// The address of ours that packets to `remote` would leave from. Sends nothing.
pub(crate) fn towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let probe = UdpSocket::bind((any, 0))?;
    probe.connect(remote)?;
    Ok(probe.local_addr()?.ip())
}

/// All that the switch has to know of our addresses, as it is now. Some hundred system calls at worst.
pub(crate) fn read(bound: &[SipListen]) -> OwnAddresses {
    let routes = routes();
    OwnAddresses { signalling: signalling(bound, &routes), towards_world: towards_the_world(), routes }
}

/// Looks now and then whether that is still so, and tells the run loop if not: a tunnel or an interface may come later
/// than we.
pub(crate) async fn watch<R>(read: R, every: Duration, mut known: OwnAddresses, inbox: Inbox)
where
    R: Fn() -> OwnAddresses + Clone + Send + 'static,
{
    loop {
        tokio::time::sleep(every).await;
        let Ok(now) = tokio::task::spawn_blocking(read.clone()).await else { return };
        if now == known {
            continue;
        }
        info!(signalling = ?now.signalling, routes = now.routes.len(), "own addresses have changed");
        known.clone_from(&now);
        if !inbox.send(Input::Event(Event::OwnAddresses(Box::new(now)))).await {
            return;
        }
    }
}

/// Our addresses towards the public network, one a family, where there is one.
pub(crate) fn towards_the_world() -> Vec<IpAddr> {
    SOMEWHERE.iter().filter_map(|somewhere| towards(*somewhere).ok()).collect()
}

/// Networks that are reached otherwise than the public one, and the address of ours that leads there; the most specific
/// first. A machine that does not say has none.
fn routes() -> Vec<(Network, IpAddr)> {
    let v4 = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let v6 = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let mut networks: Vec<_> = v4.lines().filter_map(network_v4).chain(v6.lines().filter_map(network_v6)).collect();
    networks.sort_unstable_by_key(|(network, prefix)| (std::cmp::Reverse(*prefix), *network));
    networks.dedup();
    networks.truncate(ROUTES_MAX);
    let own =
        |(address, prefix)| Some((Network::new(address, prefix), towards(SocketAddr::new(next(address), 9)).ok()?));
    networks.into_iter().filter_map(own).filter(|(_, own)| !own.is_unspecified()).collect()
}

/// A line of `/proc/net/route`: interface, destination, gateway, flags, …, mask, in hexadecimal as this machine writes
/// them. Nothing for the default route and for what is down.
fn network_v4(line: &str) -> Option<(IpAddr, u8)> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
    let (destination, flags, mask) = (number(1)?, number(3)?, number(7)?);
    let prefix = u8::try_from(u32::from_be_bytes(mask.to_ne_bytes()).leading_ones()).ok()?;
    (flags & UP != 0 && prefix > 0).then(|| (Ipv4Addr::from(destination.to_ne_bytes()).into(), prefix))
}

/// A line of `/proc/net/ipv6_route`: destination and how many of its bits count, …, flags, interface. Nothing for the
/// default route, for what is down, for one address, and for what means something on its link alone.
fn network_v6(line: &str) -> Option<(IpAddr, u8)> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let destination = Ipv6Addr::from_bits(u128::from_str_radix(fields.first()?, 16).ok()?);
    let prefix = u8::from_str_radix(fields.get(1)?, 16).ok()?;
    let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
    let counts = (1..128).contains(&prefix) && !destination.is_unicast_link_local() && !destination.is_multicast();
    (flags & UP != 0 && counts).then_some((destination.into(), prefix))
}

/// The first host of a network.
fn next(network: IpAddr) -> IpAddr {
    match network {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() | 1).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() | 1).into(),
    }
}

/// Concrete addresses that our own calls may begin at: those we listen on for datagrams; loopback first, what leads to the
/// public network last.
fn signalling(bound: &[SipListen], routes: &[(Network, IpAddr)]) -> Vec<SocketAddr> {
    let world = towards_the_world();
    let mut others: Vec<_> = routes.iter().map(|(_, own)| *own).filter(|own| !own.is_loopback()).collect();
    others.retain(|own| !world.contains(own));
    others.sort_unstable();
    others.dedup();
    let datagrams = bound.iter().filter(|listener| listener.transport == sip::Transport::Udp);
    let concrete = |listener: &SipListen| -> Vec<SocketAddr> {
        let address = listener.address;
        if !address.ip().is_unspecified() {
            return vec![address];
        }
        let loopback: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let own = others.iter().chain(&world).copied().filter(|own| own.is_ipv6() == address.is_ipv6());
        std::iter::once(loopback).chain(own).map(|ip| SocketAddr::new(ip, address.port())).collect()
    };
    datagrams.flat_map(concrete).collect()
}

/// Addresses for documentation (RFC 5737, RFC 3849): routed as anything public is, and nobody's.
const SOMEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 9),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
];

/// How long an interface may be there before we know.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Routes that are looked at.
const ROUTES_MAX: usize = 256;
/// `RTF_UP`.
const UP: u32 = 1;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_are_read_as_the_kernel_writes_them() {
        for (line, want) in [
            ("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", None),
            ("eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0", None),
            ("eth1\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0", Some(("192.168.1.0", 24))),
            ("tun0\t0000080A\t0101080A\t0003\t0\t0\t0\t0000FEFF\t0\t0\t0", Some(("10.8.0.0", 15))),
            ("eth2\t0002A8C0\t00000000\t0000\t0\t0\t0\t00FFFFFF\t0\t0\t0", None),
            ("", None),
        ] {
            let want = want.map(|(network, prefix)| (network.parse().expect("an address"), prefix));
            assert_eq!(network_v4(line), want, "{line:?}");
        }
        let v6 = |destination: &str, prefix: &str, flags: &str| {
            let zero = "0".repeat(32);
            network_v6(&format!("{destination} {prefix} {zero} 00 {zero} 00000100 00000001 00000000 {flags}     eth0"))
        };
        for (destination, prefix, flags, want) in [
            ("20010db8000000070000000000000000", "40", "00000001", Some(("2001:db8:0:7::", 64))),
            ("20010db8000000070000000000000000", "40", "00000000", None),
            ("00000000000000000000000000000000", "00", "00000003", None),
            ("fe800000000000000000000000000000", "40", "00000001", None),
            ("ff000000000000000000000000000000", "08", "00000001", None),
            ("20010db8000000070000000000000001", "80", "80200001", None),
        ] {
            let want = want.map(|(network, prefix)| (network.parse().expect("an address"), prefix));
            assert_eq!(v6(destination, prefix, flags), want, "{destination}/{prefix} {flags}");
        }
    }

    #[tokio::test]
    async fn the_run_loop_is_told_of_what_has_changed_and_of_nothing_else() {
        let own = |text: &str| OwnAddresses {
            signalling: vec![text.parse().expect("an address")],
            ..OwnAddresses::default()
        };
        let (before, after) = (own("192.0.2.1:5060"), own("10.8.0.7:5060"));
        let (inbox, inputs) = Inbox::new();
        let looks = Arc::new(AtomicUsize::new(0));
        let (counted, now, known) = (Arc::clone(&looks), after.clone(), before.clone());
        let read = move || if counted.fetch_add(1, Ordering::Relaxed) < 2 { before.clone() } else { now.clone() };
        let watching = tokio::spawn(watch(read, Duration::ZERO, known, inbox));
        while looks.load(Ordering::Relaxed) < 5 {
            tokio::task::yield_now().await;
        }
        let told: Vec<_> = inputs.try_iter().collect();
        assert!(matches!(&told[..], [Input::Event(Event::OwnAddresses(own))] if **own == after));
        watching.abort();
    }

    #[test]
    fn who_listens_everywhere_calls_from_wherever_a_route_leads() {
        let listen =
            |address: &str| SipListen { transport: sip::Transport::Udp, address: address.parse().expect("one") };
        let route = ("10.8.0.0/16".parse().expect("a network"), "10.8.0.7".parse().expect("an address"));
        let own = signalling(&[listen("0.0.0.0:5070"), listen("192.0.2.1:5080")], &[route, route]);
        let text: Vec<_> = own.iter().map(ToString::to_string).collect();
        assert_eq!(text[..2], ["127.0.0.1:5070", "10.8.0.7:5070"]);
        assert_eq!(text.last().map(String::as_str), Some("192.0.2.1:5080"));
    }
}
