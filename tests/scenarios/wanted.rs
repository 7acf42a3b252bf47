//! What an application asks for by its API: calls and participants, as it does when it says no more than it must.

use std::time::Duration;

use model::JitterBufferSize;
use switch::{
    CallCallback, Callee, ConferenceEvents, ConferenceRef, HttpMethod, Instructions, Link, NewCall, NewLeg,
    NewParticipant, NewRoom, RecordingCallback, TuningChange, WaitAudio,
};

use crate::world::ACCOUNT;

/// A leg to a phone.
pub(crate) fn leg(to: &str) -> NewLeg {
    NewLeg {
        to: Callee::Sip { uri: to.to_owned(), headers: Vec::new() },
        from: "desk".to_owned(),
        caller_id: None,
        status: CallCallback::default(),
        send_digits: None,
        ring_timeout: Duration::from_secs(60),
        time_limit: None,
        credentials: None,
        amd: None,
        record: None,
        byoc: None,
        call_reason: None,
        call_token: None,
        client_notification_url: None,
        remarks: Vec::new(),
    }
}

/// A call to a phone, which then does what is behind a URL.
pub(crate) fn call(to: &str, url: &str) -> NewCall {
    let instructions = Instructions::Link(link(url));
    NewCall { account: ACCOUNT, instructions, fallback: None, leg: leg(to) }
}

/// A phone called into a conference.
pub(crate) fn participant(to: &str, conference: &str) -> NewParticipant {
    NewParticipant {
        account: ACCOUNT,
        conference: ConferenceRef::Name(conference.to_owned()),
        leg: leg(to),
        caller_display_name: None,
        label: None,
        muted: false,
        call_sid_to_coach: None,
        beep_on_enter: false,
        beep_on_exit: false,
        start_conference_on_enter: true,
        end_conference_on_exit: false,
        wait: WaitAudio::Playlist,
        early_media: true,
        jitter_buffer_size: JitterBufferSize::Large,
        tuning: TuningChange::default(),
        room: NewRoom {
            participants_max: 250,
            region: None,
            status_callback: None,
            status_events: ConferenceEvents::default(),
            record: false,
            trim_silence: true,
            recording_callback: RecordingCallback::default(),
        },
    }
}

pub(crate) fn link(url: &str) -> Link {
    Link { url: url.to_owned(), method: HttpMethod::Post }
}
