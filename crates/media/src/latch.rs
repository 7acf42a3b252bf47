//! Which source a leg listens to, and where it sends: symmetric RTP with a lock.
//!
//! SDP's address is right for a phone on a public address and wrong behind a NAT, and anybody may throw
//! packets at our port. So the address in SDP is believed at once; another source must show a few packets of
//! one stream while nobody better speaks, may still be displaced by SDP's address for a moment, and is then
//! locked in:
//!
//! `Open ──SDP's address──▶ Locked ◀──window over── Provisional ◀──3 packets of another source── Open`
//!
//! A lock ends with a new agreement, or with silence; not more often than every few seconds, so that nobody
//! can make a leg flap. What is checked before a packet comes here: version and payload type.

use std::net::SocketAddr;

/// The one source of a leg, as far as it is known.
#[derive(Debug)]
pub(crate) struct Latch {
    agreed: Option<SocketAddr>,
    state: State,
    /// Whom we have just left by a new agreement: its last packets must not win it back.
    shunned: Option<(SocketAddr, u64)>,
    reopened_us: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nobody yet, or nobody any more. `before` had the lock until it fell silent, and may simply have it back.
    Open {
        before: Option<SocketAddr>,
        candidate: Option<Candidate>,
    },
    /// Not who SDP named, but the only one speaking. SDP's address still takes over at once.
    Provisional {
        source: SocketAddr,
        until_us: u64,
    },
    Locked {
        source: SocketAddr,
    },
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    packets: u32,
    first_us: u64,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the peer's.
    Accept,
    /// It is the peer's, and from now on nobody else's will be: connect the socket to it.
    Lock,
    /// It is somebody else's.
    Refuse,
}

impl Latch {
    pub(crate) fn new() -> Self {
        let state = State::Open { before: None, candidate: None };
        Self { agreed: None, state, shunned: None, reopened_us: 0 }
    }

    /// Takes SDP's word for where the peer is. `true` when the lock is open again: disconnect the socket.
    pub(crate) fn agree(&mut self, remote: Option<SocketAddr>, now_us: u64) -> bool {
        // A hold answered with 0.0.0.0 moves nobody: the peer comes back from where it was.
        if remote == self.agreed || remote.is_none() {
            return false;
        }
        let source = self.source();
        self.agreed = remote;
        if source == remote {
            return false;
        }
        self.shunned = source.map(|source| (source, now_us + SHUN_US));
        self.state = State::Open { before: None, candidate: None };
        source.is_some()
    }

    /// The peer has been silent since `heard_us`. `true` when the lock is open again: disconnect the socket.
    pub(crate) fn silent(&mut self, heard_us: u64, now_us: u64) -> bool {
        let Some(source) = self.source() else { return false };
        if now_us < heard_us + SILENCE_US || now_us < self.reopened_us + REOPEN_US {
            return false;
        }
        self.reopened_us = now_us;
        self.state = State::Open { before: Some(source), candidate: None };
        true
    }

    /// Judges the source of a packet that is RTP with an agreed payload type.
    pub(crate) fn judge(&mut self, from: SocketAddr, ssrc: u32, now_us: u64) -> Verdict {
        match &mut self.state {
            State::Locked { source } if *source == from => Verdict::Accept,
            State::Locked { .. } => Verdict::Refuse,
            _ if self.agreed == Some(from) => self.lock(from),
            State::Provisional { source, until_us } if *source == from => {
                if now_us < *until_us {
                    Verdict::Accept
                } else {
                    self.lock(from)
                }
            }
            State::Provisional { .. } => Verdict::Refuse,
            State::Open { before: Some(before), .. } if *before == from => self.lock(from),
            State::Open { candidate, .. } => {
                if self.shunned.is_some_and(|(shunned, until_us)| shunned == from && now_us < until_us) {
                    return Verdict::Refuse;
                }
                let same = candidate.filter(|known| {
                    known.source == from && known.ssrc == ssrc && now_us < known.first_us + CANDIDATE_US
                });
                let known = same.unwrap_or(Candidate { source: from, ssrc, packets: 0, first_us: now_us });
                let packets = known.packets + 1;
                if packets < CANDIDATE_PACKETS {
                    *candidate = Some(Candidate { packets, ..known });
                    return Verdict::Refuse;
                }
                self.state = State::Provisional { source: from, until_us: now_us + WINDOW_US };
                Verdict::Accept
            }
        }
    }

    /// Where our own packets go.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        match self.state {
            State::Open { before, .. } => before.or(self.agreed),
            State::Provisional { source, .. } | State::Locked { source } => Some(source),
        }
    }

    /// The peer, once somebody is taken for it.
    pub(crate) fn source(&self) -> Option<SocketAddr> {
        match self.state {
            State::Open { .. } => None,
            State::Provisional { source, .. } | State::Locked { source } => Some(source),
        }
    }

    fn lock(&mut self, source: SocketAddr) -> Verdict {
        self.state = State::Locked { source };
        Verdict::Lock
    }
}

/// Packets of one stream another source must show before it is heard: one stray packet changes nothing.
const CANDIDATE_PACKETS: u32 = 3;
/// Within this time.
const CANDIDATE_US: u64 = 500_000;
/// How long SDP's address may still displace another source.
const WINDOW_US: u64 = 2_000_000;
/// How long a source left by a new agreement stays unwelcome.
const SHUN_US: u64 = 1_000_000;
/// Silence that opens the lock: a phone whose NAT gave it a new port would be lost otherwise.
const SILENCE_US: u64 = 3_000_000;
/// The least time between two openings for silence.
const REOPEN_US: u64 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "192.0.2.1:4000";
    const NAT: &str = "198.51.100.7:61000";
    const ATTACKER: &str = "203.0.113.66:9";

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// Plays packets of `(who, at ms)` to a latch that agreed on PHONE; returns the verdicts.
    fn play(latch: &mut Latch, packets: &[(&str, u64)]) -> Vec<Verdict> {
        packets.iter().map(|&(who, at_ms)| latch.judge(address(who), who.len() as u32, at_ms * 1000)).collect()
    }

    #[test]
    fn sources() {
        use Verdict::{Accept, Lock, Refuse};
        for (case, packets, verdicts) in [
            ("SDP's address at once", &[(PHONE, 0), (PHONE, 20)][..], &[Lock, Accept][..]),
            (
                "injection after the lock",
                &[(PHONE, 0), (ATTACKER, 1), (ATTACKER, 2), (ATTACKER, 3)],
                &[Lock, Refuse, Refuse, Refuse],
            ),
            (
                "behind a NAT",
                &[(NAT, 0), (NAT, 20), (NAT, 40), (NAT, 60), (NAT, 2100), (NAT, 2120)],
                &[Refuse, Refuse, Accept, Accept, Lock, Accept],
            ),
            (
                "a slow sprinkler never gets in",
                &[(ATTACKER, 0), (ATTACKER, 600), (ATTACKER, 1200)],
                &[Refuse, Refuse, Refuse],
            ),
            (
                "SDP's address displaces",
                &[(ATTACKER, 0), (ATTACKER, 1), (ATTACKER, 2), (PHONE, 500), (ATTACKER, 501)],
                &[Refuse, Refuse, Accept, Lock, Refuse],
            ),
            (
                "one stray between others",
                &[(NAT, 0), (ATTACKER, 10), (NAT, 20), (NAT, 40), (NAT, 60)],
                &[Refuse, Refuse, Refuse, Refuse, Accept],
            ),
        ] {
            let mut latch = Latch::new();
            latch.agree(Some(address(PHONE)), 0);
            assert_eq!(play(&mut latch, packets), verdicts, "{case}");
        }
    }

    #[test]
    fn a_new_agreement_moves_the_peer_and_shuns_the_old() {
        let mut latch = Latch::new();
        latch.agree(Some(address(PHONE)), 0);
        play(&mut latch, &[(PHONE, 0)]);
        assert!(!latch.agree(None, 500_000), "hold by 0.0.0.0 keeps the lock");
        assert!(!latch.agree(Some(address(PHONE)), 600_000), "so does the same address again");
        assert!(latch.agree(Some(address("192.0.2.1:5000")), 1_000_000));
        assert_eq!(latch.target(), Some(address("192.0.2.1:5000")));
        let old = [(PHONE, 1001), (PHONE, 1002), (PHONE, 1003), (PHONE, 1004)];
        assert_eq!(play(&mut latch, &old), [Verdict::Refuse; 4]);
        assert_eq!(play(&mut latch, &[("192.0.2.1:5000", 1020)]), [Verdict::Lock]);
    }

    #[test]
    fn silence_opens_the_lock_but_not_often() {
        let mut latch = Latch::new();
        latch.agree(Some(address(PHONE)), 0);
        play(&mut latch, &[(PHONE, 10_000)]);
        assert!(!latch.silent(10_000_000, 12_000_000));
        assert!(latch.silent(10_000_000, 13_000_000));
        assert_eq!(latch.target(), Some(address(PHONE)), "we go on sending where the peer was");
        assert_eq!(play(&mut latch, &[(NAT, 13_100), (NAT, 13_120), (NAT, 13_140)])[2], Verdict::Accept);
        assert!(!latch.silent(13_140_000, 17_000_000), "reopened a moment ago");
        assert!(latch.silent(13_140_000, 18_000_000));
    }
}
