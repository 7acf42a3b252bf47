//! Trunks: carriers that take our calls to numbers, and bring calls from there.

use std::time::Duration;

use sip::{Credentials, SipUri};

/// One carrier, as the operator has configured it.
#[derive(Debug, Clone)]
pub struct Trunk {
    /// How the operator calls it.
    pub name: String,
    /// Where our INVITEs go (RFC 3263). Several are tried one after the other.
    pub uris: Vec<SipUri>,
    /// The host of the Request-URI and of From; where it goes and where it comes from if there is none.
    pub domain: Option<String>,
    /// What it is answered when it challenges us.
    pub credentials: Option<Credentials>,
    /// Whatever number is to be shown, this one is.
    pub caller_id: Option<String>,
    /// Numbers that begin like this go there, E.164; the longest match of all trunks wins, among equals the first.
    /// Empty text matches every number.
    pub prefixes: Vec<String>,
    /// What to speak with it, best first; empty: what we speak with everybody.
    pub codecs: Vec<sip::AudioCodec>,
    /// How often it is asked whether it is there; never if not said.
    pub keep_alive: Option<Duration>,
}

impl Trunk {
    /// How many characters of `number` its best prefix has.
    fn fits(&self, number: &str) -> Option<usize> {
        self.prefixes.iter().filter(|prefix| number.starts_with(prefix.as_str())).map(String::len).max()
    }
}

/// The trunk for a number.
pub(crate) fn trunk_for<'a>(trunks: &'a [Trunk], number: &str) -> Option<&'a Trunk> {
    let mut best: Option<(usize, &Trunk)> = None;
    for trunk in trunks {
        if let Some(fits) = trunk.fits(number).filter(|fits| best.is_none_or(|(before, _)| *fits > before)) {
            best = Some((fits, trunk));
        }
    }
    best.map(|(_, trunk)| trunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(name: &str, prefixes: &[&str]) -> Trunk {
        Trunk {
            name: name.to_owned(),
            uris: Vec::new(),
            domain: None,
            credentials: None,
            caller_id: None,
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            codecs: Vec::new(),
            keep_alive: None,
        }
    }

    #[test]
    fn the_longest_prefix_wins() {
        let trunks =
            [trunk("all", &[""]), trunk("india", &["+91"]), trunk("bonn", &["+49228", "+492"]), trunk("all 2", &[""])];
        for (number, want) in
            [("+918884796044", "india"), ("+49228123", "bonn"), ("+4921", "bonn"), ("+15005550006", "all")]
        {
            assert_eq!(trunk_for(&trunks, number).map(|trunk| trunk.name.as_str()), Some(want), "{number}");
        }
        assert!(trunk_for(&trunks[1..3], "+15005550006").is_none());
    }
}
