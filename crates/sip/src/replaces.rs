//! Replaces: the call that a new one takes the place of (RFC 3891).

use std::fmt;
use std::str::FromStr;

use crate::grammar::{is_token, trim};
use crate::params::Params;
use crate::{HeaderError, Headers, Name};

/// `Replaces: 425928@example.org;to-tag=7743;from-tag=6472;early-only`, the tags as its recipient has them: To is us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replaces {
    /// Of the call to be replaced.
    pub call_id: String,
    /// Our tag in it.
    pub to_tag: String,
    /// The other side's.
    pub from_tag: String,
    /// Only if nobody has answered it yet.
    pub early_only: bool,
}

impl FromStr for Replaces {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let malformed = HeaderError::Malformed(Name::Replaces);
        let (call_id, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let call_id = trim(call_id);
        if call_id.is_empty() || call_id.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
            return Err(malformed);
        }
        let params = Params::parse(params).ok_or(malformed)?;
        let tag = |name| params.get(name).filter(|tag| is_token(tag.as_bytes())).map(str::to_owned).ok_or(malformed);
        Ok(Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.contains("early-only"),
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call_id, to_tag, from_tag, early_only } = self;
        let early_only = if *early_only { ";early-only" } else { "" };
        write!(f, "{call_id};to-tag={to_tag};from-tag={from_tag}{early_only}")
    }
}

impl Headers {
    /// The call that this INVITE is to replace. More than one is an error (RFC 3891 §3).
    pub fn replaces(&self) -> Result<Option<Replaces>, HeaderError> {
        match self.count(Name::Replaces) {
            0 => Ok(None),
            1 => self.text(Name::Replaces).map(|value| value.parse()).transpose(),
            _ => Err(HeaderError::Repeated(Name::Replaces)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_names_a_call_and_both_tags() {
        for (case, value, want) in [
            ("usual", "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff", Some(false)),
            ("early only", "1 ;to-tag=a;from-tag=0;early-only", Some(true)),
            ("other parameters", "1;x=y;to-tag=a;from-tag=b", Some(false)),
            ("no to-tag", "1;from-tag=b", None),
            ("no from-tag", "1;to-tag=a", None),
            ("empty tag", "1;to-tag=;from-tag=b", None),
            ("quoted tag", "1;to-tag=\"a\";from-tag=b", None),
            ("no call", ";to-tag=a;from-tag=b", None),
            ("two of them", "1;to-tag=a;from-tag=b,2;to-tag=a;from-tag=b", None),
            ("empty", "", None),
        ] {
            let read = value.parse::<Replaces>().ok();
            assert_eq!(read.as_ref().map(|replaces| replaces.early_only), want, "{case}");
            if let Some(read) = read {
                assert_eq!(read.to_string().parse(), Ok(read), "{case}");
            }
        }
        let mut headers = Headers::new();
        assert_eq!(headers.replaces(), Ok(None));
        for want in [true, false] {
            headers.push(Name::Replaces, "1;to-tag=a;from-tag=b");
            assert_eq!(headers.replaces().is_ok(), want);
        }
    }
}
