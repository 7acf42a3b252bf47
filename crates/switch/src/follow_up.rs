//! What a handler leaves to be done before its turn ends.

use model::{CallSid, QueueSid};
use sip::Reason;

use crate::conference::Leaving;
use crate::dial::DialId;
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
    /// Find out where a call of ours leads.
    Lead(CallSid),
    /// Bring those together that wait for each other in a queue.
    Serve(QueueSid),
}
