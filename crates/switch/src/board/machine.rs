//! Who has answered: a person or a machine (rest-voice §3.2).

use model::{AnsweredBy, CallSid};
use tracing::info;

use super::Board;
use crate::turn::Turn;
use crate::webhook::{CallbackBody, Lane};

impl Board {
    /// The audio plane has found out.
    pub(super) fn answered_by(&mut self, sid: CallSid, by: AnsweredBy, after_ms: u32, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        call.span.in_scope(|| info!(answered_by = by.as_str(), after_ms, "somebody has answered"));
        call.facts.machine_detection_ms = Some(after_ms);
        call.row.answered_by = Some(by);
        call.row.updated = turn.now.wall;
        turn.save_call(&call.row);
        let account = call.row.account_sid;
        let Some(plan) = call.plan.as_ref() else { return };
        let waits = plan.waits;
        if let Some(link) =
            plan.amd.as_ref().filter(|amd| amd.asynchronous).and_then(|amd| amd.detection.callback.as_ref())
        {
            let hook = (link.url.clone(), link.method);
            let body = CallbackBody::AsyncAmd { call: sid, answered_by: by, machine_detection_ms: after_ms };
            turn.call_back(Lane::Call(sid), account, hook, body);
        }
        if waits {
            self.go_on_with_plan(sid, turn);
        }
    }
}

/// How the audio plane is to listen.
pub(super) fn detection(asked: &twiml::MachineDetection) -> media::MachineDetection {
    media::MachineDetection {
        until_end: asked.message_end,
        timeout: asked.timeout,
        speech_threshold: asked.speech_threshold,
        speech_end_threshold: asked.speech_end_threshold,
        silence_timeout: asked.silence_timeout,
    }
}
