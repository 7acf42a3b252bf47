//! The journal: what happens, in the order it happened, on its way to be saved and told.
//!
//! An event leaves with the turn it happened in, and the callback that tells of it right behind it: what is saved, told
//! and followed has one order. Only a participant's leave waits, some 25 ms, for the last numbers of
//! its leg, and what happens in the same conference and to the same call behind it waits with it, so that the order stays:
//!
//! `join ─▶ saved    leave (numbers to come) ─ end ─ call over ─▶ held ─ LegClosed ─▶ leave, end, call over saved`
//! Numbers that do not come in time are replaced by the last ones known: nothing is held for long, nothing is lost.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use model::{AccountEvent, CallSid, ConferenceEvent, ConferenceSid, Happening, LegId, LegStats};

use crate::conference_callback::ConferenceCallback;
use crate::effect::{Effect, Row};
use crate::turn::Names;
use crate::webhook::{Callback, Lane};

/// Events that have not been saved.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// May be saved.
    ready: Vec<Noted>,
    /// Conferences with somebody whose numbers are to come; each queue begins with one that waits.
    held: HashMap<ConferenceSid, VecDeque<Entry>>,
    /// Calls of whom something is held that goes before whatever else is told of them: where, and how much.
    held_of: HashMap<CallSid, (ConferenceSid, usize)>,
    waiting: HashMap<LegId, ConferenceSid>,
    /// When each of them has waited long enough; the first is due first. Some no longer wait.
    due: VecDeque<(Instant, LegId)>,
    fleeting: Allowance,
    /// Who is told of what happens in a conference.
    callbacks: HashMap<ConferenceSid, ConferenceCallback>,
}

/// What is to be saved and told, in its order.
#[derive(Debug)]
enum Noted {
    /// Told as the conference's callback wants it.
    Conference(ConferenceEvent),
    /// Told by this callback, if by any.
    Event(AccountEvent, Option<Box<Callback>>),
    /// Tells of something that the log does not have.
    Callback(Box<Callback>),
}

/// How many fleeting events there may be: so many at once, and so many a second. Ten thousand people who talk would
/// otherwise keep the disk busy with nothing else.
#[derive(Debug)]
struct Allowance {
    left: f64,
    since: Option<Instant>,
    refused: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: FLEETING_BURST, since: None, refused: 0 }
    }
}

#[derive(Debug)]
struct Entry {
    noted: Noted,
    /// Whose leave it is, or what comes after that.
    call: Option<CallSid>,
    waits_for: Option<LegId>,
}

impl Journal {
    /// Notes what has happened.
    pub(crate) fn note(&mut self, event: ConferenceEvent) {
        let conference = event.conference_sid;
        if self.held.contains_key(&conference) {
            let call = event.call_sid().filter(|_| matches!(event.happening, Happening::Left { .. }));
            self.hold(conference, Entry { noted: Noted::Conference(event), call, waits_for: None });
        } else {
            self.ready.push(Noted::Conference(event));
        }
    }

    /// Notes what has happened to a call or in a queue, and what is to be told of it.
    pub(crate) fn note_event(&mut self, event: AccountEvent, callback: Option<Box<Callback>>) {
        let call = if let AccountEvent::Call(step) = &event { Some(step.call.sid) } else { None };
        self.note_of(call, Noted::Event(event, callback));
    }

    /// Notes what is to be told, and is in no log.
    pub(crate) fn note_callback(&mut self, callback: Box<Callback>) {
        let call = if let Lane::Call(call) = callback.lane { Some(call) } else { None };
        self.note_of(call, Noted::Callback(callback));
    }

    /// Behind what is held of that call, if anything is.
    fn note_of(&mut self, call: Option<CallSid>, noted: Noted) {
        match call.and_then(|call| self.held_of.get(&call)) {
            Some(&(conference, _)) => self.hold(conference, Entry { noted, call, waits_for: None }),
            None => self.ready.push(noted),
        }
    }

    fn hold(&mut self, conference: ConferenceSid, entry: Entry) {
        if let Some(call) = entry.call {
            // A call that leaves two conferences at once is over after the second.
            let held = self.held_of.entry(call).or_insert((conference, 0));
            *held = (conference, held.1 + 1);
        }
        self.held.entry(conference).or_default().push_back(entry);
    }

    /// Notes that somebody has left whose `leg` is about to tell what it did.
    pub(crate) fn note_leave(&mut self, event: ConferenceEvent, leg: LegId, now: Instant) {
        let conference = event.conference_sid;
        self.waiting.insert(leg, conference);
        self.due.push_back((now + PATIENCE, leg));
        let call = event.call_sid();
        self.hold(conference, Entry { noted: Noted::Conference(event), call, waits_for: Some(leg) });
    }

    /// There is room for one more event about somebody who has begun to speak. That they stopped is told in any case.
    pub(crate) fn admits_fleeting(&mut self, now: Instant) -> bool {
        let Allowance { left, since, refused } = &mut self.fleeting;
        let passed = since.replace(now).map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        *left = (*left + passed.as_secs_f64() * FLEETING_A_SECOND).min(FLEETING_BURST);
        let admits = *left >= 1.0;
        *left -= f64::from(u8::from(admits));
        *refused += u64::from(!admits);
        admits
    }

    /// Fleeting events that were not told.
    pub(crate) fn fleeting_refused(&self) -> u64 {
        self.fleeting.refused
    }

    /// A leg has told what it did, or will not any more: these are its last numbers.
    pub(crate) fn leg_told(&mut self, leg: LegId, last: Option<LegStats>) {
        let Some(conference) = self.waiting.remove(&leg) else { return };
        let Some(queue) = self.held.get_mut(&conference) else { return };
        if let Some(entry) = queue.iter_mut().find(|entry| entry.waits_for == Some(leg)) {
            entry.waits_for = None;
            if let Noted::Conference(ConferenceEvent { happening: Happening::Left { stats, .. }, .. }) =
                &mut entry.noted
            {
                *stats = last.map(Box::new);
            }
        }
        while let Some(entry) = queue.pop_front_if(|entry| entry.waits_for.is_none()) {
            self.ready.push(entry.noted);
            if let Some(call) = entry.call
                && let Some((_, count)) = self.held_of.get_mut(&call)
            {
                *count -= 1;
                if *count == 0 {
                    self.held_of.remove(&call);
                }
            }
        }
        if queue.is_empty() {
            self.held.remove(&conference);
        }
    }

    /// A leg that has been waited for long enough, if there is one.
    pub(crate) fn overdue(&self, now: Instant) -> Option<LegId> {
        self.first_due().filter(|(at, _)| *at <= now).map(|(_, leg)| leg)
    }

    /// The leg that has been waited for longest, if any is.
    pub(crate) fn awaited(&self) -> Option<LegId> {
        self.first_due().map(|(_, leg)| leg)
    }

    /// When the next leg will have been waited for long enough.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.first_due().map(|(at, _)| at)
    }

    fn first_due(&self) -> Option<(Instant, LegId)> {
        self.due.iter().find(|(_, leg)| self.waiting.contains_key(leg)).copied()
    }

    /// Saves what may be saved.
    pub(crate) fn release(&mut self, names: &mut Names, effects: &mut Vec<Effect>) {
        self.settle();
        for noted in self.ready.drain(..) {
            match noted {
                Noted::Conference(mut event) => {
                    event.seq = names.seq();
                    let conference = event.conference_sid;
                    if let Some(callback) = self.callbacks.get_mut(&conference) {
                        effects.extend(callback.tell(&event, names).map(Effect::Callback));
                        if matches!(event.happening, Happening::Ended { .. }) {
                            self.callbacks.remove(&conference);
                        }
                    }
                    effects.push(Effect::Save(Row::Event(event.into())));
                }
                Noted::Event(mut event, callback) => {
                    event.set_seq(names.seq());
                    effects.extend(callback.map(|mut callback| {
                        (callback.seq, callback.event) = (names.seq(), Some(event.seq()));
                        Effect::Callback(callback)
                    }));
                    effects.push(Effect::Save(Row::Event(event)));
                }
                Noted::Callback(mut callback) => {
                    callback.seq = names.seq();
                    effects.push(Effect::Callback(callback));
                }
            }
        }
    }

    /// The application wants to be told of a conference. The first to come in decides (twiml §6.1).
    pub(crate) fn call_back(&mut self, conference: ConferenceSid, callback: ConferenceCallback, is_first: bool) {
        if is_first {
            self.callbacks.insert(conference, callback);
        }
    }

    /// Conferences of which somebody is told.
    pub(crate) fn told_of(&self) -> usize {
        self.callbacks.len()
    }

    /// Forgets the deadlines of those who need them no longer.
    fn settle(&mut self) {
        while self.due.front().is_some_and(|(_, leg)| !self.waiting.contains_key(leg)) {
            self.due.pop_front();
        }
    }
}

/// How long a leave waits for its numbers: ten times what it takes.
const PATIENCE: Duration = Duration::from_millis(250);

/// Fleeting events a second, in the long run …
const FLEETING_A_SECOND: f64 = 200.0;

/// … and at once.
const FLEETING_BURST: f64 = 500.0;

#[cfg(test)]
mod tests {
    use model::{
        AccountSid, Call, CallStatus, CallStep, CallStepEvent, Direction, HttpMethod, Participant, ParticipantStatus,
        ReasonConferenceEnded, ReasonParticipantLeft, Timestamp, Tuning,
    };

    use super::*;
    use crate::webhook::{CallbackBody, CallbackId};

    fn event(conference: u128, sequence_number: u32, happening: Happening) -> ConferenceEvent {
        ConferenceEvent {
            seq: 0,
            account_sid: AccountSid::from_bits(1),
            conference_sid: ConferenceSid::from_bits(conference),
            friendly_name: "standup".to_owned(),
            sequence_number,
            at: Timestamp::from_micros(0),
            happening,
        }
    }

    fn left() -> Happening {
        left_by(1)
    }

    fn left_by(call: u128) -> Happening {
        Happening::Left {
            participant: Participant {
                call_sid: CallSid::from_bits(call),
                conference_sid: ConferenceSid::from_bits(1),
                account_sid: AccountSid::from_bits(1),
                label: None,
                muted: false,
                hold: false,
                coaching: false,
                call_sid_to_coach: None,
                start_conference_on_enter: true,
                end_conference_on_exit: false,
                beep_on_exit: false,
                tuning: Tuning::default(),
                status: ParticipantStatus::Complete,
                created: Timestamp::from_micros(0),
                updated: Timestamp::from_micros(0),
                seq: 1,
            },
            call_status: CallStatus::Completed,
            reason: ReasonParticipantLeft::HungUp,
            stats: None,
        }
    }

    fn row(call: u128) -> Call {
        Call {
            sid: CallSid::from_bits(call),
            account_sid: AccountSid::from_bits(1),
            parent_call_sid: None,
            to: String::new(),
            from: String::new(),
            caller_name: None,
            phone_number_sid: None,
            forwarded_from: None,
            answered_by: None,
            status: CallStatus::Completed,
            direction: Direction::Inbound,
            created: Timestamp::from_micros(0),
            updated: Timestamp::from_micros(0),
            started: None,
            answered: None,
            ended: None,
            seq: 1,
        }
    }

    fn ended() -> Happening {
        Happening::Ended { reason: ReasonConferenceEnded::LastLeft, by: None }
    }

    /// What is saved now: order, conference, number in it, packets told.
    fn saved(journal: &mut Journal, names: &mut Names) -> Vec<(i64, String, u32, Option<u64>)> {
        let mut effects = Vec::new();
        journal.release(names, &mut effects);
        let told = effects.into_iter().map(|effect| match effect {
            Effect::Save(Row::Event(AccountEvent::Conference(event))) => {
                let packets = event.leg_stats().map(|stats| stats.packets_in);
                (event.seq, event.conference_sid.to_string()[33..].to_owned(), event.sequence_number, packets)
            }
            other => panic!("a journal saves events, not {other:?}"),
        });
        told.collect()
    }

    fn told(seq: i64, conference: u32, number: u32, packets: Option<u64>) -> (i64, String, u32, Option<u64>) {
        (seq, conference.to_string(), number, packets)
    }

    #[test]
    fn a_leave_waits_for_its_numbers_and_holds_up_nobody_elses() {
        let (mut journal, mut names) = (Journal::default(), Names::new(1, 10));
        let now = Instant::now();
        journal.note(event(1, 1, Happening::Started));
        journal.note_leave(event(1, 2, left()), LegId(7), now);
        journal.note_leave(event(1, 3, left()), LegId(8), now);
        journal.note(event(1, 4, ended()));
        journal.note(event(2, 1, Happening::Started));
        assert_eq!(saved(&mut journal, &mut names), [told(11, 1, 1, None), told(12, 2, 1, None)]);
        let stats = |packets_in| Some(LegStats { packets_in, ..LegStats::default() });
        journal.leg_told(LegId(8), stats(88));
        journal.leg_told(LegId(9), stats(99)); // nobody asked for these
        assert_eq!(saved(&mut journal, &mut names), [], "the order stays");
        journal.leg_told(LegId(7), stats(77));
        let want = [told(13, 1, 2, Some(77)), told(14, 1, 3, Some(88)), told(15, 1, 4, None)];
        assert_eq!(saved(&mut journal, &mut names), want);
        assert_eq!((journal.next_deadline(), journal.awaited()), (None, None));
        journal.note(event(1, 5, Happening::Started));
        assert_eq!(saved(&mut journal, &mut names).len(), 1, "nothing is held any more");
    }

    #[test]
    fn a_call_is_over_after_it_has_left_and_its_lane_keeps_its_order() {
        let (mut journal, mut names) = (Journal::default(), Names::new(1, 0));
        let over = |call| {
            AccountEvent::Call(CallStepEvent {
                seq: 0,
                at: Timestamp::from_micros(0),
                step: CallStep::Completed,
                sip_response_code: None,
                call: row(call),
            })
        };
        let action = |call| {
            Box::new(Callback {
                id: CallbackId(call),
                seq: 0,
                event: None,
                lane: Lane::Call(CallSid::from_bits(call)),
                account: AccountSid::from_bits(1),
                url: "https://app.test/action".to_owned(),
                method: HttpMethod::Post,
                body: CallbackBody::Conference { event: Box::new(event(1, 1, Happening::Started)), sequence: 1 },
            })
        };
        let mut noted = |journal: &mut Journal| {
            let mut effects = Vec::new();
            journal.release(&mut names, &mut effects);
            let told = effects.iter().map(|effect| match effect {
                Effect::Save(Row::Event(event)) => {
                    let call = event.call_sid().map_or_else(String::new, |sid| sid.to_string()[33..].to_owned());
                    format!("{} {call}", event.name())
                }
                Effect::Callback(callback) => format!("callback {}", callback.id.0),
                other => panic!("a journal saves and tells, and does not {other:?}"),
            });
            told.collect::<Vec<_>>()
        };
        let now = Instant::now();
        journal.note_leave(event(1, 1, left_by(1)), LegId(7), now);
        journal.note_leave(event(1, 2, left_by(2)), LegId(8), now);
        journal.note_event(over(1), None);
        journal.note_callback(action(1));
        journal.note_event(over(2), None);
        journal.note_event(over(3), None);
        journal.note_callback(action(3));
        assert_eq!(noted(&mut journal), ["call-completed 3", "callback 3"], "of those who have not left nothing waits");
        journal.leg_told(LegId(7), None);
        assert_eq!(noted(&mut journal), ["participant-leave 1"]);
        journal.note_callback(action(1));
        assert!(noted(&mut journal).is_empty(), "what comes later does not overtake what is held");
        journal.leg_told(LegId(8), None);
        let want = ["participant-leave 2", "call-completed 1", "callback 1", "call-completed 2", "callback 1"];
        assert_eq!(noted(&mut journal), want);
        journal.note_event(over(1), None);
        assert_eq!(noted(&mut journal), ["call-completed 1"], "nothing is held any more");
    }

    #[test]
    fn chatter_is_bounded() {
        let mut journal = Journal::default();
        let now = Instant::now();
        let mut told = |at| (0..1_000).filter(|_| journal.admits_fleeting(at)).count();
        assert_eq!([told(now), told(now), told(now + Duration::from_secs(1))], [500, 0, 200]);
        assert_eq!(told(now + Duration::from_secs(3600)), 500);
        assert_eq!(journal.fleeting_refused(), 500 + 1_000 + 800 + 500);
    }

    #[test]
    fn nobody_is_waited_for_for_ever() {
        let (mut journal, mut names) = (Journal::default(), Names::new(1, 0));
        let now = Instant::now();
        journal.note_leave(event(1, 1, left()), LegId(7), now);
        journal.note_leave(event(2, 1, left()), LegId(8), now + PATIENCE);
        assert_eq!(journal.next_deadline(), Some(now + PATIENCE));
        assert_eq!(journal.overdue(now), None);
        assert_eq!(journal.overdue(now + PATIENCE), Some(LegId(7)));
        journal.leg_told(LegId(7), None);
        assert_eq!(journal.overdue(now + PATIENCE), None);
        assert_eq!(saved(&mut journal, &mut names), [told(1, 1, 1, None)]);
        assert_eq!(journal.next_deadline(), Some(now + 2 * PATIENCE));
    }
}
