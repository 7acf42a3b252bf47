//! What may be changed in the directory, and why it may not.
//!
//! What is malformed has been refused at the edge. Here it is refused what does not fit what is there.

use std::net::Ipv4Addr;

use model::{
    AccountSid, AddressSid, ApplicationSid, BundleSid, ByocTrunkSid, CredentialListSid, CredentialSid, EmergencyStatus,
    HttpMethod, IdentitySid, IpAccessControlListSid, IpAddressSid, MappedList, NumberType, Password, PhoneNumberSid,
    SipDigest, SipDomainSid, TrunkSid, VoiceReceiveMode,
};

/// One change. Creating and updating answer with the row as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryCommand {
    /// Own a number.
    CreateNumber {
        /// Who.
        account: AccountSid,
        /// Which.
        number: NumberWanted,
        /// In which list it shall be; otherwise it is told from the number.
        number_type: Option<NumberType>,
        /// What is set about it.
        change: Box<NumberChange>,
    },
    /// Change what is done with calls to it.
    UpdateNumber {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: PhoneNumberSid,
        /// What shall change.
        change: Box<NumberChange>,
    },
    /// Give it back.
    DeleteNumber {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: PhoneNumberSid,
    },
    /// Which declared numbers nobody owns; answered by `Answer::AvailableNumbers`.
    AvailableNumbers {
        /// What each must be.
        wanted: NumberPattern,
        /// At most so many.
        limit: usize,
    },
    /// Make an application.
    CreateApplication {
        /// Whose.
        account: AccountSid,
        /// What is set about it.
        change: Box<ApplicationChange>,
    },
    /// Change one.
    UpdateApplication {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: ApplicationSid,
        /// What shall change.
        change: Box<ApplicationChange>,
    },
    /// Delete one; numbers that use it use it no longer.
    DeleteApplication {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: ApplicationSid,
    },
    /// Make a SIP domain.
    CreateDomain {
        /// Whose.
        account: AccountSid,
        /// Its host name.
        domain_name: String,
        /// What is set about it.
        change: Box<DomainChange>,
    },
    /// Change one.
    UpdateDomain {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: SipDomainSid,
        /// Another host name.
        domain_name: Option<String>,
        /// What shall change.
        change: Box<DomainChange>,
    },
    /// Delete one that has no mappings.
    DeleteDomain {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: SipDomainSid,
    },
    /// Let a list count for a domain.
    CreateMapping {
        /// Whose.
        account: AccountSid,
        /// Which domain.
        domain: SipDomainSid,
        /// Which list, for what.
        list: MappedList,
    },
    /// Let it count no longer.
    DeleteMapping {
        /// Whose.
        account: AccountSid,
        /// Which domain.
        domain: SipDomainSid,
        /// Which list, for what.
        list: MappedList,
    },
    /// Make a list of credentials.
    CreateCredentialList {
        /// Whose.
        account: AccountSid,
        /// Its name.
        friendly_name: String,
    },
    /// Name it anew.
    UpdateCredentialList {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: CredentialListSid,
        /// Its name.
        friendly_name: String,
    },
    /// Delete one that no domain uses, with what is in it.
    DeleteCredentialList {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: CredentialListSid,
    },
    /// Add a credential.
    CreateCredential {
        /// Whose.
        account: AccountSid,
        /// To which list.
        list: CredentialListSid,
        /// User name.
        username: String,
        /// Its password.
        password: Password,
    },
    /// Change a password, if one is given.
    UpdateCredential {
        /// Whose.
        account: AccountSid,
        /// In which list.
        list: CredentialListSid,
        /// Which.
        sid: CredentialSid,
        /// The new one.
        password: Option<Password>,
    },
    /// Remove a credential.
    DeleteCredential {
        /// Whose.
        account: AccountSid,
        /// From which list.
        list: CredentialListSid,
        /// Which.
        sid: CredentialSid,
    },
    /// Make a list of addresses.
    CreateIpList {
        /// Whose.
        account: AccountSid,
        /// Its name.
        friendly_name: String,
    },
    /// Name it anew.
    UpdateIpList {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: IpAccessControlListSid,
        /// Its name.
        friendly_name: String,
    },
    /// Delete one that no domain uses, with what is in it.
    DeleteIpList {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: IpAccessControlListSid,
    },
    /// Add an address.
    CreateIpAddress {
        /// Whose.
        account: AccountSid,
        /// To which list.
        list: IpAccessControlListSid,
        /// Its name.
        friendly_name: String,
        /// The address.
        ip_address: Ipv4Addr,
        /// How many of its bits count, 0 to 32.
        cidr_prefix_length: u8,
    },
    /// Change one.
    UpdateIpAddress {
        /// Whose.
        account: AccountSid,
        /// In which list.
        list: IpAccessControlListSid,
        /// Which.
        sid: IpAddressSid,
        /// Its name.
        friendly_name: Option<String>,
        /// The address.
        ip_address: Option<Ipv4Addr>,
        /// How many of its bits count, 0 to 32.
        cidr_prefix_length: Option<u8>,
    },
    /// Remove one.
    DeleteIpAddress {
        /// Whose.
        account: AccountSid,
        /// From which list.
        list: IpAccessControlListSid,
        /// Which.
        sid: IpAddressSid,
    },
    /// Let calls be shown to come from a number.
    CreateCallerId {
        /// Whose calls.
        account: AccountSid,
        /// E.164, with its plus.
        phone_number: String,
        /// Its name; otherwise the number.
        friendly_name: Option<String>,
    },
    /// Name it anew.
    UpdateCallerId {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: PhoneNumberSid,
        /// Its name.
        friendly_name: Option<String>,
    },
    /// Let them no longer.
    DeleteCallerId {
        /// Whose.
        account: AccountSid,
        /// Which.
        sid: PhoneNumberSid,
    },
}

/// Which number shall be owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberWanted {
    /// This one: E.164, with its plus.
    Exactly(String),
    /// Any of the declared ones in this area of North America: three digits.
    InArea(String),
}

/// What a number must be to be listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberPattern {
    /// What follows the plus at first: country and area.
    pub prefix: String,
    /// Digits that occur in it, `*` standing for any one; nothing restricts nothing.
    pub contains: String,
    /// Of this type.
    pub number_type: Option<NumberType>,
}

/// A value that may be set, or taken away: `None` leaves it as it is, `Some(None)` takes it away.
pub type Set<T> = Option<Option<T>>;

/// What of a hook shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookChange {
    /// Absolute `http` or `https`.
    pub url: Set<String>,
    /// How to ask.
    pub method: Option<HttpMethod>,
}

/// What of the hooks for calls shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VoiceHooksChange {
    /// `VoiceUrl`.
    pub voice: HookChange,
    /// `VoiceFallbackUrl`.
    pub fallback: HookChange,
    /// `StatusCallback`.
    pub status_callback: HookChange,
}

/// What of the hooks for messages shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmsHooksChange {
    /// `SmsUrl`.
    pub sms: HookChange,
    /// `SmsFallbackUrl`.
    pub fallback: HookChange,
}

/// What of a number shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberChange {
    /// Whose it is from now on; who may say so has been looked at.
    pub account_sid: Option<AccountSid>,
    /// Shown name.
    pub friendly_name: Option<String>,
    /// Which version of the API its hooks are written for.
    pub api_version: Option<String>,
    /// Its own hooks.
    pub voice: VoiceHooksChange,
    /// Whether `CallerName` is looked up.
    pub voice_caller_id_lookup: Option<bool>,
    /// Takes a trunk away.
    pub voice_application_sid: Set<ApplicationSid>,
    /// Takes an application away.
    pub trunk_sid: Set<TrunkSid>,
    /// Kept.
    pub voice_receive_mode: Option<VoiceReceiveMode>,
    /// Kept.
    pub sms: SmsHooksChange,
    /// Kept.
    pub sms_application_sid: Set<ApplicationSid>,
    /// Kept.
    pub emergency_status: Option<EmergencyStatus>,
    /// Kept.
    pub emergency_address_sid: Set<AddressSid>,
    /// Kept.
    pub address_sid: Set<AddressSid>,
    /// Kept.
    pub identity_sid: Set<IdentitySid>,
    /// Kept.
    pub bundle_sid: Set<BundleSid>,
}

/// What of an application shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationChange {
    /// Shown name.
    pub friendly_name: Set<String>,
    /// Which version of the API its hooks are written for.
    pub api_version: Option<String>,
    /// Its hooks for calls.
    pub voice: VoiceHooksChange,
    /// Whether `CallerName` is looked up.
    pub voice_caller_id_lookup: Option<bool>,
    /// Kept.
    pub sms: SmsHooksChange,
    /// Kept.
    pub sms_status_callback: Set<String>,
    /// Kept.
    pub message_status_callback: Set<String>,
    /// Kept.
    pub public_application_connect_enabled: Option<bool>,
}

/// What of a SIP domain shall change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainChange {
    /// Shown name.
    pub friendly_name: Set<String>,
    /// Its hooks.
    pub voice: VoiceHooksChange,
    /// Whether phones may register.
    pub sip_registration: Option<bool>,
    /// Whether only TLS and SRTP will do.
    pub secure: Option<bool>,
    /// What passwords are proved with.
    pub digest: Set<SipDigest>,
    /// Kept.
    pub emergency_calling_enabled: Option<bool>,
    /// Kept.
    pub byoc_trunk_sid: Set<ByocTrunkSid>,
    /// Kept.
    pub emergency_caller_sid: Set<PhoneNumberSid>,
}

/// Why the directory stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryRefusal {
    /// Nothing of that SID, of this account.
    #[error("no such resource")]
    NotFound,
    /// Somebody owns that number.
    #[error("the number is owned already")]
    NumberTaken,
    /// No declared number of that area is to be had.
    #[error("no number of that area is to be had")]
    AreaEmpty,
    /// `VoiceFallbackUrl` without a `VoiceUrl`.
    #[error("a voice fallback needs a voice URL")]
    VoiceFallbackAlone,
    /// `SmsFallbackUrl` without an `SmsUrl`.
    #[error("a message fallback needs a message URL")]
    SmsFallbackAlone,
    /// A number's application is not the account's.
    #[error("no such application")]
    ApplicationUnknown,
    /// As many numbers or caller IDs as an account may have.
    #[error("the account has as many numbers as it may have")]
    TooManyNumbers,
    /// As many applications as an account may have.
    #[error("the account has as many applications as it may have")]
    TooManyApplications,
    /// As many domains as an account may have.
    #[error("the account has as many SIP domains as it may have")]
    TooManyDomains,
    /// Not a host name below our suffix.
    #[error("the domain name is not a host name below the server's suffix")]
    DomainName,
    /// Somebody has a domain of that name.
    #[error("the domain name is taken")]
    DomainTaken,
    /// Lists are mapped to the domain.
    #[error("lists are mapped to the domain")]
    DomainInUse,
    /// The list to be mapped is not the account's.
    #[error("no such list")]
    ListUnknown(MappedList),
    /// It is mapped already.
    #[error("the list is mapped already")]
    MappedAlready,
    /// As many credential lists as an account may have.
    #[error("the account has as many credential lists as it may have")]
    TooManyCredentialLists,
    /// A domain uses the credential list.
    #[error("the credential list is in use")]
    CredentialListInUse,
    /// As many credentials as a list may have.
    #[error("the list has as many credentials as it may have")]
    TooManyCredentials,
    /// The list has that user.
    #[error("the list has that user already")]
    UsernameTaken,
    /// As many lists of addresses as an account may have.
    #[error("the account has as many IP access control lists as it may have")]
    TooManyIpLists,
    /// A domain uses the list of addresses.
    #[error("the IP access control list is in use")]
    IpListInUse,
    /// As many addresses as a list may have.
    #[error("the list has as many addresses as it may have")]
    TooManyIpAddresses,
    /// The list has that address with that prefix.
    #[error("the list has that address already")]
    IpAddressTaken,
    /// The account has that outgoing caller ID.
    #[error("the account has that caller ID already")]
    CallerIdTaken,
    /// The account has a queue of that name.
    #[error("the account has a queue of that name")]
    QueueNameTaken,
    /// As many queues as an account may have.
    #[error("the account has as many queues as it may have")]
    TooManyQueues,
    /// Somebody waits in the queue.
    #[error("somebody waits in the queue")]
    QueueNotEmpty,
}
