//! The one screen that a start prints: what to dial, what to call, where things are.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use model::Account;

use crate::config::SipListen;
use crate::own_address;

/// Where we are reached.
pub(crate) struct Bound<'a> {
    pub(crate) sip: &'a [SipListen],
    pub(crate) http: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) grpc: Option<SocketAddr>,
}

/// What a newcomer needs to know.
pub(crate) fn banner(
    &Bound { sip, http, https, grpc }: &Bound<'_>,
    public_url: Option<&str>,
    account: &Account,
    data: &Path,
    logs: &Path,
) -> String {
    let bound = format!("http://{}", SocketAddr::new(reachable(http.ip()), http.port()));
    let http = public_url.unwrap_or(&bound);
    let mut text = format!("\nPartyline {} is running.\n\n", env!("CARGO_PKG_VERSION"));
    // Writing to a String cannot fail.
    for (n, address) in sip.first().into_iter().flat_map(dial).enumerate() {
        let note = if n == 0 { "   (any name is a room; everybody who dials it meets there)" } else { "" };
        let _ = writeln!(text, "  Dial          {address}{note}");
    }
    for listen in sip {
        let _ = writeln!(text, "  SIP           {listen}");
    }
    let _ = writeln!(text, "  HTTP          {http}");
    if let Some(https) = https {
        let _ = writeln!(text, "  HTTPS         https://{}", SocketAddr::new(reachable(https.ip()), https.port()));
    }
    if let Some(grpc) = grpc {
        let _ = writeln!(text, "  gRPC          {}", SocketAddr::new(reachable(grpc.ip()), grpc.port()));
    }
    let _ = writeln!(text, "  Account SID   {}", account.sid);
    let _ = writeln!(text, "  Auth token    {}", account.auth_token);
    let _ = writeln!(text, "  Data          {}", data.display());
    let _ = writeln!(text, "  Logs          {}", logs.display());
    let _ = writeln!(
        text,
        "\n  curl -u {}:{} {http}/2010-04-01/Accounts/{}/Conferences.json",
        account.sid, account.auth_token, account.sid
    );
    let _ = writeln!(text, "\nCtrl-C ends it.");
    text
}

/// What to dial: from other machines first, where the listener is bound to all addresses.
fn dial(listen: &SipListen) -> Vec<String> {
    let ip = listen.address.ip();
    let from_elsewhere = || own_address::towards_the_world().into_iter().filter(|own| own.is_ipv4() == ip.is_ipv4());
    let addresses = if ip.is_unspecified() { from_elsewhere().chain([reachable(ip)]).collect() } else { vec![ip] };
    addresses.into_iter().map(|ip| dial_at(SocketAddr::new(ip, listen.address.port()), listen.transport)).collect()
}

fn dial_at(address: SocketAddr, transport: sip::Transport) -> String {
    let transport = match transport {
        sip::Transport::Udp => "",
        sip::Transport::Tcp => ";transport=tcp",
    };
    match (address, address.port()) {
        (SocketAddr::V4(v4), 5060) => format!("sip:standup@{}{transport}", v4.ip()),
        (SocketAddr::V6(v6), 5060) => format!("sip:standup@[{}]{transport}", v6.ip()),
        (address, _) => format!("sip:standup@{address}{transport}"),
    }
}

/// An address that reaches us from this machine, where the listener is bound to all of them.
pub(crate) fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        address => address,
    }
}
