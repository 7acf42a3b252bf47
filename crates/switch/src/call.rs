//! A call while it lives: its dialog, its leg, and the room it is in.

use std::time::Instant;

use model::{Call, CallSid, CallStatus, ConferenceSid, LegId};
use sip::{Agreed, DialogId, OfferAnswer, SessionDescription};
use tracing::{Span, info};

use crate::config::MediaAddress;
use crate::turn::Turn;

/// A call that is not over.
#[derive(Debug)]
pub(crate) struct LiveCall {
    pub(crate) row: Call,
    pub(crate) dialog: DialogId,
    pub(crate) leg: LegId,
    pub(crate) conference: ConferenceSid,
    /// By which the caller asked for it.
    pub(crate) room_name: String,
    pub(crate) address: MediaAddress,
    /// Of our RTP socket; 0 until it is bound.
    pub(crate) port: u16,
    pub(crate) offer_answer: OfferAnswer,
    pub(crate) stage: Stage,
    /// The ACK of our 200 has come. Before it we listen but send nothing: an INVITE with a forged source would make
    /// us flood whomever its description names.
    pub(crate) acknowledged: bool,
    /// The phone holds us, as its last description said.
    pub(crate) phone_holds: bool,
    /// When an answered call has lasted long enough.
    pub(crate) ends_at: Option<Instant>,
    /// So that no log line repeats whose it is.
    pub(crate) span: Span,
}

/// How far the call has got with its audio.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The audio plane binds a port; then the offer, if there was one, is answered.
    Opening { offer: Option<Box<SessionDescription>> },
    /// 200 sent, and the call is in its conference.
    Answered,
}

impl LiveCall {
    pub(crate) fn sid(&self) -> CallSid {
        self.row.sid
    }

    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered)
    }

    /// 200 OK goes out.
    pub(crate) fn answered(&mut self, turn: &mut Turn) {
        self.stage = Stage::Answered;
        self.row.status = CallStatus::InProgress;
        self.row.answered = Some(turn.now.wall);
        self.row.updated = turn.now.wall;
        self.ends_at = Some(turn.now.instant + turn.config.call_time_limit);
        turn.save_call(&self.row);
        info!(status = %self.row.status, "call answered");
    }

    /// It is over, for whatever reason; its leg closes. Its conference is the caller's business. A call that was never
    /// answered is kept as `unanswered`, or not at all: a flood that is refused shall not fill the database.
    pub(crate) fn ended(mut self, unanswered: Option<CallStatus>, turn: &mut Turn) -> Call {
        let kept = if self.is_answered() { Some(CallStatus::Completed) } else { unanswered };
        self.row.status = kept.unwrap_or(CallStatus::Failed);
        self.row.ended = Some(turn.now.wall);
        self.row.updated = turn.now.wall;
        if kept.is_some() {
            turn.save_call(&self.row);
        }
        turn.media.push(media::Command::CloseLeg { leg: self.leg });
        info!(status = %self.row.status, "call ended");
        self.row
    }

    /// The audio plane learns what SDP agreed.
    pub(crate) fn agree(&mut self, agreed: &Agreed, turn: &mut Turn) {
        self.phone_holds = agreed.peer_holds;
        let mut stream = crate::leg::stream(agreed);
        if !self.acknowledged {
            // Neither RTP nor RTCP.
            (stream.sends, stream.remote, stream.rtcp) = (false, None, None);
        }
        turn.media.push(media::Command::Agree { leg: self.leg, stream });
    }

    /// The ACK of a 200 has come.
    pub(crate) fn acknowledge(&mut self, turn: &mut Turn) {
        if !std::mem::replace(&mut self.acknowledged, true)
            && let Some(agreed) = self.offer_answer.agreed().cloned()
        {
            self.agree(&agreed, turn);
        }
    }
}
