//! Outgoing: a call that we make, as its maker describes it.

use std::time::Duration;

use crate::{Flow, Headers, NameAddr, Uri};

/// What [`Endpoint::invite`](crate::Endpoint::invite) needs to know. [`Outgoing::new`] fills in what is usual.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The path to the first hop: a proxy, a trunk, or the flow a phone registered by. On a stream only one that
    /// [`Endpoint::opened`](crate::Endpoint::opened) or received bytes have made known.
    pub flow: Flow,
    /// Whom we call: the Request-URI. Its headers (`?…`) are left out.
    pub uri: Uri,
    /// Who calls, a tag left out: ours is the dialog's.
    pub from: NameAddr,
    /// What To says; `None` for the URI itself.
    pub to: Option<NameAddr>,
    /// The user of our Contact.
    pub contact_user: Option<String>,
    /// Proxies to pass first, next hop first (RFC 3261 §8.1.1.1).
    pub routes: Vec<NameAddr>,
    /// Our offer; `None` to be offered something ([`Event::Offered`](crate::Event::Offered)).
    pub offer: Option<String>,
    /// More headers: `X-…`, P-Asserted-Identity, Diversion, Replaces, Referred-By. What the endpoint writes itself
    /// and what is no header name is left out.
    pub headers: Headers,
    /// What a 401 or 407 is answered with. Without it such a response fails the call.
    pub credentials: Option<Credentials>,
    /// How long it may ring, from now on: then CANCEL and [`Failure::NoAnswer`]. Default 60 s, at most
    /// [`Outgoing::RING_TIMEOUT_MAX`].
    pub ring_timeout: Duration,
    /// How long nothing at all may be heard before [`Failure::Unreachable`], so that the next target can be tried.
    /// Default and most 64·T1, which are 32 s.
    pub silence_timeout: Duration,
    /// How many hops are left of a call that came from elsewhere. Default 70.
    pub max_forwards: u8,
    /// Whether a 3xx is followed, by way of [`Event::Redirected`](crate::Event::Redirected). Default no: it fails the
    /// call.
    pub redirects: bool,
    /// Whether requests within the call go down `flow` whatever its Contact says: what a registered phone behind a NAT
    /// wants (RFC 5626). Default no; on a stream they do anyway.
    pub same_flow: bool,
}

/// Who we are to a trunk.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// In clear: what is hashed depends on the challenge.
    pub password: String,
    /// Challenges of other realms are not answered. `None`: those of the first target are, whatever their realm, and
    /// none once the call was redirected.
    pub realm: Option<String>,
}

/// Why a call of ours came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// They answered 3xx to 6xx.
    Refused,
    /// Nothing was heard, or the stream is gone: another target may do better. So may it after a 503.
    Unreachable,
    /// It rang for as long as it was to.
    NoAnswer,
    /// They accepted without a description that we can read. They have got their ACK and BYE.
    AnswerMissing,
    /// A bound of ours was reached; nothing was sent. The 503 that goes with it is ours and says nothing of the target:
    /// it is no reason to shun it, nor would another do better.
    Full,
}

impl Outgoing {
    /// The longest that a call may ring: Twilio's 600 s.
    pub const RING_TIMEOUT_MAX: Duration = Duration::from_secs(600);

    /// A call to `uri` with what is usual.
    pub fn new(flow: Flow, uri: Uri, from: NameAddr, offer: Option<String>) -> Self {
        Self {
            flow,
            uri,
            from,
            to: None,
            contact_user: None,
            routes: Vec::new(),
            offer,
            headers: Headers::new(),
            credentials: None,
            ring_timeout: Duration::from_secs(60),
            silence_timeout: Duration::MAX,
            max_forwards: 70,
            redirects: false,
            same_flow: false,
        }
    }
}

impl std::fmt::Debug for Credentials {
    /// Passwords get into no log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, {:?})", self.username, self.realm)
    }
}
