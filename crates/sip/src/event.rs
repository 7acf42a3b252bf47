//! What the endpoint tells its owner: bytes to send, and what happened to its dialogs.

use bytes::Bytes;

use crate::{Failure, Flow, Name, NameAddr, Reason, Replaces, Request, Response, SessionDescription, SipUri, Uri};

/// A call, from its INVITE to its end, whoever made it. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId(pub u64);

/// An OPTIONS or a REGISTER that waits for its answer. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InquiryId(pub u64);

/// An OPTIONS of ours that waits for its answer. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PingId(pub u64);

/// A peer that is looked for by its name, its stream being gone. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SearchId(pub u64);

/// A REFER of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferId {
    /// Whose call it came in.
    pub dialog: DialogId,
    /// Its CSeq, which tells it from others of this call (RFC 3515 §2.4.6).
    pub number: u32,
}

/// One thing to do, from [`Endpoint::poll`](crate::Endpoint::poll).
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "handed on at once, never kept: boxing every event would cost more")]
pub enum Output {
    /// Put these bytes on this flow. If it is gone, drop them: [`closed`](crate::Endpoint::closed) says so.
    Send {
        /// Where to.
        flow: Flow,
        /// One datagram, or a piece of the stream.
        bytes: Bytes,
    },
    /// Open a stream to there, or take one that there is: [`connected`](crate::Endpoint::connected) says what came of it.
    Connect {
        /// Where to.
        remote: std::net::SocketAddr,
    },
    /// Open a stream to wherever this URI leads by streams (RFC 3263), or take one that there is:
    /// [`found`](crate::Endpoint::found) says what came of it.
    Search {
        /// Its name.
        search: SearchId,
        /// Whom to look for.
        hop: Box<SipUri>,
    },
    /// Close this stream once what was sent before is out.
    Close {
        /// [`Flow::connection`].
        connection: u64,
    },
    /// Something happened.
    Event(Event),
}

/// What happened to a dialog.
#[derive(Debug)]
pub enum Event {
    /// Somebody calls; 100 is already sent. Answer with `progress`, `accept`, `reject` or `hangup`.
    Invite {
        /// Its name from now on.
        dialog: DialogId,
        /// As it came, its topmost Via stamped with where it came from.
        request: Box<Request>,
        /// How it came.
        flow: Flow,
        /// What they offer; `None` if they want our offer in the 200.
        offer: Option<SessionDescription>,
        /// The call that this one is to take the place of; see [`Endpoint::find_replaced`](crate::Endpoint::find_replaced).
        replaces: Option<Replaces>,
    },
    /// A call of ours goes on: 101 to 199 came, 180 and 183 most often.
    Progress {
        /// Which.
        dialog: DialogId,
        /// As it came: Alert-Info, P-Early-Media and the like are in its headers.
        response: Box<Response>,
        /// Which of the phones it was forked to; `None` from what is no phone, or older than RFC 3261.
        tag: Option<String>,
        /// Their answer to our offer, for early media. Another fork, or the 2xx, may say something else:
        /// [`OfferAnswer::accept_early_answer`](crate::OfferAnswer::accept_early_answer).
        answer: Option<SessionDescription>,
        /// It was sent reliably and has been acknowledged (RFC 3262).
        reliable: bool,
    },
    /// A call of ours was answered; the ACK is sent, unless they make the offer, which then follows as
    /// [`Event::Offered`]. From here on all is as in a call that came in.
    Accepted {
        /// Which.
        dialog: DialogId,
        /// Their 2xx as it came.
        response: Box<Response>,
        /// Their answer, if we offered: the 2xx's, else that of the 1xx before it. None if they have offered anew before
        /// they answered: then that is what counts.
        answer: Option<SessionDescription>,
    },
    /// A call of ours came to nothing. Said exactly once, and not if we hung up.
    Failed {
        /// Which.
        dialog: DialogId,
        /// Theirs; 408 where nobody answered, 503 where we did not ask, 488 where the answer had no description.
        status: u16,
        /// How.
        failure: Failure,
        /// Theirs as it came, if there was one: Retry-After, Reason, Warning, Contact are in its headers.
        response: Option<Box<Response>>,
    },
    /// A call of ours is to go elsewhere, and its maker said that it may. Answer with `follow`, or with `hangup`.
    Redirected {
        /// Which.
        dialog: DialogId,
        /// 300 to 399, or what an earlier target of the same redirection answered.
        status: u16,
        /// Where to: the best of those not tried yet.
        target: Uri,
    },
    /// The caller gave up, or nobody answered in time, before our final answer. The dialog is over.
    Canceled {
        /// Which.
        dialog: DialogId,
        /// Why, if they said (RFC 3326).
        reason: Option<Reason>,
    },
    /// The ACK to our 2xx is here.
    Acked {
        /// Which.
        dialog: DialogId,
        /// Their answer, if our 2xx carried the offer and they answered it readably.
        answer: Option<SessionDescription>,
    },
    /// They want to change the media (re-INVITE, UPDATE, PRACK), or make the offer in a call of ours that had none.
    /// Answer with `reanswer` or `rereject`.
    Offered {
        /// Which.
        dialog: DialogId,
        /// What they offer; `None` if they want our offer.
        offer: Option<SessionDescription>,
    },
    /// Our session refresh repeated our description as an offer (RFC 4028 §7.4), or our reliable 1xx carried one (RFC
    /// 3262 §5), and this is their answer to it.
    Answered {
        /// Which.
        dialog: DialogId,
        /// Usually what they said before.
        answer: SessionDescription,
    },
    /// A digit or whatever else they send within the call; already answered 200.
    Info {
        /// Which.
        dialog: DialogId,
        /// `application/dtmf-relay` or `application/dtmf`, in lower case.
        content_type: String,
        /// Unread.
        body: Bytes,
    },
    /// Somebody asks what an INVITE to this user would get (RFC 3261 §11.2). Answer with `answer_options`, at once:
    /// after four seconds we say 500.
    Options {
        /// Its name.
        id: InquiryId,
        /// As it came, its topmost Via stamped with where it came from.
        request: Box<Request>,
        /// How it came.
        flow: Flow,
    },
    /// Somebody wants to be reached here (RFC 3261 §10.3). Answer with `answer_register`, at once: after four seconds
    /// we say 500.
    Register {
        /// Its name.
        id: InquiryId,
        /// As it came, its topmost Via stamped with where it came from.
        request: Box<Request>,
        /// How it came.
        flow: Flow,
    },
    /// They ask us to transfer the call (RFC 3515). Answer with `accept_refer` or `refuse_refer`.
    Refer {
        /// Its name.
        refer: ReferId,
        /// Whom to call instead.
        target: Box<NameAddr>,
        /// The call there that the new one is to take the place of: an attended transfer. It was in the target's URI.
        replaces: Option<Replaces>,
        /// Who says so (RFC 3892), as written.
        referred_by: Option<String>,
        /// They want to be told by `refer_progress`; if not, `Refer-Sub: false` was said (RFC 4488).
        reports: bool,
    },
    /// The answer to our REFER: 2xx if they will try, 408 if there was none, 491 if one is still under way.
    ReferAnswered {
        /// Which.
        dialog: DialogId,
        /// Theirs.
        status: u16,
        /// [`Event::ReferProgress`] will say more; not of what they will not do, or will do quietly (RFC 4488).
        reports: bool,
    },
    /// How far the call is that our REFER asked for.
    ReferProgress {
        /// Which.
        dialog: DialogId,
        /// What its INVITE got: 100, 180, 200, 486, …; 0 if they did not say.
        status: u16,
        /// They will not say more.
        over: bool,
    },
    /// What became of our OPTIONS.
    Pinged {
        /// Which.
        ping: PingId,
        /// Theirs, whatever it is: somebody is there. `None`: nobody answered.
        status: Option<u16>,
    },
    /// An answered call is over, and not by our own `hangup`. Said exactly once.
    Ended {
        /// Which.
        dialog: DialogId,
        /// How.
        cause: EndCause,
        /// Why, if they said (RFC 3326).
        reason: Option<Reason>,
    },
}

/// How an answered call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// They hung up.
    Bye,
    /// They cancelled while our 200 was on its way, then neither talked nor hung up (RFC 3261 §15).
    Canceled,
    /// No ACK came to our 2xx (RFC 3261 §13.3.1.4).
    NoAck,
    /// The ACK brought no readable answer to the offer in our 200.
    AnswerMissing,
    /// Nobody refreshed the session in time (RFC 4028 §10).
    SessionExpired,
    /// We had something to say and the stream to the peer is gone.
    FlowLost,
    /// They answered one of our requests with 481 or 408, or not at all (RFC 5057 §5.1).
    PeerLostDialog,
}

/// What goes with a [`reject`](crate::Endpoint::reject).
#[derive(Debug, Clone, Default)]
pub struct Reject {
    /// Retry-After, in seconds.
    pub retry_after_s: Option<u32>,
    /// Warning: code and text (RFC 3261 §20.43).
    pub warning: Option<(u16, String)>,
    /// Reason (RFC 3326).
    pub reason: Option<Reason>,
    /// What else: challenges (RFC 7616), Error-Info.
    pub headers: Vec<(Name<'static>, String)>,
}
