//! Session timer: who refreshes a call, how often, and when it counts as dead (RFC 4028).
//!
//! `200, Session-Expires: 90 ── 45 s: refresher sends UPDATE ── 60 s: no refresh came, BYE ── 90 s: expired`
//! Each 2xx to an INVITE or UPDATE sets the terms anew, so a timer is replaced, never changed.

use std::time::{Duration, Instant};

use crate::{Headers, Name, Refresher, SessionExpires};

/// The terms in force and their two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionTimer {
    interval: Duration,
    refresh_at: Option<Instant>,
    end_at: Instant,
}

/// What a [`SessionTimer`] wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet.
    Nothing,
    /// Send a refresh.
    Refresh,
    /// Hang up.
    Expired,
}

/// What a request says about session timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    expires: Option<SessionExpires>,
    /// They would understand `Require: timer` and a 422.
    supported: bool,
}

/// What our 2xx says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Session-Expires.
    pub(crate) expires: SessionExpires,
    /// `Require: timer` goes with it.
    pub(crate) required: bool,
}

/// Why a request's terms cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedError {
    /// 400.
    Malformed,
    /// 422 with Min-SE.
    TooSmall,
}

impl Asked {
    /// Reads Session-Expires, Min-SE and Supported of an INVITE or UPDATE.
    pub(crate) fn of(headers: &Headers, min_s: u32) -> Result<Self, AskedError> {
        let expires = headers.session_expires().map_err(|_| AskedError::Malformed)?;
        let supported = headers.lists(Name::Supported, "timer") || headers.lists(Name::Require, "timer");
        match expires {
            // A peer that knows no timers cannot know 422; the interval came from a proxy (§8.1).
            Some(expires) if expires.seconds < min_s && supported => Err(AskedError::TooSmall),
            _ => Ok(Self { expires, supported }),
        }
    }

    /// Of a request that can say nothing about them.
    pub(crate) const fn nothing() -> Self {
        Self { expires: None, supported: false }
    }

    /// Chooses the terms (§9, table 2): the interval they ask for; who they ask for, else ourselves.
    ///
    /// Phones that ask without saying they know timers (JsSIP, in its UPDATE) get what they ask for too. One that
    /// neither asks nor knows gets no timer.
    pub(crate) fn terms(self, ours_s: u32, min_s: u32) -> Option<Terms> {
        let (seconds, refresher) = match self.expires {
            Some(asked) => (asked.seconds.max(min_s), asked.refresher.unwrap_or(Refresher::Uas)),
            None if self.supported => (ours_s, Refresher::Uas),
            None => return None,
        };
        let expires = SessionExpires { seconds, refresher: Some(refresher) };
        Some(Terms { expires, required: self.supported || refresher == Refresher::Uac })
    }
}

impl SessionTimer {
    /// Starts at the moment a 2xx with these terms was sent or received. Whatever the peer says, 32 bits of seconds
    /// are 136 years, which no clock overflows by.
    pub(crate) fn start(now: Instant, seconds: u32, we_refresh: bool) -> Self {
        let interval = Duration::from_secs(seconds.into());
        // §10: the BYE goes out a little before the end, so that both sides count the call as over by then.
        let margin = (interval / 3).min(Duration::from_secs(32));
        Self { interval, refresh_at: we_refresh.then(|| now + interval / 2), end_at: now + interval - margin }
    }

    /// What the clock says.
    pub(crate) fn due(&self, now: Instant) -> Due {
        if now >= self.end_at {
            Due::Expired
        } else if self.refresh_at.is_some_and(|at| now >= at) {
            Due::Refresh
        } else {
            Due::Nothing
        }
    }

    /// The refresh is on its way; its answer will bring a new timer.
    pub(crate) fn refreshing(&mut self) {
        self.refresh_at = None;
    }

    /// The refresh failed for now.
    pub(crate) fn retry_at(&mut self, at: Instant) {
        self.refresh_at = Some(at);
    }

    /// When to ask [`SessionTimer::due`].
    pub(crate) fn next_deadline(&self) -> Instant {
        self.refresh_at.map_or(self.end_at, |at| at.min(self.end_at))
    }

    /// Session-Expires of our next refresh, in seconds.
    pub(crate) fn seconds(&self) -> u32 {
        u32::try_from(self.interval.as_secs()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_follow_table_2() {
        use Refresher::{Uac, Uas};
        let ask = |seconds, refresher| Some(SessionExpires { seconds, refresher });
        for (case, expires, supported, want) in [
            ("knows, does not ask", None, true, Some((1800, Uas, true))),
            ("neither knows nor asks", None, false, None),
            ("asks, leaves the choice", ask(600, None), true, Some((600, Uas, true))),
            ("wants to refresh", ask(600, Some(Uac)), true, Some((600, Uac, true))),
            ("wants us to refresh", ask(600, Some(Uas)), true, Some((600, Uas, true))),
            ("a proxy asks", ask(600, None), false, Some((600, Uas, false))),
            ("a proxy asks for too little", ask(30, None), false, Some((90, Uas, false))),
            ("JsSIP", ask(90, Some(Uac)), false, Some((90, Uac, true))),
        ] {
            let terms = Asked { expires, supported }.terms(1800, 90);
            let got = terms.map(|terms| (terms.expires.seconds, terms.expires.refresher, terms.required));
            assert_eq!(got, want.map(|(seconds, refresher, required)| (seconds, Some(refresher), required)), "{case}");
        }
    }

    #[test]
    fn the_bye_comes_32_s_or_a_third_before_the_end() {
        let now = Instant::now();
        for (case, seconds, we_refresh, refresh_s, end_s) in
            [("short", 90, false, None, 60), ("long, ours", 1800, true, Some(900), 1768)]
        {
            let timer = SessionTimer::start(now, seconds, we_refresh);
            assert_eq!(timer.refresh_at, refresh_s.map(|s| now + Duration::from_secs(s)), "{case}");
            assert_eq!(timer.end_at, now + Duration::from_secs(end_s), "{case}");
            assert_eq!(timer.due(now), Due::Nothing, "{case}");
            assert_eq!(timer.due(timer.end_at), Due::Expired, "{case}");
        }
    }
}
