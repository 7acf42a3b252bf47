//! INVITE client transaction (RFC 3261 §17.1.1, with the Accepted state of RFC 6026 §7.2).
//!
//! ```text
//!   Calling ──1xx──▶ Proceeding         timer A resends while Calling, timer B gives up
//!      │ └────┬───────────┘ └──2xx──▶ Accepted ── timer M ──▶ Terminated
//!      │      └─3xx–6xx──▶ Completed ── timer D ──▶ Terminated
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Timers;

/// The machine. The owner sends the request once itself, then `handle`s what follows.
#[derive(Debug)]
pub(crate) struct InviteClient {
    state: State,
    reliable: bool,
    timers: Timers,
    proceeding_max: Duration,
}

#[derive(Debug)]
enum State {
    /// Sent, nothing heard. Timer A resends (never on a reliable transport), timer B gives up.
    Calling {
        request: Bytes,
        resend_at: Option<Instant>,
        interval: Duration,
        give_up_at: Instant,
    },
    /// 1xx heard. The RFC sets no limit here; a peer that rings for ever must not hold us.
    Proceeding {
        give_up_at: Instant,
    },
    /// 3xx–6xx heard and acknowledged; timer D acknowledges copies.
    Completed {
        ack: Bytes,
        until: Instant,
    },
    /// 2xx heard; timer M lets copies through, each wants its ACK from the dialog.
    Accepted {
        until: Instant,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Debug)]
pub(crate) enum Input {
    /// A 1xx came.
    Provisional,
    /// A 2xx came.
    Success,
    /// A 3xx–6xx came; here is the ACK for it (RFC 3261 §17.1.1.3).
    Failure { ack: Bytes },
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
    /// The response is the dialog's to handle, and this ACK goes out.
    PassAndSend(Bytes),
    /// Nobody answered: treat as 408 (RFC 3261 §8.1.3.1).
    TimedOut,
}

impl InviteClient {
    /// A transaction for `request`, which its owner sends now, and which may be answered with 1xx alone for no longer
    /// than `proceeding_max`.
    pub(crate) fn new(now: Instant, request: Bytes, reliable: bool, timers: Timers, proceeding_max: Duration) -> Self {
        let state = State::Calling {
            request,
            resend_at: (!reliable).then(|| now + timers.t1),
            interval: timers.t1,
            give_up_at: now + 64 * timers.t1,
        };
        Self { state, reliable, timers, proceeding_max }
    }

    /// One step of RFC 3261 figure 5 as corrected by RFC 6026 figure 4.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Output {
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        let life = 64 * self.timers.t1;
        match (&mut self.state, input) {
            (Calling { .. }, Input::Provisional) => {
                self.state = Proceeding { give_up_at: now + self.proceeding_max };
                Output::Pass
            }
            (Proceeding { .. }, Input::Provisional) => Output::Pass,
            (Calling { .. } | Proceeding { .. }, Input::Success) => {
                self.state = Accepted { until: now + life };
                Output::Pass
            }
            (Calling { .. } | Proceeding { .. }, Input::Failure { ack }) => {
                let until = now + life; // timer D: at least 32 s, zero on a reliable transport
                self.state = if self.reliable { Terminated } else { Completed { ack: ack.clone(), until } };
                Output::PassAndSend(ack)
            }
            (Calling { .. } | Proceeding { .. }, Input::TransportError) => {
                self.state = Terminated;
                Output::TimedOut
            }
            (Calling { give_up_at, .. } | Proceeding { give_up_at }, Input::Timeout) if now >= *give_up_at => {
                self.state = Terminated;
                Output::TimedOut
            }
            (Calling { request, resend_at: Some(resend_at), interval, .. }, Input::Timeout) if now >= *resend_at => {
                *interval *= 2; // timer A doubles without a ceiling (§17.1.1.2)
                *resend_at = now + *interval;
                Output::Resend(request.clone())
            }

            (Completed { ack, .. }, Input::Failure { .. }) => Output::Resend(ack.clone()),
            (Accepted { .. }, Input::Success) => Output::Pass,
            // Also on a stream that is gone: there the clock says so in the same breath.
            (Completed { until, .. } | Accepted { until }, Input::Timeout | Input::TransportError) if now >= *until => {
                self.state = Terminated;
                Output::Nothing
            }

            (Calling { .. } | Proceeding { .. } | Completed { .. } | Accepted { .. } | Terminated, _) => {
                Output::Nothing
            }
        }
    }

    /// When to `handle` a [`Input::Timeout`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Calling { resend_at, give_up_at, .. } => {
                Some(resend_at.map_or(*give_up_at, |at| at.min(*give_up_at)))
            }
            State::Proceeding { give_up_at } => Some(*give_up_at),
            State::Completed { until, .. } | State::Accepted { until } => Some(*until),
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

    fn calling(reliable: bool) -> (Instant, InviteClient) {
        let now = Instant::now();
        (now, InviteClient::new(now, Bytes::from_static(b"INVITE"), reliable, Timers::default(), LONGEST))
    }

    const LONGEST: Duration = Duration::from_secs(600);

    fn run_out(start: Instant, machine: &mut InviteClient) -> (Vec<u128>, Output) {
        let mut resent_ms = vec![];
        loop {
            let at = machine.next_deadline().expect("an unfinished transaction has a deadline");
            match machine.handle(at, Input::Timeout) {
                Output::Resend(_) => resent_ms.push((at - start).as_millis()),
                last => return (resent_ms, last),
            }
        }
    }

    #[test]
    fn timer_a_doubles_and_timer_b_gives_up() {
        let (start, mut machine) = calling(false);
        assert_eq!(run_out(start, &mut machine), (vec![500, 1500, 3500, 7500, 15500, 31500], Output::TimedOut));
        let (start, mut machine) = calling(true);
        assert_eq!(run_out(start, &mut machine), (vec![], Output::TimedOut));
    }

    #[test]
    fn a_failure_is_acknowledged_each_time_but_passed_up_once() {
        let (now, mut machine) = calling(false);
        let ack = Bytes::from_static(b"ACK");
        assert_eq!(machine.handle(now, Input::Failure { ack: ack.clone() }), Output::PassAndSend(ack.clone()));
        assert_eq!(machine.handle(now, Input::Failure { ack: ack.clone() }), Output::Resend(ack));
        assert_eq!(machine.handle(now, Input::Success), Output::Nothing);
        let until = machine.next_deadline().expect("timer D runs");
        assert_eq!(machine.handle(until, Input::Timeout), Output::Nothing);
        assert!(machine.is_terminated());
    }

    #[test]
    fn every_copy_of_the_2xx_is_passed_up_for_its_ack() {
        let (now, mut machine) = calling(false);
        assert_eq!(machine.handle(now, Input::Provisional), Output::Pass);
        assert_eq!(machine.handle(now, Input::Success), Output::Pass);
        assert_eq!(machine.handle(now, Input::Success), Output::Pass);
        let until = machine.next_deadline().expect("timer M runs");
        machine.handle(until, Input::Timeout);
        assert!(machine.is_terminated());
    }

    #[test]
    fn timer_m_ends_it_on_a_stream_that_is_gone_too() {
        let (now, mut machine) = calling(true);
        machine.handle(now, Input::Success);
        let until = machine.next_deadline().expect("timer M runs");
        assert_eq!(machine.handle(now, Input::TransportError), Output::Nothing);
        assert_eq!(machine.next_deadline(), Some(until), "copies may come on another stream");
        machine.handle(until, Input::TransportError);
        assert!(machine.is_terminated());
    }

    #[test]
    fn endless_ringing_ends() {
        let (start, mut machine) = calling(false);
        for after_s in [0, 100] {
            assert_eq!(machine.handle(start + Duration::from_secs(after_s), Input::Provisional), Output::Pass);
        }
        assert_eq!(machine.next_deadline(), Some(start + LONGEST));
        assert_eq!(run_out(start, &mut machine), (vec![], Output::TimedOut));
    }
}
