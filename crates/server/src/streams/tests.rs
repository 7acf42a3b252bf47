use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crossbeam_channel::Receiver;
use media::{Codec, Command, Config, MAIN, Plane, Received, Stream, Wire, Wires};
use model::{AccountSid, CallSid, RoomId};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use web::WebConfig;

use super::*;

const LEG: LegId = LegId(1);
const STREAM: StreamSid = StreamSid::from_bits(1);

/// A network on which nobody says anything.
struct Quiet;

impl Wires for Quiet {
    fn open(&mut self, _address: IpAddr, _port: u16) -> io::Result<Box<dyn Wire>> {
        Ok(Box::new(Quiet))
    }
}

impl Wire for Quiet {
    fn receive(&mut self, _buffer: &mut [u8]) -> Option<Received> {
        None
    }

    fn send(&mut self, _datagram: &[u8], _to: SocketAddr) -> bool {
        true
    }

    fn connect(&mut self, _peer: Option<SocketAddr>) {}
}

/// An application, a leg, and what is between them.
struct Scene {
    streams: Streams,
    plane: Plane,
    inputs: Receiver<Input>,
    application: TcpListener,
    now_us: u64,
}

impl Scene {
    async fn new() -> Self {
        let mut plane = Plane::manual(Config { threads: 1, ..Config::default() }, Box::new(Quiet));
        let address = Ipv4Addr::LOCALHOST.into();
        let stream = Stream {
            remote: Some(SocketAddr::new(address, 4_000)),
            rtcp: None,
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type_in: 0,
            payload_type_out: 0,
            telephone_event: None,
            comfort_noise_payload_type: None,
            ptime_ms: 20,
            sends: true,
            receives: true,
        };
        plane.apply(vec![
            Command::OpenLeg { leg: LEG, room: RoomId(1), address },
            Command::Agree { leg: LEG, stream },
            Command::Route { leg: LEG, emit: MAIN, hear: MAIN },
        ]);
        let (inbox, inputs) = Inbox::new();
        let allow = vec!["127.0.0.1".parse().expect("a rule")];
        let web = Web::new(&WebConfig { allow, trusted: Vec::new() }).expect("a way out");
        let application = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let streams = Streams::new(web, Handle::current(), inbox);
        Self { streams, plane, inputs, application, now_us: 0 }
    }

    fn order(&mut self, order: StreamOrder) {
        if let Some(command) = self.streams.order(order) {
            self.plane.apply(vec![command]);
        }
    }

    fn open(&mut self, url: &str, bidirectional: bool) {
        let open = OpenStream {
            stream: STREAM,
            leg: LEG,
            account: AccountSid::from_bits(1),
            call: CallSid::from_bits(1),
            url: url.to_owned(),
            tracks: Tracks::Both,
            bidirectional,
            parameters: vec![("who".to_owned(), "Ana".to_owned())],
        };
        self.order(StreamOrder::Open(Box::new(open)));
    }

    fn url(&self) -> String {
        format!("ws://{}/stream?a=b", self.application.local_addr().expect("bound"))
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        let (stream, _) = self.application.accept().await.expect("a connection");
        accept_async(stream).await.expect("a handshake")
    }

    /// The next frame, while the leg goes on.
    async fn next(&mut self, application: &mut WebSocketStream<TcpStream>) -> Option<Value> {
        let mut ticks = interval(Duration::from_millis(1));
        loop {
            tokio::select! {
                message = application.next() => match message? {
                    Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                    Ok(_) => {}
                    Err(_) => return None,
                },
                _ = ticks.tick() => {
                    self.now_us += 20_000;
                    self.plane.run_until(self.now_us);
                    while self.plane.poll().is_some() {}
                }
            }
        }
    }

    /// The next frame of a kind.
    async fn next_of(&mut self, application: &mut WebSocketStream<TcpStream>, event: &str) -> Option<Value> {
        loop {
            let frame = self.next(application).await?;
            if frame["event"] == event {
                return Some(frame);
            }
        }
    }

    /// What the switch is told next.
    async fn told(&self) -> StreamEvent {
        loop {
            match self.inputs.try_recv() {
                Ok(Input::Event(Event::Stream { stream, event })) => {
                    assert_eq!(stream, STREAM);
                    return event;
                }
                _ => tokio::task::yield_now().await,
            }
        }
    }
}

#[tokio::test]
async fn an_application_hears_a_call_from_its_start_to_its_stop() {
    let mut scene = Scene::new().await;
    scene.open(&scene.url(), false);
    let mut application = scene.accept().await;
    let connected = scene.next(&mut application).await.expect("connected");
    assert_eq!(connected, json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
    let start = scene.next(&mut application).await.expect("start");
    assert_eq!((&start["event"], &start["sequenceNumber"]), (&json!("start"), &json!("1")));
    assert_eq!(start["start"]["tracks"], json!(["inbound", "outbound"]));
    assert_eq!(start["start"]["customParameters"], json!({"who": "Ana"}));
    assert_eq!(scene.told().await, StreamEvent::Started);
    let (mut chunks, mut sequence) = (HashMap::from([("inbound".to_owned(), 0), ("outbound".to_owned(), 0)]), 1);
    while chunks.values().any(|&chunk| chunk < 20) {
        let frame = scene.next(&mut application).await.expect("media");
        sequence += 1;
        assert_eq!((&frame["event"], &frame["sequenceNumber"]), (&json!("media"), &json!(sequence.to_string())));
        let media = &frame["media"];
        let chunk = chunks.get_mut(media["track"].as_str().expect("a track")).expect("one of two");
        *chunk += 1;
        assert_eq!(media["chunk"], json!(chunk.to_string()));
        assert_eq!(media["payload"].as_str().map(str::len), Some(216), "160 bytes as base64");
    }
    scene.order(StreamOrder::Digit { stream: STREAM, digit: '1' }); // not for one that only listens
    scene.order(StreamOrder::Close { stream: STREAM });
    loop {
        let frame = scene.next(&mut application).await.expect("media, then stop");
        if frame["event"] == "stop" {
            assert_eq!(frame["stop"]["callSid"], json!(CallSid::from_bits(1).to_string()));
            break;
        }
        assert_eq!(frame["event"], "media");
    }
    assert_eq!(scene.next(&mut application).await, None, "nothing after it");
    assert_eq!(scene.told().await, StreamEvent::Stopped);
    assert!(scene.streams.ended(STREAM).is_some() && scene.streams.open.is_empty());
}

#[tokio::test]
async fn an_application_speaks_and_hears_its_marks() {
    let mut scene = Scene::new().await;
    scene.open(&scene.url(), true);
    let mut application = scene.accept().await;
    let start = scene.next_of(&mut application, "start").await.expect("start");
    assert_eq!(start["start"]["tracks"], json!(["inbound"]));
    let say = |text: Value| Message::text(text.to_string());
    let media = |len: usize| say(json!({"event": "media", "media": {"payload": "/".repeat(len)}}));
    let mark = |name: &str| say(json!({"event": "mark", "mark": {"name": name}}));
    // Half a second, in pieces that are no frames.
    for _ in 0..20 {
        application.send(media(268)).await.expect("taken");
    }
    application.send(mark("heard")).await.expect("taken");
    assert_eq!(scene.next_of(&mut application, "mark").await.expect("heard")["mark"], json!({"name": "heard"}));
    // Minutes, which are not waited for.
    for _ in 0..20 {
        application.send(media(100_000)).await.expect("taken");
    }
    application.send(mark("cleared")).await.expect("taken");
    application.send(Message::text("no JSON")).await.expect("taken");
    application.send(say(json!({"event": "clear"}))).await.expect("taken");
    assert_eq!(scene.next_of(&mut application, "mark").await.expect("cleared")["mark"], json!({"name": "cleared"}));
    scene.order(StreamOrder::Digit { stream: STREAM, digit: '#' });
    let dtmf = scene.next_of(&mut application, "dtmf").await.expect("told");
    assert_eq!(dtmf["dtmf"], json!({"track": "inbound_track", "digit": "#"}));
    application.close(None).await.expect("closed");
    let mut answered = false;
    while let Some(message) = application.next().await {
        answered |= message.expect("frames, and nothing broken off").is_close();
    }
    assert!(answered, "its goodbye is answered (RFC 6455 §5.5.1)");
    assert_eq!((scene.told().await, scene.told().await), (StreamEvent::Started, StreamEvent::Stopped));
}

#[tokio::test]
async fn a_stream_ends_with_its_leg() {
    let mut scene = Scene::new().await;
    scene.open(&scene.url(), false);
    let mut application = scene.accept().await;
    scene.next_of(&mut application, "media").await.expect("it runs");
    scene.plane.apply(vec![Command::CloseLeg { leg: LEG }]);
    scene.next_of(&mut application, "stop").await.expect("the last");
    assert_eq!((scene.told().await, scene.told().await), (StreamEvent::Started, StreamEvent::Stopped));
}

#[tokio::test]
async fn what_cannot_be_opened_is_said() {
    let mut scene = Scene::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let near = scene.url();
    for (case, url, code) in [
        ("not a URL", "app.example".to_owned(), BAD_URL),
        ("not a WebSocket", near.replace("ws://", "http://"), BAD_URL),
        ("no host", "wss://".to_owned(), BAD_URL),
        ("an address that may not be opened", "wss://10.0.0.1/".to_owned(), 11_200),
        ("nobody there", format!("ws://{closed}/"), 11_205),
    ] {
        scene.open(&url, false);
        match scene.told().await {
            StreamEvent::Failed { code: told, reason } => assert_eq!(told, code, "{case}: {reason}"),
            event => panic!("{case}: {event:?}"),
        }
        scene.streams.ended(STREAM);
    }
}
