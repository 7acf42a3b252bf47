//! A bridge without phones: the real router and store, a fake switch, and a client to ask with.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api::{Api, Config, Feeds, Metric, Reading, Switchboard};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media::Pages;
use model::{
    Account, AccountSid, AccountStatus, Call, CallEvent, CallSid, CallStatus, Clip, Conference, ConferenceSid,
    ConferenceStatus, Direction, Exchange, HttpMethod, Level, Notification, NotificationSid, Participant,
    ParticipantStatus, StreamSid, Timestamp, Tuning,
};
use serde_json::Value;
use store::{Row, Store, Writer};
use switch::{
    Answer, Command, Directory, DirectoryConfig, Effect, Event, Now, OpenRooms, Refusal, RequestId, StreamState, Switch,
};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const ACCOUNT: AccountSid = AccountSid::from_bits(0xACC);
pub(crate) const TOKEN: &str = "secret token";
/// 2026-02-10T09:08:07Z
const START: i64 = 1_770_714_487;

pub(crate) struct Bridge {
    pub(crate) routes: Router,
    pub(crate) api: Arc<Api>,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) store: Store,
    pub(crate) switch: FakeSwitch,
    pub(crate) writer: Arc<Writer>,
    _scratch: TempDir,
}

impl Bridge {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let store = Store::open(&scratch.path().join("partyline.db")).await.expect("opens");
        store.save_account(&account(ACCOUNT, ACCOUNT)).await.expect("writes");
        let switch = FakeSwitch::with(store.clone());
        let feeds = Arc::<Feeds>::default();
        let told = Arc::clone(&feeds);
        let watcher = Box::new(move |rows: &[Row]| told.committed(rows));
        let writer = Arc::new(Writer::start_watched(store.clone(), 64, watcher));
        let api = Api::new(config, store.clone(), switch.clone(), || at(0), 7)
            .with_writer(Arc::clone(&writer))
            .with_feeds(Arc::clone(&feeds))
            .with_metrics(|| {
                let labels = vec![("codec", "PCMU".to_owned())];
                let help = "Legs open.";
                vec![Metric { name: "partyline_legs", help, labels, reading: Reading::Gauge(3.0) }]
            })
            .with_readiness(|| false);
        let api = Arc::new(api);
        Self { routes: api::router(Arc::clone(&api)), api, feeds, store, switch, writer, _scratch: scratch }
    }

    /// What the fake switch will say to the next command.
    pub(crate) fn will_answer(&self, answer: Result<Answer, Refusal>) {
        *self.switch.answer.lock().expect("no test panics holding it") = Some(answer);
    }

    /// What the fake switch was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Command> {
        std::mem::take(&mut self.switch.asked.lock().expect("no test panics holding it"))
    }

    pub(crate) async fn save(&self, rows: &[Row]) {
        self.store.commit(rows).await.expect("writes");
    }

    /// GET below the account's path.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None).await
    }

    /// POST of a form below the account's path.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Reply {
        self.ask("POST", path, Some(form)).await
    }

    /// Any verb below the account's path.
    pub(crate) async fn ask(&self, verb: &str, path: &str, form: Option<&str>) -> Reply {
        let path = format!("/Accounts/{ACCOUNT}{path}");
        self.ask_as((&ACCOUNT.to_string(), TOKEN), verb, &path, form.unwrap_or_default()).await
    }

    /// The list of accounts.
    pub(crate) async fn accounts(&self, verb: &str, query: &str, form: &str) -> Reply {
        self.ask_as((&ACCOUNT.to_string(), TOKEN), verb, &format!("/Accounts.json{query}"), form).await
    }

    /// Any verb at any path, by anybody.
    pub(crate) async fn ask_as(&self, (user, password): (&str, &str), verb: &str, path: &str, form: &str) -> Reply {
        let request = Request::builder()
            .method(verb)
            .uri(format!("/2010-04-01{path}"))
            .header(header::AUTHORIZATION, basic(user, password))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        self.send(request.body(form.to_owned().into()).expect("is a request")).await
    }

    /// Any verb below `/v1/Workspaces`, with the account's credentials and these headers.
    pub(crate) async fn v1(&self, verb: &str, path: &str, form: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder()
            .method(verb)
            .uri(format!("/v1/Workspaces{path}"))
            .header(header::HOST, "bridge.test")
            .header(header::AUTHORIZATION, basic(&ACCOUNT.to_string(), TOKEN))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(form.to_owned().into()).expect("is a request")).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let asked = (request.method().to_string(), request.uri().to_string());
        let (head, body) = self.routes.clone().oneshot(request).await.expect("cannot fail").into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("is in memory");
        let body = String::from_utf8(body.into()).expect("is text");
        Reply { status: head.status, headers: head.headers, body, asked }
    }
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The verb and the path, with its query.
    pub(crate) asked: (String, String),
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json", "{}", self.body);
        serde_json::from_str(&self.body).expect("is JSON")
    }

    /// The status, and the code if it is an error's.
    #[track_caller]
    pub(crate) fn outcome(&self) -> (u16, u64) {
        let status = self.status.as_u16();
        if status < 400 { (status, 0) } else { (status, self.json()["code"].as_u64().expect("has a code")) }
    }
}

/// Answers what it was told to, and remembers what it was asked. What accounts set up, workspaces too, it leaves to a real
/// switch, unless it was told what to answer.
#[derive(Clone)]
pub(crate) struct FakeSwitch {
    asked: Arc<Mutex<Vec<Command>>>,
    answer: Arc<Mutex<Option<Result<Answer, Refusal>>>>,
    real: Arc<Mutex<Switch>>,
    store: Store,
}

impl FakeSwitch {
    fn with(store: Store) -> Self {
        let config = DirectoryConfig { numbers: DECLARED.map(str::to_owned).into(), ..DirectoryConfig::default() };
        let real = Switch::new(switch_config(), 7, 0).with_directory(Directory::load(config, []));
        Self { asked: Arc::default(), answer: Arc::default(), real: Arc::new(Mutex::new(real)), store }
    }

    /// What the real one says, after what it changed has been saved.
    async fn ask(&self, command: Command) -> Result<Answer, Refusal> {
        let mut effects = Vec::new();
        let event = Event::Command { request: RequestId(1), command };
        let now = Now { instant: Instant::now(), wall: at(0) };
        {
            let mut switch = self.real.lock().expect("no test panics holding it");
            switch.handle(now, event, &mut effects);
            while switch.next_deadline().is_some_and(|at| at <= now.instant) {
                switch.handle(now, Event::Timeout, &mut effects);
            }
        }
        let mut rows = Vec::new();
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Save(switch::Row::Directory(row)) => rows.push(Row::Directory(row)),
                Effect::Save(switch::Row::Event(event)) => rows.push(Row::Event(event)),
                Effect::Save(switch::Row::DirectoryDeleted(key)) => rows.push(Row::DirectoryDeleted(key)),
                Effect::Save(switch::Row::Routing(row)) => rows.push(Row::Routing(row)),
                Effect::Save(switch::Row::RoutingDeleted(key)) => rows.push(Row::RoutingDeleted(key)),
                Effect::Save(switch::Row::TaskRouterEvent(event)) => rows.push(Row::TaskRouterEvent(event)),
                Effect::Save(switch::Row::StatisticsBucket(row)) => rows.push(Row::StatisticsBucket(row)),
                Effect::Reply { answer, .. } => answers.push(answer),
                other => panic!("unexpected: {other:?}"),
            }
        }
        self.store.commit(&rows).await.expect("writes");
        assert_eq!(answers.len(), 1, "one answer");
        answers.remove(0)
    }
}

impl Switchboard for FakeSwitch {
    async fn send(&self, command: Command) -> Result<Answer, Refusal> {
        self.asked.lock().expect("no test panics holding it").push(command.clone());
        let answer = self.answer.lock().expect("no test panics holding it").take();
        match (answer, &command) {
            (Some(answer), _) => answer,
            (None, Command::Directory(_) | Command::Queue(_) | Command::CreateCall(_)) => self.ask(command).await,
            (None, Command::CreateParticipant(_) | Command::SetAccountStatus { .. } | Command::Routing(_)) => {
                self.ask(command).await
            }
            (None, _) => std::future::pending().await,
        }
    }
}

/// Numbers that carriers deliver.
pub(crate) const DECLARED: [&str; 4] = ["+15005550006", "+15105550007", "+18005550008", "+442071838750"];

fn switch_config() -> switch::Config {
    let silence = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: Vec::new() }));
    switch::Config {
        account: ACCOUNT,
        open_rooms: OpenRooms::Off,
        calls_max: 1,
        room_legs_max: 1,
        call_time_limit: Duration::from_secs(60),
        held_rtp_timeout: Duration::from_secs(60),
        drain: Duration::from_secs(30),
        fetches_max: 1,
        asks_max: 1,
        addresses: Vec::new(),
        own: switch::OwnAddresses::default(),
        codecs: vec![sip::AudioCodec::Pcmu],
        region: "us1".to_owned(),
        hold_music: silence.clone(),
        beep: silence.clone(),
        trunks: Vec::new(),
        qualify: None,
        ring_back: silence,
        sip: sip::Config::default(),
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// So many seconds after the tenth of February, 09:08:07.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((START + seconds) * 1_000_000 + 250_000)
}

pub(crate) fn account(sid: AccountSid, owner: AccountSid) -> Account {
    Account {
        sid,
        owner_account_sid: owner,
        friendly_name: "Partyline".to_owned(),
        auth_token: TOKEN.to_owned(),
        status: AccountStatus::Active,
        created: at(0),
        updated: at(0),
    }
}

/// Call number `number`, answered in its second second, of as many seconds after [`START`].
pub(crate) fn call(number: i64) -> Call {
    Call {
        sid: CallSid::from_bits(0xCA00 + number.unsigned_abs() as u128),
        account_sid: ACCOUNT,
        parent_call_sid: None,
        to: "sip:standup@bridge.test".to_owned(),
        from: "+15005550006".to_owned(),
        caller_name: None,
        phone_number_sid: None,
        forwarded_from: None,
        answered_by: None,
        status: CallStatus::InProgress,
        direction: Direction::Inbound,
        created: at(number),
        updated: at(number + 1),
        started: Some(at(number)),
        answered: Some(at(number + 1)),
        ended: None,
        seq: number + 1,
    }
}

/// The same, over after a talk of 42 seconds.
pub(crate) fn ended_call(number: i64) -> Call {
    Call { status: CallStatus::Completed, ended: Some(at(number + 1) + Duration::from_secs(42)), ..call(number) }
}

pub(crate) fn conference(number: i64) -> Conference {
    Conference {
        sid: ConferenceSid::from_bits(0xCF00 + number.unsigned_abs() as u128),
        account_sid: ACCOUNT,
        friendly_name: format!("room {number}"),
        status: ConferenceStatus::InProgress,
        region: "us1".to_owned(),
        reason_ended: None,
        call_sid_ending: None,
        created: at(number),
        updated: at(number + 1),
        seq: number + 1,
    }
}

/// Call number `number` as a participant of conference 0.
pub(crate) fn participant(number: i64) -> Participant {
    Participant {
        call_sid: call(number).sid,
        conference_sid: conference(0).sid,
        account_sid: ACCOUNT,
        label: None,
        muted: false,
        hold: false,
        coaching: false,
        call_sid_to_coach: None,
        start_conference_on_enter: true,
        end_conference_on_exit: false,
        beep_on_exit: false,
        tuning: Tuning::default(),
        status: ParticipantStatus::Connected,
        created: at(number),
        updated: at(number + 1),
        seq: number + 1,
    }
}

/// Notification number `number`: of call 0 and an exchange the first, of neither the second.
pub(crate) fn notification(number: i64) -> Notification {
    let exchange = Exchange {
        method: HttpMethod::Post,
        url: "https://app.test/voice".to_owned(),
        parameters: "CallSid=CA1&Digits=1".to_owned(),
        status: Some(500),
        headers: "server=x".to_owned(),
        content_type: "text/html".to_owned(),
        body: "oops".to_owned(),
        duration: Duration::from_millis(12),
    };
    Notification {
        sid: NotificationSid::from_bits(u128::from(number.unsigned_abs()) + 1),
        account_sid: ACCOUNT,
        call_sid: (number == 0).then(|| call(0).sid),
        level: if number == 0 { Level::Error } else { Level::Warning },
        error_code: 11_217,
        message: "HTTP status 500".to_owned(),
        exchange: (number == 0).then(|| Arc::new(exchange)),
        at: at(number),
        seq: number + 1,
    }
}

/// A stream of call 0.
pub(crate) fn stream(name: Option<&str>, stopped: bool) -> StreamState {
    StreamState {
        sid: StreamSid::from_bits(0x53),
        account_sid: ACCOUNT,
        call_sid: call(0).sid,
        name: name.map(str::to_owned),
        stopped,
        updated: at(2),
    }
}

/// What the application of call 0 was asked.
pub(crate) fn call_event() -> CallEvent {
    CallEvent {
        account_sid: ACCOUNT,
        call_sid: call(0).sid,
        method: "POST".to_owned(),
        url: "https://app.test/voice".to_owned(),
        parameters: "CallSid=CA1&CallStatus=ringing&SpeechResult=gr%C3%B6%C3%9Fe".to_owned(),
        status: Some(200),
        content_type: "text/xml".to_owned(),
        body: "<Response/>".to_owned(),
        at: at(1),
        duration: Duration::from_millis(52),
    }
}
