//! Outgoing caller IDs: the numbers of others that an account's calls may be shown to come from (rest-voice §8).

use model::{AccountSid, DirectoryKey, DirectoryRow, OutgoingCallerId, PhoneNumberSid};

use super::command::DirectoryRefusal;
use super::numbers::replace;
use super::{Desk, Directory};
use crate::command::Answer;

impl Directory {
    pub(super) fn create_caller_id(
        &mut self,
        account: AccountSid,
        phone_number: String,
        friendly_name: Option<String>,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        if self.outgoing_caller_id(account, &phone_number).is_some() {
            return Err(DirectoryRefusal::CallerIdTaken);
        }
        if self.caller_ids.values().filter(|row| row.account_sid == account).count() >= CALLER_IDS_MAX {
            return Err(DirectoryRefusal::TooManyNumbers);
        }
        let row = OutgoingCallerId {
            sid: PhoneNumberSid::from_bits(desk.names.bits()),
            account_sid: account,
            friendly_name: friendly_name.unwrap_or_else(|| phone_number.clone()),
            phone_number,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        Ok(self.keep(DirectoryRow::OutgoingCallerId(row), desk))
    }

    pub(super) fn update_caller_id(
        &mut self,
        account: AccountSid,
        sid: PhoneNumberSid,
        friendly_name: Option<String>,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let mut row = self.own_caller_id(account, sid)?.clone();
        replace(&mut row.friendly_name, friendly_name);
        row.updated = desk.now;
        Ok(self.keep(DirectoryRow::OutgoingCallerId(row), desk))
    }

    pub(super) fn delete_caller_id(
        &mut self,
        account: AccountSid,
        sid: PhoneNumberSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let number = self.own_caller_id(account, sid)?.phone_number.clone();
        self.caller_id_sids.remove(&(account, number));
        self.caller_ids.remove(&sid);
        desk.delete(DirectoryKey::OutgoingCallerId(sid));
        Ok(Answer::Removed)
    }

    fn own_caller_id(&self, account: AccountSid, sid: PhoneNumberSid) -> Result<&OutgoingCallerId, DirectoryRefusal> {
        self.caller_ids.get(&sid).filter(|row| row.account_sid == account).ok_or(DirectoryRefusal::NotFound)
    }
}

/// Outgoing caller IDs that an account may have.
const CALLER_IDS_MAX: usize = 10_000;
