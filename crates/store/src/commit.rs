//! Commits: all rows of a batch, or none.

use model::{Call, CallSid, Conference, ConferenceEvent, DirectoryKey, DirectoryRow, LegStats, Participant};
use sqlx::SqliteConnection;

use crate::{Store, StoreError, call, conference, directory, event, leg_stats, participant};

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
    /// Something that happened in a conference.
    Event(ConferenceEvent),
}

impl Row {
    /// What happened, if it is that.
    pub(crate) fn event(&self) -> Option<&ConferenceEvent> {
        match self {
            Self::Event(event) => Some(event),
            Self::Call(_)
            | Self::Conference(_)
            | Self::Participant(_)
            | Self::LegStats(..)
            | Self::Directory(_)
            | Self::DirectoryDeleted(_) => None,
        }
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

/// Writes the rows in their order, inside whatever transaction `connection` is in.
pub(crate) async fn save(rows: &[Row], connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for row in rows {
        match row {
            Row::Call(row) => call::save(row, connection).await?,
            Row::Conference(row) => conference::save(row, connection).await?,
            Row::Participant(row) => participant::save(row, connection).await?,
            Row::LegStats(call, stats) => leg_stats::save(*call, stats, connection).await?,
            Row::Directory(row) => directory::save(row, connection).await?,
            Row::DirectoryDeleted(key) => directory::delete(key, connection).await?,
            Row::Event(event) => event::save(event, connection).await?,
        }
    }
    Ok(())
}
