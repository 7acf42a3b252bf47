//! What an account has set up, taken together: the rows that the switch keeps in memory and the store on disk.

use crate::{
    Application, ApplicationSid, Credential, CredentialList, CredentialListSid, CredentialSid, IncomingPhoneNumber,
    IpAccessControlList, IpAccessControlListSid, IpAddress, IpAddressSid, MappedList, OutgoingCallerId, PhoneNumberSid,
    Queue, QueueSid, SipDomain, SipDomainMapping, SipDomainSid,
};

/// One resource that an account has set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryRow {
    /// A number that can be called.
    IncomingPhoneNumber(Box<IncomingPhoneNumber>),
    /// A set of hooks.
    Application(Application),
    /// A host name that phones call.
    SipDomain(SipDomain),
    /// A list that counts for one.
    SipDomainMapping(SipDomainMapping),
    /// A list of names and passwords.
    CredentialList(CredentialList),
    /// One of them.
    Credential(Credential),
    /// A list of addresses.
    IpAccessControlList(IpAccessControlList),
    /// One of them.
    IpAddress(IpAddress),
    /// A number that calls may be shown to come from.
    OutgoingCallerId(OutgoingCallerId),
    /// A queue.
    Queue(Queue),
}

/// Which resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryKey {
    /// A number that can be called.
    IncomingPhoneNumber(PhoneNumberSid),
    /// A set of hooks.
    Application(ApplicationSid),
    /// A host name that phones call.
    SipDomain(SipDomainSid),
    /// A list that counts for one.
    SipDomainMapping(SipDomainSid, MappedList),
    /// A list of names and passwords.
    CredentialList(CredentialListSid),
    /// One of them.
    Credential(CredentialSid),
    /// A list of addresses.
    IpAccessControlList(IpAccessControlListSid),
    /// One of them.
    IpAddress(IpAddressSid),
    /// A number that calls may be shown to come from.
    OutgoingCallerId(PhoneNumberSid),
    /// A queue.
    Queue(QueueSid),
}
