//! A phone on real sockets: dials a room, hums its tone, keeps what it hears.
//!
//! One thread a phone, woken every 20 ms on an absolute beat. A beat reads as: do what the test ordered, read
//! SIP, send one packet, take what arrived.
//!
//! ```no_run
//! # use testkit::{phone::Phone, server::Server, tone::Tone};
//! # let server = Server::start();
//! let ana = Phone::dial(server.sip(), "standup").humming(Tone::nth(0)).connect();
//! ana.press("12#");
//! ```

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::pcmu::{self, FRAME_SAMPLES};
use crate::rtp::{self, Header, HeardPacket};
use crate::sdp::{self, Flow, Remote};
use crate::sip::{self, Dialog, Message, Start, Transport};
use crate::tone::{HUM_DBFS, Tone};
use crate::wire::{self, Batch, Moment};

/// A call to be made.
#[derive(Debug, Clone)]
pub struct Dial {
    server: SocketAddr,
    room: String,
    user: String,
    transport: Transport,
    tone: Option<Tone>,
    offers: bool,
}

/// A phone in a call. Dropping it hangs up.
#[derive(Debug)]
pub struct Phone {
    call_id: String,
    orders: mpsc::Sender<Order>,
    ear: Arc<Ear>,
    line: Option<JoinHandle<()>>,
}

impl Dial {
    /// Hums this tone from the first packet on; without it the phone sends silence.
    pub fn humming(self, tone: Tone) -> Self {
        Self { tone: Some(tone), ..self }
    }

    /// The user part of `From`.
    pub fn as_user(self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self }
    }

    /// Signals over TCP.
    pub fn over_tcp(self) -> Self {
        Self { transport: Transport::Tcp, ..self }
    }

    /// Sends the INVITE without an offer; the answer then travels in the ACK.
    pub fn without_offer(self) -> Self {
        Self { offers: false, ..self }
    }

    /// Places the call and waits for the answer.
    ///
    /// # Panics
    /// When it is refused or nobody answers.
    #[track_caller]
    pub fn connect(self) -> Phone {
        let room = self.room.clone();
        self.try_connect().unwrap_or_else(|status| panic!("the call to {room} was refused with {status}"))
    }

    /// Places the call and waits for the final answer.
    ///
    /// # Errors
    /// The status it was refused with.
    ///
    /// # Panics
    /// When nobody answers.
    pub fn try_connect(self) -> Result<Phone, u16> {
        let (orders, taken) = mpsc::channel();
        let ear = Arc::new(Ear::default());
        let offers = self.offers;
        let line = Line::new(self, Arc::clone(&ear), taken);
        let call_id = line.dialog.call_id().to_owned();
        let line = Some(thread::spawn(move || line.run()));
        let phone = Phone { call_id, orders, ear, line };
        let offer = offers.then_some(Flow::SendRecv);
        match phone.ask(|reply| Order::Invite { offer, reply }).status() {
            Some(200..=299) => Ok(phone),
            status => Err(status.unwrap_or_default()),
        }
    }
}

impl Phone {
    /// A call to `sip:<room>@<server>`, to be refined and connected.
    pub fn dial(server: SocketAddr, room: &str) -> Dial {
        let (room, user) = (room.to_owned(), "phone".to_owned());
        Dial { server, room, user, transport: Transport::Udp, tone: None, offers: true }
    }

    /// The phone that takes this call, and the 200 that says so; its audio and all that follows have ports of
    /// their own. Humming from the moment the 200 is sent.
    pub(crate) fn answering(invite: &Message, caller: SocketAddr, tag: &str, tone: Tone) -> (Self, String) {
        let (orders, taken) = mpsc::channel();
        let ear = Arc::new(Ear::default());
        let signalling = Signalling::connect(Transport::Udp, caller);
        let dialog = Dialog::answering(signalling.local(), invite, tag);
        let mut line = Line::with(dialog, signalling, tag.to_owned(), Some(tone), Arc::clone(&ear), taken);
        let remote = Remote::read(&invite.body).expect("the INVITE has an offer").address;
        line.wire.connect(remote).expect("a way to the bridge's audio");
        let contact = format!("Contact: <sip:phone@{}>\r\n", line.signalling.local());
        let answer = line.describe();
        let response = invite.respond("200 OK", tag, &contact, Some(&answer));
        {
            let mut ear = ear.lock();
            ear.answered = true;
            ear.remote = Some(remote);
        }
        let call_id = line.dialog.call_id().to_owned();
        let line = Some(thread::spawn(move || line.run()));
        (Self { call_id, orders, ear, line }, response)
    }

    /// The call's name on the wire.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Hums another tone from now on, or none.
    pub fn hum(&self, tone: Option<Tone>) {
        self.order(Order::Hum(tone));
    }

    /// Plays these samples once, instead of humming.
    pub fn play(&self, pcm: &[i16]) {
        self.order(Order::Play(pcmu::encode_all(pcm)));
    }

    /// Presses keys, one after the other, as RFC 4733 events of 120 ms.
    pub fn press(&self, keys: &str) {
        self.order(Order::Press(keys.to_owned()));
    }

    /// Sends these bytes to the bridge's audio port, between two packets of its own.
    pub fn inject(&self, bytes: &[u8]) {
        self.order(Order::Inject(bytes.to_vec()));
    }

    /// Where the bridge takes this phone's audio.
    ///
    /// # Panics
    /// When the bridge never said.
    pub fn remote(&self) -> SocketAddr {
        self.ear.lock().remote.expect("the answer described the bridge's side")
    }

    /// Offers another direction by re-INVITE; what the bridge answered.
    ///
    /// # Panics
    /// When the offer is refused or answered without a description.
    #[track_caller]
    pub fn offer(&self, flow: Flow) -> Remote {
        let answer = self.ask(|reply| Order::Invite { offer: Some(flow), reply });
        assert_eq!(answer.status(), Some(200), "the re-INVITE was refused: {answer:?}");
        Remote::read(&answer.body).expect("the 200 describes the bridge's side")
    }

    /// Sends a request inside the dialog; `headers` are whole lines. The final answer.
    pub fn request(&self, method: &str, headers: &str, body: Option<&str>) -> Message {
        let (method, headers, body) = (method.to_owned(), headers.to_owned(), body.map(str::to_owned));
        self.ask(|reply| Order::Request { method, headers, body, reply })
    }

    /// Hears for this long, from now; silence where nothing came.
    pub fn listen(&self, length: Duration) -> Vec<i16> {
        let from = Moment::now();
        let beats = length.as_millis().div_ceil(BEAT.as_millis()) as u64;
        let until = self.ear.lock().beats + beats + 1;
        self.ear.wait(|heard| heard.beats >= until);
        let (samples, pcm) = (beats as usize * FRAME_SAMPLES, rtp::pcm(&self.heard_since(from)));
        // A packet more or less is the beat's phase; half of them missing means that nobody sends.
        if pcm.len() < samples / 2 { vec![0; samples] } else { pcm }
    }

    /// Waits until `count` packets have arrived after `moment`, and returns what arrived after it.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn hear_after(&self, moment: Moment, count: usize) -> Vec<HeardPacket> {
        let come = self.ear.wait(|heard| heard.after(moment).len() >= count);
        assert!(come, "{count} packets after an event did not come within {PATIENCE:?}");
        self.heard_since(moment)
    }

    /// What has arrived after `moment` so far.
    pub fn heard_since(&self, moment: Moment) -> Vec<HeardPacket> {
        self.ear.lock().after(moment).to_vec()
    }

    /// All that was heard since the call began.
    pub fn heard(&self) -> Vec<HeardPacket> {
        self.ear.lock().packets.clone()
    }

    /// How often since `moment` this machine let the phone speak too late for a jitter buffer to hide it.
    pub fn stalls_since(&self, moment: Moment) -> usize {
        self.ear.lock().stalls.iter().filter(|&&stalled| stalled > moment).count()
    }

    /// True when the other side has hung up.
    pub fn is_ended(&self) -> bool {
        self.ear.lock().ended
    }

    /// Waits until the other side hangs up; false when it doesn't.
    pub fn wait_ended(&self) -> bool {
        self.ear.wait(|heard| heard.ended)
    }

    /// Hangs up and waits for the answer to the BYE.
    pub fn hang_up(self) {
        drop(self);
    }

    /// Is gone without a word, as when its battery dies: no BYE, no more packets.
    pub fn vanish(mut self) {
        self.ear.lock().gone = true;
        self.line.take().map(JoinHandle::join);
    }

    fn order(&self, order: Order) {
        // A phone whose call is over has no line any more; what is asked of it then has no effect.
        drop(self.orders.send(order));
    }

    #[track_caller]
    fn ask(&self, order: impl FnOnce(mpsc::Sender<Message>) -> Order) -> Message {
        let (reply, answer) = mpsc::channel();
        self.order(order(reply));
        answer.recv_timeout(PATIENCE).expect("a final answer to the phone's request")
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        let answered = self.ear.lock().answered && !self.is_ended();
        if answered {
            let (reply, answer) = mpsc::channel();
            self.order(Order::Request { method: "BYE".to_owned(), headers: String::new(), body: None, reply });
            // A bridge that was killed does not answer, and that is fine by a test that killed it.
            drop(answer.recv_timeout(BYE_PATIENCE));
        }
        self.ear.lock().gone = true;
        drop(line.join());
    }
}

/// What the test's thread asks of the phone's.
#[derive(Debug)]
enum Order {
    Hum(Option<Tone>),
    Play(Vec<u8>),
    Press(String),
    Inject(Vec<u8>),
    Invite { offer: Option<Flow>, reply: mpsc::Sender<Message> },
    Request { method: String, headers: String, body: Option<String>, reply: mpsc::Sender<Message> },
}

/// What the phone's thread tells the test's.
#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<HeardSoFar>,
    beat: Condvar,
}

#[derive(Debug, Default)]
struct HeardSoFar {
    packets: Vec<HeardPacket>,
    beats: u64,
    stalls: Vec<Moment>,
    remote: Option<SocketAddr>,
    answered: bool,
    ended: bool,
    /// The phone's thread shall end, whatever it waits for.
    gone: bool,
}

impl Ear {
    fn lock(&self) -> MutexGuard<'_, HeardSoFar> {
        self.heard.lock().expect("neither side panics while holding it")
    }

    /// Waits until it is so; false when patience ran out.
    fn wait(&self, so: impl Fn(&HeardSoFar) -> bool) -> bool {
        let waited = self.beat.wait_timeout_while(self.lock(), PATIENCE, |heard| !so(heard));
        !waited.expect("neither side panics while holding it").1.timed_out()
    }
}

impl HeardSoFar {
    /// Packets are kept in order of arrival.
    fn after(&self, moment: Moment) -> &[HeardPacket] {
        &self.packets[self.packets.partition_point(|packet| packet.arrived <= moment)..]
    }
}

/// The phone's thread: everything that touches its sockets.
struct Line {
    signalling: Signalling,
    dialog: Dialog,
    /// Names our side of what the bridge asks.
    tag: String,
    wire: UdpSocket,
    flow: Flow,
    descriptions: u32,
    pending: Option<Pending>,
    last_ack: Option<String>,
    voice: Voice,
    batch: Batch,
    ear: Arc<Ear>,
    orders: mpsc::Receiver<Order>,
}

/// A request whose final answer has not come.
struct Pending {
    text: String,
    sequence: u32,
    offers: bool,
    /// UDP only: when to send it again, and how long to wait after that.
    resend: Option<(Instant, Duration)>,
    reply: mpsc::Sender<Message>,
}

impl Line {
    fn new(dial: Dial, ear: Arc<Ear>, orders: mpsc::Receiver<Order>) -> Self {
        let signalling = Signalling::connect(dial.transport, dial.server);
        let dialog = Dialog::new(dial.transport, signalling.local(), &dial.user, &dial.room, dial.server);
        Self::with(dialog, signalling, sip::unique(), dial.tone, ear, orders)
    }

    fn with(
        dialog: Dialog,
        signalling: Signalling,
        tag: String,
        tone: Option<Tone>,
        ear: Arc<Ear>,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let wire = wire::bind(signalling.local().ip()).expect("a port for audio");
        Self {
            dialog,
            signalling,
            tag,
            wire,
            flow: Flow::SendRecv,
            descriptions: 0,
            pending: None,
            last_ack: None,
            voice: Voice::new(tone),
            batch: Batch::new(64, 512),
            ear,
            orders,
        }
    }

    fn run(mut self) {
        wire::be_punctual();
        let mut beat = Instant::now();
        while !self.ear.lock().gone {
            self.take_orders();
            self.signal();
            self.speak();
            self.listen();
            self.ear.beat.notify_all();
            // After a stall there is no sense in a burst: a real phone's clock would not make one either.
            beat = (beat + BEAT).max(Instant::now() - BEAT);
            wire::sleep_until(beat);
            if beat.elapsed() > STALL {
                self.ear.lock().stalls.push(Moment::now());
            }
        }
    }

    /// One order at a time: who asked for a request waits for its answer.
    fn take_orders(&mut self) {
        while self.pending.is_none() {
            let Ok(order) = self.orders.try_recv() else { return };
            match order {
                Order::Hum(tone) => self.voice.tone = tone.map(table),
                Order::Play(bytes) => self.voice.play = bytes,
                Order::Press(keys) => self.voice.keys.extend(keys.chars().filter_map(event_code)),
                // As in speaking: the bridge may be gone, and that may be the test.
                Order::Inject(bytes) => drop(self.wire.send(&bytes)),
                Order::Invite { offer, reply } => self.invite(offer, reply),
                Order::Request { method, headers, body, reply } => {
                    let text = self.dialog.request(&method, &headers, body.as_deref());
                    self.send_request(text, false, reply);
                }
            }
        }
    }

    fn invite(&mut self, offer: Option<Flow>, reply: mpsc::Sender<Message>) {
        if let Some(flow) = offer {
            self.flow = flow;
        }
        let offer = offer.map(|_| self.describe());
        let text = self.dialog.invite(offer.as_deref());
        self.send_request(text, offer.is_some(), reply);
    }

    fn describe(&mut self) -> String {
        self.descriptions += 1;
        let local = self.wire.local_addr().expect("a bound socket has an address");
        sdp::describe(local, self.descriptions, self.flow, true)
    }

    fn send_request(&mut self, text: String, offers: bool, reply: mpsc::Sender<Message>) {
        let request = Message::scan(text.as_bytes()).expect("we write whole requests");
        let (sequence, _) = request.sequence().expect("we write a CSeq");
        let resend = self.signalling.is_datagram().then(|| (Instant::now() + T1, T1 * 2));
        self.signalling.send(&text);
        self.pending = Some(Pending { text, sequence, offers, resend, reply });
    }

    /// Reads what the bridge said and repeats what it has not answered.
    fn signal(&mut self) {
        while let Some(message) = self.signalling.receive() {
            match &message.start {
                Start::Response(status) => self.take_response(*status, &message),
                Start::Request(method) => self.take_request(method, &message),
            }
        }
        if let Some(Pending { text, resend: Some((at, interval)), .. }) = &mut self.pending
            && Instant::now() >= *at
        {
            self.signalling.send(text);
            (*at, *interval) = (Instant::now() + *interval, *interval * 2);
        }
    }

    fn take_response(&mut self, status: u16, response: &Message) {
        let Some((sequence, method)) = response.sequence() else { return };
        if status < 200 {
            // INVITE's answer may take its time from here on; other requests are repeated all the same.
            if let Some(pending) = self.pending.as_mut().filter(|_| method == "INVITE") {
                pending.resend = None;
            }
            return;
        }
        let Some(pending) = self.pending.take_if(|pending| pending.sequence == sequence) else {
            // The bridge has not seen our ACK.
            if let Some(ack) = self.last_ack.as_ref().filter(|_| method == "INVITE" && status < 300) {
                self.signalling.send(ack);
            }
            return;
        };
        match (method, status) {
            ("INVITE", 200..=299) => self.acknowledge(response, pending.offers),
            ("INVITE", _) => {
                let ack = self.dialog.ack_refusal(response);
                self.signalling.send(&ack);
            }
            ("BYE", _) => self.ear.lock().ended = true,
            _ => {}
        }
        // Whoever asked may have stopped waiting.
        drop(pending.reply.send(response.clone()));
    }

    fn acknowledge(&mut self, response: &Message, offered: bool) {
        self.dialog.answered(response);
        let answer = (!offered).then(|| self.describe());
        let ack = self.dialog.ack(answer.as_deref());
        self.signalling.send(&ack);
        self.last_ack = Some(ack);
        let remote = Remote::read(&response.body).map(|remote| remote.address);
        // Once connected, the kernel drops what comes from elsewhere.
        let remote = remote.filter(|&address| self.wire.connect(address).is_ok());
        let mut ear = self.ear.lock();
        ear.answered = true;
        ear.remote = remote.or(ear.remote);
    }

    fn take_request(&mut self, method: &str, request: &Message) {
        let response = match method {
            "ACK" => return,
            "INVITE" => {
                let offer = self.describe();
                let contact = format!("Contact: <sip:phone@{}>\r\n", self.signalling.local());
                request.respond("200 OK", &self.tag, &contact, Some(&offer))
            }
            _ => request.respond("200 OK", &self.tag, "", None),
        };
        self.signalling.send(&response);
        if method == "BYE" {
            self.ear.lock().ended = true;
        }
    }

    fn speak(&mut self) {
        let may = !matches!(self.flow, Flow::RecvOnly | Flow::Inactive);
        let can = |ear: &HeardSoFar| ear.remote.is_some() && !ear.ended;
        if may && can(&self.ear.lock()) {
            // The bridge may be gone, and that may be the test.
            drop(self.wire.send(&self.voice.packet()));
        }
    }

    fn listen(&mut self) {
        loop {
            let received = self.batch.receive(&self.wire);
            let mut heard = self.ear.lock();
            heard.packets.extend(self.batch.packets().filter_map(|(bytes, at)| HeardPacket::read(bytes, at)));
            if received < self.batch.capacity() {
                heard.beats += 1;
                return;
            }
        }
    }
}

/// Where SIP goes.
enum Signalling {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, received: Vec<u8> },
}

impl Signalling {
    fn connect(transport: Transport, server: SocketAddr) -> Self {
        match transport {
            Transport::Udp => {
                let any: IpAddr =
                    if server.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() };
                let socket = UdpSocket::bind((any, 0)).expect("a port for SIP");
                socket.connect(server).expect("a way to the server");
                socket.set_nonblocking(true).expect("sockets can be made non-blocking");
                Self::Udp(socket)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(server).expect("the server takes connections");
                stream.set_nonblocking(true).expect("sockets can be made non-blocking");
                stream.set_nodelay(true).expect("TCP can be told not to wait");
                Self::Tcp { stream, received: Vec::new() }
            }
        }
    }

    fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp { stream, .. } => stream.local_addr(),
        }
        .expect("a connected socket has an address")
    }

    fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// A bridge that is gone shows in the missing answer, not here.
    fn send(&mut self, text: &str) {
        match self {
            Self::Udp(socket) => drop(socket.send(text.as_bytes())),
            Self::Tcp { stream, .. } => drop(stream.write_all(text.as_bytes())),
        }
    }

    fn receive(&mut self) -> Option<Message> {
        let mut piece = [0; 16 * 1024];
        match self {
            Self::Udp(socket) => loop {
                match socket.recv(&mut piece) {
                    Ok(length) => match Message::scan(&piece[..length]) {
                        Some(message) => return Some(message),
                        None => continue,
                    },
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                    Err(_) => return None,
                }
            },
            Self::Tcp { stream, received } => {
                if let Ok(length) = stream.read(&mut piece) {
                    received.extend_from_slice(&piece[..length]);
                }
                Message::scan(&sip::take_message(received)?)
            }
        }
    }
}

/// What the phone sends: keys before sound, a sound before the hum, silence when there is nothing.
struct Voice {
    header: Header,
    keys: Vec<u8>,
    /// Packets already sent of the key that is down, and of the pause after it.
    pressed: u16,
    play: Vec<u8>,
    tone: Option<Vec<u8>>,
    /// Place in the tone's second.
    at: usize,
}

impl Voice {
    fn new(tone: Option<Tone>) -> Self {
        let ssrc = Moment::now().0 as u32;
        let header = Header { payload_type: rtp::PCMU, marker: true, sequence: 65_530, timestamp: ssrc, ssrc };
        Self { header, keys: Vec::new(), pressed: 0, play: Vec::new(), tone: tone.map(table), at: 0 }
    }

    fn packet(&mut self) -> Vec<u8> {
        let packet = match self.event() {
            Some(event) => event,
            None => [&self.header.write()[..], &self.sound()].concat(),
        };
        self.header.marker = false;
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        packet
    }

    /// RFC 4733 §2.5: the first packet marked, the duration growing, the end said three times.
    fn event(&mut self) -> Option<Vec<u8>> {
        let &code = self.keys.first()?;
        let nth = self.pressed;
        self.pressed += 1;
        if nth >= KEY_PACKETS + KEY_ENDS - 1 {
            if self.pressed == KEY_PACKETS + KEY_ENDS + KEY_PAUSE {
                self.keys.remove(0);
                self.pressed = 0;
            }
            return None;
        }
        let samples = FRAME_SAMPLES as u16;
        let header = Header {
            payload_type: rtp::EVENT,
            marker: nth == 0,
            timestamp: self.header.timestamp.wrapping_sub(u32::from(nth * samples)),
            ..self.header
        };
        let duration = (nth + 1).min(KEY_PACKETS) * samples;
        let end = if nth + 1 >= KEY_PACKETS { 0x80 } else { 0 };
        let [high, low] = duration.to_be_bytes();
        Some([&header.write()[..], &[code, end | 10, high, low]].concat())
    }

    fn sound(&mut self) -> Vec<u8> {
        if !self.play.is_empty() {
            let mut frame: Vec<u8> = self.play.drain(..self.play.len().min(FRAME_SAMPLES)).collect();
            frame.resize(FRAME_SAMPLES, pcmu::SILENCE);
            return frame;
        }
        let Some(tone) = &self.tone else { return vec![pcmu::SILENCE; FRAME_SAMPLES] };
        let from = self.at;
        self.at = (from + FRAME_SAMPLES) % tone.len();
        tone[from..from + FRAME_SAMPLES].to_vec()
    }
}

/// One second of the hum, encoded: fifty whole packets.
fn table(tone: Tone) -> Vec<u8> {
    pcmu::encode_all(&tone.second(HUM_DBFS))
}

/// The event code of a key (RFC 4733 §3.2).
fn event_code(key: char) -> Option<u8> {
    "0123456789*#ABCD".find(key).map(|code| code as u8)
}

/// The packet time everybody uses.
const BEAT: Duration = Duration::from_millis(20);
/// Speaking later than this may cost a frame at the bridge, and that is not its fault.
const STALL: Duration = Duration::from_millis(3);
/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// What has not happened by then does not happen.
const PATIENCE: Duration = Duration::from_secs(40);
/// A bridge that lives answers a BYE at once.
const BYE_PATIENCE: Duration = Duration::from_secs(5);
/// A key is down for this many packets, its end is said this often, and then it rests.
const KEY_PACKETS: u16 = 6;
const KEY_ENDS: u16 = 3;
const KEY_PAUSE: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Relay;

    #[test]
    fn two_phones_hear_each_other_and_not_themselves() {
        let relay = Relay::start();
        let (ana_hums, ben_hums) = (Tone::nth(2), Tone::nth(30));
        let ana = Phone::dial(relay.sip(), "standup").humming(ana_hums).connect();
        let ben = Phone::dial(relay.sip(), "standup").humming(ben_hums).over_tcp().without_offer().connect();
        assert!(ana.ear.wait(|heard| heard.packets.last().is_some_and(|p| p.level_dbfs(ben_hums) > -21.0)));
        assert!(ben.ear.wait(|heard| heard.packets.last().is_some_and(|p| p.level_dbfs(ana_hums) > -21.0)));
        let heard = ana.listen(Duration::from_millis(500));
        assert!((ben_hums.level_dbfs(&heard) - HUM_DBFS).abs() < 0.1);
        assert!(ana_hums.level_dbfs(&heard) < -60.0);
    }

    #[test]
    fn who_holds_is_told_that_nothing_will_come_and_hears_nothing() {
        let relay = Relay::start();
        let ana = Phone::dial(relay.sip(), "standup").humming(Tone::nth(2)).connect();
        let ben = Phone::dial(relay.sip(), "standup").humming(Tone::nth(30)).connect();
        assert_eq!(ana.offer(Flow::SendOnly).flow, Flow::RecvOnly);
        assert_eq!(ana.listen(Duration::from_millis(200)), vec![0; 1_600]);
        assert_eq!(ana.offer(Flow::SendRecv).flow, Flow::SendRecv);
        ana.hear_after(Moment::now(), 5);
        ben.hang_up();
        assert_eq!(ana.request("OPTIONS", "", None).status(), Some(200));
        assert!(!ana.is_ended());
    }

    #[test]
    fn a_phone_whose_bridge_is_gone_can_still_be_put_down() {
        let relay = Relay::start();
        let ana = Phone::dial(relay.sip(), "standup").connect();
        let ben = Phone::dial(relay.sip(), "standup").connect();
        drop(relay);
        ben.vanish();
        drop(ana);
    }

    #[test]
    fn a_key_is_an_event_with_one_start_and_three_ends() {
        let mut voice = Voice::new(None);
        voice.keys.push(event_code('#').expect("a key"));
        let packets: Vec<_> = (0..12).map(|_| voice.packet()).collect();
        let events: Vec<_> =
            packets.iter().filter(|p| Header::read(p).is_some_and(|h| h.payload_type == rtp::EVENT)).collect();
        assert_eq!(events.len(), 8);
        assert_eq!(events.iter().filter(|event| event[13] & 0x80 != 0).count(), 3, "ends");
        assert_eq!(events.iter().filter(|event| event[1] & 0x80 != 0).count(), 1, "markers");
        assert!(events.iter().all(|event| event[4..8] == events[0][4..8]), "one timestamp");
        assert_eq!(events[7][12..], [11, 0x8A, 3, 0xC0], "key 11, end, 960 samples");
        let sequences: Vec<_> = packets.iter().map(|p| u16::from_be_bytes([p[2], p[3]])).collect();
        assert!(sequences.windows(2).all(|two| two[1] == two[0].wrapping_add(1)));
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let relay = Relay::start();
        assert_eq!(Phone::dial(relay.sip(), "busy").try_connect().expect_err("a refusal"), 486);
    }
}
