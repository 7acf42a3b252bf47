//! A participant: one call's membership in a conference, and what plays to it.

use std::sync::Arc;

use media::{Command, Groups};
use model::{LegId, Participant, Tuning};

use crate::command::{AudioUrl, ParticipantChange};
use crate::entry::{Beep, Entry};
use crate::hearing::{Hearing, Player};
use crate::leg;
use crate::script::{Role, ScriptId, Source};
use crate::turn::Turn;

/// A participant while its call lasts: the row, and the state of its leg as the media plane was last told.
#[derive(Debug)]
pub(crate) struct LiveParticipant {
    pub(crate) row: Participant,
    pub(crate) leg: LegId,
    /// The phone itself holds us.
    pub(crate) phone_holds: bool,
    /// Last `CallSidToCoach`, remembered while `Coaching` is off.
    coach_target: Option<model::CallSid>,
    hold_audio: Audio,
    wait_audio: Audio,
    /// Nothing yet: whoever rang may have been heard before it joined.
    routed: Option<(Groups, Groups)>,
    /// Its voice is heard, as the media plane says …
    pub(crate) talks: bool,
    /// … and as was told.
    pub(crate) told_talks: bool,
    playing: Playing,
    /// What plays is to be replaced by what the application has asked for meanwhile.
    begins_anew: bool,
}

/// What a change has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Something the API shows.
    pub(crate) row: bool,
    /// What it hears while it waits.
    pub(crate) wait_audio: bool,
}

/// Where a participant's wait or hold audio comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Audio {
    /// The built-in music.
    Music,
    /// Nothing at all.
    Silence,
    /// The application's own.
    Url(AudioUrl),
}

/// What the private player is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Playing {
    Nothing,
    /// The application's wait or hold document runs, or has run out and it is silent.
    Script {
        player: Player,
        script: ScriptId,
    },
    /// The built-in music, or silence that was asked for.
    Audio {
        player: Player,
    },
    /// An announcement plays over whatever else is heard.
    Announcement {
        script: ScriptId,
    },
}

impl LiveParticipant {
    pub(crate) fn new(row: Participant, leg: LegId, phone_holds: bool, entry: &Entry) -> Self {
        let wait_audio = match &entry.wait {
            None => Audio::Music,
            Some(audio) => Audio::from_url(audio, Audio::Silence),
        };
        Self {
            coach_target: row.call_sid_to_coach,
            row,
            leg,
            phone_holds,
            hold_audio: entry.hold.as_ref().map_or(Audio::Music, |audio| Audio::from_url(audio, Audio::Music)),
            wait_audio,
            routed: None,
            talks: false,
            told_talks: false,
            playing: Playing::Nothing,
            begins_anew: false,
        }
    }

    /// With what it would come into another conference: neither on hold nor coaching there.
    pub(crate) fn entry(&self) -> Entry {
        let wait = match &self.wait_audio {
            Audio::Music => None,
            Audio::Silence => Some(AudioUrl { url: String::new(), method: model::HttpMethod::Get }),
            Audio::Url(url) => Some(url.clone()),
        };
        let hold = match &self.hold_audio {
            Audio::Music | Audio::Silence => None,
            Audio::Url(url) => Some(url.clone()),
        };
        Entry {
            label: self.row.label.clone(),
            muted: self.row.muted,
            coach: None,
            starts: self.row.start_conference_on_enter,
            ends: self.row.end_conference_on_exit,
            beep: Beep::of(false, self.row.beep_on_exit),
            wait,
            hold,
            tuning: self.row.tuning,
        }
    }

    /// Whom this change makes it coach: `Ok(None)` nobody, `Err` coaching without anyone to coach.
    pub(crate) fn coach_target(&self, change: &ParticipantChange) -> Result<Option<model::CallSid>, ()> {
        match (change.coaching, change.call_sid_to_coach) {
            (Some(false), _) => Ok(None),
            (_, Some(target)) => Ok(Some(target)),
            (Some(true), None) => self.coach_target.map(Some).ok_or(()),
            (None, None) => Ok(self.row.call_sid_to_coach),
        }
    }

    /// What it says may be heard by somebody.
    pub(crate) fn is_heard(&self) -> bool {
        !self.row.muted && !self.row.hold
    }

    /// Takes over the change's flags, and says what is different now.
    pub(crate) fn apply(&mut self, change: &ParticipantChange, coach_target: Option<model::CallSid>) -> Changed {
        let before = self.row.clone();
        let mut wait_audio_changed = false;
        let set = |flag: &mut bool, to: Option<bool>| *flag = to.unwrap_or(*flag);
        set(&mut self.row.muted, change.muted);
        set(&mut self.row.hold, change.hold);
        set(&mut self.row.beep_on_exit, change.beep_on_exit);
        set(&mut self.row.end_conference_on_exit, change.end_conference_on_exit);
        self.row.tuning = change.tuning.over(self.row.tuning);
        self.coach_target = change.call_sid_to_coach.or(self.coach_target);
        self.row.coaching = coach_target.is_some();
        self.row.call_sid_to_coach = coach_target;

        if let Some(audio) = &change.hold_audio {
            // An empty HoldUrl asks for the default again; an empty WaitUrl asks for silence (rest-voice §5.2).
            let audio = Audio::from_url(audio, Audio::Music);
            // Hold=true with another HoldUrl while on hold starts the new audio (rest-voice §5.3).
            if change.hold == Some(true) && matches!(self.playing.player(), Some(Player::Hold)) {
                self.begins_anew = true;
            }
            self.hold_audio = audio;
        }
        if let Some(audio) = &change.wait_audio {
            let audio = Audio::from_url(audio, Audio::Silence);
            wait_audio_changed = self.wait_audio != audio;
            self.wait_audio = audio;
            if matches!(self.playing.player(), Some(Player::Wait)) {
                self.begins_anew = true;
            }
        }
        Changed { row: self.row != before, wait_audio: wait_audio_changed }
    }

    /// The one it coached is gone: it is muted, so that a whisper never leaks into the room (rest-voice §5.4).
    pub(crate) fn lose_coached(&mut self) {
        self.row.coaching = false;
        self.row.call_sid_to_coach = None;
        self.row.muted = true;
        self.coach_target = None;
    }

    /// Tells the media plane how the voice is to be treated, if that was otherwise `before`.
    pub(crate) fn tune(&self, before: Tuning, turn: &mut Turn) {
        if self.row.tuning != before {
            turn.media.push(Command::Tune { leg: self.leg, tuning: leg::tuning(self.row.tuning) });
        }
    }

    /// Tells the media plane what is different from what it was last told.
    pub(crate) fn sound_as(&mut self, wanted: Hearing, turn: &mut Turn) {
        if self.routed.replace((wanted.emit, wanted.hear)) != Some((wanted.emit, wanted.hear)) {
            turn.media.push(Command::Route { leg: self.leg, emit: wanted.emit, hear: wanted.hear });
        }
        let settled = match self.playing {
            Playing::Nothing => wanted.player == Player::Nothing,
            Playing::Script { player, .. } | Playing::Audio { player } => player == wanted.player,
            // An announcement runs to its end unless hold begins.
            Playing::Announcement { .. } => wanted.player != Player::Hold,
        };
        if settled && !std::mem::take(&mut self.begins_anew) {
            return;
        }
        self.playing.stop_script(turn);
        let audio = match wanted.player {
            Player::Nothing => &Audio::Silence,
            Player::Wait => &self.wait_audio,
            Player::Hold => &self.hold_audio,
        };
        match audio {
            Audio::Music => {
                turn.play(self.leg, Arc::clone(&turn.config.hold_music), true);
                self.playing = Playing::Audio { player: wanted.player };
            }
            Audio::Silence => {
                turn.media.push(Command::StopPlay { leg: self.leg });
                self.playing = match wanted.player {
                    Player::Nothing => Playing::Nothing,
                    player => Playing::Audio { player },
                };
            }
            Audio::Url(url) => {
                turn.media.push(Command::StopPlay { leg: self.leg });
                let role = Role::ConferenceWait { conference: self.row.conference_sid };
                let script = turn.start_script(self.row.call_sid, role, Source::Url(url.clone()));
                self.playing = Playing::Script { player: wanted.player, script };
            }
        }
    }

    /// An announcement is about to be heard, over the room. False: not while it is on hold.
    pub(crate) fn announce(&mut self, script: ScriptId, turn: &mut Turn) -> bool {
        if self.row.hold {
            return false;
        }
        if self.announcement() != Some(script) {
            self.playing.stop_script(turn);
            self.playing = Playing::Announcement { script };
        }
        true
    }

    /// The announcement it hears now.
    pub(crate) fn announcement(&self) -> Option<ScriptId> {
        match self.playing {
            Playing::Announcement { script } => Some(script),
            Playing::Nothing | Playing::Script { .. } | Playing::Audio { .. } => None,
        }
    }

    /// True if that was the announcement: the caller then lets wait audio begin again.
    pub(crate) fn announcement_over(&mut self, ended: ScriptId) -> bool {
        let was_announcement = self.announcement() == Some(ended);
        if was_announcement {
            self.playing = Playing::Nothing;
        }
        was_announcement
    }

    /// It leaves the conference: what it was played there ends.
    pub(crate) fn fall_silent(&mut self, turn: &mut Turn) {
        self.playing.stop_script(turn);
        turn.media.push(Command::StopPlay { leg: self.leg });
        self.playing = Playing::Nothing;
    }
}

impl Playing {
    fn player(self) -> Option<Player> {
        match self {
            Self::Script { player, .. } | Self::Audio { player } => Some(player),
            Self::Nothing | Self::Announcement { .. } => None,
        }
    }

    /// Nobody is to hear the wait document any more. Announcements are ended by their conference.
    fn stop_script(self, turn: &mut Turn) {
        if let Self::Script { script, .. } = self {
            turn.stop_script(script);
        }
    }
}

impl Audio {
    fn from_url(audio: &AudioUrl, when_empty: Self) -> Self {
        if audio.url.is_empty() { when_empty } else { Self::Url(audio.clone()) }
    }
}
