//! Queues: calls that wait, calls that take them out, and the talk of the two (twiml §7).
//!
//! Whoever waits stays in its own room with what it is played. Taken out, it goes into the room of the call that dialled
//! the queue, as a callee of that call would.

use std::sync::Arc;

use media::{Command, MAIN};
use model::{CallSid, Queue, QueueHappening, QueueSid};
use tracing::info;
use twiml::{Dial, Enqueue, EnqueueTo, QueueNoun, WaitAudio};

use super::Board;
use super::dialling::outcome_after;
use crate::call::Place;
use crate::command::{Answer, AudioUrl, Refusal};
use crate::conference::Leaving;
use crate::dial::{DialId, FromQueue, LiveDial};
use crate::follow_up::FollowUp;
use crate::queue::Member;
use crate::queue_command::{QueueCommand, QueueLoad, QueueState};
use crate::script::{Role, ScriptId, Source};
use crate::timers::Timer;
use crate::turn::Turn;
use crate::webhook::{DequeueResult, Dequeued, DialCallStatus, DialResult, Purpose, QueueResult, Remark};

impl Board {
    pub(super) fn enqueue(&mut self, script: ScriptId, sid: CallSid, enqueue: Enqueue, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let account = call.row.account_sid;
        let (name, work) = match enqueue.to {
            EnqueueTo::Queue(name) => (name, None),
            // Whoever waits for a workflow's tasks waits in a queue of that name.
            EnqueueTo::Workflow { workflow_sid, task } => (workflow_sid, Some(task)),
            // Why not has been told with the document's other warnings.
            EnqueueTo::Nowhere(_) => return self.not_queued(script, QueueResult::Error, None, turn),
        };
        let workflow = match &work {
            None => None,
            Some(_) => match name.parse().ok().filter(|workflow| turn.routing.is_workflow(account, *workflow)) {
                Some(workflow) => Some(workflow),
                None => {
                    let message = format!("there is no workflow {name}");
                    turn.notify(account, Some(sid), Remark { code: 14_220, message }, None);
                    return self.not_queued(script, QueueResult::Error, None, turn);
                }
            },
        };
        let (list, mut desk) = turn.queue_desk();
        // Callers of a workflow wait for whoever suits, not for their turn: the line is as long as one may be.
        let max_size = if workflow.is_some() { *Queue::MAX_SIZE.end() } else { Queue::MAX_SIZE_DEFAULT };
        let queue = match list.ensure(account, &name, max_size, &mut desk) {
            Ok(queue) => queue,
            Err(refusal) => {
                let remark = Remark { code: 14_201, message: refusal.to_string() };
                turn.notify(account, Some(sid), remark, None);
                return self.not_queued(script, QueueResult::Error, None, turn);
            }
        };
        let (since, enqueued) = (turn.now.instant, turn.now.wall);
        let member =
            Member { call: sid, account, script, audio: enqueue.wait, wait: None, since, enqueued, task: None };
        let Some(position) = self.queues.join(&queue, enqueue.queue_size_max, member) else {
            turn.note_queue(account, queue.sid, QueueHappening::Full { call: sid });
            let message = format!("the queue {} is full", queue.friendly_name);
            turn.notify(account, Some(sid), Remark { code: 14_207, message }, None);
            return self.not_queued(script, QueueResult::QueueFull, Some(queue.sid), turn);
        };
        turn.note_queue(account, queue.sid, QueueHappening::Joined { call: sid, position });
        info!(queue_sid = %queue.sid, friendly_name = queue.friendly_name, "waiting in a queue");
        if let (Some(workflow), Some(work)) = (workflow, work)
            && let Err(remark) = self.create_task(sid, workflow, work, turn)
        {
            turn.notify(account, Some(sid), remark, None);
            self.queues.leave(sid);
            let left = QueueHappening::Left { call: sid, result: QueueResult::Error, waited: Default::default() };
            turn.note_queue(account, queue.sid, left);
            return self.not_queued(script, QueueResult::Error, Some(queue.sid), turn);
        }
        self.hear_wait(sid, turn);
        self.serve(queue.sid, turn);
    }

    /// Whoever waits hears what it is to hear meanwhile.
    fn hear_wait(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(leg) = self.calls.get(&sid).map(|call| call.leg) else { return };
        match self.queues.audio(sid) {
            Some(WaitAudio::Playlist) => {
                turn.play(leg, Arc::clone(&turn.config.hold_music), true);
            }
            Some(WaitAudio::Silence) | None => {}
            Some(WaitAudio::Url(link)) => {
                let url = AudioUrl { url: link.url.clone(), method: link.method };
                let wait = turn.start_script(sid, Role::QueueWait, Source::Url(url));
                self.queues.hears(sid, wait);
            }
        }
    }

    fn not_queued(&mut self, script: ScriptId, result: QueueResult, queue: Option<QueueSid>, turn: &mut Turn) {
        if let Some(script) = self.scripts.get_mut(&script) {
            script.result = Some(Purpose::Enqueue { result, queue, time: Default::default(), task: None });
        }
        self.went(script, twiml::Outcome::Failed, turn);
    }

    /// `<Dial><Queue>`: whoever is in front, now or as soon as there is one.
    pub(super) fn dial_queue(&mut self, script: ScriptId, sid: CallSid, dial: Dial, noun: QueueNoun, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let account = call.row.account_sid;
        if noun.problem.is_none() && noun.reservation_sid.is_some() {
            return self.dial_reserved(script, sid, dial, noun, turn);
        }
        let has_problem = noun.problem.is_some();
        let name = noun.name.unwrap_or_default();
        let found = turn.queue_list.named(account, &name).map(|queue| queue.sid);
        let found = match found {
            _ if has_problem => Err(DequeueResult::Error),
            Some(queue) => Ok(queue),
            None => Err(DequeueResult::QueueNotFound),
        };
        let queue = match found {
            Ok(queue) => queue,
            Err(result) => {
                let dequeued = Dequeued { queue: None, result, call: None, queue_time: None, duration: None };
                let failed = DialResult { queue: Some(dequeued), ..DialResult::of(DialCallStatus::Failed) };
                return self.not_dialled(script, failed, turn);
            }
        };
        let id = turn.names.dial();
        let timer = turn.timers.set(turn.now.instant + dial.timeout, Timer::Dial(id));
        let from = FromQueue { queue, url: noun.url, waited: Default::default(), member: None, reserved: None };
        let begun = turn.now.instant;
        let live = LiveDial { timer: Some(timer), queue: Some(from), ..LiveDial::new(sid, script, dial, begun) };
        self.dials.insert(id, live);
        call.dial = Some(id);
        turn.play(call.leg, Arc::clone(&turn.config.hold_music), true);
        self.queues.await_member(queue, id);
        self.serve(queue, turn);
    }

    /// Brings those together that wait for each other.
    pub(super) fn serve(&mut self, queue: QueueSid, turn: &mut Turn) {
        while let Some((id, member)) = self.queues.match_next(queue) {
            if let Some(task) = member.task.filter(|task| task.hangs_on_wait) {
                self.caller_gone(task.sid, QueueResult::Bridged, turn); // somebody else has taken its caller
            }
            self.take(id, queue, member, turn);
        }
    }

    /// Somebody who waited is taken out by a `<Dial>`, and told what it is to be told first.
    pub(super) fn take(&mut self, id: DialId, queue: QueueSid, member: Member, turn: &mut Turn) {
        let Some(live) = self.dials.get_mut(&id) else { return };
        if let Some(timer) = live.timer.take() {
            turn.timers.clear(timer);
        }
        live.winner = Some(member.call);
        let Some(from) = live.queue.as_mut() else { return };
        from.waited = turn.now.instant.saturating_duration_since(member.since);
        let (url, guest) = (from.url.clone(), member.call);
        if let Some(wait) = member.wait {
            turn.stop_script(wait);
        }
        from.member = Some(Member { wait: None, ..member });
        if let Some(call) = self.calls.get_mut(&guest) {
            call.taken_by = Some(id);
            turn.media.push(Command::StopPlay { leg: call.leg });
            call.span.in_scope(|| info!(queue_sid = %queue, "taken out of the queue"));
        }
        match url {
            Some(link) => {
                let url = AudioUrl { method: link.method, url: link.url };
                turn.start_script(guest, Role::QueueWhisper { dial: id }, Source::Url(url));
            }
            None => self.bring(id, turn),
        }
    }

    pub(super) fn queue_whisper_purpose(&self, dial: DialId, _turn: &Turn) -> Option<Purpose> {
        let live = self.dials.get(&dial)?;
        let from = live.queue.as_ref()?;
        Some(Purpose::QueueWhisper { queue: from.queue, time: from.waited, dequeuing: live.parent })
    }

    /// The one from the queue has heard what it was to hear.
    pub(super) fn queued_told(&mut self, id: DialId, turn: &mut Turn) {
        self.bring(id, turn);
    }

    /// The one from the queue comes into the room of the call that has taken it.
    fn bring(&mut self, id: DialId, turn: &mut Turn) {
        if !self.accept_reserved(id, turn) {
            return;
        }
        let Some(LiveDial { parent, winner: Some(guest), .. }) = self.dials.get(&id) else { return };
        let Some(room) = self.calls.get(parent).map(|parent| parent.room) else { return };
        let Some(guest) = self.calls.get_mut(guest) else { return };
        guest.place = Place::Guest(id);
        turn.media.push(Command::Move { leg: guest.leg, room, emit: MAIN, hear: MAIN });
        let (call, account) = (guest.sid(), guest.row.account_sid);
        if let Some((queue, waited)) = self.dials.get(&id).and_then(|live| live.queue.as_ref().map(FromQueue::waited)) {
            let result = QueueResult::Bridged;
            turn.note_queue(account, queue, QueueHappening::Left { call, result, waited });
        }
        self.bridge(id, turn);
    }

    /// The talk of an agent with somebody from a queue is over: that one's document goes on (twiml §7.3). If the agent
    /// is gone before the two could talk, it waits on, in front.
    pub(super) fn dequeued_over(&mut self, id: DialId, live: &LiveDial, turn: &mut Turn) {
        let (Some(guest), Some(from)) = (live.winner, live.queue.as_ref()) else { return };
        let Some(call) = self.calls.get_mut(&guest).filter(|call| call.taken_by == Some(id)) else { return };
        call.taken_by = None;
        call.go_home(turn);
        if let (None, Some(member)) = (live.bridged, &from.member) {
            let told = |other: &ScriptId| {
                self.scripts.get(other).is_some_and(|script| script.role == Role::QueueWhisper { dial: id })
            };
            call.scripts.iter().copied().filter(told).for_each(|script| turn.stop_script(script));
            // A task that has ended meanwhile has nobody to wait for.
            let ended = member.task.filter(|task| turn.routing.task(task.sid).is_none_or(|task| task.is_over));
            if let (Some(_), Some(script)) = (ended, call.script) {
                let (result, task) = (QueueResult::Leave, member.told_task());
                if let Some(script) = self.scripts.get_mut(&script) {
                    script.result = Some(Purpose::Enqueue { result, queue: Some(from.queue), time: from.waited, task });
                }
                let left = QueueHappening::Left { call: guest, result, waited: from.waited };
                turn.note_queue(member.account, from.queue, left);
                return self.went(script, outcome_after(from.waited), turn);
            }
            call.span.in_scope(|| info!(queue_sid = %from.queue, "back in the queue"));
            let size_max = turn.queue_list.get(member.account, from.queue).map_or(1, |queue| queue.max_size);
            self.queues.back(from.queue, size_max, member.clone());
            self.hear_wait(guest, turn);
            turn.follow_ups.push_back(FollowUp::Serve(from.queue));
            return;
        }
        let result = QueueResult::Bridged;
        let Some(script) = call.script else { return };
        if let Some(script) = self.scripts.get_mut(&script) {
            let task = from.member.as_ref().and_then(Member::told_task);
            script.result = Some(Purpose::Enqueue { result, queue: Some(from.queue), time: from.waited, task });
        }
        self.went(script, twiml::Outcome::Done, turn);
    }

    /// The one from the queue has hung up, or goes elsewhere: the agent's document goes on.
    pub(super) fn guest_over(
        &mut self,
        id: DialId,
        guest: CallSid,
        script: Option<ScriptId>,
        how: Leaving,
        turn: &mut Turn,
    ) {
        if let Some(call) = self.calls.get_mut(&guest) {
            call.taken_by = None; // its own document is told otherwise
        }
        let Some(live) = self.dials.get_mut(&id) else { return };
        let (parent, bridged) = (live.parent, live.bridged.is_some());
        let waited = live.queue.as_ref().map(FromQueue::waited);
        let task = live.queue.as_ref().and_then(|from| from.member.as_ref()?.task);
        let result = match (how, bridged) {
            (Leaving::Redirected, true) => QueueResult::RedirectedFromBridged,
            (Leaving::Redirected, false) => QueueResult::BridgingInProcess,
            (_, true) => QueueResult::Bridged,
            (_, false) => QueueResult::Hangup,
        };
        if let Some(task) = task.filter(|task| task.hangs_on_wait && !bridged) {
            self.caller_gone(task.sid, result, turn);
        }
        // Who was brought to somebody has left already.
        if let (Some((queue, waited)), Some(parent), false) = (waited, self.calls.get(&parent), bridged) {
            let left = QueueHappening::Left { call: guest, result, waited };
            turn.note_queue(parent.row.account_sid, queue, left);
        }
        if let (Some((queue, time)), Some(script)) = (waited, script.and_then(|id| self.scripts.get_mut(&id))) {
            let task = task.map(|task| (task.sid, task.workflow));
            script.result = Some(Purpose::Enqueue { result, queue: Some(queue), time, task });
        }
        let status = if bridged { DialCallStatus::Completed } else { DialCallStatus::NoAnswer };
        self.dial_over(id, status, turn);
    }

    /// A call leaves its queue, and its document goes on.
    pub(super) fn leave_queue(&mut self, sid: CallSid, result: QueueResult, turn: &mut Turn) {
        let Some(script) = self.out_of_queue(sid, result, turn) else { return };
        if let Some(call) = self.calls.get_mut(&sid) {
            call.go_home(turn);
        }
        let waited = match self.scripts.get(&script).and_then(|script| script.result.as_ref()) {
            Some(Purpose::Enqueue { time, .. }) => *time,
            _ => Default::default(),
        };
        self.went(script, outcome_after(waited), turn);
    }

    /// A call is in no queue any more; its document may tell why.
    pub(super) fn out_of_queue(&mut self, sid: CallSid, result: QueueResult, turn: &mut Turn) -> Option<ScriptId> {
        let (queue, member) = self.queues.leave(sid)?;
        if let Some(wait) = member.wait {
            turn.stop_script(wait);
        }
        let (time, task) = (turn.now.instant.saturating_duration_since(member.since), member.told_task());
        if let Some(script) = self.scripts.get_mut(&member.script) {
            script.result = Some(Purpose::Enqueue { result, queue: Some(queue), time, task });
        }
        info!(queue_sid = %queue, queue_result = result.as_str(), "left the queue");
        turn.note_queue(member.account, queue, QueueHappening::Left { call: sid, result, waited: time });
        if let Some(task) = member.task.filter(|task| task.hangs_on_wait) {
            self.caller_gone(task.sid, result, turn);
        }
        Some(member.script)
    }

    /// What the control layer asks of a queue, or of who waits in it.
    pub(super) fn queue_command(&mut self, command: QueueCommand, turn: &mut Turn) -> Result<Answer, Refusal> {
        let now = turn.now.instant;
        match command {
            QueueCommand::ListMembers { account, queue } => {
                turn.queue_list.get(account, queue).ok_or(Refusal::QueueNotFound)?;
                Ok(Answer::QueueMembers(self.queues.members(queue, now)))
            }
            QueueCommand::FetchMember { account, queue, member } => {
                turn.queue_list.get(account, queue).ok_or(Refusal::QueueNotFound)?;
                self.queues.find(queue, member, now).map(Answer::QueueMember).ok_or(Refusal::MemberNotFound)
            }
            QueueCommand::DequeueMember { account, queue, member, link } => {
                turn.queue_list.get(account, queue).ok_or(Refusal::QueueNotFound)?;
                let member = self.queues.find(queue, member, now).ok_or(Refusal::MemberNotFound)?;
                let voice = AudioUrl { method: link.method, url: link.url };
                self.redirect(member.call, Source::Hooks { voice, fallback: None }, turn);
                Ok(Answer::QueueMember(member))
            }
            QueueCommand::Measure { queues, .. } => {
                Ok(Answer::QueueLoads(queues.into_iter().map(|queue| self.queues.load(queue, now)).collect()))
            }
            QueueCommand::Create { account, friendly_name, max_size } => {
                let (list, mut desk) = turn.queue_desk();
                let queue = list.create(account, friendly_name, max_size, &mut desk)?;
                Ok(Answer::Queue(Box::new(QueueState { queue, load: QueueLoad::default() })))
            }
            QueueCommand::Update { account, queue, friendly_name, max_size } => {
                let load = self.queues.load(queue, now);
                let (list, mut desk) = turn.queue_desk();
                let queue = list.update(account, queue, friendly_name, max_size, &mut desk)?;
                Ok(Answer::Queue(Box::new(QueueState { queue, load })))
            }
            QueueCommand::Delete { account, queue } => {
                // Who has been taken out but not brought to anybody may come back to it.
                let taken = self.dials.values().filter(|live| live.holds_place_in(queue)).count();
                let waiting = self.queues.load(queue, now).current_size + u32::try_from(taken).unwrap_or(u32::MAX);
                let deleted = turn.queue_list.get(account, queue).map(|queue| queue.friendly_name.clone());
                let (list, mut desk) = turn.queue_desk();
                list.delete(account, queue, waiting, &mut desk)?;
                turn.note_queue_as(account, queue, deleted.unwrap_or_default(), QueueHappening::Deleted);
                Ok(Answer::Removed)
            }
        }
    }
}
