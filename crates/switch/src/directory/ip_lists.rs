//! IP access control lists and what is in them (rest-voice §9).

use std::net::Ipv4Addr;

use model::{
    AccountSid, DirectoryKey, DirectoryRow, IpAccessControlList, IpAccessControlListSid, IpAddress, IpAddressSid,
    MappedList,
};

use super::command::DirectoryRefusal;
use super::numbers::replace;
use super::{Desk, Directory};
use crate::command::Answer;

impl Directory {
    pub(super) fn create_ip_list(
        &mut self,
        account: AccountSid,
        friendly_name: String,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        if self.ip_lists.values().filter(|list| list.account_sid == account).count() >= LISTS_MAX {
            return Err(DirectoryRefusal::TooManyIpLists);
        }
        let row = IpAccessControlList {
            sid: IpAccessControlListSid::from_bits(desk.names.bits()),
            account_sid: account,
            friendly_name,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        Ok(self.keep(DirectoryRow::IpAccessControlList(row), desk))
    }

    pub(super) fn update_ip_list(
        &mut self,
        account: AccountSid,
        sid: IpAccessControlListSid,
        friendly_name: String,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let list = self.own_ip_list(account, sid)?;
        let row = IpAccessControlList { friendly_name, updated: desk.now, ..list.clone() };
        Ok(self.keep(DirectoryRow::IpAccessControlList(row), desk))
    }

    pub(super) fn delete_ip_list(
        &mut self,
        account: AccountSid,
        sid: IpAccessControlListSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.own_ip_list(account, sid)?;
        if self.is_mapped(|list| list == MappedList::CallsIpAccessControlList(sid)) {
            return Err(DirectoryRefusal::IpListInUse);
        }
        self.ip_addresses.retain(|(list, _), _| *list != sid);
        self.ip_lists.remove(&sid);
        desk.delete(DirectoryKey::IpAccessControlList(sid));
        Ok(Answer::Removed)
    }

    pub(super) fn create_ip_address(
        &mut self,
        account: AccountSid,
        list: IpAccessControlListSid,
        friendly_name: String,
        (ip_address, cidr_prefix_length): (Ipv4Addr, u8),
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.own_ip_list(account, list)?;
        if self.addresses(list).count() >= ADDRESSES_MAX {
            return Err(DirectoryRefusal::TooManyIpAddresses);
        }
        let mut row = IpAddress {
            sid: IpAddressSid::from_bits(desk.names.bits()),
            account_sid: account,
            ip_access_control_list_sid: list,
            friendly_name,
            ip_address,
            cidr_prefix_length,
            created: desk.now,
            updated: desk.now,
            seq: 0,
        };
        self.check_address(&row)?;
        row.seq = desk.names.seq();
        Ok(self.keep(DirectoryRow::IpAddress(row), desk))
    }

    pub(super) fn update_ip_address(
        &mut self,
        account: AccountSid,
        list: IpAccessControlListSid,
        sid: IpAddressSid,
        friendly_name: Option<String>,
        (ip_address, cidr_prefix_length): (Option<Ipv4Addr>, Option<u8>),
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let mut row = self.own_ip_address(account, list, sid)?.clone();
        replace(&mut row.friendly_name, friendly_name);
        replace(&mut row.ip_address, ip_address);
        replace(&mut row.cidr_prefix_length, cidr_prefix_length);
        self.check_address(&row)?;
        row.updated = desk.now;
        Ok(self.keep(DirectoryRow::IpAddress(row), desk))
    }

    pub(super) fn delete_ip_address(
        &mut self,
        account: AccountSid,
        list: IpAccessControlListSid,
        sid: IpAddressSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.own_ip_address(account, list, sid)?;
        self.ip_addresses.remove(&(list, sid));
        desk.delete(DirectoryKey::IpAddress(sid));
        Ok(Answer::Removed)
    }

    fn own_ip_list(
        &self,
        account: AccountSid,
        sid: IpAccessControlListSid,
    ) -> Result<&IpAccessControlList, DirectoryRefusal> {
        self.ip_lists.get(&sid).filter(|list| list.account_sid == account).ok_or(DirectoryRefusal::NotFound)
    }

    fn own_ip_address(
        &self,
        account: AccountSid,
        list: IpAccessControlListSid,
        sid: IpAddressSid,
    ) -> Result<&IpAddress, DirectoryRefusal> {
        self.own_ip_list(account, list)?;
        self.ip_addresses.get(&(list, sid)).ok_or(DirectoryRefusal::NotFound)
    }

    fn check_address(&self, row: &IpAddress) -> Result<(), DirectoryRefusal> {
        let is_same = |other: &IpAddress| {
            other.sid != row.sid
                && (other.ip_address, other.cidr_prefix_length) == (row.ip_address, row.cidr_prefix_length)
        };
        let taken = self.addresses(row.ip_access_control_list_sid).any(is_same);
        if taken { Err(DirectoryRefusal::IpAddressTaken) } else { Ok(()) }
    }
}

/// IP access control lists that an account may have.
const LISTS_MAX: usize = 100;
/// Addresses that a list may have (rest-voice §9).
const ADDRESSES_MAX: usize = 25;
