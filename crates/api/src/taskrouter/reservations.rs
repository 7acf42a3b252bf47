//! Reservations (taskrouter §7): of a task or of a worker, the same ones.

use axum::http::StatusCode;
use axum::response::Response;
use model::{Reservation, ReservationStatus, WorkspaceSid};
use serde::Serialize;
use store::{ListOrder, ReservationFilter};
use switch::routing::{Instruction, ReservationOf, ReservationUpdate, WorkspaceOrder};

use super::list::{List, RowPlace};
use super::{Links, Scope, instruction, row, sid, versioned, words};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// A reservation, and the name of its worker.
type Row = (Reservation, String);

/// `GET /Tasks/{WT}/Reservations`, `GET /Workers/{WK}/Reservations`
pub(crate) async fn list(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let (store, account, workspace) = (&scope.api.store, scope.account, scope.workspace()?);
    let mut filter = ReservationFilter {
        reservation_status: words(&parameters, STATUS).map(status).collect::<Result<_, _>>()?,
        ..ReservationFilter::default()
    };
    let of = of(&scope)?;
    match of {
        ReservationOf::Task(task) => {
            store.task(account, workspace, task).await?.ok_or(Problem::NotFound)?;
            filter.task_sid = Some(task);
            filter.worker_sid = sid(&parameters, "WorkerSid")?;
        }
        ReservationOf::Worker(worker) => {
            store.worker(account, workspace, worker).await?.ok_or(Problem::NotFound)?;
            filter.worker_sid = Some(worker);
        }
    }
    let list = List::read(&parameters, ListOrder::default())?;
    let page = list.page(|sid| store.reservation_seq(account, workspace, sid)).await?;
    let rows = store.reservations(account, workspace, &filter, &page).await?;
    let url = reservations_url(&scope, workspace, of);
    let place = |(row, _): &Row| RowPlace::of(row.sid);
    Ok(list.answer("reservations", &url, &rows, place, |(row, worker)| {
        ReservationJson::of(&scope, row, of, worker.clone())
    }))
}

/// `GET …/Reservations/{WR}`
pub(crate) async fn fetch(scope: Scope) -> Result<Response, Problem> {
    let (of, workspace) = (of(&scope)?, scope.workspace()?);
    let found = scope.api.store.reservation(scope.account, workspace, scope.sid("reservation")?).await?;
    let found = found.filter(|(row, _)| match of {
        ReservationOf::Task(task) => row.task_sid == task,
        ReservationOf::Worker(worker) => row.worker_sid == worker,
    });
    let (row, worker) = found.ok_or(Problem::NotFound)?;
    Ok(versioned(StatusCode::OK, row.version, &ReservationJson::of(&scope, &row, of, worker)))
}

/// `POST …/Reservations/{WR}`: `ReservationStatus`, or `Instruction`.
pub(crate) async fn update(scope: Scope, parameters: Parameters) -> Result<Response, Problem> {
    let (of, row) = (of(&scope)?, change(&scope, &parameters).await?);
    let found = scope.api.store.reservation(scope.account, row.workspace_sid, row.sid).await?;
    let worker = found.map(|(_, worker)| worker).unwrap_or_default();
    Ok(versioned(StatusCode::OK, row.version, &ReservationJson::of(&scope, &row, of, worker)))
}

/// Has the reservation that the path names changed, or carried out.
pub(crate) async fn change(scope: &Scope, parameters: &Parameters) -> Result<Reservation, Problem> {
    let (of, if_match, reservation) = (of(scope)?, scope.if_match()?, scope.sid("reservation")?);
    let instruction = instruction::of_parameters(parameters)?;
    let order = match (parameters.filled(STATUS), instruction) {
        (Some(word), _) => {
            WorkspaceOrder::UpdateReservation { reservation, of, if_match, change: becomes(word, parameters)? }
        }
        // Only a task's path leads to a supervisor (taskrouter §7.2).
        (None, Some(Instruction::Supervise(_))) if matches!(of, ReservationOf::Worker(_)) => {
            let expected = "accept, reject, dequeue, call, redirect or conference";
            return Err(Problem::Parameter { name: "Instruction", expected });
        }
        (None, Some(instruction)) => WorkspaceOrder::Instruct { reservation, of, if_match, instruction },
        (None, None) => return Err(Problem::Missing { code: 20001, name: STATUS }),
    };
    Ok(row!(scope.change(order).await?, Reservation))
}

/// Whose reservations the path leads to.
fn of(scope: &Scope) -> Result<ReservationOf, Problem> {
    match scope.path.contains_key("task") {
        true => scope.sid("task").map(ReservationOf::Task),
        false => scope.sid("worker").map(ReservationOf::Worker),
    }
}

/// What becomes of a reservation.
fn becomes(word: &str, parameters: &Parameters) -> Result<ReservationUpdate, Problem> {
    match word {
        "accepted" => Ok(ReservationUpdate::Accepted),
        "rejected" => {
            const NAME: &str = "WorkerActivitySid";
            let activity = parameters.filled(NAME).map(str::parse).transpose();
            let wrong = Problem::Invalid { code: 40100, name: NAME, expected: "the SID of an activity" };
            Ok(ReservationUpdate::Rejected { activity: activity.map_err(|_| wrong)? })
        }
        "wrapping" => Ok(ReservationUpdate::Wrapping),
        "completed" => Ok(ReservationUpdate::Completed),
        _ => Err(Problem::Parameter { name: STATUS, expected: "accepted, rejected, wrapping or completed" }),
    }
}

fn status(word: &str) -> Result<ReservationStatus, Problem> {
    let expected = "pending, accepted, rejected, timeout, canceled, rescinded, wrapping or completed";
    word.parse().map_err(|_| Problem::Parameter { name: STATUS, expected })
}

fn reservations_url(scope: &Scope, workspace: WorkspaceSid, of: ReservationOf) -> String {
    match of {
        ReservationOf::Task(sid) => scope.url(workspace, format_args!("/Tasks/{sid}/Reservations")),
        ReservationOf::Worker(sid) => scope.url(workspace, format_args!("/Workers/{sid}/Reservations")),
    }
}

#[derive(Serialize)]
struct ReservationJson {
    sid: String,
    account_sid: String,
    workspace_sid: String,
    task_sid: String,
    worker_sid: String,
    worker_name: String,
    reservation_status: &'static str,
    date_created: String,
    date_updated: String,
    url: String,
    links: Links,
}

impl ReservationJson {
    fn of(scope: &Scope, row: &Reservation, of: ReservationOf, worker_name: String) -> Self {
        let workspace = row.workspace_sid;
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            workspace_sid: workspace.to_string(),
            task_sid: row.task_sid.to_string(),
            worker_sid: row.worker_sid.to_string(),
            worker_name,
            reservation_status: row.reservation_status.as_str(),
            date_created: row.created.rfc3339(),
            date_updated: row.updated.rfc3339(),
            url: format!("{}/{}", reservations_url(scope, workspace, of), row.sid),
            links: Links::from([
                ("workspace", scope.url(workspace, "")),
                ("task", scope.url(workspace, format_args!("/Tasks/{}", row.task_sid))),
                ("worker", scope.url(workspace, format_args!("/Workers/{}", row.worker_sid))),
            ]),
        }
    }
}

const STATUS: &str = "ReservationStatus";
