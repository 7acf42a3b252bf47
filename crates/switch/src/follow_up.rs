//! What a handler leaves to be done before its turn ends.

use model::{CallSid, CallStatus, QueueSid, ReservationSid, TaskSid};
use sip::{Reason, SearchId};

use crate::conference::Leaving;
use crate::dial::DialId;
use crate::routing::{HandOver, Instruction, TaskEnd};
use crate::script::{Outcome, Role, ScriptId, Source};

/// One thing to be done next.
#[derive(Debug)]
pub(crate) enum FollowUp {
    /// Begin a script.
    Start { script: ScriptId, call: CallSid, role: Role, source: Source },
    /// End a script: nobody is to hear it any more.
    Stop(ScriptId),
    /// A step has come to this; what is next?
    Next(ScriptId, Outcome),
    /// Hang up.
    End { call: CallSid, how: Leaving, reason: Option<Reason> },
    /// Call the next of a `<Dial>` that calls one after the other, or end it.
    DialNext(DialId),
    /// The other end of a call between two of ours is over; if this one was not answered, so it ended.
    WireOver { call: CallSid, status: CallStatus },
    /// Find out where a call of ours leads.
    Lead(CallSid),
    /// Find out where a peer is whose stream is gone.
    Seek(SearchId),
    /// Bring those together that wait for each other in a queue.
    Serve(QueueSid),
    /// Carry out an instruction (taskrouter §7.2) for a pending reservation; to supervise, an accepted one.
    CarryOut { reservation: ReservationSid, instruction: Box<Instruction> },
    /// A reservation that an instruction was carried out for is pending no longer, and it was not the board that said
    /// so: its worker need not be called any more.
    OfferOver(ReservationSid),
    /// A task has ended that a caller may still wait for.
    TaskEnded { task: TaskSid, call: CallSid, end: TaskEnd },
    /// A worker hands its task on.
    HandOver(HandOver),
}
