//! Credential lists and what is in them (rest-voice §9).

use model::{
    AccountSid, Credential, CredentialList, CredentialListSid, CredentialSid, DirectoryKey, DirectoryRow, MappedList,
    Password,
};

use super::command::DirectoryRefusal;
use super::{Desk, Directory};
use crate::command::Answer;

impl Directory {
    pub(super) fn create_credential_list(
        &mut self,
        account: AccountSid,
        friendly_name: String,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        if self.credential_lists.values().filter(|list| list.account_sid == account).count() >= LISTS_MAX {
            return Err(DirectoryRefusal::TooManyCredentialLists);
        }
        let row = CredentialList {
            sid: CredentialListSid::from_bits(desk.names.bits()),
            account_sid: account,
            friendly_name,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        Ok(self.keep(DirectoryRow::CredentialList(row), desk))
    }

    pub(super) fn update_credential_list(
        &mut self,
        account: AccountSid,
        sid: CredentialListSid,
        friendly_name: String,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let list = self.own_credential_list(account, sid)?;
        let row = CredentialList { friendly_name, updated: desk.now, ..list.clone() };
        Ok(self.keep(DirectoryRow::CredentialList(row), desk))
    }

    pub(super) fn delete_credential_list(
        &mut self,
        account: AccountSid,
        sid: CredentialListSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.own_credential_list(account, sid)?;
        let is_it = |list| match list {
            MappedList::CallsCredentialList(of) | MappedList::RegistrationsCredentialList(of) => of == sid,
            MappedList::CallsIpAccessControlList(_) => false,
        };
        if self.is_mapped(is_it) {
            return Err(DirectoryRefusal::CredentialListInUse);
        }
        self.credentials.retain(|(list, _), _| *list != sid);
        self.credential_lists.remove(&sid);
        desk.delete(DirectoryKey::CredentialList(sid));
        Ok(Answer::Removed)
    }

    pub(super) fn create_credential(
        &mut self,
        account: AccountSid,
        list: CredentialListSid,
        username: String,
        password: Password,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.own_credential_list(account, list)?;
        if self.credentials_of(list).count() >= CREDENTIALS_MAX {
            return Err(DirectoryRefusal::TooManyCredentials);
        }
        if self.credentials.contains_key(&(list, username.clone())) {
            return Err(DirectoryRefusal::UsernameTaken);
        }
        let row = Credential {
            sid: CredentialSid::from_bits(desk.names.bits()),
            account_sid: account,
            credential_list_sid: list,
            username,
            password,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        Ok(self.keep(DirectoryRow::Credential(row), desk))
    }

    pub(super) fn update_credential(
        &mut self,
        account: AccountSid,
        list: CredentialListSid,
        sid: CredentialSid,
        password: Option<Password>,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let mut row = self.own_credential(account, list, sid)?.clone();
        if let Some(password) = password {
            (row.password, row.updated) = (password, desk.now);
        }
        Ok(self.keep(DirectoryRow::Credential(row), desk))
    }

    pub(super) fn delete_credential(
        &mut self,
        account: AccountSid,
        list: CredentialListSid,
        sid: CredentialSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let username = self.own_credential(account, list, sid)?.username.clone();
        self.credentials.remove(&(list, username));
        desk.delete(DirectoryKey::Credential(sid));
        Ok(Answer::Removed)
    }

    fn own_credential_list(
        &self,
        account: AccountSid,
        sid: CredentialListSid,
    ) -> Result<&CredentialList, DirectoryRefusal> {
        self.credential_lists.get(&sid).filter(|list| list.account_sid == account).ok_or(DirectoryRefusal::NotFound)
    }

    fn own_credential(
        &self,
        account: AccountSid,
        list: CredentialListSid,
        sid: CredentialSid,
    ) -> Result<&Credential, DirectoryRefusal> {
        self.own_credential_list(account, list)?;
        self.credentials_of(list).find(|credential| credential.sid == sid).ok_or(DirectoryRefusal::NotFound)
    }

    fn credentials_of(&self, list: CredentialListSid) -> impl Iterator<Item = &Credential> {
        self.credentials.range((list, String::new())..).take_while(move |(key, _)| key.0 == list).map(|(_, row)| row)
    }
}

/// Credential lists that an account may have.
const LISTS_MAX: usize = 100;
/// Credentials that a list may have.
const CREDENTIALS_MAX: usize = 1_000;
