//! One turn: the event being handled, and what has been decided to do about it so far.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use media::Pages;
use model::{
    AccountSid, Call, CallSid, Conference, ConferenceSid, Exchange, HttpMethod, LegId, Notification, NotificationSid,
    Participant, PlaybackId, RoomId, Timestamp,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::command::{Answer, AudioUrl, Refusal};
use crate::config::Config;
use crate::directory::{Desk, Directory, QueueList};
use crate::effect::{Effect, FetchId, Row};
use crate::hearing::Player;
use crate::journal::Journal;
use crate::queue_command::{QueueCommand, QueueLoad, QueueState};
use crate::webhook::{Callback, CallbackBody, CallbackClosed, CallbackId, Lane, Remark};

/// The moment an event is handled at: for deadlines, and for the outside world.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For deadlines.
    pub instant: Instant,
    /// For rows and dates.
    pub wall: Timestamp,
}

/// What the handling of one event may use and fill: the time, fresh names, and the effects.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a Config,
    pub(crate) names: &'a mut Names,
    pub(crate) fetches: &'a mut Fetches,
    pub(crate) journal: &'a mut Journal,
    /// Shared, so that what is found outlives the looking: `let directory = turn.directory`.
    pub(crate) directory: &'a Directory,
    /// Those there are; who waits in them is not known here.
    pub(crate) queue_list: &'a mut QueueList,
    pub(crate) effects: &'a mut Vec<Effect>,
    /// All audio commands of a turn are one batch: they take effect in the same tick.
    pub(crate) media: Vec<media::Command>,
}

impl Turn<'_> {
    pub(crate) fn save_call(&mut self, call: &Call) {
        self.effects.push(Effect::Save(Row::Call(call.clone())));
    }

    pub(crate) fn save_conference(&mut self, conference: &Conference) {
        self.effects.push(Effect::Save(Row::Conference(conference.clone())));
    }

    pub(crate) fn save_participant(&mut self, participant: &Participant) {
        self.effects.push(Effect::Save(Row::Participant(participant.clone())));
    }

    /// Tells the developers of an application what went wrong, and in which exchange.
    pub(crate) fn notify(
        &mut self,
        account: AccountSid,
        call: Option<CallSid>,
        remark: Remark,
        exchange: Option<Arc<Exchange>>,
    ) {
        let notification = Notification {
            sid: self.names.notification(),
            account_sid: account,
            call_sid: call,
            level: remark.level,
            error_code: remark.code,
            message: remark.message,
            exchange,
            at: self.now.wall,
            seq: self.names.seq(),
        };
        self.effects.push(Effect::Save(Row::Notification(notification)));
    }

    /// Tells an application, in the order of its lane, and whatever happens to us meanwhile.
    #[expect(dead_code, reason = "nothing calls back yet")]
    pub(crate) fn call_back(
        &mut self,
        lane: Lane,
        account: AccountSid,
        (url, method): (String, HttpMethod),
        body: CallbackBody,
    ) {
        let (id, seq) = (self.names.callback(), self.names.seq());
        self.effects.push(Effect::Callback(Box::new(Callback { id, seq, lane, account, url, method, body })));
    }

    /// An application has been told, or cannot be.
    pub(crate) fn callback_closed(&mut self, closed: CallbackClosed) {
        let CallbackClosed { id, account, call, remarks, exchange, .. } = closed;
        self.effects.push(Effect::Save(Row::CallbackClosed(id)));
        for remark in remarks {
            self.notify(account, call, remark, Some(Arc::clone(&exchange)));
        }
    }

    /// Asks for the audio behind `url`; the answer comes back to `wanted_by`. `None`: too many are under way.
    pub(crate) fn fetch(&mut self, url: &AudioUrl, wanted_by: WantedBy) -> Option<FetchId> {
        let fetch = self.fetches.open(wanted_by, self.config.fetches_max)?;
        self.effects.push(Effect::Fetch { fetch, url: url.clone() });
        Some(fetch)
    }

    /// What making and changing rows takes, and the queues there are.
    pub(crate) fn queue_desk(&mut self) -> (&mut QueueList, Desk<'_>) {
        (self.queue_list, Desk { now: self.now.wall, names: self.names, effects: self.effects })
    }

    /// Makes, changes and deletes queues; nobody waits in them yet.
    pub(crate) fn queue_command(&mut self, command: QueueCommand) -> Result<Answer, Refusal> {
        let (list, mut desk) = self.queue_desk();
        let state = |queue| Answer::Queue(Box::new(QueueState { queue, load: QueueLoad::default() }));
        match command {
            QueueCommand::Create { account, friendly_name, max_size } => {
                Ok(state(list.create(account, friendly_name, max_size, &mut desk)?))
            }
            QueueCommand::Update { account, queue, friendly_name, max_size } => {
                Ok(state(list.update(account, queue, friendly_name, max_size, &mut desk)?))
            }
            QueueCommand::Delete { account, queue } => {
                list.delete(account, queue, 0, &mut desk)?;
                Ok(Answer::Removed)
            }
            QueueCommand::Measure { queues, .. } => Ok(Answer::QueueLoads(vec![QueueLoad::default(); queues.len()])),
            QueueCommand::ListMembers { account, queue } => {
                list.get(account, queue).ok_or(Refusal::QueueNotFound)?;
                Ok(Answer::QueueMembers(Vec::new()))
            }
            QueueCommand::FetchMember { account, queue, .. } | QueueCommand::DequeueMember { account, queue, .. } => {
                list.get(account, queue).ok_or(Refusal::QueueNotFound)?;
                Err(Refusal::MemberNotFound)
            }
        }
    }

    pub(crate) fn play(&mut self, leg: LegId, sound: Arc<Pages>, repeat: bool) -> PlaybackId {
        let playback = self.names.playback();
        self.media.push(media::Command::Play { leg, playback, sound, loops: u32::from(!repeat) });
        playback
    }
}

/// Who waits for a piece of audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WantedBy {
    /// A participant's wait or hold audio.
    Participant { conference: ConferenceSid, call: CallSid, player: Player },
    /// An announcement to one participant.
    AnnounceTo { conference: ConferenceSid, call: CallSid, url: String },
    /// An announcement to a whole conference.
    Announce { conference: ConferenceSid, url: String },
}

/// Audio that has been asked for and has not come yet. At most `Config::fetches_max`.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    last: u64,
    open: BTreeMap<FetchId, WantedBy>,
}

impl Fetches {
    fn open(&mut self, wanted_by: WantedBy, max: usize) -> Option<FetchId> {
        if self.open.len() >= max {
            return None;
        }
        self.last += 1;
        let fetch = FetchId(self.last);
        self.open.insert(fetch, wanted_by);
        Some(fetch)
    }

    pub(crate) fn close(&mut self, fetch: FetchId) -> Option<WantedBy> {
        self.open.remove(&fetch)
    }
}

/// Fresh names: random SIDs (global), counted ids (this process only), and the order of creation.
#[derive(Debug)]
pub(crate) struct Names {
    rng: StdRng,
    seq: i64,
    counter: u64,
}

impl Names {
    /// `seed`: from the operating system in a server, fixed in a test. `seq`: the highest one ever saved.
    pub(crate) fn new(seed: u64, seq: i64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), seq, counter: 0 }
    }

    pub(crate) fn call(&mut self) -> CallSid {
        CallSid::from_bits(self.bits())
    }

    pub(crate) fn conference(&mut self) -> ConferenceSid {
        ConferenceSid::from_bits(self.bits())
    }

    pub(crate) fn notification(&mut self) -> NotificationSid {
        NotificationSid::from_bits(self.bits())
    }

    pub(crate) fn callback(&mut self) -> CallbackId {
        CallbackId(self.bits())
    }

    pub(crate) fn seq(&mut self) -> i64 {
        self.seq += 1;
        self.seq
    }

    pub(crate) fn leg(&mut self) -> LegId {
        LegId(self.count())
    }

    pub(crate) fn room(&mut self) -> RoomId {
        RoomId(self.count())
    }

    pub(crate) fn playback(&mut self) -> PlaybackId {
        PlaybackId(self.count())
    }

    /// For the `o=` line of our session descriptions (RFC 8866 §5.2).
    pub(crate) fn session_id(&mut self) -> u64 {
        // Kept within 63 bits: some phones read it as a signed number.
        self.rng.next_u64() >> 1
    }

    /// For a SID.
    pub(crate) fn bits(&mut self) -> u128 {
        u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64())
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}
