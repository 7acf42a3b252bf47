//! Media streams: applications that listen to a call, and may speak to it (twiml §9.3).

use model::{CallSid, Level, StreamSid, Tracks};
use tracing::info;
use twiml::{Connect, ConnectTo, StopStream, Stream};

use super::Board;
use crate::effect::{Effect, FetchId};
use crate::script::{ScriptId, method_of};
use crate::stream::{OpenStream, StreamEvent as Became, StreamOrder};
use crate::turn::Turn;
use crate::webhook::{CallbackBody, ConversationOutcome, ConversationResult, Lane, Purpose, Remark, StreamEvent};

/// A stream of a live call.
#[derive(Debug)]
pub(crate) struct LiveStream {
    call: CallSid,
    name: Option<String>,
    status: Option<twiml::Link>,
    /// The document that waits for its end (`<Connect>`).
    script: Option<ScriptId>,
}

/// Streams of one call; one more is refused.
const STREAMS_MAX: usize = 4;

impl Board {
    pub(super) fn connect(&mut self, script: ScriptId, sid: CallSid, connect: Connect, turn: &mut Turn) {
        match connect.to {
            ConnectTo::Stream(stream) => {
                if !self.open_stream(sid, &stream, Some(script), turn) {
                    self.went(script, twiml::Outcome::Done, turn);
                }
            }
            ConnectTo::Conversation(_) => {
                // No conversation service is configured: that is an answer, and the document goes on with it.
                if let Some(script) = self.scripts.get_mut(&script) {
                    script.result = Some(Purpose::Conversation(Box::new(ConversationResult {
                        result: ConversationOutcome::InternalError,
                        worker_initiated: false,
                        status: None,
                        call: None,
                        duration: None,
                        recording: None,
                        conversation: None,
                    })));
                }
                self.went(script, twiml::Outcome::Done, turn);
            }
        }
    }

    pub(super) fn start_stream(&mut self, script: ScriptId, sid: CallSid, stream: &Stream, turn: &mut Turn) {
        self.open_stream(sid, stream, None, turn);
        self.went(script, twiml::Outcome::Done, turn);
    }

    fn open_stream(&mut self, sid: CallSid, stream: &Stream, script: Option<ScriptId>, turn: &mut Turn) -> bool {
        let Some(call) = self.calls.get(&sid) else { return false };
        let of_call = self.streams.values().filter(|live| live.call == sid).count();
        if of_call >= STREAMS_MAX {
            let message = format!("a call has at most {STREAMS_MAX} streams");
            turn.notify(call.row.account_sid, Some(sid), Remark { level: Level::Error, code: 14_300, message }, None);
            return false;
        }
        let id = turn.names.stream();
        let order = OpenStream {
            stream: id,
            leg: call.leg,
            account: call.row.account_sid,
            call: sid,
            url: stream.url.clone(),
            tracks: match (script.is_some(), stream.track) {
                (true, _) | (false, twiml::Track::Inbound) => Tracks::Inbound,
                (false, twiml::Track::Outbound) => Tracks::Outbound,
                (false, twiml::Track::Both) => Tracks::Both,
            },
            bidirectional: script.is_some(),
            parameters: stream.parameters.iter().map(|p| (p.name.clone(), p.value.clone())).collect(),
        };
        let live = LiveStream { call: sid, name: stream.name.clone(), status: stream.status_callback.clone(), script };
        self.streams.insert(id, live);
        turn.effects.push(Effect::Stream(StreamOrder::Open(Box::new(order))));
        true
    }

    pub(super) fn stop_stream(&mut self, script: ScriptId, sid: CallSid, stop: &StopStream, turn: &mut Turn) {
        let named = |live: &&LiveStream| live.call == sid && (stop.name.is_none() || live.name == stop.name);
        for (id, _) in self.streams.iter().filter(|(_, live)| named(live)) {
            turn.effects.push(Effect::Stream(StreamOrder::Close { stream: *id }));
        }
        self.went(script, twiml::Outcome::Done, turn);
    }

    /// The streams of a call that is over.
    pub(super) fn end_streams_of(&mut self, sid: CallSid, turn: &mut Turn) {
        for (id, _) in self.streams.iter().filter(|(_, live)| live.call == sid) {
            turn.effects.push(Effect::Stream(StreamOrder::Close { stream: *id }));
        }
    }

    /// The streams of a call hear of its keys.
    pub(super) fn stream_digit(&self, sid: CallSid, digit: char, turn: &mut Turn) {
        for (id, _) in self.streams.iter().filter(|(_, live)| live.call == sid) {
            turn.effects.push(Effect::Stream(StreamOrder::Digit { stream: *id, digit }));
        }
    }

    /// What has become of a stream.
    pub(crate) fn stream_event(&mut self, id: StreamSid, event: Became, turn: &mut Turn) {
        let Some(live) = self.streams.get(&id) else { return };
        let sid = live.call;
        let account = self.calls.get(&sid).map(|call| call.row.account_sid);
        info!(stream_sid = %id, call_sid = %sid, ?event, "media stream");
        let (told, error) = match &event {
            Became::Started => (StreamEvent::Started, None),
            Became::Stopped => (StreamEvent::Stopped, None),
            Became::Failed { reason, .. } => (StreamEvent::Error, Some(reason.clone())),
        };
        if let (Some(link), Some(account)) = (&live.status, account) {
            let (hook, name) = ((link.url.clone(), method_of(link)), live.name.clone().unwrap_or_default());
            let body = CallbackBody::Stream { call: sid, stream: id, name, event: told, error, at: turn.now.wall };
            turn.call_back(Lane::Call(sid), account, hook, body);
        }
        if let (Became::Failed { code, reason }, Some(account)) = (&event, account) {
            let code = u16::try_from(*code).unwrap_or(31_920);
            let remark = Remark { level: Level::Error, code, message: reason.clone() };
            turn.notify(account, Some(sid), remark, None);
        }
        if event == Became::Started {
            return;
        }
        if let Some(script) = self.streams.remove(&id).and_then(|live| live.script) {
            self.went(script, twiml::Outcome::Done, turn);
        }
    }

    /// Something is not quite as the document asked for it, and is heard all the same.
    pub(crate) fn fetch_warning(&mut self, fetch: FetchId, code: u32, reason: String, turn: &mut Turn) {
        let call = turn.fetches.asker(fetch).and_then(|id| self.scripts.get(&id)).map(|script| script.call);
        let Some(call) = call.and_then(|sid| self.calls.get(&sid)) else { return };
        let code = u16::try_from(code).unwrap_or(11_200);
        let remark = Remark { level: Level::Warning, code, message: reason };
        turn.notify(call.row.account_sid, Some(call.sid()), remark, None);
    }
}
