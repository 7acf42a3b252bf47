//! The directory: whatever accounts have set up for calls to be routed by, in memory.
//!
//! Read from the store once, at the start ([`Directory::load`]); from then on a [`DirectoryCommand`] is checked against
//! what is here, changes it, and leaves as rows to be saved. Looking something up takes neither time nor I/O:
//!
//! ```text
//! INVITE sip:+15005550006@…      number ─▶ voice_target ─▶ trunk, or the hooks of its application, or its own
//! INVITE sip:…@acme.sip.test     domain ─▶ auth_type ─▶ ip_allowed, credential ─▶ its hooks
//! REGISTER sip:acme.sip.test     domain ─▶ sip_registration ─▶ credential
//! From of a call out             may_call_from ─▶ a number of one's own, or an outgoing caller ID
//! ```

mod applications;
mod caller_ids;
mod command;
mod credentials;
mod domains;
mod ip_lists;
mod numbers;
mod queues;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{
    AccountSid, AccountStatus, Application, ApplicationSid, Credential, CredentialList, CredentialListSid,
    DirectoryKey, DirectoryRow, IncomingPhoneNumber, IpAccessControlList, IpAccessControlListSid, IpAddress,
    IpAddressSid, MappedList, OutgoingCallerId, PhoneNumberSid, SipDomain, SipDomainMapping, SipDomainSid, Timestamp,
    TrunkSid, VoiceHooks,
};

pub use command::{
    ApplicationChange, DirectoryCommand, DirectoryRefusal, DomainChange, HookChange, NumberChange, NumberPattern,
    NumberWanted, Set, SmsHooksChange, VoiceHooksChange,
};
pub(crate) use queues::QueueList;

use crate::command::{Answer, Refusal};
use crate::effect::{Effect, Row};
use crate::new_call::{Callee, Instructions, NewCall, NewLeg};
use crate::turn::Names;

/// What the directory is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryConfig {
    /// What names of SIP domains end in, without a leading dot; `sip.twilio.com` is accepted beside it.
    pub sip_suffix: String,
    /// Numbers that carriers deliver here, E.164; those that nobody owns are to be had.
    pub numbers: Vec<String>,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self { sip_suffix: "sip.partyline.internal".to_owned(), numbers: Vec::new() }
    }
}

/// Everything set up, of all accounts.
#[derive(Debug, Default)]
pub struct Directory {
    config: DirectoryConfig,
    numbers: BTreeMap<PhoneNumberSid, Box<IncomingPhoneNumber>>,
    number_sids: BTreeMap<String, PhoneNumberSid>,
    applications: BTreeMap<ApplicationSid, Application>,
    domains: BTreeMap<SipDomainSid, SipDomain>,
    domain_sids: BTreeMap<String, SipDomainSid>,
    mappings: BTreeMap<(SipDomainSid, MappedList), SipDomainMapping>,
    credential_lists: BTreeMap<CredentialListSid, CredentialList>,
    credentials: BTreeMap<(CredentialListSid, String), Credential>,
    ip_lists: BTreeMap<IpAccessControlListSid, IpAccessControlList>,
    ip_addresses: BTreeMap<(IpAccessControlListSid, IpAddressSid), IpAddress>,
    caller_ids: BTreeMap<PhoneNumberSid, OutgoingCallerId>,
    caller_id_sids: BTreeMap<(AccountSid, String), PhoneNumberSid>,
    /// Accounts that may not act: suspended and closed ones.
    inactive: BTreeSet<AccountSid>,
    /// Handed over to the switch, which knows who waits in them.
    pub(crate) queue_list: QueueList,
}

/// What a change may use and fill: the time, fresh names, and the effects.
pub(crate) struct Desk<'a> {
    pub(crate) now: Timestamp,
    pub(crate) names: &'a mut Names,
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Desk<'_> {
    /// Has a row kept.
    fn save(&mut self, row: DirectoryRow) {
        self.effects.push(Effect::Save(Row::Directory(Box::new(row))));
    }

    /// Has a row, and what is in it, kept no longer.
    fn delete(&mut self, key: DirectoryKey) {
        self.effects.push(Effect::Save(Row::DirectoryDeleted(key)));
    }
}

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialUse {
    /// To call.
    Calls,
    /// To register.
    Registrations,
}

/// What is done with a call to a number: its trunk, else its application, else its own hooks (rest-voice §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoiceTarget<'a> {
    /// Hand it to this trunk.
    Trunk(TrunkSid),
    /// Ask these; `hooks.voice.url` is set.
    Hooks {
        /// `VoiceUrl` and what goes with it.
        hooks: &'a VoiceHooks,
        /// Whose hooks they are, if they are not the number's own.
        application: Option<ApplicationSid>,
        /// Whether the caller's name is to be looked up.
        caller_id_lookup: bool,
    },
    /// Nothing is set: reject it as busy, with 11100.
    Nothing,
}

impl Directory {
    /// A directory of these rows.
    pub fn load(config: DirectoryConfig, rows: impl IntoIterator<Item = DirectoryRow>) -> Self {
        let mut directory = Self { config, ..Self::default() };
        for row in rows {
            directory.put(row);
        }
        directory
    }

    /// The same, where these accounts may not act.
    #[must_use]
    pub fn with_inactive(mut self, accounts: impl IntoIterator<Item = AccountSid>) -> Self {
        self.inactive.extend(accounts);
        self
    }

    /// Whether an account may act.
    pub fn is_active(&self, account: AccountSid) -> bool {
        !self.inactive.contains(&account)
    }

    /// From now on it may, or may not.
    pub(crate) fn set_account_status(&mut self, account: AccountSid, status: AccountStatus) {
        match status {
            AccountStatus::Active => self.inactive.remove(&account),
            AccountStatus::Suspended | AccountStatus::Closed => self.inactive.insert(account),
        };
    }

    /// The number of that name: E.164, with its plus.
    pub fn number(&self, phone_number: &str) -> Option<&IncomingPhoneNumber> {
        self.numbers.get(self.number_sids.get(phone_number)?).map(Box::as_ref)
    }

    /// What is done with a call to a number.
    pub fn voice_target<'a>(&'a self, number: &'a IncomingPhoneNumber) -> VoiceTarget<'a> {
        if let Some(trunk) = number.trunk_sid {
            return VoiceTarget::Trunk(trunk);
        }
        let application = number.voice_application_sid.and_then(|sid| self.application(number.account_sid, sid));
        let (hooks, application, caller_id_lookup) = match application {
            Some(application) => (&application.voice, Some(application.sid), application.voice_caller_id_lookup),
            None => (&number.voice, None, number.voice_caller_id_lookup),
        };
        match hooks.voice.url {
            Some(_) => VoiceTarget::Hooks { hooks, application, caller_id_lookup },
            None => VoiceTarget::Nothing,
        }
    }

    /// The account's application of that SID.
    pub fn application(&self, account: AccountSid, sid: ApplicationSid) -> Option<&Application> {
        self.applications.get(&sid).filter(|application| application.account_sid == account)
    }

    /// The domain of that host name, however it is written.
    pub fn domain(&self, host: &str) -> Option<&SipDomain> {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.domains.get(self.domain_sids.get(&host.to_ascii_lowercase())?)
    }

    /// The account's domains at which phones may register, in the order of their SIDs: `client:alice` is user `alice` of any.
    pub fn registration_domains(&self, account: AccountSid) -> impl Iterator<Item = &SipDomain> {
        self.domains.values().filter(move |domain| domain.account_sid == account && domain.sip_registration)
    }

    /// Whether phones may register at the domain.
    pub fn takes_phones(&self, domain: SipDomainSid) -> bool {
        let domain = self.domains.get(&domain);
        domain.is_some_and(|domain| domain.sip_registration && self.is_active(domain.account_sid))
    }

    /// The lists that count for a domain.
    pub fn domain_lists(&self, domain: SipDomainSid) -> impl Iterator<Item = MappedList> {
        let first = (domain, MappedList::CallsIpAccessControlList(IpAccessControlListSid::from_bits(0)));
        self.mappings.range(first..).map(|(key, _)| *key).take_while(move |key| key.0 == domain).map(|(_, list)| list)
    }

    /// Whether a call to the domain may come from that address: one of a mapped list.
    pub fn ip_allowed(&self, domain: SipDomainSid, address: IpAddr) -> bool {
        self.domain_lists(domain).any(|list| match list {
            MappedList::CallsIpAccessControlList(list) => self.addresses(list).any(|entry| entry.covers(address)),
            MappedList::CallsCredentialList(_) | MappedList::RegistrationsCredentialList(_) => false,
        })
    }

    /// The credential of that user name, among the lists that are mapped to the domain for this use. Where several lists
    /// know the name, the one with the lowest SID counts.
    pub fn credential(&self, domain: SipDomainSid, username: &str, wanted: CredentialUse) -> Option<&Credential> {
        let lists = self.domain_lists(domain).filter_map(move |list| match (list, wanted) {
            (MappedList::CallsCredentialList(list), CredentialUse::Calls) => Some(list),
            (MappedList::RegistrationsCredentialList(list), CredentialUse::Registrations) => Some(list),
            _ => None,
        });
        lists.filter_map(|list| self.credentials.get(&(list, username.to_owned()))).next()
    }

    /// The account's outgoing caller ID of that number.
    pub fn outgoing_caller_id(&self, account: AccountSid, phone_number: &str) -> Option<&OutgoingCallerId> {
        self.caller_ids.get(self.caller_id_sids.get(&(account, phone_number.to_owned()))?)
    }

    /// Whether the account's calls may be shown to come from that number: it owns it, or was allowed it.
    pub fn may_call_from(&self, account: AccountSid, phone_number: &str) -> bool {
        self.caller_sid(account, phone_number).is_some()
    }

    /// What the account has that number by, if it may call from it.
    pub(crate) fn caller_sid(&self, account: AccountSid, phone_number: &str) -> Option<PhoneNumberSid> {
        let owned = self.number(phone_number).filter(|number| number.account_sid == account).map(|number| number.sid);
        owned.or_else(|| self.outgoing_caller_id(account, phone_number).map(|row| row.sid))
    }

    /// The entries of a list of addresses.
    fn addresses(&self, list: IpAccessControlListSid) -> impl Iterator<Item = &IpAddress> {
        let first = (list, IpAddressSid::from_bits(0));
        self.ip_addresses.range(first..).take_while(move |(key, _)| key.0 == list).map(|(_, entry)| entry)
    }

    /// Takes in a row as it is now, over what was known of it.
    fn put(&mut self, row: DirectoryRow) {
        match row {
            DirectoryRow::IncomingPhoneNumber(row) => {
                self.number_sids.insert(row.phone_number.clone(), row.sid);
                self.numbers.insert(row.sid, row);
            }
            DirectoryRow::Application(row) => {
                self.applications.insert(row.sid, row);
            }
            DirectoryRow::SipDomain(row) => {
                if let Some(before) = self.domains.get(&row.sid) {
                    self.domain_sids.remove(&before.domain_name);
                }
                self.domain_sids.insert(row.domain_name.clone(), row.sid);
                self.domains.insert(row.sid, row);
            }
            DirectoryRow::SipDomainMapping(row) => {
                self.mappings.insert((row.domain_sid, row.list), row);
            }
            DirectoryRow::CredentialList(row) => {
                self.credential_lists.insert(row.sid, row);
            }
            DirectoryRow::Credential(row) => {
                self.credentials.insert((row.credential_list_sid, row.username.clone()), row);
            }
            DirectoryRow::IpAccessControlList(row) => {
                self.ip_lists.insert(row.sid, row);
            }
            DirectoryRow::IpAddress(row) => {
                self.ip_addresses.insert((row.ip_access_control_list_sid, row.sid), row);
            }
            DirectoryRow::OutgoingCallerId(row) => {
                self.caller_id_sids.insert((row.account_sid, row.phone_number.clone()), row.sid);
                self.caller_ids.insert(row.sid, row);
            }
            DirectoryRow::Queue(row) => self.queue_list.put(row),
        }
    }

    /// Takes in a row as it is now, and has it kept: the answer to whoever asked for it.
    fn keep(&mut self, row: DirectoryRow, desk: &mut Desk) -> Answer {
        self.put(row.clone());
        desk.save(row.clone());
        Answer::Directory(Box::new(row))
    }

    /// Whether a call may be placed: its caller is the account's, and so is its application.
    pub(crate) fn admit_call(&self, new: &NewCall) -> Result<(), Refusal> {
        if let Instructions::Application(sid) = new.instructions
            && self.application(new.account, sid).is_none()
        {
            return Err(Refusal::ApplicationUnknown);
        }
        self.admit_leg(new.account, &new.leg)
    }

    /// Whether a leg may be dialled. To clients and SIP addresses calls may be shown to come from anywhere.
    pub(crate) fn admit_leg(&self, account: AccountSid, leg: &NewLeg) -> Result<(), Refusal> {
        match leg.to {
            Callee::Number(_)
                if [Some(&leg.from), leg.caller_id.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|from| !self.may_call_from(account, from)) =>
            {
                Err(Refusal::CallerNotOwned)
            }
            Callee::Application { sid, .. } if self.application(account, sid).is_none() => {
                Err(Refusal::ApplicationUnknown)
            }
            _ => Ok(()),
        }
    }

    /// Changes what is here, if it fits.
    pub(crate) fn command(&mut self, command: DirectoryCommand, desk: &mut Desk) -> Result<Answer, Refusal> {
        use DirectoryCommand as C;
        let answer = match command {
            C::CreateNumber { account, number, number_type, change } => {
                self.create_number(account, number, number_type, *change, desk)
            }
            C::UpdateNumber { account, sid, change } => self.update_number(account, sid, *change, desk),
            C::DeleteNumber { account, sid } => self.delete_number(account, sid, desk),
            C::AvailableNumbers { wanted, limit } => Ok(Answer::AvailableNumbers(self.available(&wanted, limit))),
            C::CreateApplication { account, change } => self.create_application(account, *change, desk),
            C::UpdateApplication { account, sid, change } => self.update_application(account, sid, *change, desk),
            C::DeleteApplication { account, sid } => self.delete_application(account, sid, desk),
            C::CreateDomain { account, domain_name, change } => {
                self.create_domain(account, &domain_name, *change, desk)
            }
            C::UpdateDomain { account, sid, domain_name, change } => {
                self.update_domain(account, sid, domain_name.as_deref(), *change, desk)
            }
            C::DeleteDomain { account, sid } => self.delete_domain(account, sid, desk),
            C::CreateMapping { account, domain, list } => self.create_mapping(account, domain, list, desk),
            C::DeleteMapping { account, domain, list } => self.delete_mapping(account, domain, list, desk),
            C::CreateCredentialList { account, friendly_name } => {
                self.create_credential_list(account, friendly_name, desk)
            }
            C::UpdateCredentialList { account, sid, friendly_name } => {
                self.update_credential_list(account, sid, friendly_name, desk)
            }
            C::DeleteCredentialList { account, sid } => self.delete_credential_list(account, sid, desk),
            C::CreateCredential { account, list, username, password } => {
                self.create_credential(account, list, username, password, desk)
            }
            C::UpdateCredential { account, list, sid, password } => {
                self.update_credential(account, list, sid, password, desk)
            }
            C::DeleteCredential { account, list, sid } => self.delete_credential(account, list, sid, desk),
            C::CreateIpList { account, friendly_name } => self.create_ip_list(account, friendly_name, desk),
            C::UpdateIpList { account, sid, friendly_name } => self.update_ip_list(account, sid, friendly_name, desk),
            C::DeleteIpList { account, sid } => self.delete_ip_list(account, sid, desk),
            C::CreateIpAddress { account, list, friendly_name, ip_address, cidr_prefix_length } => {
                self.create_ip_address(account, list, friendly_name, (ip_address, cidr_prefix_length), desk)
            }
            C::UpdateIpAddress { account, list, sid, friendly_name, ip_address, cidr_prefix_length } => {
                self.update_ip_address(account, list, sid, friendly_name, (ip_address, cidr_prefix_length), desk)
            }
            C::DeleteIpAddress { account, list, sid } => self.delete_ip_address(account, list, sid, desk),
            C::CreateCallerId { account, phone_number, friendly_name } => {
                self.create_caller_id(account, phone_number, friendly_name, desk)
            }
            C::UpdateCallerId { account, sid, friendly_name } => {
                self.update_caller_id(account, sid, friendly_name, desk)
            }
            C::DeleteCallerId { account, sid } => self.delete_caller_id(account, sid, desk),
        };
        answer.map_err(Refusal::Directory)
    }
}
