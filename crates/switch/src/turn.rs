//! One turn: the event being handled, and what has been decided to do about it so far.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use media::Pages;
use model::{
    AccountEvent, AccountSid, Call, CallSid, Conference, ConferenceSid, Exchange, HttpMethod, LegId, Level,
    Notification, NotificationSid, Participant, PlaybackId, QueueEvent, QueueHappening, QueueSid, RoomId, Timestamp,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::command::AudioUrl;
use crate::config::Config;
use crate::dial::DialId;
use crate::directory::{Desk, Directory, QueueList};
use crate::effect::{Effect, FetchId, Row};
use crate::follow_up::FollowUp;
use crate::journal::Journal;
use crate::routing::{self, Routing, RoutingAnswer, RoutingCommand, RoutingRefusal, Workspaces};
use crate::script::{Role, ScriptId, Source};
use crate::timers::Timers;
use crate::webhook::{
    Ask, AskId, CallFacts, Callback, CallbackBody, CallbackClosed, CallbackId, Lane, Purpose, Remark, SoundFile,
};

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
    pub(crate) asks: &'a mut Asks,
    pub(crate) timers: &'a mut Timers,
    pub(crate) journal: &'a mut Journal,
    /// Shared, so that what is found outlives the looking: `let directory = turn.directory`.
    pub(crate) directory: &'a Directory,
    /// Those there are; who waits in them is not known here.
    pub(crate) queue_list: &'a mut QueueList,
    pub(crate) routing: &'a mut Routing,
    pub(crate) effects: &'a mut Vec<Effect>,
    /// All audio commands of a turn are one batch: they take effect in the same tick.
    pub(crate) media: Vec<media::Command>,
    /// What is to be done before the turn ends.
    pub(crate) follow_ups: VecDeque<FollowUp>,
    /// The last action that was told: whatever is asked for that call comes after it.
    pub(crate) told: Option<(CallSid, CallbackId)>,
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
            level: Level::of(remark.code),
            error_code: remark.code,
            message: remark.message,
            exchange,
            at: self.now.wall,
            seq: self.names.seq(),
        };
        self.effects.push(Effect::Save(Row::Notification(notification)));
    }

    /// Tells an application, in the order of its lane, and whatever happens to us meanwhile.
    pub(crate) fn call_back(
        &mut self,
        lane: Lane,
        account: AccountSid,
        (url, method): (String, HttpMethod),
        body: CallbackBody,
    ) {
        let callback = self.callback(lane, account, (url, method), body);
        self.journal.note_callback(callback);
    }

    /// Something an application is to be told, without its place: the journal gives it that.
    pub(crate) fn callback(
        &mut self,
        lane: Lane,
        account: AccountSid,
        (url, method): (String, HttpMethod),
        body: CallbackBody,
    ) -> Box<Callback> {
        let id = self.names.callback();
        Box::new(Callback { id, seq: 0, event: None, lane, account, url, method, body })
    }

    /// Notes what has happened in a queue.
    pub(crate) fn note_queue(&mut self, account: AccountSid, queue: QueueSid, happening: QueueHappening) {
        let named = self.queue_list.get(account, queue).map(|queue| queue.friendly_name.clone());
        self.note_queue_as(account, queue, named.unwrap_or_default(), happening);
    }

    /// The same of one that may be on the list no longer.
    pub(crate) fn note_queue_as(
        &mut self,
        account: AccountSid,
        queue: QueueSid,
        friendly_name: String,
        happening: QueueHappening,
    ) {
        let event = QueueEvent {
            seq: 0, // its place among all is known when it leaves
            account_sid: account,
            queue_sid: queue,
            friendly_name,
            at: self.now.wall,
            happening,
        };
        self.journal.note_event(AccountEvent::Queue(event), None);
    }

    /// An application has been told, or cannot be.
    pub(crate) fn callback_closed(&mut self, closed: CallbackClosed) {
        let CallbackClosed { id, account, call, remarks, exchange, .. } = closed;
        self.effects.push(Effect::Save(Row::CallbackClosed(id)));
        for remark in remarks {
            self.notify(account, call, remark, Some(Arc::clone(&exchange)));
        }
    }

    /// Asks the application for a document. `None`: too many are under way.
    pub(crate) fn ask(
        &mut self,
        url: &str,
        method: HttpMethod,
        facts: CallFacts,
        purpose: Purpose,
        error: Option<(u16, String)>,
        script: ScriptId,
    ) -> Option<AskId> {
        if self.asks.open.len() >= self.config.asks_max {
            return None;
        }
        self.asks.last += 1;
        let (ask, account) = (AskId(self.asks.last), facts.call.account_sid);
        self.asks.open.insert(ask, Asker { account, call: facts.call.sid, script });
        let url = url.to_owned();
        let after = self.told.filter(|(call, _)| *call == facts.call.sid).map(|(_, callback)| callback);
        self.effects.push(Effect::Ask(Ask { ask, account, url, method, call: Box::new(facts), purpose, error, after }));
        Some(ask)
    }

    /// Asks an action whose answer nobody waits for, in the order of what is told of the call, and whatever happens to us
    /// meanwhile.
    pub(crate) fn tell_action(&mut self, link: &twiml::Link, facts: CallFacts, purpose: Purpose) {
        let (account, call) = (facts.call.account_sid, facts.call.sid);
        let body = CallbackBody::Action { facts: Box::new(facts), purpose };
        let callback = self.callback(Lane::Call(call), account, (link.url.clone(), link.method), body);
        self.told = Some((call, callback.id));
        self.journal.note_callback(callback);
    }

    /// Asks for the audio behind `url`, or in `file` if it has come already; it comes to `script`. `None`: too many are
    /// under way.
    pub(crate) fn fetch_sound(&mut self, url: &str, file: Option<SoundFile>, script: ScriptId) -> Option<FetchId> {
        let fetch = self.fetches.open(script, self.config.fetches_max)?;
        let url = AudioUrl { url: url.to_owned(), method: HttpMethod::Get };
        self.effects.push(Effect::Fetch { fetch, url, file });
        Some(fetch)
    }

    /// What making and changing rows takes, and the queues there are.
    pub(crate) fn queue_desk(&mut self) -> (&mut QueueList, Desk<'_>) {
        (self.queue_list, Desk { now: self.now.wall, names: self.names, effects: self.effects })
    }

    /// What making and changing TaskRouter's rows takes, and all workspaces.
    pub(crate) fn routing_desk(&mut self) -> (&mut Workspaces, routing::Desk<'_>) {
        let Routing { workspaces, index } = &mut *self.routing;
        let (names, effects, follow_ups) = (&mut *self.names, &mut *self.effects, &mut self.follow_ups);
        (workspaces, routing::Desk { now: self.now.wall, actor: None, names, effects, follow_ups, index })
    }

    /// Does what is asked of TaskRouter, or says why not.
    pub(crate) fn route(&mut self, command: RoutingCommand) -> Result<RoutingAnswer, RoutingRefusal> {
        let (workspaces, mut desk) = self.routing_desk();
        workspaces.command(command, &mut desk)
    }

    /// Decides who gets which task. True: there may be something for the board to do.
    pub(crate) fn settle_routing(&mut self) -> bool {
        let directory = self.directory;
        let (workspaces, mut desk) = self.routing_desk();
        workspaces.settle(directory, &mut desk)
    }

    /// Begins a script for `call`, before the turn ends.
    pub(crate) fn start_script(&mut self, call: CallSid, role: Role, source: Source) -> ScriptId {
        let script = self.names.script();
        self.follow_ups.push_back(FollowUp::Start { script, call, role, source });
        script
    }

    /// Ends a script that nobody is to hear any more, before the turn ends.
    pub(crate) fn stop_script(&mut self, script: ScriptId) {
        self.follow_ups.push_back(FollowUp::Stop(script));
    }

    /// Asks for something to be spoken; it comes to `script`. `None`: too many sounds are under way.
    pub(crate) fn speak(&mut self, say: &twiml::Say, script: ScriptId) -> Option<FetchId> {
        let fetch = self.fetches.open(script, self.config.fetches_max)?;
        let (text, ssml) = match &say.ssml {
            Some(ssml) => (ssml.clone(), true),
            None => (say.text.clone(), false),
        };
        let (voice, language) = (say.voice.clone().unwrap_or_default(), say.language.clone().unwrap_or_default());
        self.effects.push(Effect::Speak { fetch, text, ssml, voice, language });
        Some(fetch)
    }

    /// Plays to one leg, over and over or once.
    pub(crate) fn play(&mut self, leg: LegId, sound: Arc<Pages>, repeat: bool) -> PlaybackId {
        self.play_times(leg, sound, u32::from(!repeat))
    }

    /// Plays to one leg, so often; 0: until it is stopped.
    pub(crate) fn play_times(&mut self, leg: LegId, sound: Arc<Pages>, loops: u32) -> PlaybackId {
        let playback = self.names.playback();
        self.media.push(media::Command::Play { leg, playback, sound, loops });
        playback
    }
}

/// Sounds that have been asked for and have not come yet, each by a script. At most `Config::fetches_max`.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    last: u64,
    open: BTreeMap<FetchId, ScriptId>,
}

impl Fetches {
    fn open(&mut self, wanted_by: ScriptId, max: usize) -> Option<FetchId> {
        if self.open.len() >= max {
            return None;
        }
        self.last += 1;
        let fetch = FetchId(self.last);
        self.open.insert(fetch, wanted_by);
        Some(fetch)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn asker(&self, fetch: FetchId) -> Option<ScriptId> {
        self.open.get(&fetch).copied()
    }

    pub(crate) fn close(&mut self, fetch: FetchId) -> Option<ScriptId> {
        self.open.remove(&fetch)
    }
}

/// Who has asked an application for a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) account: AccountSid,
    pub(crate) call: CallSid,
    /// The one that waits for the answer, unless it is over.
    pub(crate) script: ScriptId,
}

/// Requests under way. At most `Config::asks_max`.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    last: u64,
    open: BTreeMap<AskId, Asker>,
}

impl Asks {
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn close(&mut self, ask: AskId) -> Option<Asker> {
        self.open.remove(&ask)
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

    pub(crate) fn script(&mut self) -> ScriptId {
        ScriptId(self.count())
    }

    pub(crate) fn dial(&mut self) -> DialId {
        DialId(self.count())
    }

    pub(crate) fn playback(&mut self) -> PlaybackId {
        PlaybackId(self.count())
    }

    /// For a media stream.
    pub(crate) fn stream(&mut self) -> model::StreamSid {
        model::StreamSid::from_bits(self.bits())
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
