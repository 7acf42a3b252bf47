//! The frames of a media stream, as JSON text (twiml §9.3): what an application is told, and what it says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{AccountSid, CallSid, StreamSid, Track, Tracks};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Writes what the application of one stream is told, in order.
#[derive(Debug)]
pub struct StreamFrames {
    stream: StreamSid,
    account: AccountSid,
    call: CallSid,
    /// Of the last one.
    sequence_number: u64,
    /// Of each track, what was sent last.
    chunks: [u64; 2],
}

impl StreamFrames {
    /// For one stream, from its beginning.
    pub fn new(stream: StreamSid, account: AccountSid, call: CallSid) -> Self {
        Self { stream, account, call, sequence_number: 0, chunks: [0; 2] }
    }

    /// The first.
    pub fn connected(&self) -> String {
        json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()
    }

    /// The second: what it is about.
    pub fn start(&mut self, tracks: Tracks, parameters: &[(String, String)]) -> String {
        let of = |track| tracks.has(track).then(|| name_of(track));
        let tracks: Vec<_> = [of(Track::Inbound), of(Track::Outbound)].into_iter().flatten().collect();
        let parameters: Map<String, Value> =
            parameters.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let start = json!({
            "streamSid": self.stream.to_string(),
            "accountSid": self.account.to_string(),
            "callSid": self.call.to_string(),
            "tracks": tracks,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        });
        self.frame("start", start)
    }

    /// 20 ms of a track as µ-law; `timestamp_ms`: since the stream has started.
    pub fn media(&mut self, track: Track, timestamp_ms: u64, ulaw: &[u8]) -> String {
        let chunk = &mut self.chunks[track as usize];
        *chunk += 1;
        let media = json!({
            "track": name_of(track),
            "chunk": chunk.to_string(),
            "timestamp": timestamp_ms.to_string(),
            "payload": STANDARD.encode(ulaw),
        });
        self.frame("media", media)
    }

    /// The party pressed a key.
    pub fn dtmf(&mut self, digit: char) -> String {
        self.frame("dtmf", json!({"track": "inbound_track", "digit": digit.to_string()}))
    }

    /// What the application has said before this mark has been heard.
    pub fn mark(&mut self, name: &str) -> String {
        self.frame("mark", json!({"name": name}))
    }

    /// The last.
    pub fn stop(&mut self) -> String {
        self.frame("stop", json!({"accountSid": self.account.to_string(), "callSid": self.call.to_string()}))
    }

    fn frame(&mut self, event: &str, body: Value) -> String {
        self.sequence_number += 1;
        let (sequence_number, stream) = (self.sequence_number.to_string(), self.stream.to_string());
        json!({"event": event, "sequenceNumber": sequence_number, "streamSid": stream, event: body}).to_string()
    }
}

fn name_of(track: Track) -> &'static str {
    match track {
        Track::Inbound => "inbound",
        Track::Outbound => "outbound",
    }
}

/// What an application says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamSaid {
    /// µ-law for the party to hear, after all that was said before.
    Media(Vec<u8>),
    /// It is to be told when all that was said before has been heard.
    Mark(String),
    /// Nothing of what was said before is to be heard any more.
    Clear,
}

/// Reads what an application says. `None`: nothing that we know, which is skipped.
pub fn stream_said(text: &str) -> Option<StreamSaid> {
    let said: Said = serde_json::from_str(text).ok()?;
    Some(match said.event.as_str() {
        "media" => StreamSaid::Media(STANDARD.decode(said.media?.payload).ok()?),
        "mark" => StreamSaid::Mark(said.mark?.name.chars().take(MARK_CHARACTERS_MAX).collect()),
        "clear" => StreamSaid::Clear,
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Said {
    event: String,
    media: Option<SaidMedia>,
    mark: Option<SaidMark>,
}

#[derive(Deserialize)]
struct SaidMedia {
    payload: String,
}

#[derive(Deserialize)]
struct SaidMark {
    name: String,
}

/// Of a mark's name, so many are kept.
const MARK_CHARACTERS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_the_contract() {
        let [stream, account, call] = ["MZ", "AC", "CA"].map(|prefix| format!("{prefix}{:032x}", 1));
        let mut frames = StreamFrames::new(StreamSid::from_bits(1), AccountSid::from_bits(1), CallSid::from_bits(1));
        let parameters = [("first \"name\"".to_owned(), "Ana".to_owned())];
        let written = [
            frames.connected(),
            frames.start(Tracks::Both, &parameters),
            frames.media(Track::Inbound, 0, &[0xff, 0x7f]),
            frames.media(Track::Outbound, 0, &[0]),
            frames.media(Track::Inbound, 20, &[0xff]),
            frames.dtmf('#'),
            frames.mark("one"),
            frames.stop(),
        ];
        let media = |track: &str, chunk: &str, timestamp: &str, payload: &str| json!({"track": track, "chunk": chunk, "timestamp": timestamp, "payload": payload});
        let bodies = [
            (
                "start",
                json!({
                    "streamSid": stream, "accountSid": account, "callSid": call, "tracks": ["inbound", "outbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                    "customParameters": {"first \"name\"": "Ana"},
                }),
            ),
            ("media", media("inbound", "1", "0", "/38=")),
            ("media", media("outbound", "1", "0", "AA==")),
            ("media", media("inbound", "2", "20", "/w==")),
            ("dtmf", json!({"track": "inbound_track", "digit": "#"})),
            ("mark", json!({"name": "one"})),
            ("stop", json!({"accountSid": account, "callSid": call})),
        ];
        let read = |text: &String| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(read(&written[0]), json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}));
        for (number, ((event, body), text)) in bodies.into_iter().zip(&written[1..]).enumerate() {
            let number = (number + 1).to_string();
            let want = json!({"event": event, "sequenceNumber": number, "streamSid": stream, event: body});
            assert_eq!(read(text), want);
        }
    }

    #[test]
    fn what_an_application_says_is_understood_or_skipped() {
        for (case, text, want) in [
            (
                "media",
                r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/38="}}"#,
                Some(StreamSaid::Media(vec![0xff, 0x7f])),
            ),
            ("a mark", r#"{"event":"mark","mark":{"name":"one"}}"#, Some(StreamSaid::Mark("one".to_owned()))),
            ("clear", r#"{"event":"clear","streamSid":"MZ1"}"#, Some(StreamSaid::Clear)),
            ("no base64", r#"{"event":"media","media":{"payload":"!"}}"#, None),
            ("no payload", r#"{"event":"media"}"#, None),
            ("something else", r#"{"event":"dance"}"#, None),
            ("no JSON", "clear", None),
            ("a list", "[]", None),
        ] {
            assert_eq!(stream_said(text), want, "{case}");
        }
    }
}
