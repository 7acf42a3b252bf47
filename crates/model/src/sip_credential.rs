//! Who may call or register by name and password.

use crate::{AccountSid, CredentialListSid, CredentialSid, Timestamp};

/// A list of credentials as the API shows it and the store keeps it (rest-voice §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialList {
    /// `CL…`.
    pub sid: CredentialListSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// Shown name.
    pub friendly_name: String,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

/// One entry of a credential list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// `CR…`.
    pub sid: CredentialSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which list.
    pub credential_list_sid: CredentialListSid,
    /// Once in a list; case counts, as digest hashes it.
    pub username: String,
    /// Secret.
    pub password: Password,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

/// A password in the clear: digest hashes it together with a realm that is known only when somebody calls
/// (RFC 7616 §3.4.2). It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    /// Leaves it out, so that no log line carries it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_in_what_is_logged() {
        let now = Timestamp::from_micros(0);
        let credential = Credential {
            sid: CredentialSid::from_bits(1),
            account_sid: AccountSid::from_bits(2),
            credential_list_sid: CredentialListSid::from_bits(3),
            username: "alice".to_owned(),
            password: Password("Sesame0pen".to_owned()),
            created: now,
            updated: now,
            seq: 1,
        };
        let shown = format!("{credential:?}");
        assert!(shown.contains("alice") && !shown.contains("Sesame"), "{shown}");
    }
}
