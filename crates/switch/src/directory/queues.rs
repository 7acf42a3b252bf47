//! The queues there are: their names and sizes (rest-voice §7). Who waits in them is known elsewhere.

use std::collections::BTreeMap;

use model::{AccountSid, DirectoryKey, DirectoryRow, Queue, QueueSid};

use super::Desk;
use super::command::DirectoryRefusal;
use super::numbers::replace;

/// All queues, of all accounts.
#[derive(Debug, Default)]
pub(crate) struct QueueList {
    queues: BTreeMap<QueueSid, Queue>,
    by_name: BTreeMap<(AccountSid, String), QueueSid>,
}

impl QueueList {
    /// The account's queue of that SID.
    pub(crate) fn get(&self, account: AccountSid, sid: QueueSid) -> Option<&Queue> {
        self.queues.get(&sid).filter(|queue| queue.account_sid == account)
    }

    /// The account's queue of that name.
    pub(crate) fn named(&self, account: AccountSid, friendly_name: &str) -> Option<&Queue> {
        self.queues.get(self.by_name.get(&(account, friendly_name.to_owned()))?)
    }

    /// The account's queue of that name, made with room for so many if there is none.
    pub(crate) fn ensure(
        &mut self,
        account: AccountSid,
        friendly_name: &str,
        max_size: u32,
        desk: &mut Desk,
    ) -> Result<Queue, DirectoryRefusal> {
        match self.named(account, friendly_name) {
            Some(queue) => Ok(queue.clone()),
            None => self.create(account, friendly_name.to_owned(), max_size, desk),
        }
    }

    pub(crate) fn create(
        &mut self,
        account: AccountSid,
        friendly_name: String,
        max_size: u32,
        desk: &mut Desk,
    ) -> Result<Queue, DirectoryRefusal> {
        self.check_name(account, &friendly_name, None)?;
        if self.queues.values().filter(|queue| queue.account_sid == account).count() >= QUEUES_MAX {
            return Err(DirectoryRefusal::TooManyQueues);
        }
        let row = Queue {
            sid: QueueSid::from_bits(desk.names.bits()),
            account_sid: account,
            friendly_name,
            max_size,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        Ok(self.keep(row, desk))
    }

    pub(crate) fn update(
        &mut self,
        account: AccountSid,
        sid: QueueSid,
        friendly_name: Option<String>,
        max_size: Option<u32>,
        desk: &mut Desk,
    ) -> Result<Queue, DirectoryRefusal> {
        let mut row = self.get(account, sid).ok_or(DirectoryRefusal::NotFound)?.clone();
        if let Some(name) = &friendly_name {
            self.check_name(account, name, Some(sid))?;
        }
        replace(&mut row.friendly_name, friendly_name);
        replace(&mut row.max_size, max_size);
        row.updated = desk.now;
        Ok(self.keep(row, desk))
    }

    /// Deletes a queue in which so many wait, if those are none.
    pub(crate) fn delete(
        &mut self,
        account: AccountSid,
        sid: QueueSid,
        waiting: u32,
        desk: &mut Desk,
    ) -> Result<(), DirectoryRefusal> {
        let name = self.get(account, sid).ok_or(DirectoryRefusal::NotFound)?.friendly_name.clone();
        if waiting > 0 {
            return Err(DirectoryRefusal::QueueNotEmpty);
        }
        self.by_name.remove(&(account, name));
        self.queues.remove(&sid);
        desk.delete(DirectoryKey::Queue(sid));
        Ok(())
    }

    /// Takes in a queue as it is now.
    pub(super) fn put(&mut self, row: Queue) {
        if let Some(before) = self.queues.get(&row.sid) {
            self.by_name.remove(&(before.account_sid, before.friendly_name.clone()));
        }
        self.by_name.insert((row.account_sid, row.friendly_name.clone()), row.sid);
        self.queues.insert(row.sid, row);
    }

    fn keep(&mut self, row: Queue, desk: &mut Desk) -> Queue {
        self.put(row.clone());
        desk.save(DirectoryRow::Queue(row.clone()));
        row
    }

    fn check_name(&self, account: AccountSid, name: &str, of: Option<QueueSid>) -> Result<(), DirectoryRefusal> {
        match self.by_name.get(&(account, name.to_owned())) {
            Some(sid) if Some(*sid) != of => Err(DirectoryRefusal::QueueNameTaken),
            _ => Ok(()),
        }
    }
}

/// Queues that an account may have.
const QUEUES_MAX: usize = 10_000;
