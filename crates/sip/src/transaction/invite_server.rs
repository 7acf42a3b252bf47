//! INVITE server transaction (RFC 3261 §17.2.1, with the Accepted state of RFC 6026 §7.1).
//!
//! ```text
//!            1xx ┌──────────┐ 2xx
//!          ┌────▶│Proceeding│──────▶ Accepted ──── timer L ──▶ Terminated
//!          └─────└──────────┘                                      ▲
//!                     │ 3xx–6xx        ACK                          │
//!                     └────▶ Completed ────▶ Confirmed ── timer I ──┤
//!                                └──────────── timer H ─────────────┘
//! ```
//! The 2xx is resent by the dialog, not here: it is what must reach the peer, on any transport.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Timers;

/// The machine; `handle` it, do what the returned [`Output`] says, come back at `next_deadline`.
#[derive(Debug)]
pub(crate) struct InviteServer {
    state: State,
    reliable: bool,
    timers: Timers,
}

#[derive(Debug)]
enum State {
    /// 1xx sent or to come; the application has not decided.
    Proceeding {
        last: Option<Bytes>,
    },
    /// 3xx–6xx sent, ACK awaited. Timer G resends (never on a reliable transport), timer H gives up.
    Completed {
        response: Bytes,
        resend_at: Option<Instant>,
        interval: Duration,
        give_up_at: Instant,
    },
    /// ACK seen; timer I soaks up late copies.
    Confirmed {
        until: Instant,
    },
    /// 2xx sent; timer L soaks up copies of the INVITE while the dialog resends the 2xx.
    Accepted {
        until: Instant,
    },
    Terminated,
}

/// What can happen to it.
#[derive(Debug)]
pub(crate) enum Input {
    /// The same INVITE again.
    Retransmission,
    /// An ACK that carries this transaction's branch.
    Ack,
    /// The application answers 101–199 (or we answer 100).
    Provisional(Bytes),
    /// The application answers 2xx.
    Success(Bytes),
    /// The application answers 3xx–6xx.
    Failure(Bytes),
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
    /// An ACK to a 2xx that reused the INVITE's branch: the dialog's business (RFC 6026 §7.1).
    PassAck,
}

impl InviteServer {
    /// A transaction for an INVITE that has just come in.
    pub(crate) fn new(reliable: bool, timers: Timers) -> Self {
        Self { state: State::Proceeding { last: None }, reliable, timers }
    }

    /// One step of RFC 3261 figure 7 as corrected by RFC 6026 figure 5.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Output {
        use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
        let Timers { t1, t2, t4 } = self.timers;
        match (&mut self.state, input) {
            (Proceeding { last }, Input::Retransmission) => last.clone().map_or(Output::Nothing, Output::Resend),
            (Proceeding { last }, Input::Provisional(response)) => {
                *last = Some(response.clone());
                Output::Send(response)
            }
            (Proceeding { .. }, Input::Success(response)) => {
                self.state = Accepted { until: now + 64 * t1 };
                Output::Send(response)
            }
            (Proceeding { .. }, Input::Failure(response)) => {
                let resend_at = (!self.reliable).then(|| now + t1);
                let give_up_at = now + 64 * t1;
                self.state = Completed { response: response.clone(), resend_at, interval: t1, give_up_at };
                Output::Send(response)
            }

            (Completed { response, .. }, Input::Retransmission) => Output::Resend(response.clone()),
            (Completed { .. }, Input::Ack) => {
                // Timer I is zero on a reliable transport: no late copies can come.
                self.state = if self.reliable { Terminated } else { Confirmed { until: now + t4 } };
                Output::Nothing
            }
            (Completed { give_up_at, .. }, Input::Timeout) if now >= *give_up_at => {
                self.state = Terminated;
                Output::Nothing
            }
            (Completed { response, resend_at: Some(resend_at), interval, .. }, Input::Timeout) if now >= *resend_at => {
                *interval = (*interval * 2).min(t2);
                *resend_at = now + *interval;
                Output::Resend(response.clone())
            }

            (Accepted { .. }, Input::Ack) => Output::PassAck,
            (Confirmed { until } | Accepted { until }, Input::Timeout) if now >= *until => {
                self.state = Terminated;
                Output::Nothing
            }

            // Late copies, answers after the final answer, early wake-ups.
            (Proceeding { .. } | Completed { .. } | Confirmed { .. } | Accepted { .. } | Terminated, _) => {
                Output::Nothing
            }
        }
    }

    /// When to `handle` a [`Input::Timeout`]. In Proceeding the application sets the pace, not a timer.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { .. } | State::Terminated => None,
            State::Completed { resend_at, give_up_at, .. } => {
                Some(resend_at.map_or(*give_up_at, |at| at.min(*give_up_at)))
            }
            State::Confirmed { until } | State::Accepted { until } => Some(*until),
        }
    }

    /// No final response has been sent.
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// To be forgotten.
    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn timer_g_doubles_to_t2_and_timer_h_gives_up() {
        let start = Instant::now();
        let mut machine = InviteServer::new(false, Timers::default());
        assert_eq!(machine.handle(start, Input::Failure(bytes("486"))), Output::Send(bytes("486")));
        let mut sent_ms = vec![];
        while let Some(at) = machine.next_deadline() {
            if let Output::Resend(_) = machine.handle(at, Input::Timeout) {
                sent_ms.push((at - start).as_millis());
            }
        }
        assert_eq!(sent_ms, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_reliable_transport_resends_nothing_and_forgets_at_the_ack() {
        let start = Instant::now();
        let mut machine = InviteServer::new(true, Timers::default());
        machine.handle(start, Input::Failure(bytes("486")));
        assert_eq!(machine.next_deadline(), Some(start + 32_000 * MS)); // timer H runs on every transport
        machine.handle(start + 10 * MS, Input::Ack);
        assert!(machine.is_terminated());
    }

    #[test]
    fn copies_of_the_invite_get_the_last_response_until_the_2xx() {
        let now = Instant::now();
        let mut machine = InviteServer::new(false, Timers::default());
        assert_eq!(machine.handle(now, Input::Retransmission), Output::Nothing);
        machine.handle(now, Input::Provisional(bytes("100")));
        machine.handle(now, Input::Provisional(bytes("180")));
        assert_eq!(machine.handle(now, Input::Retransmission), Output::Resend(bytes("180")));
        machine.handle(now, Input::Success(bytes("200")));
        assert_eq!(machine.handle(now, Input::Retransmission), Output::Nothing); // RFC 6026 §7.1
        assert_eq!(machine.handle(now, Input::Ack), Output::PassAck);
        assert_eq!(machine.handle(now, Input::Failure(bytes("487"))), Output::Nothing);
        machine.handle(now + 32_000 * MS, Input::Timeout);
        assert!(machine.is_terminated());
    }

    #[test]
    fn an_ack_starts_timer_i_which_absorbs_copies() {
        let now = Instant::now();
        let mut machine = InviteServer::new(false, Timers::default());
        machine.handle(now, Input::Failure(bytes("404")));
        machine.handle(now, Input::Ack);
        assert_eq!(machine.next_deadline(), Some(now + 5_000 * MS));
        assert_eq!(machine.handle(now + MS, Input::Ack), Output::Nothing);
        assert_eq!(machine.handle(now + MS, Input::Retransmission), Output::Nothing);
        machine.handle(now + 5_000 * MS, Input::Timeout);
        assert!(machine.is_terminated());
    }
}
