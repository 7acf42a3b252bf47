//! People in the conference of a task, as screens speak of them: the customer, oneself, another worker (taskrouter §14.3).
//!
//! Which conference it is and who is its customer the task's attributes tell (§7.4), which call is a worker's its
//! reservation.

use model::{CallSid, ConferenceSid, ReservationSid, TaskSid, WorkerSid};
use serde_json::Value;
use store::{ListOrder, ListPage, ReservationFilter};
use switch::{Answer, Command, ConferenceRef, ParticipantRef};
use taskrouter::Attributes;

use super::call::Call;
use crate::parameters::Parameters;
use crate::participants;
use crate::problem::Problem;

/// `CustomerParticipant`: hold, and go on.
pub(super) async fn customer(call: &Call<'_>) -> Result<Value, Problem> {
    let task = call.required_sid("TaskSid")?;
    call.expect_own_task(task).await?;
    let room = Room::of(call, task).await?;
    let customer = room.customer.ok_or(Problem::NotFound)?;
    update(call, &room, customer, &HOLD).await?;
    call.shown_task(task).await
}

/// `WorkerParticipant`: how one's own leg is in the room.
pub(super) async fn worker(call: &Call<'_>, worker: WorkerSid) -> Result<Value, Problem> {
    let sid: ReservationSid = call.required_sid("ReservationSid")?;
    let reservation = call.stored_reservation(sid).await?;
    if reservation.worker_sid != worker {
        return Err(Problem::NotFound);
    }
    let room = Room::of(call, reservation.task_sid).await?;
    let leg = reservation.worker_call_sid.or(room.worker).ok_or(Problem::NotFound)?;
    let own = [("Mute", "Muted"), ("EndConferenceOnExit", "EndConferenceOnExit"), ("BeepOnExit", "BeepOnExit")];
    update(call, &room, leg, &own).await?;
    call.shown_reservation(&reservation).await?.ok_or(Problem::NotFound)
}

/// `HoldWorkerParticipant`: hold another worker, and go on.
pub(super) async fn hold_worker(call: &Call<'_>) -> Result<Value, Problem> {
    let (task, room, leg) = target(call).await?;
    update(call, &room, leg, &HOLD).await?;
    call.shown_task(task).await
}

/// `KickWorkerParticipant`: another worker, or oneself, is to leave.
pub(super) async fn kick_worker(call: &Call<'_>) -> Result<Value, Problem> {
    let (task, room, leg) = target(call).await?;
    let command = Command::RemoveParticipant {
        account: call.visitor.account,
        conference: ConferenceRef::Sid(room.conference),
        participant: ParticipantRef::Call(leg),
    };
    match call.scope.api.command(command).await? {
        Answer::Removed => call.shown_task(task).await,
        other => Err(Problem::mismatch(&other)),
    }
}

/// The worker that is spoken of, and where.
async fn target(call: &Call<'_>) -> Result<(TaskSid, Room, CallSid), Problem> {
    let task = call.required_sid("TaskSid")?;
    let worker: WorkerSid = call.required_sid("TargetWorkerSid")?;
    call.expect_own_task(task).await?;
    let room = Room::of(call, task).await?;
    let (store, account, workspace) = (&call.scope.api.store, call.visitor.account, call.visitor.workspace);
    let filter = ReservationFilter { task_sid: Some(task), worker_sid: Some(worker), ..ReservationFilter::default() };
    let all = ListPage { size: RESERVATIONS_READ, order: ListOrder::default(), from: None };
    let rows = store.reservations(account, workspace, &filter, &all).await?.rows;
    // A worker may have had the task before: its last leg is the one that is there.
    let leg = rows.iter().filter_map(|(row, _)| row.worker_call_sid.map(|leg| (row.seq, leg))).max();
    let (_, leg) = leg.ok_or(Problem::NotFound)?;
    Ok((task, room, leg))
}

async fn update(call: &Call<'_>, room: &Room, leg: CallSid, names: &[(&str, &str)]) -> Result<(), Problem> {
    let named = |(name, rest): &(&str, &str)| Some(((*rest).to_owned(), call.parameters.get(name)?.to_owned()));
    let change = participants::change(&Parameters::of_pairs(names.iter().filter_map(named)))?;
    let command = Command::UpdateParticipant {
        account: call.visitor.account,
        conference: ConferenceRef::Sid(room.conference),
        participant: ParticipantRef::Call(leg),
        change,
    };
    match call.scope.api.command(command).await? {
        Answer::Participant(_) => Ok(()),
        other => Err(Problem::mismatch(&other)),
    }
}

/// The conference of a task.
struct Room {
    conference: ConferenceSid,
    customer: Option<CallSid>,
    worker: Option<CallSid>,
}

impl Room {
    async fn of(call: &Call<'_>, task: TaskSid) -> Result<Self, Problem> {
        let (task, _) = call.stored_task(task).await?;
        let attributes = Attributes::parse(&task.attributes).map_err(|_| Problem::NotFound)?;
        let sid = |path: &[&str]| attributes.text(path).and_then(|text| text.parse().ok());
        let conference = attributes.text(&["conference", "sid"]).or_else(|| attributes.text(&["conference_sid"]));
        let conference = conference.and_then(|text| text.parse().ok()).ok_or(Problem::NotFound)?;
        let customer = sid(&["conference", "participants", "customer"]).or_else(|| sid(&["call_sid"]));
        Ok(Self { conference, customer, worker: sid(&["conference", "participants", "worker"]) })
    }
}

/// What a screen says of holding, and what REST calls it.
const HOLD: [(&str, &str); 3] = [("Hold", "Hold"), ("HoldUrl", "HoldUrl"), ("HoldMethod", "HoldMethod")];
/// Reservations of one worker on one task that are looked through; more than a few would be a loop of refusals.
const RESERVATIONS_READ: u32 = 1_000;
