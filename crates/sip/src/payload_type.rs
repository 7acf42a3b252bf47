//! RTP payload types: which encoding a number stands for in a media line (RFC 3551, `a=rtpmap` of RFC 8866).
//!
//! A number means something only inside the description that names it; each side may call the same codec
//! differently. The few numbers below 96 that we know mean the same everywhere, even without `a=rtpmap`.

use std::collections::BTreeMap;

use crate::sdp::MediaDescription;

/// An audio codec we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AudioCodec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// 16 kHz audio on an 8 kHz RTP clock, an old slip that RFC 3551 §4.5.2 keeps.
    G722,
    /// RFC 7587: always 48 kHz and two channels on paper, whatever is inside.
    Opus,
    /// Uncompressed, 16 bits, mono. (The fixed numbers 10 and 11 are 44.1 kHz: not ours.)
    L16 {
        /// 8000 or 16000.
        clock_hz: u32,
    },
}

impl AudioCodec {
    /// The RTP clock, which is not always the audio's sample rate.
    pub fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8000,
            Self::Opus => 48_000,
            Self::L16 { clock_hz } => clock_hz,
        }
    }

    /// The longest packet time either way: 60 ms, unless that would not fit into one Ethernet frame.
    pub(crate) fn ptime_ms_max(self) -> u8 {
        match self {
            Self::L16 { clock_hz } if clock_hz > 8000 => 40,
            _ => 60,
        }
    }
}

/// What a payload type stands for, of all that we understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Encoding {
    Audio(AudioCodec),
    /// Digits, RFC 4733.
    TelephoneEvent {
        clock_hz: u32,
    },
    /// RFC 3389.
    ComfortNoise {
        clock_hz: u32,
    },
}

impl Encoding {
    /// Reads `opus/48000/2`. Names compare without case (RFC 8866 §6.6).
    fn parse(rtpmap: &str) -> Option<Self> {
        let mut fields = rtpmap.split('/').map(str::trim);
        let name = fields.next()?.to_ascii_lowercase();
        let clock_hz: u32 = fields.next()?.parse().ok()?;
        let channels = fields.next();
        let mono = matches!(channels, None | Some("" | "1"));
        Some(match (name.as_str(), clock_hz) {
            ("pcmu", 8000) if mono => Self::Audio(AudioCodec::Pcmu),
            ("pcma", 8000) if mono => Self::Audio(AudioCodec::Pcma),
            ("g722", 8000) if mono => Self::Audio(AudioCodec::G722),
            ("opus", 48_000) if matches!(channels, None | Some("2")) => Self::Audio(AudioCodec::Opus),
            ("l16", 8000 | 16_000) if mono => Self::Audio(AudioCodec::L16 { clock_hz }),
            ("telephone-event", _) if mono => Self::TelephoneEvent { clock_hz },
            ("cn", _) if mono => Self::ComfortNoise { clock_hz },
            _ => return None,
        })
    }

    /// What a number means without `a=rtpmap` (RFC 3551 §6).
    fn fixed(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Audio(AudioCodec::Pcmu)),
            8 => Some(Self::Audio(AudioCodec::Pcma)),
            9 => Some(Self::Audio(AudioCodec::G722)),
            13 => Some(Self::ComfortNoise { clock_hz: 8000 }),
            _ => None,
        }
    }

    /// The number we would call it by when nothing speaks against it.
    fn usual_payload_type(self) -> u8 {
        match self {
            Self::Audio(AudioCodec::Pcmu) => 0,
            Self::Audio(AudioCodec::Pcma) => 8,
            Self::Audio(AudioCodec::G722) => 9,
            Self::ComfortNoise { .. } => 13,
            Self::Audio(AudioCodec::Opus) => 96,
            Self::Audio(AudioCodec::L16 { clock_hz: 8000 }) => 97,
            Self::Audio(AudioCodec::L16 { .. }) => 98,
            Self::TelephoneEvent { clock_hz: 8000 } => 101,
            Self::TelephoneEvent { clock_hz: 48_000 } => 102,
            Self::TelephoneEvent { .. } => 103,
        }
    }

    /// The value of `a=rtpmap` after the number.
    pub(crate) fn rtpmap(self) -> String {
        match self {
            Self::Audio(AudioCodec::Pcmu) => "PCMU/8000".to_owned(),
            Self::Audio(AudioCodec::Pcma) => "PCMA/8000".to_owned(),
            Self::Audio(AudioCodec::G722) => "G722/8000".to_owned(),
            Self::Audio(AudioCodec::Opus) => "opus/48000/2".to_owned(),
            Self::Audio(AudioCodec::L16 { clock_hz }) => format!("L16/{clock_hz}"),
            Self::TelephoneEvent { clock_hz } => format!("telephone-event/{clock_hz}"),
            Self::ComfortNoise { clock_hz } => format!("CN/{clock_hz}"),
        }
    }

    /// The longest packet time of an audio codec.
    pub(crate) fn ptime_ms_max(self) -> Option<u8> {
        match self {
            Self::Audio(codec) => Some(codec.ptime_ms_max()),
            Self::TelephoneEvent { .. } | Self::ComfortNoise { .. } => None,
        }
    }

    /// The value of `a=fmtp` after the number: what we want to receive.
    pub(crate) fn fmtp(self) -> Option<&'static str> {
        match self {
            // Each packet with a rough copy of the one before, to repair losses (RFC 7587 §6.1); mono by default.
            Self::Audio(AudioCodec::Opus) => Some("useinbandfec=1"),
            // The sixteen keys: what a telephone has (RFC 4733 §2.4.1). Offers of 0-16 add the hook flash.
            Self::TelephoneEvent { .. } => Some("0-15"),
            _ => None,
        }
    }
}

/// The payload types of an audio line that we understand, in the writer's order.
pub(crate) fn encodings(media: &MediaDescription) -> Vec<(u8, Encoding)> {
    let mut named: [Option<Option<Encoding>>; PAYLOAD_TYPES] = [None; PAYLOAD_TYPES];
    for rtpmap in media.attributes.all("rtpmap") {
        let Some((number, encoding)) = rtpmap.split_once(' ') else { continue };
        if let Some(slot) = number.parse().ok().and_then(|number: usize| named.get_mut(number)) {
            slot.get_or_insert(Encoding::parse(encoding.trim()));
        }
    }
    let numbers = media.formats.iter().filter_map(|format| format.parse::<u8>().ok());
    let understood = numbers.filter_map(|number| {
        let encoding = named.get(usize::from(number))?.unwrap_or_else(|| Encoding::fixed(number))?;
        Some((number, encoding))
    });
    understood.collect()
}

/// What our descriptions of one dialog have called things so far. A number must not change its meaning while
/// the stream lives (RFC 3264 §8.3.2), so it is looked up here before we give a number of our own choice.
#[derive(Debug, Clone, Default)]
pub(crate) struct PayloadTypes(BTreeMap<u8, Encoding>);

impl PayloadTypes {
    /// Notes what one of our media lines says.
    pub(crate) fn remember(&mut self, media: &MediaDescription) {
        self.0.extend(encodings(media));
    }

    /// Numbers for what we are about to offer: the number it already has, else its usual one, else a free one.
    /// With all dynamic numbers taken, which takes a peer that renumbers in every re-offer, it is left out.
    pub(crate) fn number(&self, wanted: impl IntoIterator<Item = Encoding>) -> Vec<(u8, Encoding)> {
        let mut taken = self.0.clone();
        let mut numbered = Vec::new();
        for encoding in wanted {
            let known = taken.iter().find(|(_, bound)| **bound == encoding).map(|(number, _)| *number);
            let mut free = [encoding.usual_payload_type()].into_iter().chain(DYNAMIC);
            let Some(number) = known.or_else(|| free.find(|number| !taken.contains_key(number))) else { continue };
            taken.insert(number, encoding);
            numbered.push((number, encoding));
        }
        numbered
    }
}

/// Seven bits.
const PAYLOAD_TYPES: usize = 128;
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

#[cfg(test)]
mod tests {
    use super::*;

    const OPUS: Encoding = Encoding::Audio(AudioCodec::Opus);
    const PCMU: Encoding = Encoding::Audio(AudioCodec::Pcmu);

    fn audio(formats: &str, rtpmaps: &[&str]) -> MediaDescription {
        let mut text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP {formats}\n");
        rtpmaps.iter().for_each(|rtpmap| text += &format!("a=rtpmap:{rtpmap}\n"));
        crate::SessionDescription::parse(text.as_bytes()).unwrap().media.remove(0)
    }

    #[test]
    fn payload_types_are_understood_as_the_writer_means_them() {
        let l16 = |clock_hz| Encoding::Audio(AudioCodec::L16 { clock_hz });
        let digits = |clock_hz| Encoding::TelephoneEvent { clock_hz };
        for (case, formats, rtpmaps, want) in [
            ("fixed number without rtpmap", "0", &[][..], vec![(0, PCMU)]),
            ("the writer's order", "8 0", &[], vec![(8, Encoding::Audio(AudioCodec::Pcma)), (0, PCMU)]),
            ("rtpmap counts, not the number", "0", &["0 opus/48000/2"], vec![(0, OPUS)]),
            ("a fixed number given away", "0", &["0 GSM/8000"], vec![]),
            ("names without case", "96", &["96 OPUS/48000/2"], vec![(96, OPUS)]),
            ("one channel, spelled out", "0", &["0 pcmu/8000/1"], vec![(0, PCMU)]),
            ("two channels of G.711", "0", &["0 PCMU/8000/2"], vec![]),
            ("opus without its two channels", "96", &["96 opus/48000"], vec![(96, OPUS)]),
            (
                "L16 at both rates",
                "96 97",
                &["96 L16/16000", "97 L16/8000/1"],
                vec![(96, l16(16_000)), (97, l16(8000))],
            ),
            ("L16 as CD audio", "10 11 96", &["96 L16/44100/2"], vec![]),
            ("G.722 at its audio rate", "9", &["9 G722/16000"], vec![]),
            (
                "digits at two clocks",
                "120 121",
                &["120 telephone-event/8000", "121 telephone-event/48000"],
                vec![(120, digits(8000)), (121, digits(48_000))],
            ),
            ("comfort noise", "13", &[], vec![(13, Encoding::ComfortNoise { clock_hz: 8000 })]),
            ("dynamic without rtpmap", "96", &[], vec![]),
            ("spaces", "96", &[" 96  opus / 48000 / 2 "], vec![(96, OPUS)]),
            ("the first rtpmap of a number", "96", &["96 opus/48000/2", "96 PCMU/8000"], vec![(96, OPUS)]),
            (
                "not numbers, too large numbers",
                "x -1 128 255 256 99999999999 0",
                &["128 opus/48000/2"],
                vec![(0, PCMU)],
            ),
            ("broken rtpmaps", "96 97 98", &["96", "97 opus", "98 opus/fast"], vec![]),
        ] {
            assert_eq!(encodings(&audio(formats, rtpmaps)), want, "{case}");
        }
    }

    #[test]
    fn a_number_keeps_its_meaning() {
        let mut ours = PayloadTypes::default();
        assert_eq!(ours.number([OPUS, PCMU]), [(96, OPUS), (0, PCMU)], "nothing said yet");

        ours.remember(&audio("96 111", &["96 telephone-event/8000", "111 opus/48000/2"]));
        let l16 = Encoding::Audio(AudioCodec::L16 { clock_hz: 8000 });
        assert_eq!(ours.number([OPUS, l16]), [(111, OPUS), (97, l16)], "opus keeps the number it was given");

        ours.remember(&audio("97", &["97 telephone-event/16000"]));
        assert_eq!(ours.number([l16]), [(98, l16)], "the next free number when the usual one is taken");
    }

    #[test]
    fn what_we_write_we_read() {
        let digits = [8000, 16_000, 48_000].map(|clock_hz| Encoding::TelephoneEvent { clock_hz });
        let l16 = [8000, 16_000].map(|clock_hz| Encoding::Audio(AudioCodec::L16 { clock_hz }));
        let fixed = [0, 8, 9, 13].map(|number| Encoding::fixed(number).unwrap());
        for encoding in [OPUS].into_iter().chain(digits).chain(l16).chain(fixed) {
            assert_eq!(Encoding::parse(&encoding.rtpmap()), Some(encoding));
        }
    }
}
