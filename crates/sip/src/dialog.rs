//! Dialog: one call as the peer and we know it, from its INVITE to its BYE (RFC 3261 §12 to §15).
//!
//! Three things go on side by side, each its own small state:
//!
//! ```text
//! stage    Ringing, Calling ──2xx──▶ Talking ──BYE──▶ Closing        the call itself
//! theirs   Idle ──INVITE──▶ Received ──2xx──▶ Answered ──ACK──▶ Idle      their offers, one at a time
//! ours     Idle ──UPDATE or re-INVITE──▶ Sent ──▶ Idle      our session refresh
//! ```
//! A call of ours has a dialog from the beginning, which each phone that it rings at makes its own in turn: what is common
//! to all of them is the attempt's (`endpoint/attempt.rs`).
//!
//! A dialog says what the clock wants of it ([`Dialog::due`]); the endpoint does it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::authorizer::Authorizer;
use crate::flow::with_port;
use crate::inspection::Head;
use crate::reliable::{self, Provisionals};
use crate::session_timer::{self, Asked, SessionTimer};
use crate::transaction::{Branch, Key, Timers};
use crate::transfer::{self, Transfers};
use crate::{
    CSeq, DialogId, Flow, HeaderError, Headers, Host, Method, Name, NameAddr, Reason, Request, Response,
    SessionDescription, SipUri, Transport, Uri,
};

/// One dialog.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) id: DialogId,
    pub(crate) call_id: String,
    pub(crate) remote_tag: Option<String>,
    /// From of our requests: their To with our tag. Byte for byte, as the two below.
    local: Vec<u8>,
    /// To of our requests: their From.
    remote: Vec<u8>,
    /// Route of our requests, next hop first.
    routes: Vec<NameAddr>,
    remote_target: Uri,
    /// Whom they called, or who we call as: the user of our Contact, the same for the whole dialog.
    pub(crate) user: Option<String>,
    local_cseq: u32,
    /// The highest that came in order.
    remote_cseq: u32,
    /// Where their latest request came from.
    pub(crate) flow: Flow,
    /// The sender does not know the address we see it under: what it calls itself leads nowhere.
    behind_nat: bool,
    /// It calls itself by a name, not by an address.
    named: bool,
    /// Our requests go down the flow whatever its URIs say.
    same_flow: bool,
    /// The Call-ID is ours.
    pub(crate) we_called: bool,
    pub(crate) peer_takes_update: bool,
    pub(crate) stage: Stage,
    pub(crate) theirs: Theirs,
    pub(crate) ours: Ours,
    pub(crate) session: Option<SessionTimer>,
    /// Our latest description, for a refresh that repeats it.
    pub(crate) described: Option<Bytes>,
    /// An offer of theirs that is not answered in a response to their INVITE, re-INVITE or UPDATE within a call.
    pub(crate) owed: Option<Owed>,
    pub(crate) transfers: Option<Box<Transfers>>,
    /// Of a call of ours that was made with credentials.
    pub(crate) authorizer: Option<Box<Authorizer>>,
}

/// The call itself.
#[derive(Debug)]
pub(crate) enum Stage {
    /// No final answer of ours yet. Each minute the latest 1xx goes out again (RFC 3261 §13.3.1.1).
    Ringing { give_up_at: Instant, repeat: Option<(Response, Instant)>, provisionals: Option<Box<Provisionals>> },
    /// No final answer of theirs yet.
    Calling(Early),
    /// We said 2xx.
    Talking { canceled: Canceled },
    /// Our user hung up before the ACK came, and BYE must wait for it (RFC 3261 §15).
    HangingUp { reason: Option<Reason> },
    /// Our BYE is on its way.
    Closing,
}

/// What one phone has said that our call rings at.
#[derive(Debug, Default)]
pub(crate) struct Early {
    /// Of its latest reliable 1xx (RFC 3262 §4).
    pub(crate) rseq: Option<u32>,
    /// To our offer.
    pub(crate) answer: Option<SessionDescription>,
    /// The first offer is answered and both know it, so that either may offer anew.
    pub(crate) settled: bool,
    /// They have offered anew since and we have answered: what was said before that is void.
    pub(crate) renegotiated: bool,
}

/// Where the answer to an offer of theirs is to go.
#[derive(Debug)]
pub(crate) enum Owed {
    /// Into the 200 to this UPDATE or PRACK, of a call that we have not answered.
    Response(Box<Received>),
    /// Into the PRACK to the 1xx with this RSeq, to our INVITE with this CSeq.
    Prack { rseq: u32, number: u32 },
    /// Into the ACK to the 2xx to our INVITE with this CSeq.
    Ack { branch: Branch, number: u32 },
}

/// Whether a CANCEL crossed our 2xx. Then the caller owes us a BYE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canceled {
    No,
    /// It came before the ACK.
    Yes,
    /// It came, then the ACK; this is how long we wait for the BYE.
    ByeDueAt(Instant),
}

/// The one offer of theirs that may be under way (RFC 3261 §14.2, RFC 3311 §5.2).
#[derive(Debug)]
pub(crate) enum Theirs {
    Idle,
    /// INVITE, re-INVITE, or UPDATE with an offer; our application has not answered.
    Received(Received),
    /// Our 2xx to their INVITE goes out again until its ACK comes, on every transport (RFC 3261 §13.3.1.4).
    Answered(Answered),
}

/// Their request, as far as answering it needs.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) transaction: Key,
    pub(crate) cseq: CSeq,
    /// It brought an offer; else they want ours.
    pub(crate) offered: bool,
    pub(crate) asked: Asked,
    /// A response to it, lacking status, body and what depends on these.
    pub(crate) template: Response,
    /// Its Contact, which takes effect when we accept.
    pub(crate) target: Option<Uri>,
}

/// Our 2xx.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) cseq: u32,
    pub(crate) success: Bytes,
    pub(crate) flow: Flow,
    /// The 2xx carried our offer, so the ACK has to carry the answer.
    pub(crate) we_offered: bool,
    /// It is the 2xx that made the call, not one to a re-INVITE.
    pub(crate) first: bool,
    resend_at: Instant,
    interval: Duration,
    give_up_at: Instant,
}

/// The one request of ours that may be under way, BYE aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ours {
    Idle,
    Update,
    Invite,
}

/// What the clock wants done.
#[derive(Debug)]
pub(crate) enum Due {
    /// Send the 1xx again.
    Ring(Response),
    /// Send the reliable 1xx again.
    RingReliably(Bytes),
    /// Its PRACK did not come.
    NoPrack,
    /// Nobody answered in time.
    RingingTooLong,
    /// Send the 2xx again.
    Resend(Flow, Bytes),
    /// The ACK did not come.
    NoAck,
    /// The BYE that a CANCEL promised did not come.
    NoByeAfterCancel,
    /// Refresh the session.
    Refresh,
    /// Nobody did.
    SessionExpired,
    Transfer(transfer::Due),
}

impl Dialog {
    /// A dialog for an INVITE that has just come. `template` answers it, our tag included.
    pub(crate) fn new(
        id: DialogId,
        request: &Request,
        head: &Head,
        flow: Flow,
        stage: Stage,
        theirs: Received,
    ) -> Self {
        let headers = &request.headers;
        let mut dialog = Self {
            id,
            call_id: head.call_id.clone(),
            remote_tag: head.from_tag.clone(),
            local: theirs.template.headers.get(Name::To).unwrap_or_default().to_vec(),
            remote: headers.get(Name::From).unwrap_or_default().to_vec(),
            routes: headers.record_routes().unwrap_or_default(),
            remote_target: Uri::Sip(flow.remote.into()),
            user: request.uri.uri().sip().and_then(|uri| uri.user.clone()),
            local_cseq: 0,
            remote_cseq: head.cseq.number,
            flow,
            behind_nat: false,
            named: false,
            same_flow: false,
            we_called: false,
            peer_takes_update: false,
            stage,
            theirs: Theirs::Idle,
            ours: Ours::Idle,
            session: None,
            described: None,
            owed: None,
            transfers: None,
            authorizer: None,
        };
        dialog.learn(request, head, flow);
        // Before the dialog is accepted there is no older target to keep. A caller older than RFC 3261 may have
        // given no Contact; its From is the best guess.
        dialog.retarget(theirs.target.clone().or_else(|| headers.from().ok().map(|from| from.uri)));
        dialog.theirs = Theirs::Received(theirs);
        dialog
    }

    /// A dialog for an INVITE of ours, before anybody has answered it.
    pub(crate) fn calling(id: DialogId, invite: &Request, flow: Flow, user: Option<String>, same_flow: bool) -> Self {
        let headers = &invite.headers;
        Self {
            id,
            call_id: headers.call_id().unwrap_or_default().to_owned(),
            remote_tag: None,
            local: headers.get(Name::From).unwrap_or_default().to_vec(),
            remote: headers.get(Name::To).unwrap_or_default().to_vec(),
            routes: Vec::new(),
            remote_target: invite.uri.uri().clone(),
            user,
            local_cseq: headers.cseq().map_or(1, |cseq| cseq.number),
            remote_cseq: 0,
            flow,
            behind_nat: false,
            named: false,
            same_flow,
            we_called: true,
            peer_takes_update: false,
            stage: Stage::Calling(Early::default()),
            theirs: Theirs::Idle,
            ours: Ours::Idle,
            session: None,
            described: (!invite.body.is_empty()).then(|| invite.body.clone()),
            owed: None,
            transfers: None,
            authorizer: None,
        }
    }

    /// Takes in what a 1xx or 2xx to our INVITE tells: who answers, and the way there (RFC 3261 §12.1.2). The 2xx has
    /// the last word (§13.2.2.4).
    pub(crate) fn establish(&mut self, response: &Response) {
        let headers = &response.headers;
        self.remote_tag = headers.to_tag();
        self.remote = headers.get(Name::To).unwrap_or_default().to_vec();
        self.routes = headers.record_routes().unwrap_or_default();
        self.routes.reverse();
        self.retarget(contact(headers).ok().flatten());
        // A public address does not lead to a private one: what the phone calls itself leads nowhere.
        let hop = self.next_hop_uri().and_then(|uri| uri.host.ip());
        let source = self.flow.remote.ip().to_canonical();
        self.behind_nat = hop.is_some_and(|hop| is_private(hop.to_canonical()) && !is_private(source));
        self.learn_allow(headers);
    }

    /// Whether this early dialog is the one with that phone. An INVITE that nobody has answered is with none.
    pub(crate) fn is_with(&self, tag: &str) -> bool {
        self.remote_tag.as_deref() == Some(tag)
    }

    /// Takes in what any request of theirs tells, wherever it stands in the order.
    pub(crate) fn learn(&mut self, request: &Request, head: &Head, flow: Flow) {
        self.flow = flow;
        self.named = head.via.host.ip().is_none();
        self.behind_nat = head.via.host.ip().map(|ip| ip.to_canonical()) != Some(flow.remote.ip().to_canonical());
        self.learn_allow(&request.headers);
    }

    /// Takes in which methods they take, if they say.
    pub(crate) fn learn_allow(&mut self, headers: &Headers) {
        if headers.contains(Name::Allow) {
            self.peer_takes_update = headers.allow().any(|method| method == Method::Update);
        }
    }

    /// Whether a request with this number comes in order; notes it if so (RFC 3261 §12.2.2).
    pub(crate) fn in_order(&mut self, cseq: &CSeq) -> bool {
        let in_order = cseq.number >= self.remote_cseq;
        if in_order {
            self.remote_cseq = cseq.number;
        }
        in_order
    }

    /// Target refresh (RFC 3261 §12.2): from now on our requests go there. A URI in a request line has no headers
    /// (§19.1.1).
    pub(crate) fn retarget(&mut self, target: Option<Uri>) {
        if let Some(Uri::Sip(target)) = target {
            self.remote_target = Uri::Sip(SipUri { headers: None, ..target });
        }
    }

    /// Notes our 2xx to their INVITE, to be sent again until its ACK comes.
    pub(crate) fn answered(&mut self, now: Instant, received: &Received, success: Bytes, flow: Flow, timers: Timers) {
        self.theirs = Theirs::Answered(Answered {
            cseq: received.cseq.number,
            success,
            flow,
            we_offered: !received.offered,
            first: matches!(self.stage, Stage::Ringing { .. }),
            resend_at: now + timers.t1,
            interval: timers.t1,
            give_up_at: now + 64 * timers.t1,
        });
    }

    /// The ACK with this number acknowledges our 2xx (RFC 3261 §13.3.1.4): the 2xx it was for. A copy, or an ACK to
    /// something else, finds none.
    pub(crate) fn acknowledge(&mut self, cseq: u32) -> Option<Answered> {
        match &self.theirs {
            Theirs::Answered(answered) if answered.cseq == cseq => {
                match std::mem::replace(&mut self.theirs, Theirs::Idle) {
                    Theirs::Answered(answered) => Some(answered),
                    Theirs::Idle | Theirs::Received(_) => None,
                }
            }
            _ => None,
        }
    }

    /// Takes out their request that waits for our application, to answer it.
    pub(crate) fn take_received(&mut self) -> Option<Received> {
        match std::mem::replace(&mut self.theirs, Theirs::Idle) {
            Theirs::Received(received) => Some(received),
            other => {
                self.theirs = other;
                None
            }
        }
    }

    /// Their request that waits for our application.
    pub(crate) const fn received(&self) -> Option<&Received> {
        match &self.theirs {
            Theirs::Received(received) => Some(received),
            Theirs::Idle | Theirs::Answered(_) => None,
        }
    }

    /// Whether they may offer anew although nobody has answered the call: both know what the other has said first, and no
    /// other offer is open.
    pub(crate) fn takes_early_offer(&self) -> bool {
        self.owed.is_none()
            && match &self.stage {
                Stage::Ringing { provisionals, .. } => provisionals.as_ref().is_some_and(|some| some.settled),
                Stage::Calling(early) => early.settled && !matches!(self.theirs, Theirs::Received(_)),
                Stage::Talking { .. } | Stage::HangingUp { .. } | Stage::Closing => false,
            }
    }

    /// Whether our 2xx waits for its ACK.
    pub(crate) fn is_unacked(&self) -> bool {
        matches!(self.theirs, Theirs::Answered(_))
    }

    /// What the clock wants next, most final first; moves the moment of what it hands out. `None`: nothing yet.
    pub(crate) fn due(&mut self, now: Instant, timers: Timers) -> Option<Due> {
        match (&mut self.stage, &mut self.theirs) {
            (Stage::Ringing { give_up_at, .. }, _) if now >= *give_up_at => return Some(Due::RingingTooLong),
            (Stage::Ringing { repeat: Some((response, at)), .. }, _) if now >= *at => {
                *at = now + RING_AGAIN_AFTER;
                return Some(Due::Ring(response.clone()));
            }
            (Stage::Ringing { provisionals: Some(provisionals), .. }, _) => match provisionals.due(now) {
                Some(reliable::Due::Resend(response)) => return Some(Due::RingReliably(response)),
                Some(reliable::Due::NoPrack) => return Some(Due::NoPrack),
                None => {}
            },
            (_, Theirs::Answered(answered)) if now >= answered.give_up_at => return Some(Due::NoAck),
            (_, Theirs::Answered(answered)) if now >= answered.resend_at => {
                answered.interval = (answered.interval * 2).min(timers.t2);
                answered.resend_at = now + answered.interval;
                return Some(Due::Resend(answered.flow, answered.success.clone()));
            }
            (Stage::Talking { canceled: Canceled::ByeDueAt(at) }, _) if now >= *at => {
                return Some(Due::NoByeAfterCancel);
            }
            _ => {}
        }
        if let (Stage::Talking { .. }, Some(transfers)) = (&self.stage, &self.transfers)
            && let Some(due) = transfers.due(now)
        {
            return Some(Due::Transfer(due));
        }
        match (&self.stage, &mut self.session) {
            (Stage::Talking { .. }, Some(session)) => match session.due(now) {
                session_timer::Due::Nothing => None,
                session_timer::Due::Expired => Some(Due::SessionExpired),
                session_timer::Due::Refresh => {
                    session.refreshing();
                    Some(Due::Refresh)
                }
            },
            _ => None,
        }
    }

    /// When to ask [`Dialog::due`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Ringing { give_up_at, repeat, provisionals } => {
                let repeat = repeat.as_ref().map(|(_, at)| *at);
                let prack = provisionals.as_ref().and_then(|provisionals| provisionals.next_deadline());
                [Some(*give_up_at), repeat, prack].into_iter().flatten().min()
            }
            Stage::Talking { canceled: Canceled::ByeDueAt(at) } => Some(*at),
            Stage::Calling(_) | Stage::Talking { .. } | Stage::HangingUp { .. } | Stage::Closing => None,
        };
        let theirs = match &self.theirs {
            Theirs::Answered(answered) => Some(answered.resend_at.min(answered.give_up_at)),
            Theirs::Idle | Theirs::Received(_) => None,
        };
        let session = match (&self.stage, &self.session) {
            (Stage::Talking { .. }, Some(session)) => Some(session.next_deadline()),
            _ => None,
        };
        let transfer = match (&self.stage, &self.transfers) {
            (Stage::Talking { .. }, Some(transfers)) => transfers.next_deadline(),
            _ => None,
        };
        [stage, theirs, session, transfer].into_iter().flatten().min()
    }

    /// The number of our next request.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// A request of ours within the dialog (RFC 3261 §12.2.1.1), Via and Contact left to the sender. An ACK has its
    /// INVITE's number, every other request the next one.
    pub(crate) fn request(&mut self, method: Method, ack_of: Option<u32>) -> Request {
        let number = ack_of.unwrap_or_else(|| self.next_number());
        let (uri, routes) = routed(self.remote_target.clone(), &self.routes);
        let mut request = Request::new(method, uri.into());
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, &self.local);
        headers.push(Name::To, &self.remote);
        headers.push(Name::CallId, &self.call_id);
        headers.push(Name::CSeq, CSeq { number, method: request.method.clone() }.to_string());
        for route in routes {
            headers.push(Name::Route, NameAddr::new(route).to_string());
        }
        request
    }

    /// Where our requests go: down the stream their latest request came on; on UDP to the first hop of the route, if
    /// that is an address the sender is known to be reachable at, else back where their latest request came from.
    pub(crate) fn flow_out(&self) -> Flow {
        let flow = self.flow;
        match flow.transport {
            Transport::Tcp => flow,
            Transport::Udp if self.same_flow => flow,
            Transport::Udp => Flow { remote: self.next_hop().unwrap_or(flow.remote), ..flow },
        }
    }

    /// Where a stream is to be opened, the one to the other side being gone: where it says that it is reached, if that is
    /// by streams and can be believed.
    pub(crate) fn reconnects_to(&self) -> Option<Hop> {
        let next = self.next_hop_uri()?;
        let by_stream = !next.secure && next.transport().is_none_or(|transport| transport.eq_ignore_ascii_case("tcp"));
        if !by_stream || self.flow.transport != Transport::Tcp {
            return None;
        }
        match &next.host {
            Host::Name(name) => {
                // Of browsers, which nobody reaches (RFC 7118 §5).
                let nowhere = name.to_ascii_lowercase().ends_with(".invalid");
                // Who gives an address that is not its own is behind a NAT; a name says nothing of that.
                let reachable = !nowhere && (!self.behind_nat || self.named);
                reachable.then(|| {
                    let mut hop = SipUri { port: next.port, ..SipUri::new(next.host.clone()) };
                    hop.params.push("transport", Some("tcp"));
                    Hop::Named(hop)
                })
            }
            host => {
                let ip = host.ip().filter(|_| !self.behind_nat)?;
                let ours = ip.is_ipv4() == self.flow.local.ip().to_canonical().is_ipv4();
                ours.then(|| Hop::At(SocketAddr::new(ip, next.port.unwrap_or(5060))))
            }
        }
    }

    /// Whether a request may go by a stream though the flow is one of datagrams.
    pub(crate) fn takes_streams(&self) -> bool {
        let names_none = self.next_hop_uri().is_some_and(|uri| uri.transport().is_none());
        names_none && !self.same_flow && !self.behind_nat
    }

    fn next_hop_uri(&self) -> Option<&SipUri> {
        self.routes.first().map_or(&self.remote_target, |route| &route.uri).sip()
    }

    /// The address of the next hop, where its URI can be believed. Names are not looked up: the flow is nearer.
    fn next_hop(&self) -> Option<SocketAddr> {
        let next = self.next_hop_uri()?;
        let udp = !next.secure && next.transport().is_none_or(|transport| transport.eq_ignore_ascii_case("udp"));
        let ip = next.host.ip().filter(|_| udp && !self.behind_nat)?;
        let source = self.flow.remote;
        // A sender that names its own address and no port means the one it sends from as often as 5060.
        let port = next.port.or((ip != source.ip().to_canonical()).then_some(5060))?;
        match (ip, source.ip()) {
            (IpAddr::V4(ip), IpAddr::V6(source)) if source.to_ipv4_mapped().is_some() => {
                Some(SocketAddr::new(ip.to_ipv6_mapped().into(), port)) // a socket of both families
            }
            _ if ip == source.ip() => Some(with_port(source, port)),
            _ => (ip.is_ipv4() == source.is_ipv4()).then_some(SocketAddr::new(ip, port)),
        }
    }
}

/// Where the other side says that it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hop {
    At(SocketAddr),
    /// Wherever this leads.
    Named(SipUri),
}

/// Request-URI and Route for a target behind these hops, next hop first. A strict router wants itself in the request
/// line and the target last (RFC 3261 §12.2.1.1).
pub(crate) fn routed(target: Uri, routes: &[NameAddr]) -> (Uri, Vec<Uri>) {
    let mut routes: Vec<Uri> = routes.iter().map(|route| route.uri.clone()).collect();
    match routes.first() {
        Some(Uri::Sip(first)) if !first.is_loose_router() => {
            routes.push(target);
            (routes.remove(0), routes)
        }
        _ => (target, routes),
    }
}

/// Not routed on the public network (RFC 1918, 4193, 3927, 6598).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The Contact of a message that may move its sender: exactly one SIP URI.
pub(crate) fn contact(headers: &Headers) -> Result<Option<Uri>, HeaderError> {
    let mut contacts = headers.contacts()?.into_iter();
    match (contacts.next(), contacts.next()) {
        (Some(NameAddr { uri: uri @ Uri::Sip(_), .. }), None) => Ok(Some(uri)),
        (None, _) if !headers.contact_is_star() => Ok(None),
        _ => Err(HeaderError::Malformed(Name::Contact)),
    }
}

/// How often a 1xx is repeated, so that proxies keep waiting (RFC 3261 §13.3.1.1).
pub(crate) const RING_AGAIN_AFTER: Duration = Duration::from_secs(60);
