//! Transfers within one call: their REFERs and ours, and how far we each have told the other (RFC 3515).

use std::time::{Duration, Instant};

use crate::transaction::Key;
use crate::{Headers, NameAddr, Replaces, Response, SipUri, Uri};

/// All of one call. Most calls have none.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    /// Theirs, at most [`REFERRALS_MAX`].
    pub(crate) referrals: Vec<Referral>,
    /// How many of theirs there have been: the first needs no `id` in its NOTIFYs (§2.4.6), and old phones know none.
    pub(crate) seen: u32,
    /// Ours, one at a time.
    pub(crate) referring: Option<Referring>,
}

/// A REFER of theirs.
#[derive(Debug)]
pub(crate) struct Referral {
    /// Its CSeq.
    pub(crate) number: u32,
    /// It is not the first of the call.
    pub(crate) has_id: bool,
    /// They want NOTIFYs.
    pub(crate) reports: bool,
    pub(crate) stage: ReferralStage,
}

#[derive(Debug)]
pub(crate) enum ReferralStage {
    /// Our owner has not answered. The response lacks its status.
    Asked { transaction: Key, template: Box<Response>, until: Instant },
    /// Accepted: they wait for NOTIFYs.
    Reporting {
        /// One is on its way, and says so.
        notifying: Option<u16>,
        /// What there is to say after it.
        next: Option<u16>,
        until: Instant,
    },
}

/// A REFER of ours.
#[derive(Debug)]
pub(crate) struct Referring {
    /// Its CSeq.
    pub(crate) number: u32,
    /// They have said that they try.
    pub(crate) accepted: bool,
    /// How long we wait for news.
    pub(crate) until: Instant,
}

/// What the clock wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Our owner has not answered this REFER in time.
    Unanswered(u32),
    /// Our owner has nothing more to say about this one.
    Unreported(u32),
    /// They have nothing more to say about ours.
    Untold,
}

impl Transfers {
    /// Their REFER with this CSeq.
    pub(crate) fn referral(&mut self, number: u32) -> Option<&mut Referral> {
        self.referrals.iter_mut().find(|referral| referral.number == number)
    }

    /// Forgets it.
    pub(crate) fn remove(&mut self, number: u32) {
        self.referrals.retain(|referral| referral.number != number);
    }

    /// What the clock wants next.
    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        let referral = self.referrals.iter().find_map(|referral| match &referral.stage {
            ReferralStage::Asked { until, .. } if now >= *until => Some(Due::Unanswered(referral.number)),
            ReferralStage::Reporting { until, .. } if now >= *until => Some(Due::Unreported(referral.number)),
            ReferralStage::Asked { .. } | ReferralStage::Reporting { .. } => None,
        });
        referral.or_else(|| self.referring.as_ref().filter(|ours| now >= ours.until).map(|_| Due::Untold))
    }

    /// When to ask [`Transfers::due`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let referrals = self.referrals.iter().map(|referral| match &referral.stage {
            ReferralStage::Asked { until, .. } | ReferralStage::Reporting { until, .. } => *until,
        });
        referrals.chain(self.referring.iter().map(|ours| ours.until)).min()
    }
}

/// Refer-To, and the call there that it wants replaced: `sip:ben@x?Replaces=1%40y%3Bto-tag%3Da%3Bfrom-tag%3Db`. What is
/// in the URI's headers else stays there.
pub(crate) fn refer_to(headers: &Headers, name: crate::Name<'static>) -> Option<(NameAddr, Option<Replaces>)> {
    let mut addresses = headers.addresses(name).ok()?.into_iter();
    let (Some(mut target), None) = (addresses.next(), addresses.next()) else { return None };
    let mut replaces = None;
    if let Uri::Sip(SipUri { headers: Some(headers), .. }) = &target.uri {
        let mut others = Vec::new();
        for header in headers.split('&') {
            match header.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("replaces") => {
                    replaces = Some(crate::uri::decode(value).parse().ok()?);
                }
                _ => others.push(header),
            }
        }
        let headers = (!others.is_empty()).then(|| others.join("&"));
        if let Uri::Sip(uri) = &mut target.uri {
            uri.headers = headers;
        }
    }
    Some((target, replaces))
}

/// The status in a `message/sipfrag`: `SIP/2.0 180 Ringing`.
pub(crate) fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let digits = std::str::from_utf8(line.get(..11)?).ok()?.strip_prefix("SIP/2.0 ")?;
    digits.parse().ok().filter(|status| (100..700).contains(status))
}

/// Their REFERs of one call that wait or are told about.
pub(crate) const REFERRALS_MAX: usize = 4;
/// How long our owner may take to answer a REFER; they give up at 32 s.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How long a transfer may take that we report on, or are told about. As long as a call may ring, and some more.
pub(crate) const REPORT_MAX: Duration = Duration::from_secs(240);
/// How long after their 2xx the first report is waited for: timer N of RFC 6665 §4.1.2.4. One comes at once, if any does.
pub(crate) const FIRST_REPORT_MAX: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    #[test]
    fn refer_to_is_read_with_what_it_replaces() {
        for (case, value, want) in [
            ("blind", "<sip:ben@example.com>", Some(("<sip:ben@example.com>", None))),
            ("without brackets", "sip:ben@example.com;x=1", Some(("<sip:ben@example.com>;x=1", None))),
            (
                "attended",
                "\"Ben\" <sip:ben@example.com?Replaces=1%40y%3Bto-tag%3Da%3Bfrom-tag%3Db>",
                Some(("\"Ben\" <sip:ben@example.com>", Some("1@y;to-tag=a;from-tag=b"))),
            ),
            (
                "among others",
                "<sip:ben@example.com?X-A=1&REPLACES=1%3Bto-tag%3Da%3Bfrom-tag%3Db%3Bearly-only&X-B=2>",
                Some(("<sip:ben@example.com?X-A=1&X-B=2>", Some("1;to-tag=a;from-tag=b;early-only"))),
            ),
            ("a number", "<tel:+15550100>", Some(("<tel:+15550100>", None))),
            ("replaces nothing", "<sip:ben@example.com?Replaces=>", None),
            ("two targets", "<sip:ben@example.com>, <sip:cho@example.com>", None),
            ("empty", "", None),
        ] {
            let mut headers = Headers::new();
            headers.push(Name::ReferTo, value);
            let got = refer_to(&headers, Name::ReferTo)
                .map(|(target, replaces)| (target.to_string(), replaces.map(|replaces| replaces.to_string())));
            let want = want.map(|(target, replaces)| (target.to_owned(), replaces.map(str::to_owned)));
            assert_eq!(got, want, "{case}");
        }
        assert!(refer_to(&Headers::new(), Name::ReferTo).is_none());
    }

    #[test]
    fn a_sipfrag_says_how_far_the_call_is() {
        for (body, want) in [
            (&b"SIP/2.0 100 Trying"[..], Some(100)),
            (b"SIP/2.0 486 Busy Here\r\nReason: x\r\n", Some(486)),
            (b"SIP/2.0 200", Some(200)),
            (b"SIP/2.0 2000", Some(200)),
            (b"SIP/2.0 99", None),
            (b"SIP/2.0 099 x", None),
            (b"INVITE sip:a SIP/2.0", None),
            (b"SIP/2.0 \xff\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(sipfrag_status(body), want, "{body:?}");
        }
    }
}
