use super::*;

/// A domain name system of a few lines: `NAME TYPE VALUES`, as in a zone file; `!` in place of values: nobody answers.
struct World {
    resolver: Resolver,
    zone: &'static str,
    now: Instant,
    ttl: Duration,
    /// What was asked, round by round.
    asked: Vec<String>,
}

impl World {
    fn new(zone: &'static str) -> Self {
        Self::with(zone, ResolverConfig::default())
    }

    fn with(zone: &'static str, config: ResolverConfig) -> Self {
        let resolver = Resolver::new(config, 7);
        Self { resolver, zone, now: Instant::now(), ttl: Duration::from_secs(60), asked: Vec::new() }
    }

    /// Targets as `UDP 192.0.2.1:5060`, or why there are none.
    fn resolve(&mut self, uri: &str) -> Vec<String> {
        let uri: crate::Uri = uri.parse().expect("a URI");
        for _ in 0..8 {
            match self.resolver.targets(self.now, uri.sip().expect("a SIP URI")) {
                Resolved::Targets(targets) => {
                    let shown = |target: &Target| format!("{} {}", target.transport.via(), target.address);
                    return targets.iter().map(shown).collect();
                }
                Resolved::Nowhere(why) => return vec![format!("{why:?}")],
                Resolved::Ask(queries) => {
                    self.asked.push(queries.iter().map(|query| format!("{query:?}")).collect::<Vec<_>>().join(" "));
                    for query in queries {
                        let answer = self.answer(&query);
                        self.resolver.learn(self.now, query, answer);
                    }
                }
            }
        }
        panic!("{uri} asks for ever: {:?}", self.asked);
    }

    fn answer(&self, query: &Query) -> Result<Answered, LookupFailed> {
        let kind = match query {
            Query::Naptr(_) => "NAPTR",
            Query::Srv(_) => "SRV",
            Query::A(_) => "A",
            Query::Aaaa(_) => "AAAA",
        };
        let mut records = Records::none(query);
        for line in self.zone.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, of, values @ ..] = words.as_slice() else { continue };
            if *name != query.name() || *of != kind {
                continue;
            }
            let number = |at: usize| values[at].parse().expect("a number");
            match &mut records {
                _ if values == ["!"] => return Err(LookupFailed),
                Records::Naptr(records) => records.push(Naptr {
                    order: number(0),
                    preference: number(1),
                    flags: values[2].to_owned(),
                    service: values[3].to_owned(),
                    replacement: values[4].to_owned(),
                }),
                Records::Srv(records) => records.push(Srv {
                    priority: number(0),
                    weight: number(1),
                    port: number(2),
                    target: values[3].to_owned(),
                }),
                Records::A(records) => records.push(values[0].parse().expect("an address")),
                Records::Aaaa(records) => records.push(values[0].parse().expect("an address")),
            }
        }
        Ok(Answered { records, ttl: self.ttl })
    }
}

const ZONE: &str = "
    host.test A 192.0.2.1
    host.test A 192.0.2.2
    host.test AAAA 2001:db8::1
    four.test A 192.0.2.4
    other.test A 192.0.2.5
    _sip._udp.srv.test SRV 10 0 5062 Host.Test.
    _sip._udp.srv.test SRV 5 0 5061 four.test
    _sip._tcp.srv.test SRV 0 0 5070 four.test
    naptr.test NAPTR 20 1 s SIP+D2U _sip._udp.srv.test
    naptr.test NAPTR 10 9 S sip+d2t _sip._tcp.srv.test.
    naptr.test NAPTR 10 1 s SIPS+D2T _sips._tcp.srv.test
    naptr.test NAPTR 1 1 u E2U+sip !^.*$!sip:x@x!
    naptr2.test NAPTR 10 1 s SIP+D2U _sip._udp.dead.test
    naptr2.test NAPTR 20 1 s SIP+D2T _sip._tcp.srv.test
    nosip.test A 192.0.2.9
    _sip._udp.nosip.test SRV 0 0 0 .
    _sip._udp.dead.test SRV 0 0 0 .
    down.test A !
    half.test A !
    half.test AAAA 2001:db8::9
    _sip._udp.part.test SRV 1 0 5060 down.test
    _sip._udp.part.test SRV 2 0 5060 four.test
    _sip._udp.loop.test SRV 1 0 5060 nothing.test
    _sip._udp.tcponly.test SRV 0 0 0 .
    _sip._tcp.tcponly.test SRV 0 0 5070 four.test
    nonaptr.test NAPTR !
    _sip._udp.nonaptr.test SRV 0 0 5062 four.test
    nosrv.test NAPTR !
    _sip._udp.nosrv.test SRV !
    _sip._tcp.nosrv.test SRV !
    nosrv.test A 192.0.2.6
    onesrv.test A 192.0.2.6
    _sip._udp.onesrv.test SRV !
    _sip._tcp.onesrv.test SRV 0 0 5070 four.test
    silent.test NAPTR !
    _sip._udp.silent.test SRV !
    _sip._tcp.silent.test SRV !
    silent.test A !
    silent.test AAAA !
";

#[test]
fn uris_lead_where_rfc_3263_says() {
    let both = [
        "UDP 192.0.2.4:5061",
        "UDP 192.0.2.1:5062",
        "UDP 192.0.2.2:5062",
        "UDP [2001:db8::1]:5062",
        "TCP 192.0.2.4:5070",
    ];
    let [udp, tcp] = [&both[..4], &both[4..]];
    let tcp_first = [tcp, udp].concat();
    for (case, uri, want, rounds) in [
        ("an address", "sip:a@192.0.2.9", &["UDP 192.0.2.9:5060"][..], 0),
        ("with a port", "sip:a@192.0.2.9:5080", &["UDP 192.0.2.9:5080"], 0),
        ("by TCP", "sip:a@192.0.2.9;transport=TCP", &["TCP 192.0.2.9:5060"], 0),
        ("IPv6", "sip:[2001:db8::7]", &["UDP [2001:db8::7]:5060"], 0),
        ("maddr", "sip:srv.test;maddr=192.0.2.7", &["UDP 192.0.2.7:5060"], 0),
        ("a host and a port", "sip:four.test:5099", &["UDP 192.0.2.4:5099"], 1),
        ("a host in capitals", "sip:FOUR.test.:5099", &["UDP 192.0.2.4:5099"], 1),
        (
            "a host of several addresses",
            "sip:host.test",
            &["UDP 192.0.2.1:5060", "UDP 192.0.2.2:5060", "UDP [2001:db8::1]:5060"],
            3,
        ),
        ("a service", "sip:srv.test", &both, 3),
        ("a service by TCP", "sip:srv.test;transport=tcp", tcp, 2),
        ("a service we are told of", "sip:naptr.test", &tcp_first, 3),
        ("one of two services closed", "sip:naptr2.test", tcp, 3),
        ("no service by that transport", "sip:nosip.test;transport=tcp", &["TCP 192.0.2.9:5060"], 2),
        ("no SIP there", "sip:nosip.test", &["NoService"], 2),
        ("no SIP there but by TCP", "sip:tcponly.test", &["TCP 192.0.2.4:5070"], 3),
        ("nobody tells of services", "sip:nonaptr.test", &["UDP 192.0.2.4:5062"], 3),
        ("nor of hosts", "sip:nosrv.test", &["UDP 192.0.2.6:5060"], 3),
        ("nor of the hosts for one transport", "sip:nosrv.test;transport=tcp", &["TCP 192.0.2.6:5060"], 2),
        ("but of those for another", "sip:onesrv.test", &["TCP 192.0.2.4:5070"], 3),
        ("nobody tells anything", "sip:silent.test", &["Lookup(LookupFailed)"], 3),
        ("no such host", "sip:nothing.test", &["NoAddress"], 3),
        ("a service without an address", "sip:loop.test", &["NoAddress"], 3),
        ("a host nobody knows", "sip:down.test:5060", &["Lookup(LookupFailed)"], 1),
        ("half of it is known", "sip:half.test:5060", &["UDP [2001:db8::9]:5060"], 1),
        ("one of two hosts is known", "sip:part.test;transport=udp", &["UDP 192.0.2.4:5060"], 2),
        ("TLS", "sips:host.test", &["Transport"], 0),
        ("a transport we lack", "sip:host.test;transport=sctp", &["Transport"], 0),
    ] {
        let mut world = World::new(ZONE);
        assert_eq!(world.resolve(uri), want, "{case}");
        assert_eq!(world.asked.len(), rounds, "{case}: {:?}", world.asked);
        world.asked.clear();
        assert_eq!(
            (world.resolve(uri), world.asked.len()),
            (want.iter().map(|s| (*s).to_owned()).collect(), 0),
            "{case}, again"
        );
    }
}

#[test]
fn only_families_we_have_are_asked_for() {
    let config = ResolverConfig { families: (false, true), ..ResolverConfig::default() };
    let mut world = World::with(ZONE, config);
    assert_eq!(world.resolve("sip:host.test:5060"), ["UDP [2001:db8::1]:5060"]);
    assert_eq!(world.asked, ["Aaaa(\"host.test\")"]);
    assert_eq!(world.resolve("sip:192.0.2.1"), ["NoAddress"]);
}

#[test]
fn answers_are_kept_as_long_as_they_say_within_bounds() {
    let second = Duration::from_secs(1);
    for (case, ttl, kept) in [
        ("a minute", 60 * second, 60 * second),
        ("not at all", Duration::ZERO, 5 * second),
        ("for a day", 86_400 * second, 3_600 * second),
    ] {
        let mut world = World::new(ZONE);
        world.ttl = ttl;
        world.resolve("sip:four.test:5060");
        world.now += kept - second;
        world.resolve("sip:four.test:5060");
        assert_eq!(world.asked.len(), 1, "{case}");
        world.now += second;
        world.resolve("sip:four.test:5060");
        assert_eq!(world.asked.len(), 2, "{case}");
    }
    // A failure is asked about again soon.
    let mut world = World::new(ZONE);
    world.resolve("sip:down.test:5060");
    world.now += 5 * second;
    world.zone = "down.test A 192.0.2.6";
    assert_eq!(world.resolve("sip:down.test:5060"), ["UDP 192.0.2.6:5060"]);
}

#[test]
fn what_is_learnt_stays_within_bounds() {
    let config = ResolverConfig { answers_max: 10, ..ResolverConfig::default() };
    let mut world = World::with(ZONE, config);
    for number in 0..100 {
        world.resolve(&format!("sip:host{number}.test:5060"));
    }
    assert_eq!((world.resolver.answers.len(), world.resolver.by_age.len()), (10, 10));
    let many = Records::A(vec![[192, 0, 2, 1].into(); 1_000]);
    let query = Query::A("many.test".to_owned());
    world.resolver.learn(world.now, query.clone(), Ok(Answered { records: many, ttl: world.ttl }));
    assert!(matches!(&world.resolver.answers[&query].answer, Ok(Records::A(kept)) if kept.len() == RECORDS_MAX));
    // An answer of another kind is none.
    let odd = Answered { records: Records::Srv(Vec::new()), ttl: world.ttl };
    world.resolver.learn(world.now, query.clone(), Ok(odd));
    assert_eq!(world.resolver.answers[&query].answer, Err(LookupFailed));
    for port in 1..=2_000 {
        let address = ([192, 0, 2, 1], port).into();
        world.resolver.failed(world.now, Target { transport: Transport::Udp, address }, None);
    }
    assert_eq!(world.resolver.shunned.len(), SHUNNED_MAX);
}

#[test]
fn hosts_of_one_priority_share_by_weight() {
    const ZONE: &str = "
        _sip._udp.shared.test SRV 1 30 5060 a.test
        _sip._udp.shared.test SRV 1 10 5060 b.test
        _sip._udp.shared.test SRV 1 0 5060 c.test
        _sip._udp.shared.test SRV 2 100 5060 d.test
        a.test A 192.0.2.1
        b.test A 192.0.2.2
        c.test A 192.0.2.3
        d.test A 192.0.2.4
    ";
    let mut world = World::new(ZONE);
    world.ttl = Duration::from_secs(3_600);
    let mut first = HashMap::new();
    for _ in 0..4_100 {
        let targets = world.resolve("sip:shared.test;transport=udp");
        assert_eq!(targets.len(), 4);
        assert_eq!(targets[3], "UDP 192.0.2.4:5060", "a lower priority comes last");
        *first.entry(targets[0].clone()).or_insert(0) += 1;
    }
    // Of 41 lots a has 30, b 10, and the weightless one the one that is left.
    for (target, want) in [("UDP 192.0.2.1:5060", 3_000), ("UDP 192.0.2.2:5060", 1_000), ("UDP 192.0.2.3:5060", 100)] {
        let got: i32 = first[target];
        assert!((got - want).abs() < want / 5 + 20, "{target}: {got} of {want}");
    }
}

#[test]
fn who_fails_is_tried_last_for_a_while() {
    let mut world = World::new(ZONE);
    let first = Target { transport: Transport::Udp, address: ([192, 0, 2, 1], 5060).into() };
    let second = Duration::from_secs(1);
    for (case, retry_after, after, want) in [
        ("at once", None, Duration::ZERO, "UDP 192.0.2.2:5060"),
        ("until the end", None, 29 * second, "UDP 192.0.2.2:5060"),
        ("and not beyond", None, 30 * second, "UDP 192.0.2.1:5060"),
        ("as long as it asks for", Some(60 * second), 59 * second, "UDP 192.0.2.2:5060"),
        ("within reason", Some(86_400 * second), 600 * second, "UDP 192.0.2.1:5060"),
    ] {
        let now = world.now;
        world.resolver.failed(now, first, retry_after);
        world.now += after;
        let targets = world.resolve("sip:host.test:5060");
        assert_eq!((targets.len(), targets[0].as_str()), (3, want), "{case}");
        world.now += 700 * second;
    }
}
