//! Which source a leg listens to, and where it sends: symmetric RTP with a lock.
//!
//! SDP's address is right for a phone on a public address and wrong behind a NAT, and anybody may throw
//! packets at our port. So whoever is nearer to what was agreed speaks, and the others are refused:
//!
//! 1. SDP's address: believed at its first packet, whoever was heard until then;
//! 2. the first other source that showed a few packets of one stream while nobody was there (`home`): it is
//!    given up to SDP's address only, and has its place back whenever it speaks again;
//! 3. who is the same peer at another address. Asked for only when the peer has been silent for seconds and
//!    ought to be heard, it must come from the same IP address or go on with the same stream.
//!
//! A stranger's address is thus learned once for each agreement, at most. What is checked before a packet
//! comes here: version and payload type.

use std::mem::offset_of;
use std::net::SocketAddr;

/// The one source of a leg, as far as it is known.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Latch {
    /// Something that [`Latch::sole_source`] follows from may be another since the last [`Latch::take_changed`].
    changed: bool,
    /// Nobody but the peer is in question: neither `home` nor a candidate, and nothing is to be learnt anew.
    settled: bool,
    peer: Option<Peer>,
    /// The peer has agreed anew, and not on where it is heard from: if it is silent, it may turn up anywhere
    /// until then.
    relearn_until_us: u64,
    home: Option<SocketAddr>,
    candidate: Option<Candidate>,
    agreed: Option<SocketAddr>,
    /// Whom we have just left by a new agreement: its last packets must not win it back.
    shunned: Option<(SocketAddr, u64)>,
}

/// Who is taken for the peer.
#[derive(Debug, Clone, Copy)]
struct Peer {
    source: SocketAddr,
    /// Of its last packet.
    ssrc: u32,
    sequence: u16,
    /// It ought to be heard, and has not been for [`SILENCE_US`].
    silent: bool,
}

impl Peer {
    /// A packet from elsewhere may be this peer's: a NAT has given it a new port, or it goes on with its stream.
    fn may_be(&self, from: SocketAddr, ssrc: u32, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.sequence);
        from.ip() == self.source.ip() || ssrc == self.ssrc && (1..=SEQUENCE_GAP_MAX).contains(&ahead)
    }
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    packets: u32,
    first_us: u64,
}

impl Latch {
    /// What is looked at of it while one peer is heard.
    pub(crate) const STEADY_BYTES: usize = offset_of!(Latch, relearn_until_us);

    /// Takes SDP's word for where the peer is.
    pub(crate) fn agree(&mut self, remote: Option<SocketAddr>, now_us: u64) {
        // A hold answered with 0.0.0.0 moves nobody: the peer comes back from where it was.
        if remote.is_none() {
            return;
        }
        let source = self.source();
        if remote == self.agreed {
            if source.is_some() && source != remote {
                self.relearn_until_us = now_us + RELEARN_US;
                self.settled = false;
            }
            return;
        }
        let shunned = source.filter(|_| source != remote).map(|source| (source, now_us + SHUN_US));
        let peer = self.peer.filter(|_| source == remote);
        *self = Self { agreed: remote, peer, shunned, changed: true, ..Self::default() };
    }

    /// Says whether the peer ought to be heard and has not been, since `heard_us`. To be said every tick.
    pub(crate) fn watch(&mut self, receives: bool, heard_us: u64, now_us: u64) {
        if let Some(peer) = &mut self.peer {
            let silent = receives && now_us >= heard_us + SILENCE_US;
            self.changed |= silent != peer.silent;
            peer.silent = silent;
        }
    }

    /// Judges the source of a packet that is RTP with an agreed payload type: is it the peer's?
    pub(crate) fn judge(&mut self, from: SocketAddr, ssrc: u32, sequence: u16, now_us: u64) -> bool {
        // Nearly always: who was heard last, and nothing in doubt.
        if let Some(peer) = self.peer.as_mut().filter(|peer| peer.source == from && !peer.silent)
            && self.settled
        {
            (peer.ssrc, peer.sequence) = (ssrc, sequence);
            return true;
        }
        let is_peers = self.judge_closely(from, ssrc, sequence, now_us);
        self.settled = self.candidate.is_none() && self.home.is_none() && self.relearn_until_us == 0;
        is_peers
    }

    /// Judges where anything is in doubt.
    fn judge_closely(&mut self, from: SocketAddr, ssrc: u32, sequence: u16, now_us: u64) -> bool {
        self.changed = true;
        let is_peer = self.source() == Some(from);
        let is_agreed = self.agreed == Some(from);
        if is_peer || is_agreed || self.home == Some(from) {
            if is_agreed {
                (self.home, self.relearn_until_us) = (None, 0); // whoever that was, SDP is right
            }
        } else {
            let may_be = match &self.peer {
                None => true,
                Some(peer) => peer.silent && (peer.may_be(from, ssrc, sequence) || now_us < self.relearn_until_us),
            };
            let is_shunned = self.shunned.is_some_and(|(shunned, until_us)| shunned == from && now_us < until_us);
            if !may_be || is_shunned || !self.has_shown_enough(from, ssrc, now_us) {
                return false;
            }
            if self.peer.is_none() {
                self.home = Some(from);
            }
            self.relearn_until_us = 0;
        }
        self.peer = Some(Peer { source: from, ssrc, sequence, silent: false });
        self.candidate = None;
        true
    }

    /// Counts a packet of somebody who may be the peer; one stray packet changes nothing.
    fn has_shown_enough(&mut self, source: SocketAddr, ssrc: u32, now_us: u64) -> bool {
        let same = self
            .candidate
            .filter(|known| known.source == source && known.ssrc == ssrc && now_us < known.first_us + CANDIDATE_US);
        let known = same.unwrap_or(Candidate { source, ssrc, packets: 0, first_us: now_us });
        let packets = known.packets + 1;
        self.candidate = Some(Candidate { packets, ..known });
        packets >= CANDIDATE_PACKETS
    }

    /// Where our own packets go.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        match &self.peer {
            Some(peer) => Some(peer.source),
            None => self.agreed,
        }
    }

    /// There is somewhere to send to.
    pub(crate) fn has_target(&self) -> bool {
        self.peer.is_some() || self.agreed.is_some()
    }

    /// [`Latch::sole_source`] may be another than when this was last asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The one source the socket may be connected to: only one whom nobody has the right to displace, since
    /// nobody else is heard then.
    pub(crate) fn sole_source(&self) -> Option<SocketAddr> {
        let peer = self.peer.filter(|peer| !peer.silent)?;
        let first = self.agreed.or(self.home);
        (first == Some(peer.source)).then_some(peer.source)
    }

    fn source(&self) -> Option<SocketAddr> {
        self.peer.map(|peer| peer.source)
    }
}

/// Packets of one stream another source must show before it is heard.
const CANDIDATE_PACKETS: u32 = 3;
/// Within this time.
const CANDIDATE_US: u64 = 500_000;
/// How long a source left by a new agreement stays unwelcome.
const SHUN_US: u64 = 1_000_000;
/// Silence after which the peer may have another address: a phone whose NAT gave it a new port would be lost
/// otherwise.
const SILENCE_US: u64 = 3_000_000;
/// How far a stream may have gone on unheard (RFC 3550 §A.1, `MAX_DROPOUT`): a minute of 20 ms packets.
const SEQUENCE_GAP_MAX: u16 = 3_000;
/// How long after a new agreement a phone behind a NAT may turn up at another address: it sends at once, and
/// its silence must have been noticed.
const RELEARN_US: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "192.0.2.1:4000";
    const PHONE_NEW_PORT: &str = "192.0.2.1:4999";
    const NAT: &str = "198.51.100.7:61000";
    const NAT_NEW_PORT: &str = "198.51.100.7:61001";
    const NAT_NEW: &str = "198.51.100.99:2000";
    const ATTACKER: &str = "203.0.113.66:9";

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// A latch to which things happen, at a time in milliseconds. Every source has its own SSRC, and sequence
    /// numbers count 20 ms.
    struct Line {
        latch: Latch,
        heard_ms: u64,
    }

    impl Line {
        fn agreed_on(remote: Option<&str>) -> Self {
            let mut line = Self { latch: Latch::default(), heard_ms: 0 };
            line.agree(remote, 0);
            line
        }

        fn agree(&mut self, remote: Option<&str>, at_ms: u64) {
            self.latch.agree(remote.map(address), at_ms * 1_000);
        }

        fn packet(&mut self, who: &str, ssrc: u32, at_ms: u64) -> bool {
            self.latch.watch(true, self.heard_ms * 1_000, at_ms * 1_000);
            let accepted = self.latch.judge(address(who), ssrc, (at_ms / 20) as u16, at_ms * 1_000);
            if accepted {
                self.heard_ms = at_ms;
            }
            accepted
        }

        /// Packets every 20 ms; returns how many were accepted.
        fn stream(&mut self, who: &str, ms: std::ops::Range<u64>) -> usize {
            let ssrc = who.bytes().map(u32::from).sum();
            ms.step_by(20).filter(|&at_ms| self.packet(who, ssrc, at_ms)).count()
        }
    }

    #[test]
    fn sources() {
        for (case, packets, accepted) in [
            ("SDP's address at once", &[(PHONE, 0), (PHONE, 20)][..], &[true, true][..]),
            (
                "injection after the lock",
                &[(PHONE, 0), (ATTACKER, 1), (ATTACKER, 2), (ATTACKER, 3)],
                &[true, false, false, false],
            ),
            ("behind a NAT", &[(NAT, 0), (NAT, 20), (NAT, 40), (NAT, 60)], &[false, false, true, true]),
            (
                "a slow sprinkler never gets in",
                &[(ATTACKER, 0), (ATTACKER, 600), (ATTACKER, 1200)],
                &[false, false, false],
            ),
            (
                "SDP's address displaces, however late",
                &[(ATTACKER, 0), (ATTACKER, 1), (ATTACKER, 2), (PHONE, 60_000), (ATTACKER, 60_001)],
                &[false, false, true, true, false],
            ),
            (
                "one stray between others",
                &[(NAT, 0), (ATTACKER, 10), (NAT, 20), (NAT, 40), (NAT, 60)],
                &[false, false, false, false, true],
            ),
        ] {
            let mut line = Line::agreed_on(Some(PHONE));
            let verdicts: Vec<bool> = packets.iter().map(|&(who, ms)| line.packet(who, who.len() as u32, ms)).collect();
            assert_eq!(verdicts, accepted, "{case}");
        }
    }

    #[test]
    fn only_who_cannot_be_displaced_is_connected_to() {
        for (case, agreed, source, connected) in [
            ("SDP's address", Some(PHONE), PHONE, true),
            ("behind a NAT", Some(PHONE), NAT, false),
            ("SDP named nobody", None, NAT, true),
        ] {
            let mut line = Line::agreed_on(agreed);
            assert!(line.stream(source, 0..1_000) >= 48, "{case}");
            assert_eq!(line.latch.sole_source(), connected.then_some(address(source)), "{case}");
            line.latch.watch(true, 1_000_000, 4_000_000);
            assert_eq!(line.latch.sole_source(), None, "{case}, fallen silent");
        }
        let mut line = Line::agreed_on(Some(PHONE));
        line.stream(NAT, 0..1_000);
        line.agree(Some(NAT), 1_000);
        assert_eq!(line.latch.sole_source(), Some(address(NAT)), "SDP has caught up with the peer");
    }

    #[test]
    fn silence_is_no_stranger_s_chance() {
        for peer in [PHONE, NAT] {
            let mut line = Line::agreed_on(Some(PHONE));
            line.stream(peer, 0..1_000);
            assert_eq!(line.stream(ATTACKER, 1_000..60_000), 0, "{peer}");
            assert_eq!(line.latch.target(), Some(address(peer)), "we go on sending where the peer was");
            assert_eq!(line.stream(peer, 60_000..61_000), 50, "{peer}");
        }
    }

    #[test]
    fn after_silence_the_peer_may_have_another_port() {
        for (peer, new_port) in [(PHONE, PHONE_NEW_PORT), (NAT, NAT_NEW_PORT)] {
            let mut line = Line::agreed_on(Some(PHONE));
            line.stream(peer, 0..1_000);
            assert_eq!(line.stream(new_port, 1_000..3_900), 0, "{peer} may speak again");
            assert_eq!(line.stream(new_port, 5_000..6_000), 48, "{peer}");
            assert_eq!(line.latch.target(), Some(address(new_port)));
            assert_eq!(line.latch.sole_source(), None, "{peer} must be heard if it comes back");
            assert_eq!(line.stream(peer, 6_000..7_000), 50, "{peer} was there first");
            assert_eq!(line.stream(new_port, 7_000..8_000), 0, "{peer}");
        }
    }

    #[test]
    fn after_silence_the_peer_may_go_on_with_its_stream_from_elsewhere() {
        for (case, ssrc, at_ms, accepted) in [
            ("its stream", 7, 10_000, true),
            ("another stream", 8, 10_000, false),
            ("numbers from nowhere", 7, 100_000, false),
        ] {
            let mut line = Line::agreed_on(Some(PHONE));
            (0..1_000).step_by(20).for_each(|at_ms| assert_eq!(line.packet(NAT, 7, at_ms), at_ms >= 40));
            let moved = (at_ms..at_ms + 1_000).step_by(20).filter(|&at_ms| line.packet(NAT_NEW, ssrc, at_ms)).count();
            assert_eq!(moved > 0, accepted, "{case}");
        }
    }

    #[test]
    fn who_need_not_be_heard_is_not_silent() {
        let mut line = Line::agreed_on(Some(PHONE));
        line.stream(PHONE, 0..1_000);
        line.latch.watch(false, 1_000_000, 60_000_000);
        assert_eq!(line.latch.sole_source(), Some(address(PHONE)));
        assert!((0..10).all(|number| !line.latch.judge(address(PHONE_NEW_PORT), 1, number, 60_000_000)));
    }

    #[test]
    fn a_new_agreement_moves_the_peer_and_shuns_the_old() {
        let mut line = Line::agreed_on(Some(PHONE));
        line.stream(PHONE, 0..500);
        line.agree(None, 500);
        assert_eq!(line.latch.sole_source(), Some(address(PHONE)), "hold by 0.0.0.0 keeps the lock");
        line.agree(Some(PHONE), 600);
        assert_eq!(line.latch.sole_source(), Some(address(PHONE)), "so does the same address again");
        line.agree(Some("192.0.2.1:5000"), 1_000);
        assert_eq!((line.latch.sole_source(), line.latch.target()), (None, Some(address("192.0.2.1:5000"))));
        assert_eq!(line.stream(PHONE, 1_000..1_900), 0);
        assert_eq!(line.stream("192.0.2.1:5000", 1_900..2_000), 5);
    }

    #[test]
    fn a_new_agreement_lets_a_silent_phone_behind_a_nat_move() {
        let mut line = Line::agreed_on(Some(PHONE));
        line.stream(NAT, 0..1_000);
        line.agree(Some(PHONE), 1_500);
        assert_eq!(line.stream(NAT_NEW, 1_500..3_980), 0, "it may speak again where it was");
        assert_eq!(line.stream(NAT_NEW, 4_000..5_000), 48);
        assert_eq!(line.stream(PHONE, 5_000..6_000), 50);
        line.agree(Some(PHONE), 6_000);
        assert_eq!(line.stream(NAT_NEW, 6_000..20_000), 0, "SDP's address was right");
    }
}
