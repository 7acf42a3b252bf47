//! Media streams: a leg's audio to an application over a WebSocket, and back (twiml §9.3).
//!
//! ```text
//! media thread ──tap──▶ task ──frames as JSON──▶ application
//!              ◀─feed── task ◀──media, mark, clear──
//! ```
//! One task a stream, which looks at its tap every 20 ms. An application that reads too slowly holds up nobody: its frames
//! are lost in the tap, counted, and it is given up after a while. What it says faster than it can be heard waits here, where
//! it can be taken back.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use api::media_stream::{StreamFrames, StreamSaid, stream_said};
use futures_util::{SinkExt, StreamExt};
use media::{Heard, NotHeard, Tap, TapFeeder, TapReader, ToUlaw};
use model::{LegId, StreamSid, TapId, Track, Tracks};
use switch::{Event, OpenStream, StreamEvent, StreamOrder};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tracing::{info, warn};
use web::{Connecting, Connection, FetchError, Url, Web, without_secrets};

use crate::run_loop::{Inbox, Input};

/// All streams under way.
pub(crate) struct Streams {
    web: Web,
    open: HashMap<StreamSid, Open>,
    taps: u64,
    runtime: Handle,
    inbox: Inbox,
}

struct Open {
    leg: LegId,
    tap: TapId,
    wishes: mpsc::Sender<Wish>,
}

enum Wish {
    Digit(char),
    Close,
}

impl Streams {
    pub(crate) fn new(web: Web, runtime: Handle, inbox: Inbox) -> Self {
        Self { web, open: HashMap::new(), taps: 0, runtime, inbox }
    }

    /// Does what the switch asks. What is left for the audio plane to do.
    pub(crate) fn order(&mut self, order: StreamOrder) -> Option<media::Command> {
        match order {
            StreamOrder::Open(open) => return self.open(*open),
            StreamOrder::Close { stream } => self.wish(stream, Wish::Close),
            StreamOrder::Digit { stream, digit } => self.wish(stream, Wish::Digit(digit)),
        }
        None
    }

    /// A stream is over. What is left for the audio plane to do.
    pub(crate) fn ended(&mut self, stream: StreamSid) -> Option<media::Command> {
        let Open { leg, tap, .. } = self.open.remove(&stream)?;
        Some(media::Command::Untap { leg, tap })
    }

    fn wish(&self, stream: StreamSid, wish: Wish) {
        if let Some(open) = self.open.get(&stream) {
            // Full where the application takes nothing: it will be given up, or may do without the digit.
            let _ = open.wishes.try_send(wish);
        }
    }

    fn open(&mut self, open: OpenStream) -> Option<media::Command> {
        let (stream, leg) = (open.stream, open.leg);
        let url = match checked(&open.url) {
            _ if self.open.len() >= STREAMS_MAX => Err("too many streams".to_owned()),
            _ if self.open.contains_key(&stream) => return None,
            url => url,
        };
        let url = match url {
            Ok(url) => url,
            Err(reason) => {
                let inbox = self.inbox.clone();
                self.runtime.spawn(async move { tell(&inbox, stream, failed(BAD_URL, reason)).await });
                return None;
            }
        };
        self.taps += 1;
        let id = TapId(self.taps);
        let (tap, reader, feeder) = if open.bidirectional {
            let (tap, reader, feeder) = Tap::with_feed(id, Tracks::Inbound);
            (tap, reader, Some(feeder))
        } else {
            let (tap, reader) = Tap::new(id, open.tracks);
            (tap, reader, None)
        };
        let (wishes, wished) = mpsc::channel(WISHES_MAX);
        self.open.insert(stream, Open { leg, tap: id, wishes });
        let tracks = if open.bidirectional { Tracks::Inbound } else { open.tracks };
        let frames = StreamFrames::new(stream, open.account, open.call);
        let life =
            Life { open, url, tracks, frames, reader, wished, said: feeder.map(Said::new), inbox: self.inbox.clone() };
        let web = self.web.clone();
        self.runtime.spawn(life.live(web));
        Some(media::Command::Tap { leg, tap })
    }
}

/// An address of an application's: `wss` (twiml §9.3). Tests of ours have no certificate.
fn checked(text: &str) -> Result<Url, String> {
    let shown = without_secrets(text);
    let url = Url::parse(text.trim()).map_err(|_| format!("{shown:?} is not a URL"))?;
    if url.host().is_none() {
        return Err(format!("{shown:?} has no host"));
    }
    match url.scheme() {
        "wss" => Ok(url),
        "ws" if cfg!(test) => Ok(url),
        _ => Err(format!("{shown:?} is not a wss URL")),
    }
}

/// One stream.
struct Life {
    open: OpenStream,
    url: Url,
    tracks: Tracks,
    frames: StreamFrames,
    reader: TapReader,
    wished: mpsc::Receiver<Wish>,
    said: Option<Said>,
    inbox: Inbox,
}

type Socket = WebSocketStream<Box<dyn Connection>>;

impl Life {
    async fn live(mut self, web: Web) {
        let (stream, inbox) = (self.open.stream, self.inbox.clone());
        let event = match self.connect(&web).await {
            Ok(socket) => self.run(socket).await,
            Err(event) => event,
        };
        let lost = self.reader.overflowed();
        info!(%stream, ?event, frames_lost = lost, "media stream is over");
        tell(&inbox, stream, event).await;
    }

    async fn connect(&mut self, web: &Web) -> Result<Socket, StreamEvent> {
        let because = |error: FetchError| failed(error.code(), error.to_string());
        let connection = web.connect(Connecting::default(), &self.url).await.map_err(because)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX))
            .max_write_buffer_size(WRITTEN_BYTES_MAX);
        let shake = client_async_with_config(self.url.as_str(), connection, Some(config));
        match timeout(HANDSHAKE_MAX, shake).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(Error::Http(answer))) => {
                Err(failed(BAD_STATUS, format!("HTTP status {}", answer.status().as_u16())))
            }
            Ok(Err(error)) => Err(failed(NOT_OURS, format!("no WebSocket: {error}"))),
            Err(_) => Err(failed(LATE, format!("no answer within {HANDSHAKE_MAX:?}"))),
        }
    }

    async fn run(&mut self, mut socket: Socket) -> StreamEvent {
        let first = [self.frames.connected(), self.frames.start(self.tracks, &self.open.parameters)];
        for frame in first {
            if let Err(event) = send(&mut socket, frame).await {
                return event;
            }
        }
        tell(&self.inbox, self.open.stream, StreamEvent::Started).await;
        // What was said while the connection was made is past.
        while let Ok(Heard::Frame(_) | Heard::Mark(_)) = self.reader.poll() {}
        let (mut to_ulaw, mut began) = ([ToUlaw::default(), ToUlaw::default()], None);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = looks.tick() => {
                    match self.look(&mut to_ulaw, &mut began) {
                        (written, NotHeard::Yet) => {
                            for frame in written {
                                if let Err(event) = send(&mut socket, frame).await {
                                    return event;
                                }
                            }
                        }
                        (_, NotHeard::Over) => return self.stop(socket).await,
                    }
                }
                wish = self.wished.recv() => match wish {
                    Some(Wish::Digit(digit)) if self.said.is_some() => {
                        let frame = self.frames.dtmf(digit);
                        if let Err(event) = send(&mut socket, frame).await {
                            return event;
                        }
                    }
                    Some(Wish::Digit(_)) => {}
                    Some(Wish::Close) | None => return self.stop(socket).await,
                },
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        if let (Some(said), Some(what)) = (&mut self.said, stream_said(&text)) {
                            said.take(what);
                        }
                    }
                    Some(Ok(Message::Close(_))) => {
                        // The answer has been written, but not sent (RFC 6455 §5.5.1).
                        let _ = timeout(SEND_MAX, socket.flush()).await;
                        return StreamEvent::Stopped;
                    }
                    None => return StreamEvent::Stopped,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return failed(BROKE_OFF, format!("the connection broke off: {error}")),
                },
            }
        }
    }

    /// What there is to tell, and whether there will be more.
    fn look(&mut self, to_ulaw: &mut [ToUlaw; 2], began: &mut Option<u64>) -> (Vec<String>, NotHeard) {
        let mut written = Vec::new();
        let why = loop {
            match self.reader.poll() {
                Ok(Heard::Frame(frame)) => {
                    let began = *began.get_or_insert(frame.tick);
                    let ulaw = to_ulaw[usize::from(frame.track == Track::Outbound)].encode(&frame);
                    let timestamp_ms = frame.tick.saturating_sub(began) * 20;
                    written.push(self.frames.media(frame.track, timestamp_ms, &ulaw));
                }
                Ok(Heard::Mark(mark)) => {
                    let name = self.said.as_mut().and_then(|said| said.reached(mark));
                    written.extend(name.map(|name| self.frames.mark(&name)));
                }
                Err(why) => break why,
            }
        };
        if let Some(said) = &mut self.said {
            written.extend(said.cleared.drain(..).map(|name| self.frames.mark(&name)));
            said.feed();
        }
        (written, why)
    }

    async fn stop(&mut self, mut socket: Socket) -> StreamEvent {
        // It is over either way.
        let _ = send(&mut socket, self.frames.stop()).await;
        let _ = timeout(SEND_MAX, socket.close(None)).await;
        StreamEvent::Stopped
    }
}

/// Sends one frame; an application that takes none for long is given up.
async fn send(socket: &mut Socket, frame: String) -> Result<(), StreamEvent> {
    match timeout(SEND_MAX, socket.send(Message::text(frame))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(BROKE_OFF, format!("the connection broke off: {error}"))),
        Err(_) => Err(failed(LATE, format!("the application took nothing for {SEND_MAX:?}"))),
    }
}

/// What an application has said and the party has not heard yet.
struct Said {
    feeder: TapFeeder,
    queue: VecDeque<Item>,
    bytes: usize,
    /// Of a frame that is not complete.
    rest: Vec<u8>,
    /// Marks on their way through the leg, in order.
    marks: VecDeque<(u32, String)>,
    marks_last: u32,
    /// Marks that were cleared before they were fed.
    cleared: Vec<String>,
    dropped: bool,
}

enum Item {
    Frame([u8; FRAME]),
    Mark(String),
}

impl Said {
    fn new(feeder: TapFeeder) -> Self {
        let (queue, marks) = (VecDeque::new(), VecDeque::new());
        Self { feeder, queue, bytes: 0, rest: Vec::new(), marks, marks_last: 0, cleared: Vec::new(), dropped: false }
    }

    fn take(&mut self, what: StreamSaid) {
        match what {
            StreamSaid::Media(ulaw) => {
                self.rest.extend(ulaw);
                let whole = self.rest.len() / FRAME * FRAME;
                for frame in self.rest.drain(..whole).collect::<Vec<_>>().chunks_exact(FRAME) {
                    self.push(Item::Frame(frame.try_into().expect("a whole frame")));
                }
            }
            StreamSaid::Mark(name) => {
                self.fill();
                self.push(Item::Mark(name));
            }
            StreamSaid::Clear => {
                self.feeder.clear();
                self.rest.clear();
                self.bytes = 0;
                let left = self.queue.drain(..);
                self.cleared.extend(left.filter_map(|item| match item {
                    Item::Mark(name) => Some(name),
                    Item::Frame(_) => None,
                }));
            }
        }
    }

    /// Ends what was said with silence, up to a whole frame.
    fn fill(&mut self) {
        if !self.rest.is_empty() {
            self.rest.resize(FRAME, SILENCE);
            let frame = std::mem::take(&mut self.rest);
            self.push(Item::Frame(frame.try_into().expect("a whole frame")));
        }
    }

    fn push(&mut self, item: Item) {
        if self.bytes + FRAME > SAID_BYTES_MAX {
            if !std::mem::replace(&mut self.dropped, true) {
                warn!("an application says more than {SAID_BYTES_MAX} bytes ahead: the rest is lost");
            }
            return;
        }
        self.bytes += FRAME;
        self.queue.push_back(item);
    }

    fn feed(&mut self) {
        // What has not become a frame by now will not be one: the application has paused.
        if self.queue.is_empty() && self.feeder.room() > FEED_AHEAD_MIN {
            self.fill();
        }
        while self.feeder.room() > 0 {
            let fed = match self.queue.pop_front() {
                Some(Item::Frame(frame)) => self.feeder.feed(&frame),
                Some(Item::Mark(name)) => {
                    self.marks_last = self.marks_last.wrapping_add(1);
                    self.marks.push_back((self.marks_last, name));
                    self.feeder.mark(self.marks_last)
                }
                None => break,
            };
            self.bytes = self.bytes.saturating_sub(FRAME);
            if !fed {
                break; // the leg is gone, as the reader will say
            }
        }
    }

    fn reached(&mut self, mark: u32) -> Option<String> {
        let at = self.marks.iter().position(|(number, _)| *number == mark)?;
        self.marks.drain(..=at).next_back().map(|(_, name)| name)
    }
}

async fn tell(inbox: &Inbox, stream: StreamSid, event: StreamEvent) {
    inbox.send(Input::Event(Event::Stream { stream, event })).await;
}

fn failed(code: u32, reason: String) -> StreamEvent {
    StreamEvent::Failed { code, reason }
}

/// Streams at once; each is a connection and 250 kB.
const STREAMS_MAX: usize = 1_024;
const WISHES_MAX: usize = 64;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
const SEND_MAX: Duration = Duration::from_secs(5);
/// A message of an application: half a minute of µ-law as base64.
const MESSAGE_BYTES_MAX: usize = 512 << 10;
const WRITTEN_BYTES_MAX: usize = 256 << 10;
/// What an application may say ahead: five minutes. A mark counts as a frame.
const SAID_BYTES_MAX: usize = 8_000 * 300;
const FRAME: usize = 160;
/// µ-law of nothing.
const SILENCE: u8 = 0xff;
/// With so much room, the leg is about to have nothing left to say.
const FEED_AHEAD_MIN: usize = 47;

/// The contract's codes (`contract/vectors/errors.json`).
const BAD_URL: u32 = 11_100;
const LATE: u32 = 11_200;
const BROKE_OFF: u32 = 11_206;
const NOT_OURS: u32 = 11_206;
const BAD_STATUS: u32 = 11_217;

// In a file of their own: they are applications.
#[cfg(test)]
mod tests;
