//! What the directory refuses, as codes: the part of the table of [`problem`](crate::problem) that is about what accounts
//! set up (rest-voice §8, §9).

use axum::http::StatusCode;
use switch::DirectoryRefusal;

/// HTTP status, code, message; `None` is 404, whose message names the path.
pub(crate) fn row(refusal: DirectoryRefusal) -> Option<(StatusCode, u32, &'static str)> {
    use DirectoryRefusal as R;
    let (code, message) = match refusal {
        R::NotFound => return None,
        R::NumberTaken => (21422, "PhoneNumber is not available"),
        R::AreaEmpty => (21452, "No phone numbers found in that area code"),
        R::VoiceFallbackAlone => (21405, "VoiceFallbackUrl needs a VoiceUrl"),
        R::SmsFallbackAlone => (21406, "SmsFallbackUrl needs an SmsUrl"),
        R::ApplicationUnknown => (21420, "The application is not one of this account"),
        R::TooManyNumbers => (20001, "The account has as many phone numbers as it may have"),
        R::TooManyApplications => (21301, "The account has as many applications as it may have"),
        R::TooManyDomains => (21230, "The account has as many SIP domains as it may have"),
        R::DomainName => (21231, "DomainName is not a host name below the SIP suffix of this server"),
        R::DomainTaken => (21231, "DomainName is taken"),
        R::DomainInUse => (21233, "The SIP domain has mappings"),
        R::ListUnknown(list) => match list {
            model::MappedList::CallsIpAccessControlList(_) => {
                (21235, "IpAccessControlListSid is not a list of this account")
            }
            model::MappedList::CallsCredentialList(_) | model::MappedList::RegistrationsCredentialList(_) => {
                (21240, "CredentialListSid is not a list of this account")
            }
        },
        R::MappedAlready => return Some((StatusCode::CONFLICT, 20409, "The list is mapped to the domain already")),
        R::TooManyCredentialLists => (21239, "The account has as many credential lists as it may have"),
        R::CredentialListInUse => (21241, "The credential list is mapped to a SIP domain"),
        R::TooManyCredentials => (21242, "The credential list has as many credentials as it may have"),
        R::UsernameTaken => (21243, "Username is in the credential list already"),
        R::TooManyIpLists => (21255, "The account has as many IP access control lists as it may have"),
        R::IpListInUse => (21236, "The IP access control list is mapped to a SIP domain"),
        R::TooManyIpAddresses => (21237, "The IP access control list has as many addresses as it may have"),
        R::IpAddressTaken => (21238, "IpAddress is in the list already"),
        R::CallerIdTaken => (21450, "PhoneNumber is an outgoing caller ID of this account already"),
        R::QueueNameTaken => (20002, "FriendlyName is the name of another queue"),
        R::TooManyQueues => (20001, "The account has as many queues as it may have"),
        R::QueueNotEmpty => return Some((StatusCode::CONFLICT, 20409, "Calls wait in the queue")),
    };
    Some((StatusCode::BAD_REQUEST, code, message))
}

/// One of each, for the check against the dictionary.
#[cfg(test)]
pub(crate) const ALL: [DirectoryRefusal; 27] = {
    use DirectoryRefusal as R;
    use model::{CredentialListSid, IpAccessControlListSid, MappedList};
    [
        R::NotFound,
        R::NumberTaken,
        R::AreaEmpty,
        R::VoiceFallbackAlone,
        R::SmsFallbackAlone,
        R::ApplicationUnknown,
        R::TooManyNumbers,
        R::TooManyApplications,
        R::TooManyDomains,
        R::DomainName,
        R::DomainTaken,
        R::DomainInUse,
        R::ListUnknown(MappedList::CallsIpAccessControlList(IpAccessControlListSid::from_bits(1))),
        R::ListUnknown(MappedList::CallsCredentialList(CredentialListSid::from_bits(1))),
        R::MappedAlready,
        R::TooManyCredentialLists,
        R::CredentialListInUse,
        R::TooManyCredentials,
        R::UsernameTaken,
        R::TooManyIpLists,
        R::IpListInUse,
        R::TooManyIpAddresses,
        R::IpAddressTaken,
        R::CallerIdTaken,
        R::QueueNameTaken,
        R::TooManyQueues,
        R::QueueNotEmpty,
    ]
};
