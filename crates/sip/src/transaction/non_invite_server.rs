//! Non-INVITE server transaction (RFC 3261 §17.2.2).
//!
//! `Trying ── final ──▶ Completed ── timer J ──▶ Terminated`. We never send 1xx here (RFC 4320 §4.1 advises
//! against it), so the Proceeding state of the RFC's figure 8 has no way in.

use std::time::Instant;

use bytes::Bytes;

use super::Timers;

/// The machine; `handle` it, do what the returned [`Output`] says, come back at `next_deadline`.
#[derive(Debug)]
pub(crate) struct NonInviteServer {
    state: State,
    reliable: bool,
    timers: Timers,
}

#[derive(Debug)]
enum State {
    /// The application has not answered.
    Trying,
    /// Answered; timer J keeps the answer for copies of the request.
    Completed {
        response: Bytes,
        until: Instant,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Debug)]
pub(crate) enum Input {
    /// The same request again.
    Retransmission,
    /// The application answers 2xx–6xx.
    Final(Bytes),
    /// `next_deadline` has come.
    Timeout,
}

/// What its owner must do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Nothing.
    Nothing,
    /// Send these bytes for the first time.
    Send(Bytes),
    /// Send these bytes again.
    Resend(Bytes),
}

impl NonInviteServer {
    /// A transaction for a request that has just come in.
    pub(crate) fn new(reliable: bool, timers: Timers) -> Self {
        Self { state: State::Trying, reliable, timers }
    }

    /// One step of RFC 3261 figure 8.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Output {
        match (&mut self.state, input) {
            (State::Trying, Input::Final(response)) => {
                // Timer J is zero on a reliable transport: no copies can come.
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Completed { response: response.clone(), until: now + 64 * self.timers.t1 }
                };
                Output::Send(response)
            }
            (State::Completed { response, .. }, Input::Retransmission) => Output::Resend(response.clone()),
            (State::Completed { until, .. }, Input::Timeout) if now >= *until => {
                self.state = State::Terminated;
                Output::Nothing
            }
            (State::Trying | State::Completed { .. } | State::Terminated, _) => Output::Nothing,
        }
    }

    /// When to `handle` a [`Input::Timeout`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Trying | State::Terminated => None,
            State::Completed { until, .. } => Some(*until),
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
    fn copies_get_the_same_answer_until_timer_j() {
        let now = Instant::now();
        let ok = Bytes::from_static(b"200");
        let mut machine = NonInviteServer::new(false, Timers::default());
        assert_eq!(machine.handle(now, Input::Retransmission), Output::Nothing);
        assert_eq!(machine.handle(now, Input::Final(ok.clone())), Output::Send(ok.clone()));
        assert_eq!(machine.handle(now, Input::Retransmission), Output::Resend(ok.clone()));
        assert_eq!(machine.handle(now, Input::Final(Bytes::from_static(b"500"))), Output::Nothing);
        let until = machine.next_deadline().expect("timer J runs");
        assert_eq!(until, now + 64 * Timers::default().t1);
        machine.handle(until, Input::Timeout);
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_reliable_transport_forgets_at_once() {
        let mut machine = NonInviteServer::new(true, Timers::default());
        machine.handle(Instant::now(), Input::Final(Bytes::from_static(b"200")));
        assert!(machine.is_terminated());
    }
}
