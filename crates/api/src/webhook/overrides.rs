//! Connection overrides: what the fragment of a URL says about asking it (twiml §13).
//!
//! `https://app.example/voice#rc=3&rp=5xx,ct`: three more tries, also after a 5xx. Whatever is no override is an
//! ordinary fragment, which is never sent.

use std::time::Duration;

use switch::webhook::Remark;
use web::{Connecting, form_urlencoded};

/// How an application wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `ct` and `sni`.
    pub(crate) connecting: Connecting,
    /// `rt`: for an answer, from when its request began.
    pub(crate) read: Duration,
    /// `tt`: for everything together, tries and redirects.
    pub(crate) total: Duration,
    /// `rc`: so many tries after the first.
    pub(crate) retries: u32,
    /// `rp`.
    pub(crate) retry_on: RetryOn,
}

/// What is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RetryOn {
    pub(crate) status_4xx: bool,
    pub(crate) status_5xx: bool,
    /// No connection.
    pub(crate) connection: bool,
    /// No answer in time.
    pub(crate) read: bool,
}

impl RetryOn {
    /// Whether an answer of that status is tried again.
    pub(crate) fn status(self, status: u16) -> bool {
        (self.status_4xx && (400..500).contains(&status)) || (self.status_5xx && (500..600).contains(&status))
    }
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connecting: Connecting::default(),
            read: WHOLE_MAX,
            total: WHOLE_MAX,
            retries: 1,
            retry_on: RetryOn { connection: true, ..RetryOn::default() },
        }
    }
}

impl Overrides {
    /// As a fragment says; what is wrong in it stays as it was, and the remarks say so where the contract has a code for
    /// it.
    pub(crate) fn parse(self, fragment: &str) -> (Self, Vec<Remark>) {
        let (mut overrides, mut remarks) = (self, Vec::new());
        let remark = |code, message: String| Remark { code, message };
        for (name, value) in form_urlencoded::parse(fragment.as_bytes()) {
            let span = |from_ms: u64, to_ms: u64| {
                let ms: Option<u64> = value.parse().ok().filter(|ms| (from_ms..=to_ms).contains(ms));
                ms.map(Duration::from_millis)
            };
            match &*name {
                "ct" => overrides.connecting.timeout = span(100, 10_000).unwrap_or(overrides.connecting.timeout),
                "rt" => overrides.read = span(100, 15_000).unwrap_or(overrides.read),
                "tt" => overrides.total = span(100, 15_000).unwrap_or(overrides.total),
                "rc" => {
                    overrides.retries = value.parse().ok().filter(|n| *n <= RETRIES_MAX).unwrap_or(overrides.retries)
                }
                "rp" => match retry_on(&value) {
                    Some(retry_on) => overrides.retry_on = retry_on,
                    None => remarks.push(remark(11_243, format!("rp={value} is no retry policy"))),
                },
                "sni" => overrides.connecting.sni = value != "n",
                "e" if !is_edge(&value) => remarks.push(remark(11_240, format!("e={value} is no edge"))),
                _ => {} // an edge, which we have no use for; or no override
            }
        }
        (overrides, remarks)
    }
}

fn retry_on(policy: &str) -> Option<RetryOn> {
    let mut on = RetryOn::default();
    for word in policy.split(',').map(str::trim) {
        match word {
            "4xx" => on.status_4xx = true,
            "5xx" => on.status_5xx = true,
            "ct" => on.connection = true,
            "rt" => on.read = true,
            "all" => on = RetryOn { status_4xx: true, status_5xx: true, connection: true, read: true },
            _ => return None,
        }
    }
    Some(on)
}

/// One edge or several: `dublin`, `ashburn-ix,roaming`.
fn is_edge(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    text.split(',').all(is_word)
}

/// The whole exchange: hard, since a caller waits (twiml §13).
const WHOLE_MAX: Duration = Duration::from_secs(15);

const RETRIES_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_overrides_what_it_says_right() {
        let as_ever = Overrides::default();
        let ms = Duration::from_millis;
        let ct = |timeout| Connecting { timeout, sni: true };
        let on = |policy| retry_on(policy).expect(policy);
        for (fragment, want, codes) in [
            ("", as_ever.clone(), &[][..]),
            ("section-2", as_ever.clone(), &[]),
            ("rc=3&rp=5xx,ct", Overrides { retries: 3, retry_on: on("5xx,ct"), ..as_ever.clone() }, &[]),
            ("ct=100", Overrides { connecting: ct(ms(100)), ..as_ever.clone() }, &[]),
            ("ct=99", as_ever.clone(), &[]),
            ("ct=10001", as_ever.clone(), &[]),
            ("rt=2000&tt=3000", Overrides { read: ms(2_000), total: ms(3_000), ..as_ever.clone() }, &[]),
            ("rt=15001&tt=-1", as_ever.clone(), &[]),
            ("rc=0", Overrides { retries: 0, ..as_ever.clone() }, &[]),
            ("rc=6", as_ever.clone(), &[]),
            ("rp=all", Overrides { retry_on: on("4xx,5xx,ct,rt"), ..as_ever.clone() }, &[]),
            ("rp=6xx", as_ever.clone(), &[11_243]),
            ("rp=", as_ever.clone(), &[11_243]),
            ("sni=n", Overrides { connecting: Connecting { sni: false, ..ct(ms(5_000)) }, ..as_ever.clone() }, &[]),
            ("sni=y&e=dublin", as_ever.clone(), &[]),
            ("e=ashburn-ix,roaming", as_ever.clone(), &[]),
            ("e=", as_ever.clone(), &[11_240]),
            ("e=DUBLIN!&rp=x", as_ever.clone(), &[11_240, 11_243]),
        ] {
            let (overrides, remarks) = Overrides::default().parse(fragment);
            assert_eq!(overrides, want, "{fragment}");
            assert_eq!(remarks.iter().map(|remark| remark.code).collect::<Vec<_>>(), codes, "{fragment}");
        }
    }

    #[test]
    fn a_policy_names_the_statuses_that_are_tried_again() {
        for (policy, status, want) in [
            ("4xx", 404, true),
            ("4xx", 500, false),
            ("5xx", 500, true),
            ("5xx", 404, false),
            ("ct", 503, false),
            ("all", 204, false),
        ] {
            assert_eq!(retry_on(policy).expect(policy).status(status), want, "{policy} {status}");
        }
    }
}
