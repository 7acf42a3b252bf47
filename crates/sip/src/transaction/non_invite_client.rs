//! Non-INVITE client transaction (RFC 3261 §17.1.2).
//!
//! ```text
//!   Trying ──1xx──▶ Proceeding          timer E resends in both, timer F gives up
//!      └──────┬─────────┘
//!             └─2xx–6xx──▶ Completed ── timer K ──▶ Terminated
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Timers;

/// The machine. The owner sends the request once itself, then `handle`s what follows.
#[derive(Debug)]
pub(crate) struct NonInviteClient {
    state: State,
    reliable: bool,
    timers: Timers,
}

#[derive(Debug)]
enum State {
    /// Sent, no final answer. Timer E resends (never on a reliable transport), timer F gives up.
    Trying {
        request: Bytes,
        proceeding: bool,
        resend_at: Option<Instant>,
        interval: Duration,
        give_up_at: Instant,
    },
    /// Answered; timer K soaks up copies of the answer.
    Completed {
        until: Instant,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Debug)]
pub(crate) enum Input {
    /// A 1xx came.
    Provisional,
    /// A 2xx–6xx came.
    Final,
    /// `next_deadline` has come.
    Timeout,
    /// The bytes cannot be sent: the flow is gone.
    TransportError,
}

/// What its owner must do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Nothing.
    Nothing,
    /// Send these bytes again.
    Resend(Bytes),
    /// The response is the dialog's to handle.
    Pass,
    /// Nobody answered: treat as 408 (RFC 3261 §8.1.3.1).
    TimedOut,
}

impl NonInviteClient {
    /// A transaction for `request`, which its owner sends now.
    pub(crate) fn new(now: Instant, request: Bytes, reliable: bool, timers: Timers) -> Self {
        let state = State::Trying {
            request,
            proceeding: false,
            resend_at: (!reliable).then(|| now + timers.t1),
            interval: timers.t1,
            give_up_at: now + 64 * timers.t1,
        };
        Self { state, reliable, timers }
    }

    /// One step of RFC 3261 figure 6; Trying and Proceeding differ only in timer E's interval.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Output {
        use State::{Completed, Terminated, Trying};
        let Timers { t2, t4, .. } = self.timers;
        match (&mut self.state, input) {
            (Trying { proceeding, .. }, Input::Provisional) => {
                *proceeding = true;
                Output::Nothing
            }
            (Trying { .. }, Input::Final) => {
                // Timer K is zero on a reliable transport.
                self.state = if self.reliable { Terminated } else { Completed { until: now + t4 } };
                Output::Pass
            }
            (Trying { .. }, Input::TransportError) => {
                self.state = Terminated;
                Output::TimedOut
            }
            (Trying { give_up_at, .. }, Input::Timeout) if now >= *give_up_at => {
                self.state = Terminated;
                Output::TimedOut
            }
            (Trying { request, proceeding, resend_at: Some(resend_at), interval, .. }, Input::Timeout)
                if now >= *resend_at =>
            {
                *interval = if *proceeding { t2 } else { (*interval * 2).min(t2) };
                *resend_at = now + *interval;
                Output::Resend(request.clone())
            }
            (Completed { until }, Input::Timeout | Input::TransportError) if now >= *until => {
                self.state = Terminated;
                Output::Nothing
            }
            (Trying { .. } | Completed { .. } | Terminated, _) => Output::Nothing,
        }
    }

    /// When to `handle` a [`Input::Timeout`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Trying { resend_at, give_up_at, .. } => {
                Some(resend_at.map_or(*give_up_at, |at| at.min(*give_up_at)))
            }
            State::Completed { until } => Some(*until),
            State::Terminated => None,
        }
    }

    /// To be forgotten.
    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_e_doubles_to_t2_and_timer_f_gives_up() {
        for (case, reliable, provisional, want_ms) in [
            ("udp", false, false, vec![500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]),
            ("udp, 100 heard", false, true, vec![500, 4500, 8500, 12500, 16500, 20500, 24500, 28500]),
            ("tcp", true, false, vec![]),
        ] {
            let start = Instant::now();
            let mut machine = NonInviteClient::new(start, Bytes::from_static(b"BYE"), reliable, Timers::default());
            if provisional {
                machine.handle(start, Input::Provisional);
            }
            let mut resent_ms = vec![];
            let last = loop {
                let at = machine.next_deadline().expect("an unfinished transaction has a deadline");
                match machine.handle(at, Input::Timeout) {
                    Output::Resend(_) => resent_ms.push((at - start).as_millis()),
                    last => break last,
                }
            };
            assert_eq!((resent_ms, last), (want_ms, Output::TimedOut), "{case}");
        }
    }

    #[test]
    fn the_final_answer_is_passed_up_once() {
        let now = Instant::now();
        let mut machine = NonInviteClient::new(now, Bytes::from_static(b"BYE"), false, Timers::default());
        assert_eq!(machine.handle(now, Input::Final), Output::Pass);
        assert_eq!(machine.handle(now, Input::Final), Output::Nothing);
        machine.handle(now + Timers::default().t4, Input::Timeout);
        assert!(machine.is_terminated());
    }
}
