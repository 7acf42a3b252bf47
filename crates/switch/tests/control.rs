//! The switch alone, fed event by event: what the control layer asks of a call that lives, and of an account; and how a
//! phone is found again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::Pages;
use model::{AccountSid, AccountStatus, Call, CallSid, CallStatus, Clip, Timestamp};
use sip::{Answered, Flow, Query, Records, Transport};
use switch::{
    Answer, CallChange, CallEnd, Command, Config, Directory, DirectoryCommand, DirectoryConfig, Effect, Event,
    HookChange, MediaAddress, Now, NumberChange, NumberWanted, OpenRooms, OwnAddresses, Refusal, RequestId, Row,
    Stream, StreamCommand, StreamEvent, StreamOrder, StreamRef, StreamState, Switch, Track, VoiceHooksChange,
};

const ACCOUNT: AccountSid = AccountSid::from_bits(1);
const NUMBER: &str = "+15005550001";

/// A switch, and what it has done since the last time somebody looked.
struct Bench {
    switch: Switch,
    at: Instant,
    calls_made: u32,
}

impl Bench {
    fn new() -> Self {
        let silence = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: Vec::new() }));
        let config = Config {
            account: ACCOUNT,
            open_rooms: OpenRooms::Private,
            calls_max: 8,
            room_legs_max: 8,
            call_time_limit: Duration::from_secs(60),
            held_rtp_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            fetches_max: 8,
            asks_max: 8,
            addresses: vec![MediaAddress { bind: [10, 0, 0, 1].into(), advertised: None }],
            own: OwnAddresses::default(),
            codecs: vec![sip::AudioCodec::Pcmu],
            region: "us1".to_owned(),
            hold_music: silence.clone(),
            beep: silence.clone(),
            trunks: Vec::new(),
            qualify: None,
            ring_back: silence,
            sip: sip::Config::default(),
        };
        let numbers = DirectoryConfig { numbers: vec![NUMBER.to_owned()], ..DirectoryConfig::default() };
        let switch = Switch::new(config, 1, 0).with_directory(Directory::load(numbers, []));
        let mut bench = Self { switch, at: Instant::now(), calls_made: 0 };
        let voice = HookChange { url: Some(Some("https://app.test/voice".to_owned())), method: None };
        let change = NumberChange {
            voice: VoiceHooksChange { voice, ..VoiceHooksChange::default() },
            ..NumberChange::default()
        };
        let number = NumberWanted::Exactly(NUMBER.to_owned());
        let create =
            DirectoryCommand::CreateNumber { account: ACCOUNT, number, number_type: None, change: Box::new(change) };
        bench.command(Command::Directory(create)).0.expect("the number is free");
        bench
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        let now = Now { instant: self.at, wall: Timestamp::from_micros(0) };
        self.switch.handle(now, event, &mut effects);
        effects
    }

    /// The answer, and whatever else was done.
    fn command(&mut self, command: Command) -> (Result<Answer, Refusal>, Vec<Effect>) {
        let mut effects = self.handle(Event::Command { request: RequestId(1), command });
        let reply = effects.iter().position(|effect| matches!(effect, Effect::Reply { .. })).expect("is answered");
        let Effect::Reply { answer, .. } = effects.remove(reply) else { unreachable!("just found") };
        (answer, effects)
    }

    /// Somebody calls.
    fn invite(&mut self, user: &str) -> Vec<Effect> {
        self.invite_by(flow(Transport::Udp, "10.0.0.2:5060", None), "<sip:ana@10.0.0.2>", user)
    }

    fn invite_by(&mut self, flow: Flow, contact: &str, user: &str) -> Vec<Effect> {
        self.calls_made += 1;
        let number = self.calls_made;
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let request = format!(
            "INVITE sip:{user}@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK{number}\r\n\
             From: <sip:ana@10.0.0.2>;tag=1\r\nTo: <sip:{user}@10.0.0.1>\r\nCall-ID: {number}\r\nCSeq: 1 INVITE\r\n\
             Contact: {contact}\r\nDiversion: <sip:+15005550002@carrier.test>\r\nMax-Forwards: 70\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        self.handle(Event::Sip { flow, bytes: request.into() })
    }

    /// Somebody is in a room: the call.
    fn in_a_room(&mut self) -> CallSid {
        let arrived = self.invite("standup");
        saved(&self.opened(&arrived)).sid
    }

    /// The leg of a call that has arrived is open.
    fn opened(&mut self, arrived: &[Effect]) -> Vec<Effect> {
        let commands = arrived.iter().filter_map(|effect| match effect {
            Effect::Media(commands) => Some(commands),
            _ => None,
        });
        let leg = commands.flatten().find_map(|command| match command {
            media::Command::OpenLeg { leg, .. } => Some(*leg),
            _ => None,
        });
        let local = SocketAddr::from(([10, 0, 0, 1], 10_000));
        let leg = leg.expect("a leg is opened");
        let answered = self.handle(Event::Media(media::Event::LegOpened { leg, local }));
        assert_eq!(saved(&answered).status, CallStatus::InProgress);
        answered
    }

    fn start(&mut self, account: AccountSid, call: CallSid, name: Option<&str>) -> (Told, Vec<StreamOrder>) {
        let stream = Box::new(Stream {
            url: "wss://app.test/".to_owned(),
            name: name.map(str::to_owned),
            track: Track::Both,
            status_callback: None,
            parameters: Vec::new(),
        });
        self.stream(StreamCommand::Start { account, call, stream })
    }

    fn stop(&mut self, call: CallSid, stream: StreamRef) -> (Told, Vec<StreamOrder>) {
        self.stream(StreamCommand::Stop { account: ACCOUNT, call, stream })
    }

    fn stream(&mut self, command: StreamCommand) -> (Told, Vec<StreamOrder>) {
        let (answer, effects) = self.command(Command::Stream(command));
        let answer = answer.map(|answer| match answer {
            Answer::Stream(state) => state,
            other => panic!("not of a stream: {other:?}"),
        });
        (answer, orders(effects))
    }

    fn set(&mut self, status: AccountStatus) -> Vec<Effect> {
        let (answer, effects) = self.command(Command::SetAccountStatus { account: ACCOUNT, status });
        assert_eq!(answer, Ok(Answer::AccountStatus(status)));
        effects
    }
}

fn flow(transport: Transport, remote: &str, connection: Option<u64>) -> Flow {
    let [local, remote] = ["10.0.0.1:5060", remote].map(|address| address.parse().expect("an address"));
    Flow { transport, local, remote, connection }
}

type Told = Result<StreamState, Refusal>;

fn orders(effects: Vec<Effect>) -> Vec<StreamOrder> {
    let order = |effect| match effect {
        Effect::Stream(order) => Some(order),
        _ => None,
    };
    effects.into_iter().filter_map(order).collect()
}

/// The last row of a call among the effects.
fn saved(effects: &[Effect]) -> Call {
    let row = effects.iter().rev().find_map(|effect| match effect {
        Effect::Save(Row::Call(call)) => Some(call.clone()),
        _ => None,
    });
    row.unwrap_or_else(|| panic!("no call is kept: {effects:?}"))
}

/// What is said over SIP, by first lines.
fn said(effects: &[Effect]) -> Vec<String> {
    let first_line = |effect: &Effect| match effect {
        Effect::Send { bytes, .. } => String::from_utf8_lossy(bytes).lines().next().map(str::to_owned),
        _ => None,
    };
    effects.iter().filter_map(first_line).collect()
}

#[test]
fn a_call_has_a_few_streams_and_each_is_stopped_once() {
    let mut bench = Bench::new();
    let ana = bench.in_a_room();
    let (ears, opened) = bench.start(ACCOUNT, ana, Some("ears"));
    let ears = ears.expect("starts");
    assert_eq!((ears.name.as_deref(), ears.stopped), (Some("ears"), false));
    let [StreamOrder::Open(open)] = &opened[..] else { panic!("one order: {opened:?}") };
    assert_eq!((open.stream, open.call, open.bidirectional), (ears.sid, ana, false));
    assert_eq!(bench.start(ACCOUNT, ana, Some("ears")), (Err(Refusal::StreamNameTaken), Vec::new()));
    for _ in 0..3 {
        bench.start(ACCOUNT, ana, None).0.expect("nameless ones do not stand in each other's way");
    }
    assert_eq!(bench.start(ACCOUNT, ana, None), (Err(Refusal::TooManyStreams), Vec::new()));

    let by_name = || StreamRef::Name("ears".to_owned());
    let close = vec![StreamOrder::Close { stream: ears.sid }];
    for (case, by, want) in [("by name", by_name(), close), ("again, by SID", StreamRef::Sid(ears.sid), Vec::new())] {
        let (stopped, ordered) = bench.stop(ana, by);
        assert_eq!(stopped.map(|state| (state.sid, state.stopped)), Ok((ears.sid, true)), "{case}");
        assert_eq!(ordered, want, "{case}");
    }
    bench.handle(Event::Stream { stream: ears.sid, event: StreamEvent::Stopped });
    assert_eq!(bench.stop(ana, by_name()).0, Err(Refusal::StreamNotFound), "it has ended");
    bench.start(ACCOUNT, ana, Some("ears")).0.expect("its place and its name are free");
}

#[test]
fn only_ones_own_answered_calls_are_listened_to() {
    let mut bench = Bench::new();
    let ringing = saved(&bench.invite(NUMBER));
    assert_eq!(bench.start(ACCOUNT, ringing.sid, None).0, Err(Refusal::NotInProgress));
    let ana = bench.in_a_room();
    assert_eq!(bench.start(AccountSid::from_bits(7), ana, None).0, Err(Refusal::CallNotFound), "somebody else's");
    let ears = bench.start(ACCOUNT, ana, None).0.expect("starts");
    let over = bench.set(AccountStatus::Closed);
    assert_eq!(orders(over), [StreamOrder::Close { stream: ears.sid }], "it ends with its call");
    assert_eq!(bench.stop(ana, StreamRef::Sid(ears.sid)).0, Err(Refusal::CallNotFound));
}

#[test]
fn a_call_says_who_diverted_it_and_which_number_it_came_to() {
    let call = saved(&Bench::new().invite(NUMBER));
    assert_eq!(call.forwarded_from.as_deref(), Some("+15005550002"));
    assert!(call.phone_number_sid.is_some());
}

#[test]
fn the_calls_of_a_closed_account_end_and_those_of_a_suspended_one_go_on() {
    let mut bench = Bench::new();
    let ana = bench.in_a_room();
    let nobody = |effects: &[Effect]| said(effects).last().is_some_and(|line| line == "SIP/2.0 404 Not Found");
    let kept =
        |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Save(Row::Call(_)))).count();

    let suspended = bench.set(AccountStatus::Suspended);
    assert_eq!((kept(&suspended), bench.switch.stats().calls), (0, 1), "what goes on may end by itself");
    assert!(nobody(&bench.invite(NUMBER)), "suspended");
    bench.set(AccountStatus::Active);
    assert!(!nobody(&bench.invite(NUMBER)), "active again");
    assert_eq!(bench.switch.stats().calls, 2);
    let closed = bench.set(AccountStatus::Closed);
    assert_eq!(bench.switch.stats().calls, 0);
    let ended = |effect: &Effect| matches!(effect, Effect::Save(Row::Call(call)) if call.sid == ana && call.status == CallStatus::Completed);
    assert!(closed.iter().any(ended), "{closed:?}");
    assert!(nobody(&bench.invite(NUMBER)), "closed");
}

#[test]
fn a_phone_whose_stream_is_gone_is_told_of_the_end_where_its_name_leads() {
    let mut bench = Bench::new();
    let first = flow(Transport::Tcp, "10.0.0.2:33000", Some(7));
    let arrived = bench.invite_by(first, "<sip:ana@phone.example;transport=tcp>", "standup");
    let answered = bench.opened(&arrived);
    let call = saved(&answered).sid;
    let accepted = answered.iter().find_map(|effect| match effect {
        Effect::Send { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    let accepted = accepted.expect("it is answered");
    let to = accepted.lines().find(|line| line.starts_with("To: ")).expect("a To");
    let ack = format!(
        "ACK sip:standup@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP phone.example;branch=z9hG4bKack\r\nMax-Forwards: 70\r\n\
         From: <sip:ana@10.0.0.2>;tag=1\r\n{to}\r\nCall-ID: 1\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
    );
    bench.handle(Event::Sip { flow: first, bytes: ack.into() });
    bench.handle(Event::FlowClosed { connection: 7 });

    let mut change = CallChange::none(ACCOUNT, call);
    change.end = Some(CallEnd::Completed);
    let (ended, mut effects) = bench.command(Command::UpdateCall(Box::new(change)));
    assert!(matches!(ended, Ok(Answer::Call(row)) if row.status == CallStatus::Completed), "nobody waits for that");
    assert!(said(&effects).is_empty());
    // Two hosts bear the name; nobody is at the first.
    let mut connects = Vec::new();
    while connects.is_empty() {
        let asked: Vec<_> = effects
            .iter()
            .filter_map(|effect| if let Effect::Lookup(query) = effect { Some(query.clone()) } else { None })
            .collect();
        assert!(!asked.is_empty(), "{effects:?}");
        effects.clear();
        for query in asked {
            let records = match &query {
                Query::A(name) if name == "phone.example" => {
                    Records::A(vec![[10, 0, 0, 3].into(), [10, 0, 0, 4].into()])
                }
                other => Records::none(other),
            };
            let answer = Ok(Answered { records, ttl: Duration::from_secs(60) });
            effects.extend(bench.handle(Event::LookedUp { query, answer }));
        }
        connects.extend(effects.iter().filter_map(connect));
    }
    let nobody = bench.handle(Event::Connected { remote: connects[0], flow: None });
    let second = nobody.iter().find_map(connect).expect("the other is tried");
    let mut both = [connects[0], second].map(|address| address.to_string());
    both.sort_unstable();
    assert_eq!(both, ["10.0.0.3:5060", "10.0.0.4:5060"]);
    let stream = flow(Transport::Tcp, &second.to_string(), Some(8));
    let told = bench.handle(Event::Connected { remote: second, flow: Some(stream) });
    assert_eq!(said(&told), ["BYE sip:ana@phone.example;transport=tcp SIP/2.0"]);
    assert!(told.iter().all(|effect| !matches!(effect, Effect::Send { flow, .. } if *flow != stream)));
}

fn connect(effect: &Effect) -> Option<SocketAddr> {
    match effect {
        Effect::Connect { remote } => Some(*remote),
        _ => None,
    }
}
