//! SIP domains and the lists that count for them (rest-voice §9).

use model::{
    AccountSid, AuthType, DirectoryKey, DirectoryRow, MappedList, SipDomain, SipDomainMapping, SipDomainSid, VoiceHooks,
};

use super::command::{DirectoryRefusal, DomainChange};
use super::numbers::{API_VERSION, replace};
use super::{Desk, Directory};
use crate::command::Answer;

impl Directory {
    pub(super) fn create_domain(
        &mut self,
        account: AccountSid,
        name: &str,
        change: DomainChange,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        if self.domains.values().filter(|domain| domain.account_sid == account).count() >= DOMAINS_MAX {
            return Err(DirectoryRefusal::TooManyDomains);
        }
        let mut row = SipDomain {
            sid: SipDomainSid::from_bits(desk.names.bits()),
            account_sid: account,
            domain_name: self.free_name(name, None)?,
            friendly_name: None,
            api_version: API_VERSION.to_owned(),
            voice: VoiceHooks::default(),
            auth_type: AuthType::default(),
            sip_registration: false,
            secure: false,
            digest: None,
            emergency_calling_enabled: false,
            byoc_trunk_sid: None,
            emergency_caller_sid: None,
            created: desk.now,
            updated: desk.now,
            seq: 0,
        };
        apply(change, &mut row)?;
        row.seq = desk.names.seq();
        Ok(self.keep(DirectoryRow::SipDomain(row), desk))
    }

    pub(super) fn update_domain(
        &mut self,
        account: AccountSid,
        sid: SipDomainSid,
        name: Option<&str>,
        change: DomainChange,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let mut row = self.own_domain(account, sid)?.clone();
        if let Some(name) = name {
            row.domain_name = self.free_name(name, Some(sid))?;
        }
        apply(change, &mut row)?;
        row.updated = desk.now;
        Ok(self.keep(DirectoryRow::SipDomain(row), desk))
    }

    pub(super) fn delete_domain(
        &mut self,
        account: AccountSid,
        sid: SipDomainSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let name = self.own_domain(account, sid)?.domain_name.clone();
        if self.domain_lists(sid).next().is_some() {
            return Err(DirectoryRefusal::DomainInUse);
        }
        self.domain_sids.remove(&name);
        self.domains.remove(&sid);
        desk.delete(DirectoryKey::SipDomain(sid));
        Ok(Answer::Removed)
    }

    pub(super) fn create_mapping(
        &mut self,
        account: AccountSid,
        domain: SipDomainSid,
        list: MappedList,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.own_domain(account, domain)?;
        let owner = match list {
            MappedList::CallsIpAccessControlList(sid) => self.ip_lists.get(&sid).map(|list| list.account_sid),
            MappedList::CallsCredentialList(sid) | MappedList::RegistrationsCredentialList(sid) => {
                self.credential_lists.get(&sid).map(|list| list.account_sid)
            }
        };
        if owner != Some(account) {
            return Err(DirectoryRefusal::ListUnknown(list));
        }
        if self.mappings.contains_key(&(domain, list)) {
            return Err(DirectoryRefusal::MappedAlready);
        }
        let row = SipDomainMapping {
            domain_sid: domain,
            account_sid: account,
            list,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        let answer = self.keep(DirectoryRow::SipDomainMapping(row), desk);
        self.follow_mappings(domain, desk);
        Ok(answer)
    }

    pub(super) fn delete_mapping(
        &mut self,
        account: AccountSid,
        domain: SipDomainSid,
        list: MappedList,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.own_domain(account, domain)?;
        self.mappings.remove(&(domain, list)).ok_or(DirectoryRefusal::NotFound)?;
        desk.delete(DirectoryKey::SipDomainMapping(domain, list));
        self.follow_mappings(domain, desk);
        Ok(Answer::Removed)
    }

    /// Whether a list counts for any domain.
    pub(super) fn is_mapped(&self, is_it: impl Fn(MappedList) -> bool) -> bool {
        self.mappings.keys().any(|(_, list)| is_it(*list))
    }

    fn own_domain(&self, account: AccountSid, sid: SipDomainSid) -> Result<&SipDomain, DirectoryRefusal> {
        self.domains.get(&sid).filter(|domain| domain.account_sid == account).ok_or(DirectoryRefusal::NotFound)
    }

    /// What a call to the domain must pass follows from its mappings.
    fn follow_mappings(&mut self, sid: SipDomainSid, desk: &mut Desk) {
        let auth_type = AuthType {
            ip_acl: self.domain_lists(sid).any(|list| matches!(list, MappedList::CallsIpAccessControlList(_))),
            credential_list: self.domain_lists(sid).any(|list| matches!(list, MappedList::CallsCredentialList(_))),
        };
        let Some(domain) = self.domains.get_mut(&sid).filter(|domain| domain.auth_type != auth_type) else { return };
        domain.auth_type = auth_type;
        domain.updated = desk.now;
        desk.save(DirectoryRow::SipDomain(domain.clone()));
    }

    /// A name that is well-formed, below a suffix of ours, and nobody else's; in lower case.
    fn free_name(&self, name: &str, of: Option<SipDomainSid>) -> Result<String, DirectoryRefusal> {
        let name = name.to_ascii_lowercase();
        let suffixes = [self.config.sip_suffix.as_str(), TWILIO_SUFFIX];
        let below =
            |suffix: &&str| name.strip_suffix(*suffix).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1);
        if name.len() > NAME_BYTES_MAX || !suffixes.iter().any(below) || !name.split('.').all(is_label) {
            return Err(DirectoryRefusal::DomainName);
        }
        match self.domain_sids.get(&name) {
            Some(sid) if Some(*sid) != of => Err(DirectoryRefusal::DomainTaken),
            _ => Ok(name),
        }
    }
}

/// What a change makes of a domain.
fn apply(change: DomainChange, row: &mut SipDomain) -> Result<(), DirectoryRefusal> {
    replace(&mut row.friendly_name, change.friendly_name);
    change.voice.apply(&mut row.voice)?;
    replace(&mut row.sip_registration, change.sip_registration);
    replace(&mut row.secure, change.secure);
    replace(&mut row.digest, change.digest);
    replace(&mut row.emergency_calling_enabled, change.emergency_calling_enabled);
    replace(&mut row.byoc_trunk_sid, change.byoc_trunk_sid);
    replace(&mut row.emergency_caller_sid, change.emergency_caller_sid);
    Ok(())
}

/// One label of a host name (RFC 1123 §2.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What applications that come from there expect.
const TWILIO_SUFFIX: &str = "sip.twilio.com";
/// Longest host name (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// Domains that an account may have.
const DOMAINS_MAX: usize = 100;
