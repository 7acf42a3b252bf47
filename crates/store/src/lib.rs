//! Resources in SQLite: accounts, what they set up, calls, conferences, participants; and the log of what happened.
//!
//! Rows, not rules: what may follow what is the switch's business, how a row is spelled on the wire the API's.
//! Reads go to a small pool of readers, each seeing the last commit; every write goes through one connection, so
//! the order of writes is the order they were handed in.
//!
//! ```text
//! switch ──Save(rows)──▶ Writer ──group──▶ one commit ──▶ each batch's `done`
//! api ──▶ Store::call, calls, conference, … ──▶ readers (WAL snapshot)
//! ```
//! SQL is one text for SQLite and PostgreSQL: `$1` placeholders, TEXT and BIGINT only, booleans 0 and 1, times in
//! microseconds, order by `seq`. A text with NUL in it is refused here, since PostgreSQL would refuse it later.

mod account;
mod api_key;
mod call;
mod call_event;
mod column;
mod commit;
mod conference;
mod database;
mod directory;
mod error;
mod event;
mod insert;
mod leg_stats;
mod losses;
mod notification;
mod outbox;
mod participant;
mod recent;
mod recover;
mod registration;
mod routing;
mod select;
mod signing_secret;
#[cfg(test)]
mod testing;
mod writer;

pub use account::{AccountFilter, Credentials};
pub use call::CallFilter;
pub use call_event::CALL_EVENTS_MAX;
pub use commit::Row;
pub use conference::ConferenceFilter;
pub use database::Store;
pub use directory::{ApplicationFilter, CallerIdFilter, MappingKind, NamedMapping, NumberFilter};
pub use error::StoreError;
pub use event::{EVENTS_KEPT_FOR, EVENTS_MAX, FLEETING_MAX, LogBounds, LoggedEvent};
pub use notification::{NOTIFICATIONS_MAX, NotificationFilter};
pub use outbox::OpenCallback;
pub use participant::ParticipantFilter;
pub use recover::Recovered;
pub use routing::{
    ActivityFilter, ListFrom, ListOrder, ListPage, ListPlace, OrderBy, OrderColumn, ReservationFilter,
    TASK_ROUTER_EVENTS_KEPT_FOR, TASK_ROUTER_EVENTS_MAX, TaskFilter, TaskNames, TaskQueueNames, TaskRouterEventFilter,
    WorkerActivity, WorkerFilter, WorkspaceNames,
};
pub use select::{Page, Position, Rows, Span};
pub use writer::{Refused, Watcher, Writer, WriterStats};
