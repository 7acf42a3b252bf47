//! Commits: all rows of a batch, or none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use model::{
    AccountEvent, Call, CallEvent, CallSid, Conference, DirectoryKey, DirectoryRow, LegStats, Notification,
    Participant, Registration, RoutingKey, RoutingRow, SipDomainSid, StatisticsBucket, TaskRouterEvent,
};
use sqlx::SqliteConnection;

use crate::{
    OpenCallback, Store, StoreError, call, call_event, conference, directory, event, leg_stats, notification, outbox,
    participant, registration, routing,
};

/// One resource as it is now, to be written over what is stored of it; or something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A call.
    Call(Call),
    /// A conference.
    Conference(Conference),
    /// A participant.
    Participant(Participant),
    /// What a call's leg did, to be kept with the call.
    LegStats(CallSid, LegStats),
    /// Something that an account has set up.
    Directory(Box<DirectoryRow>),
    /// It has been deleted, with whatever was in it.
    DirectoryDeleted(DirectoryKey),
    /// Where a user of a domain is reached: all their contacts.
    Registrations(SipDomainSid, String, Vec<Registration>),
    /// Something that happened, an entry of its account's log.
    Event(AccountEvent),
    /// A workspace, or something in one.
    Routing(Box<RoutingRow>),
    /// It is gone, with whatever was in it.
    RoutingDeleted(RoutingKey),
    /// The figures of a minute or an hour of a workspace, or that they are to be kept no longer.
    StatisticsBucket(Box<StatisticsBucket>),
    /// Something that happened in a workspace.
    TaskRouterEvent(Arc<TaskRouterEvent>),
    /// Something an application is to be told.
    Callback(OpenCallback),
    /// It has been told, or cannot be.
    CallbackClosed(u128),
    /// Something that went wrong.
    Notification(Notification),
    /// Something that was asked in a call.
    CallEvent(CallEvent),
}

impl Row {
    /// What happened, if it is that.
    pub fn event(&self) -> Option<&AccountEvent> {
        match self {
            Self::Event(event) => Some(event),
            _ => None,
        }
    }

    /// It is added to a log that is kept within a bound.
    pub(crate) fn is_logged(&self) -> bool {
        matches!(self, Self::Notification(_) | Self::CallEvent(_) | Self::TaskRouterEvent(_))
    }
}

impl Store {
    /// Writes the rows in their order, in one transaction.
    pub async fn commit(&self, rows: &[Row]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        save(rows, &mut transaction).await?;
        Ok(transaction.commit().await?)
    }
}

/// Writes the rows in their order, inside whatever transaction `connection` is in. Those of which there are many at
/// once, and which nothing else that is written here depends on, go last and together.
pub(crate) async fn save<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let (mut participants, mut events, mut call_events) = (Vec::new(), Vec::new(), Vec::new());
    let mut places = HashMap::new();
    for row in rows {
        match row {
            Row::Call(row) => call::save(row, connection).await?,
            Row::Conference(row) => conference::save(row, connection).await?,
            // What it has become in the end is all that is seen of it.
            Row::Participant(row) => match places.entry((row.conference_sid, row.call_sid)) {
                Entry::Occupied(place) => participants[*place.get()] = row,
                Entry::Vacant(place) => {
                    place.insert(participants.len());
                    participants.push(row);
                }
            },
            Row::LegStats(call, stats) => leg_stats::save(*call, stats, connection).await?,
            Row::Directory(row) => directory::save(row, connection).await?,
            Row::DirectoryDeleted(key) => directory::delete(key, connection).await?,
            Row::Registrations(domain, user, contacts) => {
                registration::save(*domain, user, contacts, connection).await?
            }
            Row::Event(event) => events.push(event),
            Row::Routing(row) => routing::save(row, connection).await?,
            Row::RoutingDeleted(key) => routing::delete(key, connection).await?,
            Row::StatisticsBucket(row) => routing::save_statistics(row, connection).await?,
            Row::TaskRouterEvent(event) => routing::save_event(event, connection).await?,
            Row::Callback(callback) => outbox::save(callback, connection).await?,
            Row::CallbackClosed(id) => outbox::close(*id, connection).await?,
            Row::Notification(notification) => notification::save(notification, connection).await?,
            Row::CallEvent(event) => call_events.push(event),
        }
    }
    participant::save(&participants, connection).await?;
    event::save(&events, connection).await?;
    call_event::save(&call_events, connection).await
}
