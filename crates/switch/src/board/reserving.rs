//! Callers who wait for a task: the task of an `<Enqueue workflowSid>`, and the `<Dial><Queue reservationSid>` that takes
//! its caller (twiml §7.1, §7.4).

use std::sync::Arc;

use model::{CallSid, ReservationSid, ReservationStatus, TaskSid, WorkEnd, WorkflowSid, country};
use tracing::info;
use twiml::{Dial, QueueNoun};

use super::Board;
use crate::call::LiveCall;
use crate::dial::{DialId, FromQueue, LiveDial, Reserved};
use crate::offer::Aim;
use crate::queue::QueuedTask;
use crate::routing::whom::task_call;
use crate::routing::{NewCallTask, TaskRefused};
use crate::script::ScriptId;
use crate::turn::Turn;
use crate::webhook::{DequeueResult, Dequeued, DialCallStatus, DialResult, Remark};

impl Board {
    /// The task of a call that has come into a workflow's queue.
    pub(super) fn create_task(
        &mut self,
        sid: CallSid,
        workflow: WorkflowSid,
        work: twiml::Task,
        turn: &mut Turn,
    ) -> Result<TaskSid, Remark> {
        let Some(call) = self.calls.get(&sid) else {
            return Err(Remark { code: 14_222, message: "the call is over".to_owned() });
        };
        let new = NewCallTask {
            account: call.row.account_sid,
            workflow,
            call: sid,
            document: Some(work.attributes),
            fields: fields_of(call),
            priority: work.priority,
            timeout: work.timeout,
        };
        let created = turn.routing.create_task_for_call(turn.now.wall, turn.names, new);
        let task = created.map_err(|TaskRefused { code, message }| Remark { code, message })?;
        self.queues.wait_for(sid, QueuedTask { sid: task, workflow, hangs_on_wait: true });
        info!(task_sid = %task, workflow_sid = %workflow, "waiting for a task's worker");
        Ok(task)
    }

    /// `<Dial><Queue reservationSid>`: the caller of that reservation's task, and nobody else.
    pub(super) fn dial_reserved(
        &mut self,
        script: ScriptId,
        sid: CallSid,
        dial: Dial,
        noun: QueueNoun,
        turn: &mut Turn,
    ) {
        let Some(account) = self.calls.get(&sid).map(|call| call.row.account_sid) else { return };
        let named = noun.reservation_sid.as_deref().and_then(|text| text.parse::<ReservationSid>().ok());
        let view = named.and_then(|named| turn.routing.reservation(named)).filter(|view| view.account == account);
        let found = view.filter(|view| may_take_caller(view.status)).and_then(|view| {
            let caller = turn.routing.task(view.task).and_then(|task| task_call(task.attributes))?;
            self.queues.waits(caller, account, view.task).then_some((view.sid, view.workspace, caller))
        });
        let Some((reservation, workspace, caller)) = found else {
            let message = format!("reservation {} has no caller to take", noun.reservation_sid.unwrap_or_default());
            return self.not_reserved(script, sid, 14_217, message, turn);
        };
        let post_work = match noun.post_work_activity_sid.as_deref().map(str::parse) {
            None => None,
            Some(Ok(activity)) if turn.routing.has_activity(workspace, activity) => Some(activity),
            Some(_) => {
                let message = "postWorkActivitySid is no activity of the workspace".to_owned();
                turn.notify(account, Some(sid), Remark { code: 14_218, message }, None);
                None
            }
        };
        let completes = self.offers.get(reservation).is_some_and(|o| o.call == sid && matches!(o.aim, Aim::Dequeue));
        let Some((queue, member)) = self.queues.leave(caller) else { return };
        let id = turn.names.dial();
        let reserved = Some(Reserved { reservation, post_work, completes });
        let from = FromQueue { queue, url: noun.url, waited: Default::default(), member: None, reserved };
        let live = LiveDial { queue: Some(from), ..LiveDial::new(sid, script, dial, turn.now.instant) };
        self.dials.insert(id, live);
        if let Some(call) = self.calls.get_mut(&sid) {
            call.dial = Some(id);
            turn.play(call.leg, Arc::clone(&turn.config.hold_music), true);
        }
        self.take(id, queue, member, turn);
    }

    fn not_reserved(&mut self, script: ScriptId, sid: CallSid, code: u16, message: String, turn: &mut Turn) {
        if let Some(account) = self.calls.get(&sid).map(|call| call.row.account_sid) {
            info!(error_code = code, "dial failed: {message}");
            turn.notify(account, Some(sid), Remark { code, message }, None);
        }
        let result = DequeueResult::Error;
        let dequeued = Dequeued { queue: None, result, call: None, queue_time: None, duration: None };
        let failed = DialResult { queue: Some(dequeued), ..DialResult::of(DialCallStatus::Failed) };
        self.not_dialled(script, failed, turn);
    }

    /// The caller of a reservation is about to be brought to its worker, who has the task from now on. False: the
    /// reservation has gone on meanwhile, and the caller waits on.
    pub(super) fn accept_reserved(&mut self, id: DialId, turn: &mut Turn) -> bool {
        let Some(live) = self.dials.get_mut(&id) else { return false };
        let (parent, Some(from)) = (live.parent, live.queue.as_mut()) else { return true };
        let Some(Reserved { reservation, post_work, completes }) = from.reserved else { return true };
        let end = if completes { WorkEnd::Complete } else { WorkEnd::Nothing };
        let pending =
            turn.routing.reservation(reservation).is_some_and(|view| view.status == ReservationStatus::Pending);
        let accepted = match pending {
            true => turn.routing.accept(turn.now.wall, reservation).map_err(|refusal| refusal.to_string()),
            // Accepted before, by the application: `may_take_caller` has seen to that.
            false => turn
                .routing
                .reservation(reservation)
                .filter(|view| may_take_caller(view.status))
                .map(|_| ())
                .ok_or_else(|| "it has gone on meanwhile".to_owned()),
        };
        match accepted {
            Ok(()) => {
                if let Some(task) = from.member.as_mut().and_then(|member| member.task.as_mut()) {
                    task.hangs_on_wait = false;
                }
                if let Some(offer) = self.offers.get_mut(reservation) {
                    offer.accepted = true;
                }
                turn.routing.carried(reservation, parent, post_work, end);
                true
            }
            Err(why) => {
                info!(reservation_sid = %reservation, "not accepted: {why}");
                self.dial_over(id, DialCallStatus::Failed, turn);
                false
            }
        }
    }

    /// The talk of a worker with the caller of a task is over.
    pub(super) fn reserved_over(&mut self, live: &LiveDial, turn: &mut Turn) {
        let Some(from) = live.queue.as_ref().filter(|_| live.bridged.is_some()) else { return };
        let Some(Reserved { reservation, completes, .. }) = from.reserved else { return };
        if completes {
            self.offers.remove(reservation);
        }
        if let Err(refusal) = turn.routing.work_over(turn.now.wall, reservation) {
            info!(reservation_sid = %reservation, %refusal, "its work was over already");
        }
    }
}

/// Whether a worker may have the caller of a reservation's task.
fn may_take_caller(status: ReservationStatus) -> bool {
    matches!(status, ReservationStatus::Pending | ReservationStatus::Accepted)
}

/// What the task of a call says of the call (twiml §7.1).
fn fields_of(call: &LiveCall) -> Vec<(&'static str, String)> {
    let row = &call.row;
    let mut fields = vec![
        ("call_sid", row.sid.to_string()),
        ("account_sid", row.account_sid.to_string()),
        ("from", row.from.clone()),
        ("to", row.to.clone()),
        ("caller", row.from.clone()),
        ("called", row.to.clone()),
        ("direction", row.direction.to_string()),
        ("call_status", row.status.to_string()),
        ("api_version", API_VERSION.to_owned()),
    ];
    for (names, number) in [(FROM, &row.from), (TO, &row.to), (CALLER, &row.from), (CALLED, &row.to)] {
        let [city, state, zip, in_country] = names;
        // Nobody tells us more than the number's prefix does.
        fields.extend([city, state, zip].map(|name| (name, String::new())));
        let code = if country::is_number(number) { country::of(number) } else { "" };
        fields.push((in_country, code.to_owned()));
    }
    fields
}

const API_VERSION: &str = "2010-04-01";
const FROM: [&str; 4] = ["from_city", "from_state", "from_zip", "from_country"];
const TO: [&str; 4] = ["to_city", "to_state", "to_zip", "to_country"];
const CALLER: [&str; 4] = ["caller_city", "caller_state", "caller_zip", "caller_country"];
const CALLED: [&str; 4] = ["called_city", "called_state", "called_zip", "called_country"];
