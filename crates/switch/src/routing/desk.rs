//! What the handling of one event may use and fill, for TaskRouter: the time, who asks, fresh names, and the effects.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use model::{
    AccountSid, EventActor, Exchange, Level, Notification, ReservationSid, RoutingKey, RoutingRow, TaskSid, Timestamp,
    WorkerSid, WorkflowSid, WorkspaceSid,
};

use super::AssignmentId;
use super::rows::Place;
use crate::effect::{Effect, Row};
use crate::follow_up::FollowUp;
use crate::turn::Names;
use crate::webhook::Remark;

/// See above.
pub(crate) struct Desk<'a> {
    pub(crate) now: Timestamp,
    /// Who asks; nobody but the workspace itself without.
    pub(crate) actor: Option<EventActor>,
    pub(crate) names: &'a mut Names,
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) follow_ups: &'a mut VecDeque<FollowUp>,
    pub(crate) index: &'a mut Index,
}

/// In which workspace things are that are named without.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(super) tasks: HashMap<TaskSid, WorkspaceSid>,
    pub(super) reservations: HashMap<ReservationSid, WorkspaceSid>,
    pub(super) workflows: HashMap<WorkflowSid, WorkspaceSid>,
    pub(super) workers: HashMap<WorkerSid, Place>,
    /// Applications that are being asked what to do.
    pub(super) assignments: BTreeMap<AssignmentId, Asked>,
    pub(super) last_assignment: u64,
}

/// What an application is being asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) account: AccountSid,
    pub(super) reservation: ReservationSid,
}

impl Desk<'_> {
    /// Has a row kept.
    pub(super) fn save(&mut self, row: RoutingRow) {
        self.effects.push(Effect::Save(Row::Routing(Box::new(row))));
    }

    /// Has a row, and what is in it, kept no longer.
    pub(super) fn delete(&mut self, key: RoutingKey) {
        self.effects.push(Effect::Save(Row::RoutingDeleted(key)));
    }

    /// Tells the developers of an application what went wrong.
    pub(super) fn notify(&mut self, account: AccountSid, remark: Remark, exchange: Option<Arc<Exchange>>) {
        self.effects.push(Effect::Save(Row::Notification(Notification {
            sid: self.names.notification(),
            account_sid: account,
            call_sid: None,
            level: Level::of(remark.code),
            error_code: remark.code,
            message: remark.message,
            exchange,
            at: self.now,
            seq: self.names.seq(),
        })));
    }

    pub(super) fn notify_error(&mut self, account: AccountSid, code: u16, message: String) {
        self.notify(account, Remark { code, message }, None);
    }
}
