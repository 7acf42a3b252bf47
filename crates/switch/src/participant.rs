//! A participant: one call's membership in a conference, and what plays to it.

use std::sync::Arc;

use media::{Command, Groups, Pages};
use model::{LegId, Participant, PlaybackId, Tuning};
use tracing::warn;

use crate::command::{AudioUrl, ParticipantChange};
use crate::effect::{FetchFailed, FetchId};
use crate::hearing::{Hearing, Player};
use crate::leg;
use crate::turn::{Turn, WantedBy};

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
    routed: (Groups, Groups),
    /// Its voice is heard, as the media plane says …
    pub(crate) talks: bool,
    /// … and as was told.
    pub(crate) told_talks: bool,
    playing: Playing,
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
    /// The audio is on its way; silence until then.
    Fetching {
        player: Player,
        fetch: FetchId,
    },
    /// Wait or hold audio plays, or there is none to be had and it is silent.
    Audio {
        player: Player,
    },
    /// An announcement plays over whatever else is heard.
    Announcement {
        playback: PlaybackId,
    },
}

impl LiveParticipant {
    pub(crate) fn new(row: Participant, leg: LegId, phone_holds: bool) -> Self {
        Self {
            row,
            leg,
            phone_holds,
            coach_target: None,
            hold_audio: Audio::Music,
            wait_audio: Audio::Music,
            routed: (0, 0),
            talks: false,
            told_talks: false,
            playing: Playing::Nothing,
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
                self.playing = Playing::Nothing;
            }
            self.hold_audio = audio;
        }
        if let Some(audio) = &change.wait_audio {
            let audio = Audio::from_url(audio, Audio::Silence);
            wait_audio_changed = self.wait_audio != audio;
            self.wait_audio = audio;
            if matches!(self.playing.player(), Some(Player::Wait)) {
                self.playing = Playing::Nothing;
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
        if self.routed != (wanted.emit, wanted.hear) {
            self.routed = (wanted.emit, wanted.hear);
            turn.media.push(Command::Route { leg: self.leg, emit: wanted.emit, hear: wanted.hear });
        }
        let settled = match self.playing {
            Playing::Nothing => wanted.player == Player::Nothing,
            Playing::Fetching { player, .. } | Playing::Audio { player } => player == wanted.player,
            // An announcement runs to its end unless hold begins.
            Playing::Announcement { .. } => wanted.player != Player::Hold,
        };
        if settled {
            return;
        }
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
                let wanted_by = WantedBy::Participant {
                    conference: self.row.conference_sid,
                    call: self.row.call_sid,
                    player: wanted.player,
                };
                self.playing = match turn.fetch(url, wanted_by) {
                    Some(fetch) => Playing::Fetching { player: wanted.player, fetch },
                    None => {
                        warn!("too many fetches under way, silence instead");
                        Playing::Audio { player: wanted.player }
                    }
                };
            }
        }
    }

    /// Wait or hold audio has come, or has not. Late answers, to a state that is over, are nobody's.
    pub(crate) fn fetched(&mut self, fetch: FetchId, outcome: Result<Arc<Pages>, FetchFailed>, turn: &mut Turn) {
        let Playing::Fetching { player, fetch: awaited } = self.playing else { return };
        if awaited != fetch {
            return;
        }
        self.playing = Playing::Audio { player };
        match outcome {
            Ok(pages) => {
                turn.play(self.leg, pages, true);
            }
            Err(error) => warn!(error_code = error.code, "{error}, silence instead"),
        }
    }

    /// Plays `pages` once, over the room, unless it is on hold.
    pub(crate) fn announce(&mut self, pages: Arc<Pages>, turn: &mut Turn) -> Option<PlaybackId> {
        if self.row.hold {
            return None;
        }
        let playback = turn.play(self.leg, pages, false);
        self.playing = Playing::Announcement { playback };
        Some(playback)
    }

    /// The announcement it hears now.
    pub(crate) fn announcement(&self) -> Option<PlaybackId> {
        match self.playing {
            Playing::Announcement { playback } => Some(playback),
            Playing::Nothing | Playing::Fetching { .. } | Playing::Audio { .. } => None,
        }
    }

    /// True if that was the announcement: the caller then lets wait audio begin again.
    pub(crate) fn playback_ended(&mut self, ended: PlaybackId) -> bool {
        let was_announcement = matches!(self.playing, Playing::Announcement { playback } if playback == ended);
        if was_announcement {
            self.playing = Playing::Nothing;
        }
        was_announcement
    }
}

impl Playing {
    fn player(self) -> Option<Player> {
        match self {
            Self::Fetching { player, .. } | Self::Audio { player } => Some(player),
            Self::Nothing | Self::Announcement { .. } => None,
        }
    }
}

impl Audio {
    fn from_url(audio: &AudioUrl, when_empty: Self) -> Self {
        if audio.url.is_empty() { when_empty } else { Self::Url(audio.clone()) }
    }
}
