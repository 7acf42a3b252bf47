//! A SIP domain: a host name that phones call and register at, and who may.

use std::str::FromStr;

use crate::{
    AccountSid, ByocTrunkSid, CredentialListSid, IpAccessControlListSid, PhoneNumberSid, SipDomainSid, Timestamp,
    UnknownWord, VoiceHooks, word_enum,
};

/// A SIP domain as the API shows it and the store keeps it (rest-voice §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipDomain {
    /// `SD…`.
    pub sid: SipDomainSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// The host name, in lower case; no other row has the same.
    pub domain_name: String,
    /// Shown name.
    pub friendly_name: Option<String>,
    /// Which version of the API its hooks are written for.
    pub api_version: String,
    /// What calls to it are handled by.
    pub voice: VoiceHooks,
    /// What a call must pass: follows from its mappings.
    pub auth_type: AuthType,
    /// Whether phones may register.
    pub sip_registration: bool,
    /// Whether only TLS and SRTP will do.
    pub secure: bool,
    /// What its users prove their passwords with; as the server is set if nothing is said.
    pub digest: Option<SipDigest>,
    /// Kept and echoed.
    pub emergency_calling_enabled: bool,
    /// Kept and echoed.
    pub byoc_trunk_sid: Option<ByocTrunkSid>,
    /// Kept and echoed.
    pub emergency_caller_sid: Option<PhoneNumberSid>,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// What a password may be proved with (RFC 8760), in the order in which it is asked for: many a phone reads the first
    /// challenge only and knows MD5 alone.
    SipDigest {
        /// MD5 alone.
        Md5 = "md5",
        /// MD5, or SHA-256 by whoever reads on.
        Md5OrSha256 = "md5,sha-256",
        /// SHA-256 alone.
        Sha256 = "sha-256",
    }
}

/// What a call to a domain must pass: both where both are set, and nothing passes where neither is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuthType {
    /// Its source address is in a mapped list.
    pub ip_acl: bool,
    /// It knows a credential of a mapped list.
    pub credential_list: bool,
}

impl AuthType {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match (self.ip_acl, self.credential_list) {
            (true, true) => "IP_ACL,CREDENTIAL_LIST",
            (true, false) => "IP_ACL",
            (false, true) => "CREDENTIAL_LIST",
            (false, false) => "",
        }
    }
}

impl FromStr for AuthType {
    type Err = UnknownWord;
    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let every = [(false, false), (true, false), (false, true), (true, true)];
        let every = every.map(|(ip_acl, credential_list)| Self { ip_acl, credential_list });
        every.into_iter().find(|auth_type| auth_type.as_str() == word).ok_or_else(|| UnknownWord(word.to_owned()))
    }
}

/// A list that counts for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipDomainMapping {
    /// For which domain.
    pub domain_sid: SipDomainSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// Which list, and for what.
    pub list: MappedList,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

/// A list, and what it counts for. The older mappings and those of `Auth/Calls` are one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MappedList {
    /// Who may call by address.
    CallsIpAccessControlList(IpAccessControlListSid),
    /// Who may call by name and password.
    CallsCredentialList(CredentialListSid),
    /// Who may register.
    RegistrationsCredentialList(CredentialListSid),
}
