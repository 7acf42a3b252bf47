use super::*;
use crate::{Method, SipUri, Transport};

/// A registrar and its clock; everybody in it is one address of record unless said otherwise.
struct World {
    registrar: Registrar<&'static str>,
    now: Instant,
    cseq: u32,
}

/// Who sends, and how.
#[derive(Clone, Copy)]
struct Phone {
    flow: Flow,
    call_id: &'static str,
}

fn udp(last: u8) -> Phone {
    let remote = ([192, 0, 2, last], 5060).into();
    let local = ([192, 0, 2, 1], 5060).into();
    Phone { flow: Flow { transport: Transport::Udp, local, remote, connection: None }, call_id: "c1" }
}

fn tcp(connection: u64) -> Phone {
    let phone = udp(77);
    Phone { flow: Flow { transport: Transport::Tcp, connection: Some(connection), ..phone.flow }, ..phone }
}

impl World {
    fn new() -> Self {
        Self::with(RegistrarConfig::default())
    }

    fn with(config: RegistrarConfig) -> Self {
        Self { registrar: Registrar::new(config), now: Instant::now(), cseq: 0 }
    }

    /// `headers`: lines of a REGISTER beside those that all have.
    fn register(&mut self, phone: Phone, headers: &str) -> Registered {
        self.cseq += 1;
        self.register_for("ana", phone, self.cseq, headers)
    }

    fn register_for(&mut self, aor: &'static str, phone: Phone, cseq: u32, headers: &str) -> Registered {
        let mut request = Request::new(Method::Register, "sip:acme.example".parse().expect("a URI"));
        request.headers.push(Name::Via, format!("SIP/2.0/UDP {};rport;branch=z9hG4bK1", phone.flow.remote));
        request.headers.push(Name::CallId, phone.call_id);
        request.headers.push(Name::CSeq, format!("{cseq} REGISTER"));
        for line in headers.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").expect("a header");
            request.headers.push(Name::from(name.trim()), value);
        }
        let registered = self.registrar.register(self.now, &aor, &request, phone.flow);
        self.check();
        registered
    }

    fn run_for(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.registrar.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.registrar.handle_timeout(self.now);
            self.check();
        }
        self.now = end;
    }

    fn uris(&self) -> Vec<String> {
        self.registrar.contacts(&"ana").iter().map(|binding| binding.uri.to_string()).collect()
    }

    fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.registrar.poll())
            .map(|event| match event {
                RegistrarEvent::Bound { uri, refreshed: false, .. } => format!("new {uri}"),
                RegistrarEvent::Bound { uri, refreshed: true, .. } => format!("again {uri}"),
                RegistrarEvent::Unbound { uri, why, .. } => format!("{why:?} {uri}"),
            })
            .collect()
    }

    /// Every table says the same.
    fn check(&self) {
        let registrar = &self.registrar;
        let all: Vec<_> = registrar.records.values().flat_map(|record| &record.bound).collect();
        assert_eq!(registrar.len(), all.len());
        assert_eq!(registrar.lapses.len(), registrar.records.len());
        assert!(registrar.records.values().all(|record| !record.bound.is_empty()));
        let linked: HashSet<_> = all.iter().filter_map(|bound| bound.connection()).collect();
        assert_eq!(registrar.by_connection.keys().copied().collect::<HashSet<_>>(), linked);
    }
}

/// Status, and what the headers of one name say.
fn said(registered: &Registered, name: Name<'_>) -> (u16, Vec<String>) {
    let named = registered.headers.iter().filter(|(other, _)| *other == name);
    (registered.status, named.map(|(_, value)| value.clone()).collect())
}

#[test]
fn terms_are_granted_within_bounds() {
    for (case, headers, status, want) in [
        ("nothing asked for", "Contact: <sip:a@192.0.2.9>", 200, "<sip:a@192.0.2.9>;expires=3600"),
        ("by header", "Contact: <sip:a@192.0.2.9>\nExpires: 300", 200, "<sip:a@192.0.2.9>;expires=300"),
        (
            "by contact first",
            "Contact: <sip:a@192.0.2.9>;expires=90\nExpires: 300",
            200,
            "<sip:a@192.0.2.9>;expires=90",
        ),
        ("too long", "Contact: <sip:a@192.0.2.9>;expires=3855", 200, "<sip:a@192.0.2.9>;expires=3600"),
        ("for ever", "Contact: <sip:a@192.0.2.9>;expires=99999999999999999999", 200, "<sip:a@192.0.2.9>;expires=3600"),
        ("no number", "Contact: <sip:a@192.0.2.9>;expires=soon", 200, "<sip:a@192.0.2.9>;expires=3600"),
        ("the least", "Contact: <sip:a@192.0.2.9>;expires=60", 200, "<sip:a@192.0.2.9>;expires=60"),
        ("too short", "Contact: <sip:a@192.0.2.9>;expires=59", 423, ""),
        ("in its old form", "Contact: sip:a@192.0.2.9;expires=70", 200, "<sip:a@192.0.2.9>;expires=70"),
        (
            "what else is said stays",
            "Contact: \"Ana\" <sip:a@192.0.2.9;transport=udp>;q=0.5;x=1;+sip.instance=\"<urn:uuid:1>\";reg-id=1",
            200,
            "\"Ana\" <sip:a@192.0.2.9;transport=udp>;x=1;+sip.instance=\"<urn:uuid:1>\";reg-id=1;q=0.500;expires=3600",
        ),
        ("a question", "", 200, ""),
        ("no SIP", "Contact: <mailto:ana@example.com>", 400, ""),
        ("no address", "Contact: <sip:>", 400, ""),
        ("all, but when?", "Contact: *", 400, ""),
        ("all, and on", "Contact: *\nExpires: 60", 400, ""),
        ("all, and one", "Contact: *\nContact: <sip:a@192.0.2.9>\nExpires: 0", 400, ""),
        ("too much beside it", &format!("Contact: <sip:a@192.0.2.9>;x={}", "x".repeat(1_024)), 400, ""),
        ("too long a way", &format!("Contact: <sip:a@x>\n{}", "Path: <sip:p@x;lr>\n".repeat(9)), 513, ""),
        ("no way", "Contact: <sip:a@x>\nPath: nowhere", 400, ""),
    ] {
        let mut world = World::new();
        let registered = world.register(udp(9), headers);
        let want = Vec::from_iter((!want.is_empty()).then(|| want.to_owned()));
        assert_eq!(said(&registered, Name::Contact), (status, want), "{case}");
        let least = if status == 423 { vec!["60".to_owned()] } else { vec![] };
        assert_eq!(said(&registered, Name::MinExpires).1, least, "{case}");
    }
}

#[test]
fn every_binding_is_told_and_the_best_comes_first() {
    let mut world = World::new();
    world.register(udp(9), "Contact: <sip:a@192.0.2.9>;q=0.3, <sip:b@192.0.2.9>;expires=120");
    world.run_for(10);
    let registered = world.register(udp(8), "Contact: <sip:c@192.0.2.8>\nPath: <sip:edge;lr>");
    let contacts =
        ["<sip:a@192.0.2.9>;q=0.300;expires=3590", "<sip:b@192.0.2.9>;expires=110", "<sip:c@192.0.2.8>;expires=3600"];
    assert_eq!(said(&registered, Name::Contact), (200, contacts.map(str::to_owned).to_vec()));
    assert_eq!(said(&registered, Name::Path).1, ["<sip:edge;lr>"]);
    assert_eq!(world.uris(), ["sip:c@192.0.2.8", "sip:b@192.0.2.9", "sip:a@192.0.2.9"]);
    let first = &world.registrar.contacts(&"ana")[0];
    assert_eq!((first.flow, first.path[0].to_string()), (None, "<sip:edge;lr>".to_owned()));
    assert_eq!(said(&world.register(udp(7), ""), Name::Contact).1.len(), 3);
}

#[test]
fn a_phone_that_registers_again_takes_its_own_place() {
    let instance = "+sip.instance=\"<urn:uuid:1>\"";
    for (case, first, second, want) in [
        ("the same address", "<sip:a@192.0.2.9>", "<sip:a@192.0.2.9>;q=0.5", 1),
        ("equivalent", "<sip:a@desk.example>", "<sip:%61@DESK.example>", 1),
        ("another user", "<sip:a@192.0.2.9>", "<sip:b@192.0.2.9>", 2),
        ("another port", "<sip:a@192.0.2.9>", "<sip:a@192.0.2.9:5070>", 2),
        (
            "a page loaded anew",
            &format!("<sip:x@1.invalid>;{instance};reg-id=1"),
            &format!("<sip:y@2.invalid>;reg-id=1;{instance}"),
            1,
        ),
        ("without reg-id", &format!("<sip:x@1.invalid>;{instance}"), &format!("<sip:y@2.invalid>;{instance}"), 1),
        ("a second way there", &format!("<sip:x@x>;{instance};reg-id=1"), &format!("<sip:x@x>;{instance};reg-id=2"), 2),
        ("another instance", &format!("<sip:x@x>;{instance}"), "<sip:x@x>;+sip.instance=\"<urn:uuid:2>\"", 2),
        ("an instance, then none", &format!("<sip:x@x>;{instance}"), "<sip:x@x>", 1),
    ] {
        let mut world = World::new();
        world.register(udp(9), &format!("Contact: {first}"));
        let other_call = Phone { call_id: "c2", ..udp(9) };
        let registered = world.register(other_call, &format!("Contact: {second}"));
        assert_eq!((registered.status, world.registrar.len()), (200, want), "{case}");
        let came = if want == 1 { "again" } else { "new" };
        assert!(world.events()[1].starts_with(came), "{case}");
        // And takes itself off by either name.
        let registered = world.register(other_call, &format!("Contact: {second};expires=0"));
        assert_eq!((registered.status, world.registrar.len()), (200, want - 1), "{case}");
    }
}

#[test]
fn what_was_said_later_holds() {
    for (case, call_id, cseq, contact, want) in [
        ("in order", "c1", 11, "<sip:a@192.0.2.9>", 200),
        ("the same", "c1", 10, "<sip:a@192.0.2.9>", 500),
        ("older", "c1", 9, "<sip:a@192.0.2.9>", 500),
        ("older, to take it off", "c1", 9, "<sip:a@192.0.2.9>;expires=0", 500),
        ("older, to take off all", "c1", 9, "*", 500),
        ("older, and another contact too", "c1", 9, "<sip:b@192.0.2.9>, <sip:a@192.0.2.9>", 500),
        ("older, about another contact", "c1", 9, "<sip:b@192.0.2.9>", 200),
        ("after a restart", "c2", 1, "<sip:a@192.0.2.9>", 200),
        ("after a restart, all", "c2", 1, "*", 200),
    ] {
        let mut world = World::new();
        world.register_for("ana", udp(9), 10, "Contact: <sip:a@192.0.2.9>");
        let before = world.uris();
        let expires = if contact == "*" { "\nExpires: 0" } else { "" };
        let phone = Phone { call_id, ..udp(9) };
        let registered = world.register_for("ana", phone, cseq, &format!("Contact: {contact}{expires}"));
        assert_eq!(registered.status, want, "{case}");
        if want == 500 {
            assert_eq!(world.uris(), before, "{case}: all or nothing");
        }
    }
}

#[test]
fn bounds_hold_and_do_no_harm_to_who_is_there() {
    let mut world = World::with(RegistrarConfig { contacts_max: 2, bindings_max: 3, ..RegistrarConfig::default() });
    for (case, aor, contacts, want) in [
        ("too many at once", "ana", "<sip:a@x>, <sip:b@x>, <sip:c@x>", 403),
        ("two", "ana", "<sip:a@x>, <sip:b@x>", 200),
        ("a third", "ana", "<sip:c@x>", 403),
        ("the same two", "ana", "<sip:b@x>, <sip:a@x>", 200),
        ("one in place of one", "ana", "<sip:a@x>;expires=0, <sip:c@x>", 200),
        ("others too", "ben", "<sip:a@x>", 200),
        ("no room for anybody", "ben", "<sip:b@x>", 503),
        ("nor for somebody new", "cho", "<sip:a@x>", 503),
        ("refreshing goes on", "ben", "<sip:a@x>", 200),
        ("leaving too", "ana", "<sip:b@x>;expires=0", 200),
        ("and there is room", "cho", "<sip:a@x>", 200),
    ] {
        world.cseq += 1;
        let registered = world.register_for(aor, udp(9), world.cseq, &format!("Contact: {contacts}"));
        assert_eq!(registered.status, want, "{case}");
    }
    assert_eq!(world.uris(), ["sip:c@x"]);
}

#[test]
fn a_binding_lapses_after_its_grace() {
    let mut world = World::new();
    world.register(udp(9), "Contact: <sip:a@192.0.2.9>;expires=60, <sip:b@192.0.2.9>;expires=120");
    world.run_for(60);
    assert_eq!(said(&world.register(udp(9), ""), Name::Contact).1, ["<sip:b@192.0.2.9>;expires=60"]);
    world.run_for(14);
    assert_eq!(world.uris(), ["sip:b@192.0.2.9", "sip:a@192.0.2.9"], "rung in its grace");
    world.events();
    world.run_for(1);
    assert_eq!(
        (world.uris(), world.events()),
        (vec!["sip:b@192.0.2.9".to_owned()], vec!["Expired sip:a@192.0.2.9".to_owned()])
    );
    // Refreshed at the last moment of its grace.
    world.run_for(59);
    assert_eq!(world.register(udp(9), "Contact: <sip:b@192.0.2.9>;expires=60").status, 200);
    world.run_for(74);
    assert_eq!(world.uris().len(), 1);
    world.run_for(1);
    assert!(world.registrar.is_empty() && world.registrar.next_deadline().is_none());
}

#[test]
fn a_connection_takes_its_bindings_with_it() {
    let mut world = World::new();
    let (one, two) = (tcp(1), Phone { call_id: "c2", ..tcp(2) });
    world.register(one, "Contact: <sip:a@a.invalid;transport=ws>, <sip:b@b.invalid>");
    world.register(udp(9), "Contact: <sip:c@192.0.2.9>");
    let ben = Phone { call_id: "c3", ..tcp(1) };
    world.register_for("ben", ben, 1, "Contact: <sip:d@d.invalid>");
    // One of them has moved to another connection before.
    world.register(two, "Contact: <sip:b@b.invalid>");
    assert_eq!(world.registrar.contacts(&"ana")[0].flow, Some(two.flow));
    for (flow, want) in
        [(one.flow, true), (two.flow, true), (udp(9).flow, true), (udp(8).flow, false), (tcp(3).flow, false)]
    {
        assert_eq!(world.registrar.is_from(&"ana", &flow), want);
    }
    world.events();
    world.registrar.closed(1);
    world.check();
    assert_eq!(world.events(), ["FlowClosed sip:a@a.invalid;transport=ws", "FlowClosed sip:d@d.invalid"]);
    assert_eq!(world.uris(), ["sip:b@b.invalid", "sip:c@192.0.2.9"]);
    world.registrar.closed(1);
    assert_eq!(world.events(), [""; 0]);
}

#[test]
fn who_does_not_answer_is_left_out_until_it_does_or_registers() {
    let mut world = World::new();
    world.register(udp(9), "Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>");
    let silent = world.registrar.contacts(&"ana").remove(0);
    for (case, who, answers, want, ringing, count) in [
        ("a stranger", "ben", false, None, 2, 0),
        ("it is there", "ana", true, Some(false), 2, 0),
        ("it is not", "ana", false, Some(true), 1, 1),
        ("still not", "ana", false, Some(false), 1, 1),
        ("it is back", "ana", true, Some(true), 2, 0),
        ("and gone again", "ana", false, Some(true), 1, 1),
    ] {
        assert_eq!(world.registrar.heard(&who, &silent, answers), want, "{case}");
        world.check();
        assert_eq!((world.uris().len(), world.registrar.silent()), (ringing, count), "{case}");
    }
    assert_eq!(world.registrar.bound(&"ana").len(), 2, "it is registered all the same");
    world.register(udp(9), "Contact: <sip:b@192.0.2.9>");
    assert_eq!((world.uris().len(), world.registrar.silent()), (2, 0));
    world.registrar.heard(&"ana", &silent, false);
    world.register(udp(9), "Contact: <sip:b@192.0.2.9>;expires=0");
    assert_eq!((world.uris().len(), world.registrar.silent()), (1, 0));
}

#[test]
fn bindings_outlive_a_restart() {
    let mut world = World::new();
    world.register(
        udp(9),
        "Contact: \"Ana\" <sip:a@192.0.2.9>;q=0.5;+sip.instance=\"<urn:uuid:1>\"\nUser-Agent: desk phone",
    );
    world.register(udp(8), "Contact: <sip:b@x>;expires=100\nPath: <sip:edge;lr>");
    world.register(tcp(1), "Contact: <sip:c@c.invalid>");
    world.run_for(10);
    let stored = world.registrar.export(world.now, &"ana");
    assert_eq!(stored.len(), 2, "what hangs on a connection ends with it");

    let mut after = World::new();
    for binding in stored.clone() {
        after.registrar.import(after.now, &"ana", binding);
        after.check();
    }
    let both: [Vec<_>; 2] = [&world, &after].map(|world| world.registrar.contacts(&"ana"));
    assert_eq!(
        both[1],
        both[0].iter().filter(|binding| binding.uri.user.as_deref() != Some("c")).cloned().collect::<Vec<_>>()
    );
    assert_eq!(after.registrar.export(after.now, &"ana"), stored);
    // What came before the restart is remembered: it cannot be said again.
    assert_eq!(
        after.register_for("ana", udp(9), 1, "Contact: <sip:a@192.0.2.9>;+sip.instance=\"<urn:uuid:1>\"").status,
        500
    );
    after.run_for(105);
    assert_eq!(after.uris(), ["sip:a@192.0.2.9"]);

    let spoilt = |change: fn(&mut StoredBinding)| {
        let mut binding = stored[0].clone();
        change(&mut binding);
        let mut world = World::with(RegistrarConfig { grace: Duration::ZERO, ..RegistrarConfig::default() });
        world.registrar.import(world.now, &"ana", binding);
        world.check();
        world.registrar.len()
    };
    assert_eq!(spoilt(|_| {}), 1);
    assert_eq!(spoilt(|binding| binding.contact.clear()), 0);
    assert_eq!(spoilt(|binding| binding.path.push(String::new())), 0);
    assert_eq!(spoilt(|binding| binding.expires_in = Duration::ZERO), 0);
}

#[test]
fn a_request_uri_carries_no_headers() {
    let mut world = World::new();
    world.register(udp(9), "Contact: <sip:a@192.0.2.9;x=1?Subject=hi>");
    let binding = world.registrar.contacts(&"ana").remove(0);
    let SipUri { headers, params, .. } = binding.uri;
    assert_eq!((headers, params.get("x")), (None, Some("1")));
}
