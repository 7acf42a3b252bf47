//! Media streams: applications that listen to a call, and may speak to it (twiml §9.3).

use model::{AccountSid, CallSid, StreamSid, Timestamp, Tracks};
use tracing::info;
use twiml::{Connect, ConnectTo, StopStream, Stream};

use super::Board;
use crate::call::LiveCall;
use crate::command::{Answer, Refusal};
use crate::effect::Effect;
use crate::script::ScriptId;
use crate::stream::{OpenStream, StreamCommand, StreamEvent as Became, StreamOrder, StreamRef, StreamState};
use crate::turn::Turn;
use crate::webhook::{CallbackBody, ConversationOutcome, ConversationResult, Lane, Purpose, Remark, StreamEvent};

/// A stream of a live call.
#[derive(Debug)]
pub(crate) struct LiveStream {
    /// Which may be over before it.
    call: CallSid,
    account: AccountSid,
    name: Option<String>,
    status: Option<twiml::Link>,
    /// The document that waits for its end (`<Connect>`).
    script: Option<ScriptId>,
    /// It has been told to stop.
    stopped: bool,
    updated: Timestamp,
}

/// Streams of one call; one more is refused.
const STREAMS_MAX: usize = 4;

impl Board {
    pub(super) fn connect(&mut self, script: ScriptId, sid: CallSid, connect: Connect, turn: &mut Turn) {
        match connect.to {
            ConnectTo::Stream(stream) => {
                if self.open_stream(sid, &stream, Some(script), turn).is_none() {
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

    fn open_stream(
        &mut self,
        sid: CallSid,
        stream: &Stream,
        script: Option<ScriptId>,
        turn: &mut Turn,
    ) -> Option<StreamSid> {
        let call = self.calls.get_mut(&sid)?;
        if call.streams.len() >= STREAMS_MAX {
            let message = format!("a call has at most {STREAMS_MAX} streams");
            turn.notify(call.row.account_sid, Some(sid), Remark { code: 14_300, message }, None);
            return None;
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
        let live = LiveStream {
            call: sid,
            account: call.row.account_sid,
            name: stream.name.clone(),
            status: stream.status_callback.clone(),
            script,
            stopped: false,
            updated: turn.now.wall,
        };
        call.streams.push(id);
        self.streams.insert(id, live);
        turn.effects.push(Effect::Stream(StreamOrder::Open(Box::new(order))));
        Some(id)
    }

    fn streams_of(&self, sid: CallSid) -> impl Iterator<Item = (StreamSid, &LiveStream)> {
        let of_call = self.calls.get(&sid).map(|call| call.streams.as_slice()).unwrap_or_default();
        of_call.iter().filter_map(|id| Some((*id, self.streams.get(id)?)))
    }

    /// Does what the control layer asks of a call's streams (rest-voice §11).
    pub(super) fn stream_command(&mut self, command: StreamCommand, turn: &mut Turn) -> Result<Answer, Refusal> {
        let (account, sid) = match &command {
            StreamCommand::Start { account, call, .. } | StreamCommand::Stop { account, call, .. } => (*account, *call),
        };
        let call = self.calls.get(&sid).filter(|call| call.row.account_sid == account).ok_or(Refusal::CallNotFound)?;
        let answered = call.is_answered();
        let id = match command {
            StreamCommand::Start { stream, .. } => {
                let taken = |live: &LiveStream| stream.name.is_some() && live.name == stream.name && !live.stopped;
                if !answered {
                    return Err(Refusal::NotInProgress);
                } else if self.streams_of(sid).any(|(_, live)| taken(live)) {
                    return Err(Refusal::StreamNameTaken);
                } else if self.streams_of(sid).count() >= STREAMS_MAX {
                    return Err(Refusal::TooManyStreams);
                }
                self.open_stream(sid, &stream, None, turn).ok_or(Refusal::TooManyStreams)?
            }
            StreamCommand::Stop { stream, .. } => {
                let named = |(id, live): &(StreamSid, &LiveStream)| match &stream {
                    StreamRef::Sid(wanted) => id == wanted,
                    StreamRef::Name(name) => live.name.as_ref() == Some(name),
                };
                // One of that name that was stopped before may not be gone yet.
                let found = self.streams_of(sid).filter(named).min_by_key(|(_, live)| live.stopped);
                let id = found.map(|(id, _)| id).ok_or(Refusal::StreamNotFound)?;
                self.tell_to_stop(id, turn);
                id
            }
        };
        let live = self.streams.get(&id).ok_or(Refusal::StreamNotFound)?;
        Ok(Answer::Stream(StreamState {
            sid: id,
            account_sid: account,
            call_sid: sid,
            name: live.name.clone(),
            stopped: live.stopped,
            updated: live.updated,
        }))
    }

    /// Once.
    fn tell_to_stop(&mut self, id: StreamSid, turn: &mut Turn) {
        let Some(live) = self.streams.get_mut(&id).filter(|live| !live.stopped) else { return };
        (live.stopped, live.updated) = (true, turn.now.wall);
        turn.effects.push(Effect::Stream(StreamOrder::Close { stream: id }));
    }

    pub(super) fn stop_stream(&mut self, script: ScriptId, sid: CallSid, stop: &StopStream, turn: &mut Turn) {
        let named = |(_, live): &(StreamSid, &LiveStream)| stop.name.is_none() || live.name == stop.name;
        let streams: Vec<_> = self.streams_of(sid).filter(named).map(|(id, _)| id).collect();
        for id in streams {
            self.tell_to_stop(id, turn);
        }
        self.went(script, twiml::Outcome::Done, turn);
    }

    /// Another document is given to a call: the stream that the one before waits for is over, others go on.
    pub(super) fn end_connected_streams_of(&mut self, sid: CallSid, turn: &mut Turn) {
        let streams: Vec<_> =
            self.streams_of(sid).filter(|(_, live)| live.script.is_some()).map(|(id, _)| id).collect();
        for id in streams {
            self.tell_to_stop(id, turn);
        }
    }

    /// The streams of a call that is over. What becomes of them is told all the same.
    pub(super) fn end_streams_of(&mut self, call: &LiveCall, turn: &mut Turn) {
        for id in &call.streams {
            self.tell_to_stop(*id, turn);
        }
    }

    /// The streams of a call hear of its keys.
    pub(super) fn stream_digit(&self, sid: CallSid, digit: char, turn: &mut Turn) {
        for (id, _) in self.streams_of(sid) {
            turn.effects.push(Effect::Stream(StreamOrder::Digit { stream: id, digit }));
        }
    }

    /// What has become of a stream.
    pub(crate) fn stream_event(&mut self, id: StreamSid, event: Became, turn: &mut Turn) {
        let Some(live) = self.streams.get(&id) else { return };
        let (sid, account) = (live.call, live.account);
        info!(stream_sid = %id, call_sid = %sid, ?event, "media stream");
        let (told, error) = match &event {
            Became::Started => (StreamEvent::Started, None),
            Became::Stopped => (StreamEvent::Stopped, None),
            Became::Failed { reason, .. } => (StreamEvent::Error, Some(reason.clone())),
        };
        if let Some(link) = &live.status {
            let (hook, name) = ((link.url.clone(), link.method), live.name.clone().unwrap_or_default());
            let body = CallbackBody::Stream { call: sid, stream: id, name, event: told, error, at: turn.now.wall };
            turn.call_back(Lane::Call(sid), account, hook, body);
        }
        if let Became::Failed { code, reason } = &event {
            let code = u16::try_from(*code).unwrap_or(31_920);
            let remark = Remark { code, message: reason.clone() };
            turn.notify(account, Some(sid), remark, None);
        }
        if event == Became::Started {
            return;
        }
        if let Some(call) = self.calls.get_mut(&sid) {
            call.streams.retain(|other| *other != id);
        }
        if let Some(script) = self.streams.remove(&id).and_then(|live| live.script) {
            self.went(script, twiml::Outcome::Done, turn);
        }
    }
}
