//! Limits: what strangers may ask of us, and how often (sip.md rows 33 and 34).
//!
//! Asked for every request outside of our calls, before anything is remembered of it:
//!
//! `scanner? ─▶ Silence   banned? ─▶ Silence   bucket empty? ─▶ Silence (UDP), 503 (stream)   else Pass`
//!
//! A source is an IPv4 address or 64 bits of an IPv6 one. Nothing here can be grown by strangers: sources are kept in
//! two generations of bounded size, of which the older is dropped when the younger is full, and bans apart from them.
//! Only what a call or a transaction of ours knows passes unasked: a BYE or a CANCEL that is nobody's is a stranger's.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::network::Network;
use crate::{Flow, Method, Name, Request};

/// What strangers may do.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitsConfig {
    /// Requests a second outside of calls that one source may make for long; `None` for any number. Default none:
    /// whoever serves the public sets it.
    pub requests_per_s: Option<f64>,
    /// Requests at once on top of that, as after a power cut when all phones of an office return. Default 1,000.
    pub burst: u32,
    /// Wrong passwords of one source within `offence_window` that get it banned; `None` for any number. Default none.
    pub offences_max: Option<u32>,
    /// How long an offence counts. Default 60 s.
    pub offence_window: Duration,
    /// How long a ban lasts. Default 300 s.
    pub ban: Duration,
    /// Sources remembered, and as many banned ones at most. Default 65,536.
    pub sources_max: usize,
    /// Sources that are never held back nor banned: trunks, proxies of ours. What would have happened is counted.
    pub exempt: Vec<Network>,
    /// Parts of User-Agent, in lower case, whose owners get no answer at all, exempt or not.
    pub scanners: Vec<String>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            requests_per_s: None,
            burst: 1_000,
            offences_max: None,
            offence_window: Duration::from_secs(60),
            ban: Duration::from_secs(300),
            sources_max: 65_536,
            exempt: Vec::new(),
            scanners: SCANNERS.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Pass,
    /// Drop it: the sender shall not know that anybody is here, or will try again by itself.
    Silence,
    /// Refuse it, remembering nothing.
    Answer {
        /// 503.
        status: u16,
        /// When to try again.
        retry_after_s: u32,
    },
}

/// What was decided since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitStats {
    /// Requests of scanners, dropped.
    pub scanners: u64,
    /// Requests of banned sources, dropped.
    pub banned: u64,
    /// Requests beyond their source's rate, dropped or refused.
    pub too_many: u64,
    /// Requests that would have been held back, of exempt sources.
    pub exempted: u64,
    /// Offences told.
    pub offences: u64,
    /// Bans begun.
    pub bans: u64,
    /// Bans given up early since there were too many.
    pub bans_forgotten: u64,
}

/// The limits of all sources.
#[derive(Debug)]
pub struct Limits {
    config: LimitsConfig,
    /// Seen lately, and seen before that: together at most `sources_max`.
    young: HashMap<Network, Source>,
    old: HashMap<Network, Source>,
    /// At most `sources_max`.
    banned: HashMap<Network, Instant>,
    bans_end: BTreeSet<(Instant, Network)>,
    stats: LimitStats,
}

/// What is known of one source.
#[derive(Debug, Clone, Copy)]
struct Source {
    /// Requests it may make at once, at `at`.
    tokens: f64,
    at: Instant,
    offences: u32,
    /// When the first of them was.
    offended_at: Instant,
}

impl Limits {
    /// Nobody has been seen yet.
    pub fn new(config: LimitsConfig) -> Self {
        Self {
            config,
            young: HashMap::new(),
            old: HashMap::new(),
            banned: HashMap::new(),
            bans_end: BTreeSet::new(),
            stats: LimitStats::default(),
        }
    }

    /// What to do with a request that is in none of our calls.
    pub fn admit(&mut self, now: Instant, request: &Request, flow: &Flow) -> Decision {
        if self.is_scanner(request) {
            self.stats.scanners += 1;
            return Decision::Silence;
        }
        let (held, count): (_, fn(&mut LimitStats) -> &mut u64) = if self.is_banned(now, flow.remote.ip()) {
            (Decision::Silence, |stats| &mut stats.banned)
        } else if !self.spend(now, flow.remote.ip()) {
            // A datagram is sent again by itself, later and later; on a stream nothing is.
            let refuse = Decision::Answer { status: 503, retry_after_s: RETRY_AFTER_S };
            let held = if flow.transport.is_reliable() { refuse } else { Decision::Silence };
            (held, |stats| &mut stats.too_many)
        } else {
            return Decision::Pass;
        };
        if self.is_exempt(flow.remote.ip()) {
            self.stats.exempted += 1;
            return Decision::Pass;
        }
        *count(&mut self.stats) += 1;
        held
    }

    /// Somebody there gave a wrong password to a challenge that went there. Whether that gets them banned. A right one
    /// takes nothing back: who knows one could guess at all others with it. An office whose phones all come back at once
    /// knows its passwords, and gives no wrong one.
    pub fn offended(&mut self, now: Instant, address: IpAddr) -> bool {
        self.stats.offences += 1;
        let window = self.config.offence_window;
        let Some(max) = self.config.offences_max else { return false };
        let source = self.source(now, address);
        if source.offences == 0 || now.saturating_duration_since(source.offended_at) >= window {
            source.offences = 0;
            source.offended_at = now;
        }
        source.offences += 1;
        if source.offences < max {
            return false;
        }
        source.offences = 0;
        if self.is_exempt(address) {
            self.stats.exempted += 1;
            return false;
        }
        self.ban(now, Network::of_source(address));
        true
    }

    /// Whether nothing of theirs is answered.
    pub fn is_banned(&mut self, now: Instant, address: IpAddr) -> bool {
        while let Some((_, network)) = self.bans_end.first().copied().filter(|(end, _)| *end <= now) {
            self.bans_end.pop_first();
            self.banned.remove(&network);
        }
        !self.banned.is_empty() && self.banned.contains_key(&Network::of_source(address))
    }

    /// What was decided since the start.
    pub const fn stats(&self) -> &LimitStats {
        &self.stats
    }

    /// Sources banned now, but for those whose time is over and that nobody has asked about since.
    pub fn banned_now(&self) -> usize {
        self.banned.len()
    }

    /// Sources that are remembered.
    pub fn sources(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn is_scanner(&self, request: &Request) -> bool {
        let Some(agent) = request.headers.get(Name::UserAgent) else { return false };
        let holds = |part: &String| agent.windows(part.len()).any(|piece| piece.eq_ignore_ascii_case(part.as_bytes()));
        self.config.scanners.iter().filter(|part| !part.is_empty()).any(holds)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.config.exempt.iter().any(|network| network.contains(address))
    }

    /// Takes a token out of the source's bucket, if there is one.
    fn spend(&mut self, now: Instant, address: IpAddr) -> bool {
        let Some(rate) = self.config.requests_per_s else { return true };
        let burst = f64::from(self.config.burst.max(1));
        let source = self.source(now, address);
        source.tokens = (source.tokens + rate * now.saturating_duration_since(source.at).as_secs_f64()).min(burst);
        source.at = now;
        let may = source.tokens >= 1.0;
        if may {
            source.tokens -= 1.0;
        }
        may
    }

    fn ban(&mut self, now: Instant, network: Network) {
        let end = now + self.config.ban;
        if let Some(before) = self.banned.insert(network, end) {
            self.bans_end.remove(&(before, network));
        }
        self.bans_end.insert((end, network));
        self.stats.bans += 1;
        if self.banned.len() > self.config.sources_max
            && let Some((_, first)) = self.bans_end.pop_first()
        {
            self.banned.remove(&first);
            self.stats.bans_forgotten += 1;
        }
    }

    /// What is known of a source, from now on among the young.
    fn source(&mut self, now: Instant, address: IpAddr) -> &mut Source {
        let network = Network::of_source(address);
        let known = self.old.remove(&network);
        if !self.young.contains_key(&network) && self.young.len() >= (self.config.sources_max / 2).max(1) {
            self.old = std::mem::take(&mut self.young);
        }
        let burst = self.config.burst.max(1).into();
        let fresh = Source { tokens: burst, at: now, offences: 0, offended_at: now };
        self.young.entry(network).or_insert(known.unwrap_or(fresh))
    }
}

/// Whether to refuse a request for lack of room, with this many of `max` transactions remembered. New calls go first;
/// who only wants to stay reachable has an eighth of the table more, and what ends a call is always served (RFC 7339
/// §5.10, RFC 6357 §5.7).
pub(crate) fn sheds(method: &Method, transactions: usize, max: usize) -> bool {
    match method {
        Method::Ack | Method::Bye | Method::Cancel => false,
        Method::Register | Method::Options => transactions >= max.saturating_add(max / 8),
        _ => transactions >= max,
    }
}

/// After how many seconds a source that asked too much may ask again.
const RETRY_AFTER_S: u32 = 5;
/// Parts of the User-Agent of tools that look for bridges to misuse, and of nothing else.
const SCANNERS: [&str; 9] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sundayddr",
    "sipcli",
    "sip-scan",
    "sipscan",
    "pplsip",
    "siparmyknife",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;

    struct World {
        limits: Limits,
        now: Instant,
    }

    impl World {
        fn new(change: impl FnOnce(&mut LimitsConfig)) -> Self {
            let mut config =
                LimitsConfig { requests_per_s: Some(10.0), burst: 5, offences_max: Some(3), ..LimitsConfig::default() };
            change(&mut config);
            Self { limits: Limits::new(config), now: Instant::now() }
        }

        fn ask(&mut self, source: &str, method: &str, agent: &str, transport: Transport) -> Decision {
            let mut request = Request::new(method.into(), "sip:x".parse().expect("a URI"));
            if !agent.is_empty() {
                request.headers.push(Name::UserAgent, agent);
            }
            let remote = std::net::SocketAddr::new(address(source), 5060);
            let flow = Flow { transport, local: ([192, 0, 2, 1], 5060).into(), remote, connection: None };
            self.limits.admit(self.now, &request, &flow)
        }

        fn invite(&mut self, source: &str) -> Decision {
            self.ask(source, "INVITE", "", Transport::Udp)
        }

        /// How many of `n` pass.
        fn pass(&mut self, source: &str, n: usize) -> usize {
            (0..n).filter(|_| self.invite(source) == Decision::Pass).count()
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn scanners_meet_silence() {
        for (agent, want) in [
            ("friendly-scanner", Decision::Silence),
            ("Friendly-Scanner/1.0", Decision::Silence),
            ("sipcli/v1.8", Decision::Silence),
            ("SIPVicious", Decision::Silence),
            ("pplsip", Decision::Silence),
            ("Yealink SIP-T46S 66.86.0.15", Decision::Pass),
            ("SIP", Decision::Pass),
            ("", Decision::Pass),
        ] {
            for exempt in [vec![], vec!["192.0.2.0/24".parse().expect("a network")]] {
                let mut world = World::new(|config| config.exempt = exempt);
                assert_eq!(world.ask("192.0.2.9", "OPTIONS", agent, Transport::Udp), want, "{agent:?}");
            }
        }
    }

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let mut world = World::new(|_| {});
        assert_eq!(world.pass("192.0.2.9", 9), 5);
        assert_eq!(world.pass("192.0.2.8", 9), 5, "another source has a bucket of its own");
        world.now += Duration::from_millis(200);
        assert_eq!(world.pass("192.0.2.9", 9), 2);
        world.now += Duration::from_secs(3_600);
        assert_eq!(world.pass("192.0.2.9", 9), 5, "never more than a burst");
        let refused = Decision::Answer { status: 503, retry_after_s: RETRY_AFTER_S };
        assert_eq!(world.ask("192.0.2.9", "REGISTER", "", Transport::Tcp), refused);
        for method in ["BYE", "CANCEL"] {
            assert_eq!(world.ask("192.0.2.9", method, "", Transport::Udp), Decision::Silence, "{method} of no call");
        }
        assert_eq!(world.limits.stats().too_many, 4 + 4 + 7 + 4 + 1 + 2);
    }

    #[test]
    fn one_line_of_ipv6_is_one_source() {
        let mut world = World::new(|_| {});
        assert_eq!(world.pass("2001:db8::1", 3) + world.pass("2001:db8::ffff:0:0:2", 3), 5);
        assert_eq!(world.pass("2001:db8:0:1::1", 9), 5);
        assert_eq!(world.pass("::ffff:192.0.2.9", 3) + world.pass("192.0.2.9", 9), 5);
    }

    #[test]
    fn who_guesses_is_banned_for_a_while() {
        let guesser = address("192.0.2.9");
        let mut world = World::new(|_| {});
        let (window, ban) = (world.limits.config.offence_window, world.limits.config.ban);
        for (case, wait, want) in [
            ("first", Duration::ZERO, false),
            ("second", Duration::ZERO, false),
            ("long after", window, false),
            ("second since", window / 2, false),
            ("third since", window / 3, true),
        ] {
            world.now += wait;
            assert_eq!(world.limits.offended(world.now, guesser), want, "{case}");
        }
        world.now += ban - Duration::from_millis(1);
        assert_eq!(world.invite("192.0.2.9"), Decision::Silence);
        assert_eq!(world.invite("192.0.2.8"), Decision::Pass);
        assert_eq!(world.ask("192.0.2.9", "BYE", "", Transport::Udp), Decision::Silence);
        world.now += Duration::from_millis(1);
        assert_eq!((world.invite("192.0.2.9"), world.limits.banned_now()), (Decision::Pass, 0));
        assert_eq!((world.limits.stats().bans, world.limits.stats().banned), (1, 2));
    }

    #[test]
    fn exempt_sources_are_counted_and_let_through() {
        let mut world = World::new(|config| config.exempt = vec!["127.0.0.0/8".parse().expect("a network")]);
        assert_eq!(world.pass("127.0.0.1", 9), 9);
        for _ in 0..3 {
            assert!(!world.limits.offended(world.now, address("127.0.0.1")));
        }
        assert_eq!(world.limits.stats(), &LimitStats { exempted: 5, offences: 3, ..LimitStats::default() });
    }

    #[test]
    fn nothing_is_limited_unless_asked_for() {
        let mut limits = Limits::new(LimitsConfig::default());
        let now = Instant::now();
        assert!((0..1_000).all(|_| !limits.offended(now, address("192.0.2.9"))));
        let mut world = World { limits, now };
        assert_eq!((world.pass("192.0.2.9", 5_000), world.limits.sources()), (5_000, 0));
    }

    #[test]
    fn tables_stay_within_their_bounds() {
        let mut world = World::new(|config| {
            config.sources_max = 100;
            config.offences_max = Some(1);
        });
        assert_eq!(world.pass("192.0.2.9", 9), 5);
        for i in 0..=10_000_u32 {
            let other = std::net::Ipv4Addr::from_bits(0x0a00_0000 + i).to_string();
            world.invite(&other);
            if i % 40 == 0 {
                assert_eq!(world.invite("192.0.2.9"), Decision::Silence, "who comes often stays known");
            }
            assert!(world.limits.sources() <= 100);
        }
        for i in 0..=1_000_u32 {
            world.now += Duration::from_millis(1);
            world.limits.offended(world.now, std::net::Ipv4Addr::from_bits(0x0b00_0000 + i).into());
            assert!(world.limits.banned_now() <= 100);
        }
        assert_eq!(world.limits.stats().bans_forgotten, 901);
        assert_eq!(world.invite("11.0.3.232"), Decision::Silence, "the latest are");
    }

    #[test]
    fn new_calls_are_shed_first() {
        for (method, at, want) in [
            ("INVITE", 79, false),
            ("INVITE", 80, true),
            ("MESSAGE", 80, true),
            ("REGISTER", 80, false),
            ("OPTIONS", 89, false),
            ("REGISTER", 90, true),
            ("BYE", usize::MAX, false),
            ("CANCEL", usize::MAX, false),
            ("ACK", usize::MAX, false),
        ] {
            assert_eq!(sheds(&method.into(), at, 80), want, "{method} at {at}");
        }
    }
}
