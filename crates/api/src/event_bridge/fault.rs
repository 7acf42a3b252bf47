//! What is wrong with a token (`contract/vectors/errors.json`, 20101 to 20107).

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// No token, or one that cannot be read.
    Invalid,
    /// Its header names another kind or another algorithm.
    Header,
    /// Whose it is nobody knows.
    Issuer,
    /// Its time is over …
    Expired,
    /// … or has not begun.
    NotYetValid,
    /// It allows nothing here.
    Grants,
    /// Somebody else has signed it, or it was changed.
    Signature,
}

impl TokenFault {
    /// Its number.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Invalid => 20101,
            Self::Header => 20102,
            Self::Issuer => 20103,
            Self::Expired => 20104,
            Self::NotYetValid => 20105,
            Self::Grants => 20106,
            Self::Signature => 20107,
        }
    }

    /// The same for people.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid Access Token",
            Self::Header => "Invalid Access Token header",
            Self::Issuer => "Invalid Access Token issuer or subject",
            Self::Expired => "Access Token expired or expiration date invalid",
            Self::NotYetValid => "Access Token not yet valid",
            Self::Grants => "Invalid Access Token grants",
            Self::Signature => "Invalid Access Token signature",
        }
    }
}
