//! Who is told what happens in a conference (twiml §6.2).

use model::{ConferenceEvent, Happening, HttpMethod, ParticipantHappening};
use twiml::ConferenceEvents;

use crate::turn::Names;
use crate::webhook::{Callback, CallbackBody, Lane};

/// A conference's status callback, and how much it has been told.
#[derive(Debug)]
pub(crate) struct ConferenceCallback {
    url: String,
    method: HttpMethod,
    events: ConferenceEvents,
    sent: u32,
}

impl ConferenceCallback {
    pub(crate) fn new((url, method): (String, HttpMethod), events: ConferenceEvents) -> Self {
        Self { url, method, events, sent: 0 }
    }

    /// What is to be told of an event, if that kind is wanted.
    pub(crate) fn tell(&mut self, event: &ConferenceEvent, names: &mut Names) -> Option<Box<Callback>> {
        if !wants(self.events, event) {
            return None;
        }
        self.sent += 1;
        Some(Box::new(Callback {
            id: names.callback(),
            seq: names.seq(),
            event: Some(event.seq),
            lane: Lane::Conference(event.conference_sid),
            account: event.account_sid,
            url: self.url.clone(),
            method: self.method,
            body: CallbackBody::Conference { event: Box::new(event.clone()), sequence: self.sent },
        }))
    }
}

fn wants(events: ConferenceEvents, event: &ConferenceEvent) -> bool {
    use ParticipantHappening as P;
    match &event.happening {
        Happening::Started => events.start,
        Happening::Ended { .. } => events.end,
        Happening::Participant(P::Joined, _) => events.join,
        Happening::Participant(P::Muted | P::Unmuted, _) => events.mute,
        Happening::Participant(P::Held | P::Unheld, _) => events.hold,
        Happening::Participant(P::Modified, _) => events.modify,
        Happening::Participant(P::SpeechStarted | P::SpeechStopped, _) => events.speaker,
        Happening::Left { .. } => events.leave,
        Happening::Announced { .. } => events.announcement,
        Happening::Speaker { .. } => false, // ours: in the log only
    }
}
