//! Offer and answer: how two session descriptions become one agreed audio stream (RFC 3264).
//!
//! One [`OfferAnswer`] lives as long as its dialog. Whoever offers, the answer settles it:
//!
//! ```text
//! they offer ─▶ answer() ─▶ our answer and what is Agreed, or a Rejection: 488, and all stays as it was
//! we offer() ─▶ their answer ─▶ accept_answer() ─▶ what is Agreed, or a Rejection
//! ```
//! We take one audio stream: the first line we can speak, and on it the first codec in the offerer's order, with
//! telephone events at that codec's clock. A second codec in the answer would make pjsua ask again for one.
//! Every other line is refused with port 0. ICE, bundling and keys are read over: what our answer does not
//! mention, the peer does without.

use std::net::IpAddr;

use crate::agreed::PTIME_MS_USUAL;
use crate::payload_type::{AudioCodec, Encoding, PayloadTypes, encodings};
use crate::sdp::{Attributes, MediaDescription, NetAddress, Origin, Proto, SessionDescription, Timing};
use crate::{Agreed, Direction, Rejection};

/// The offers and answers of one dialog, from our side.
#[derive(Debug)]
pub struct OfferAnswer {
    session_id: u64,
    /// The last description that left, whatever became of it: versions count on from here.
    sent: Option<SessionDescription>,
    /// Our offer that waits for its answer.
    offered: Option<Ours>,
    settled: Option<(Ours, Agreed)>,
    payload_types: PayloadTypes,
}

impl OfferAnswer {
    /// For a new dialog. `session_id` goes into our `o=` lines; it should differ from call to call.
    pub fn new(session_id: u64) -> Self {
        let session_id = session_id & i64::MAX.unsigned_abs(); // RFC 3264 §5: must fit a signed 64-bit number
        Self { session_id, sent: None, offered: None, settled: None, payload_types: PayloadTypes::default() }
    }

    /// Answers the peer's offer, the first one or a later one. A rejection changes nothing: the re-offer is
    /// refused and the call goes on as agreed before. An offer of ours that still waits is given up.
    ///
    /// A peer may end its stream by offering port 0 for it. In the first offer that is no audio at all; in a
    /// later one we agree, and until its next offer the call stands as if held from both ends.
    pub fn answer(&mut self, offer: &SessionDescription, local: &LocalMedia) -> Result<(String, Agreed), Rejection> {
        let (line, agreed) = match first_usable_line(offer, local) {
            Err(Rejection::NoAudio) => self.ended_by(offer).ok_or(Rejection::NoAudio)?,
            usable => usable?,
        };
        let mut media: Vec<_> = offer.media.iter().map(MediaDescription::refused).collect();
        if offer.media[line].port != 0 {
            let Agreed { ptime_ms, direction, rtcp_mux, .. } = agreed;
            let proto = offer.media[line].proto.clone();
            media[line] = local.audio_line(proto, &agreed.formats(), ptime_ms, direction, rtcp_mux);
        }
        let ours = self.write(local, offer.times.clone(), media, line);
        let text = ours.description.to_string();
        self.offered = None;
        self.settled = Some((ours, agreed.clone()));
        Ok((text, agreed))
    }

    /// Our offer: every codec of `local`, the one in use first so that a refresh does not change it.
    /// Lines of earlier offers keep their places (RFC 3264 §8).
    pub fn offer(&mut self, local: &LocalMedia) -> String {
        let formats = self.payload_types.number(self.encodings_to_offer(local));
        let audio = |proto| local.audio_line(proto, &formats, PTIME_MS_USUAL, local.direction, true);
        let (media, line) = match &self.settled {
            None => (vec![audio(Proto::Avp)], 0),
            Some((Ours { description, line, .. }, _)) => {
                let mut media: Vec<_> = description.media.iter().map(MediaDescription::refused).collect();
                media[*line] = audio(description.media[*line].proto.clone());
                (media, *line)
            }
        };
        let ours = self.write(local, vec![Timing::default()], media, line);
        let text = ours.description.to_string();
        self.offered = Some(ours);
        text
    }

    /// Reads what a 1xx answers to our offer, for early media. The offer stays open: another fork may answer otherwise,
    /// and the 2xx has the last word.
    pub fn accept_early_answer(&mut self, answer: &SessionDescription) -> Result<Agreed, Rejection> {
        let open = self.offered.clone();
        let agreed = self.accept_answer(answer);
        self.offered = open;
        agreed
    }

    /// Reads the answer to our offer. After a rejection what was agreed before still holds.
    pub fn accept_answer(&mut self, answer: &SessionDescription) -> Result<Agreed, Rejection> {
        let ours = self.offered.take().ok_or(Rejection::NothingOffered)?;
        let offered = encodings(&ours.description.media[ours.line]);
        let our_number = |_, encoding| offered.iter().find(|(_, ours)| *ours == encoding).map(|(number, _)| *number);
        let live = |media: &&MediaDescription| media.is_audio() && media.port != 0;
        let theirs = answer.media.get(ours.line).filter(live).ok_or(Rejection::NoAudio)?;
        let agreed = Agreed::between(answer, theirs, &ours.local, our_number)?;
        self.settled = Some((ours, agreed.clone()));
        Ok(agreed)
    }

    /// What we said last and was agreed, once more: for session refreshes, which say so by an unchanged version.
    /// Sent as an offer, its answer may be given to [`Self::accept_answer`] or left unread.
    pub fn repeat(&mut self) -> Option<String> {
        let (Ours { description, line, local }, _) = self.settled.as_ref()?.clone();
        let ours = self.write(&local, description.times, description.media, line);
        let text = ours.description.to_string();
        self.offered = Some(ours);
        Some(text)
    }

    /// What is agreed now; `None` before the first answer.
    pub fn agreed(&self) -> Option<&Agreed> {
        self.settled.as_ref().map(|(_, agreed)| agreed)
    }

    /// The stream as it stands after an offer that ends it and asks for nothing else. An offer with another live
    /// line, such as a fax machine's, wants that line, and is better refused: then the audio stays.
    fn ended_by(&self, offer: &SessionDescription) -> Option<(usize, Agreed)> {
        let (ours, agreed) = self.settled.as_ref()?;
        let all_ended = offer.media.iter().all(|media| media.port == 0);
        let still_there = offer.media.get(ours.line)?.is_audio();
        (all_ended && still_there).then(|| (ours.line, agreed.ended()))
    }

    /// The codec in use, then the others, then digits at every clock among them; at 8 kHz always, the one clock
    /// that every phone knows.
    fn encodings_to_offer(&self, local: &LocalMedia) -> Vec<Encoding> {
        let in_use = self.agreed().map(|agreed| agreed.codec).filter(|codec| local.codecs.contains(codec));
        let codecs: Vec<AudioCodec> = in_use.into_iter().chain(local.codecs.iter().copied()).collect();
        let clocks = [8000].into_iter().chain(codecs.iter().map(|codec| codec.clock_hz()));
        let digits = clocks.map(|clock_hz| Encoding::TelephoneEvent { clock_hz });
        let mut encodings = Vec::new();
        for encoding in codecs.iter().copied().map(Encoding::Audio).chain(digits) {
            if !encodings.contains(&encoding) {
                encodings.push(encoding);
            }
        }
        encodings
    }

    /// Our next description. Its version grows by one exactly when it says something new (RFC 3264 §8).
    fn write(&mut self, local: &LocalMedia, times: Vec<Timing>, media: Vec<MediaDescription>, line: usize) -> Ours {
        let address = NetAddress::from(local.address);
        let version = self.sent.as_ref().map_or(1, |sent| sent.origin.version);
        let mut description = SessionDescription {
            origin: Origin { username: "-".to_owned(), session_id: self.session_id, version, address: address.clone() },
            name: "-".to_owned(),
            connection: Some(address),
            times,
            attributes: Attributes::default(),
            media,
        };
        if self.sent.as_ref().is_some_and(|sent| *sent != description) {
            description.origin.version += 1;
        }
        self.payload_types.remember(&description.media[line]);
        self.sent = Some(description.clone());
        Ours { description, line, local: local.clone() }
    }
}

/// A description of ours, which of its lines is the audio, and what we meant by it.
#[derive(Debug, Clone)]
struct Ours {
    description: SessionDescription,
    line: usize,
    local: LocalMedia,
}

/// What we bring to an offer or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalMedia {
    /// Where we receive, as the peer can reach it.
    pub address: IpAddr,
    /// Our RTP port, not 0.
    pub port: u16,
    /// At least one. In the order we prefer when we offer; when we answer, the offerer's order counts.
    pub codecs: Vec<AudioCodec>,
    /// What we would like, normally both ways.
    pub direction: Direction,
}

impl LocalMedia {
    fn audio_line(
        &self,
        proto: Proto,
        formats: &[(u8, Encoding)],
        ptime_ms: u8,
        direction: Direction,
        rtcp_mux: bool,
    ) -> MediaDescription {
        let mut attributes = Attributes::default();
        for (number, encoding) in formats {
            attributes.push("rtpmap", Some(format!("{number} {}", encoding.rtpmap())));
            if let Some(fmtp) = encoding.fmtp() {
                attributes.push("fmtp", Some(format!("{number} {fmtp}")));
            }
        }
        attributes.push("ptime", Some(ptime_ms.to_string()));
        let longest = formats.iter().filter_map(|(_, encoding)| encoding.ptime_ms_max()).min();
        if let Some(ptime_ms_max) = longest {
            attributes.push("maxptime", Some(ptime_ms_max.to_string()));
        }
        attributes.push(direction.name(), None);
        if rtcp_mux {
            attributes.push("rtcp-mux", None);
        }
        MediaDescription {
            kind: "audio".to_owned(),
            port: self.port,
            proto,
            formats: formats.iter().map(|(number, _)| number.to_string()).collect(),
            connection: None,
            attributes,
        }
    }
}

/// The first audio line we can speak; if there is none, what is wrong with the first.
fn first_usable_line(offer: &SessionDescription, local: &LocalMedia) -> Result<(usize, Agreed), Rejection> {
    let mirrored = |number, encoding| match encoding {
        Encoding::Audio(codec) => local.codecs.contains(&codec).then_some(number),
        Encoding::TelephoneEvent { .. } | Encoding::ComfortNoise { .. } => Some(number),
    };
    let mut first_rejection = None;
    for (line, media) in offer.media.iter().enumerate() {
        if !media.is_audio() || media.port == 0 {
            continue;
        }
        match Agreed::between(offer, media, local, mirrored) {
            Ok(agreed) => return Ok((line, agreed)),
            Err(rejection) => first_rejection = first_rejection.or(Some(rejection)),
        }
    }
    Err(first_rejection.unwrap_or(Rejection::NoAudio))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TelephoneEvent;

    #[test]
    fn hold_and_resume_by_the_phone() {
        let mut dialog = OfferAnswer::new(7);
        for (case, direction, connection, we, version) in [
            ("the call begins", "sendrecv", PEER, "sendrecv", 1),
            ("a refresh says nothing new", "sendrecv", PEER, "sendrecv", 1),
            ("held", "sendonly", PEER, "recvonly", 2),
            ("held, and refreshed", "sendonly", PEER, "recvonly", 2),
            ("resumed", "sendrecv", PEER, "sendrecv", 3),
            ("held from both ends", "inactive", PEER, "inactive", 4),
            ("resumed", "sendrecv", PEER, "sendrecv", 5),
            ("held the old way", "sendrecv", "0.0.0.0", "recvonly", 6),
            ("resumed elsewhere", "sendrecv", "192.0.2.77", "sendrecv", 7),
        ] {
            let audio = format!("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 {connection}\r\na={direction}\r\n");
            let (answer, agreed) = dialog.answer(&described(&audio), &local()).unwrap();
            assert!(answer.contains(&format!("o=- 7 {version} IN IP4")), "{case}: {answer}");
            assert!(answer.contains(&format!("a={we}\r\n")), "{case}: {answer}");
            assert_eq!(agreed.direction.name(), we, "{case}");
            assert_eq!(agreed.peer_holds, we != "sendrecv", "{case}");
            assert_eq!(agreed.remote, format!("{connection}:5000").parse().ok().filter(|_| connection != "0.0.0.0"));
        }
    }

    #[test]
    fn a_refused_re_offer_changes_nothing() {
        let mut dialog = OfferAnswer::new(7);
        let (answer, agreed) = dialog.answer(&described("m=audio 5000 RTP/AVP 0\r\n"), &local()).unwrap();
        for (case, offer, rejection) in [
            ("no common codec", "m=audio 5000 RTP/AVP 18\r\n", Rejection::NoCommonCodec),
            ("secure only", "m=audio 5000 RTP/SAVP 0\r\n", Rejection::Transport),
            ("fax instead of audio", "m=audio 0 RTP/AVP 0\r\nm=image 5008 udptl t38\r\n", Rejection::NoAudio),
            ("the audio line became another", "m=video 0 RTP/AVP 31\r\n", Rejection::NoAudio),
            ("no lines at all", "", Rejection::NoAudio),
        ] {
            assert_eq!(dialog.answer(&described(offer), &local()), Err(rejection), "{case}");
            assert_eq!(dialog.agreed(), Some(&agreed), "{case}");
            assert_eq!(dialog.repeat().as_ref(), Some(&answer), "{case}");
        }
    }

    #[test]
    fn the_peer_ends_its_stream_and_comes_back() {
        let (ends, lives) = (described("m=audio 0 RTP/AVP 0\r\n"), described("m=audio 5000 RTP/AVP 0\r\n"));
        let mut dialog = OfferAnswer::new(7);
        assert_eq!(dialog.answer(&ends, &local()), Err(Rejection::NoAudio), "an offer of nothing is no call");
        dialog.answer(&lives, &local()).unwrap();

        let (answer, agreed) = dialog.answer(&ends, &local()).unwrap();
        assert!(answer.ends_with("m=audio 0 RTP/AVP 0\r\n"), "{answer}");
        assert_eq!((agreed.remote, agreed.direction, agreed.peer_holds), (None, Direction::Inactive, true));
        assert_eq!(agreed.codec, AudioCodec::Pcmu);

        let (_, agreed) = dialog.answer(&lives, &local()).unwrap();
        assert_eq!((agreed.direction, agreed.peer_holds), (Direction::SendRecv, false));
    }

    #[test]
    fn our_first_offer_names_all_we_speak() {
        let offer = OfferAnswer::new(7).offer(&local());
        let expected = "v=0\r\n\
            o=- 7 1 IN IP4 203.0.113.5\r\n\
            s=-\r\n\
            c=IN IP4 203.0.113.5\r\n\
            t=0 0\r\n\
            m=audio 20000 RTP/AVP 96 9 0 8 98 101 102 103\r\n\
            a=rtpmap:96 opus/48000/2\r\n\
            a=fmtp:96 useinbandfec=1\r\n\
            a=rtpmap:9 G722/8000\r\n\
            a=rtpmap:0 PCMU/8000\r\n\
            a=rtpmap:8 PCMA/8000\r\n\
            a=rtpmap:98 L16/16000\r\n\
            a=rtpmap:101 telephone-event/8000\r\n\
            a=fmtp:101 0-15\r\n\
            a=rtpmap:102 telephone-event/48000\r\n\
            a=fmtp:102 0-15\r\n\
            a=rtpmap:103 telephone-event/16000\r\n\
            a=fmtp:103 0-15\r\n\
            a=ptime:20\r\n\
            a=maxptime:40\r\n\
            a=sendrecv\r\n\
            a=rtcp-mux\r\n";
        assert_eq!(offer, expected);
    }

    #[test]
    fn answers_to_our_offer() {
        let out_in = |agreed: &Agreed| (agreed.codec, agreed.payload_type_out, agreed.payload_type_in);
        for (case, answer, want) in [
            ("our numbers", "m=audio 5000 RTP/AVP 0 101\r\n", (AudioCodec::Pcmu, 0, 0)),
            (
                "their own numbers",
                "m=audio 5000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n",
                (AudioCodec::Opus, 111, 96),
            ),
            ("the first of several", "m=audio 5000 RTP/AVP 18 8 0\r\n", (AudioCodec::Pcma, 8, 8)),
        ] {
            let mut dialog = OfferAnswer::new(7);
            dialog.offer(&local());
            assert_eq!(dialog.accept_answer(&described(answer)).map(|agreed| out_in(&agreed)), Ok(want), "{case}");
        }

        let mut dialog = OfferAnswer::new(7);
        dialog.offer(&local());
        let answer =
            "m=audio 5000 RTP/AVP 97 120\r\na=rtpmap:97 opus/48000/2\r\na=rtpmap:120 telephone-event/48000\r\n";
        let agreed = dialog.accept_answer(&described(answer)).unwrap();
        let digits = TelephoneEvent { payload_type_out: 120, payload_type_in: 102, clock_hz: 48_000 };
        assert_eq!(agreed.telephone_event, Some(digits), "digits, too, under each side's own number");
    }

    #[test]
    fn answers_that_will_not_do() {
        let mut dialog = OfferAnswer::new(7);
        let plain = described("m=audio 5000 RTP/AVP 0\r\n");
        assert_eq!(dialog.accept_answer(&plain), Err(Rejection::NothingOffered));
        let (_, agreed) = dialog.answer(&plain, &local()).unwrap();
        for (case, answer, rejection) in [
            ("refused", "m=audio 0 RTP/AVP 0\r\n", Rejection::NoAudio),
            ("no line for ours", "", Rejection::NoAudio),
            ("another kind", "m=video 5000 RTP/AVP 31\r\n", Rejection::NoAudio),
            ("a codec we did not offer", "m=audio 5000 RTP/AVP 18\r\n", Rejection::NoCommonCodec),
        ] {
            dialog.offer(&local());
            assert_eq!(dialog.accept_answer(&described(answer)), Err(rejection), "{case}");
            assert_eq!(dialog.agreed(), Some(&agreed), "{case}");
            assert_eq!(dialog.accept_answer(&plain), Err(Rejection::NothingOffered), "{case}: one offer, one answer");
        }
    }

    #[test]
    fn a_later_offer_of_ours_keeps_places_and_numbers() {
        let mut dialog = OfferAnswer::new(7);
        let theirs = "m=video 5002 RTP/AVP 31\r\n\
            m=audio 5000 RTP/AVPF 8 101 96\r\na=rtpmap:101 opus/48000/2\r\na=rtpmap:96 telephone-event/8000\r\n";
        dialog.answer(&described(theirs), &local()).unwrap();
        let offer = dialog.offer(&local());
        let audio = "m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVPF 8 97 9 0 98 96 102 103\r\n";
        assert!(offer.contains(audio), "PCMA first as it is in use, 96 still means digits: {offer}");
        assert!(offer.contains("o=- 7 2 IN"), "{offer}");
    }

    #[test]
    fn a_refresh_after_an_offer_that_failed_is_news_again() {
        let mut dialog = OfferAnswer::new(7);
        let (answer, agreed) = dialog.answer(&described("m=audio 5000 RTP/AVP 0\r\n"), &local()).unwrap();
        assert_eq!(dialog.repeat(), Some(answer.clone()));
        dialog.offer(&local());
        assert_eq!(dialog.repeat(), Some(answer.replace("o=- 7 1 ", "o=- 7 3 ")), "version 2 was the failed offer");
        assert_eq!(dialog.accept_answer(&described("m=audio 5000 RTP/AVP 0\r\n")), Ok(agreed));
        assert_eq!(OfferAnswer::new(7).repeat(), None, "nothing agreed, nothing to repeat");
    }

    #[test]
    fn a_peer_of_the_other_ip_family_is_answered_from_ours() {
        let local = LocalMedia { address: "2001:db8:5::1".parse().unwrap(), ..local() };
        let (answer, agreed) = OfferAnswer::new(7).answer(&described("m=audio 5000 RTP/AVP 0\r\n"), &local).unwrap();
        assert!(answer.contains("c=IN IP6 2001:db8:5::1\r\n"), "{answer}");
        assert_eq!((agreed.remote, agreed.direction), (None, Direction::SendRecv), "learned from what arrives");
    }

    #[test]
    fn we_hold_them() {
        let local = LocalMedia { direction: Direction::SendOnly, ..local() };
        let mut dialog = OfferAnswer::new(u64::MAX);
        assert!(dialog.offer(&local).contains(&format!("o=- {} 1 IN", i64::MAX)), "a signed number");
        let agreed = dialog.accept_answer(&described("m=audio 5000 RTP/AVP 0\r\na=recvonly\r\n")).unwrap();
        assert_eq!((agreed.direction, agreed.peer_holds), (Direction::SendOnly, false));
    }

    fn described(media: &str) -> SessionDescription {
        let text = format!("v=0\r\no=- 1 1 IN IP4 {PEER}\r\ns=-\r\nc=IN IP4 {PEER}\r\nt=0 0\r\n{media}");
        SessionDescription::parse(text.as_bytes()).unwrap()
    }

    fn local() -> LocalMedia {
        let l16 = AudioCodec::L16 { clock_hz: 16_000 };
        LocalMedia {
            address: "203.0.113.5".parse().unwrap(),
            port: 20_000,
            codecs: vec![AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcmu, AudioCodec::Pcma, l16],
            direction: Direction::SendRecv,
        }
    }

    const PEER: &str = "192.0.2.10";
}
