//! What the endpoint tells its owner: bytes to send, and what happened to its dialogs.

use bytes::Bytes;

use crate::{Flow, Reason, Request, SessionDescription};

/// A dialog we answer in. Never used again once it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId(pub u64);

/// An OPTIONS that waits for its answer. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OptionsId(pub u64);

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
    /// Somebody calls; 100 is already sent. Answer with `ring`, `accept`, `reject` or `hangup`.
    Invite {
        /// Its name from now on.
        dialog: DialogId,
        /// As it came, its topmost Via stamped with where it came from.
        request: Box<Request>,
        /// How it came.
        flow: Flow,
        /// What they offer; `None` if they want our offer in the 200.
        offer: Option<SessionDescription>,
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
    /// They want to change the media (re-INVITE, UPDATE). Answer with `reanswer` or `rereject`.
    Offered {
        /// Which.
        dialog: DialogId,
        /// What they offer; `None` if they want our offer.
        offer: Option<SessionDescription>,
    },
    /// Our session refresh repeated our description as an offer (RFC 4028 §7.4), and this is their answer to it.
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
        id: OptionsId,
        /// As it came, its topmost Via stamped with where it came from.
        request: Box<Request>,
        /// How it came.
        flow: Flow,
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
}
