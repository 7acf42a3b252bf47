//! A phone's registration: where its user is reached, kept so that a restart loses nobody.

use std::net::SocketAddr;

use crate::{SipDomainSid, Timestamp};

/// One contact of a registered user, as the store keeps it. Not part of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// At which domain.
    pub domain_sid: SipDomainSid,
    /// Who.
    pub user: String,
    /// The contact as it came, less its terms.
    pub contact: String,
    /// By which datagrams it is reached, ours first; `None` where the contact, or the path, leads.
    pub flow: Option<(SocketAddr, SocketAddr)>,
    /// Proxies on the way, next hop first.
    pub path: Vec<String>,
    /// Preference, in thousandths.
    pub q: u16,
    /// Call-ID of the REGISTER that made it.
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
    /// What the phone calls itself.
    pub user_agent: Option<String>,
    /// Until when it is good.
    pub expires: Timestamp,
}
