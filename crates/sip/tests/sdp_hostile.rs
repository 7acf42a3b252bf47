//! Whatever arrives as a session description: no panic, and every answer is a right one.

use std::fs;

use proptest::prelude::*;
use proptest::sample::Index;
use sip::{AudioCodec, Direction, LocalMedia, OfferAnswer, SessionDescription};

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        check(&bytes)?;
    }

    #[test]
    fn arbitrary_lines(lines in proptest::collection::vec("[voscatmxz]=[ -~]{0,40}", 0..60)) {
        let head = "v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\n";
        check(format!("{head}{}", lines.join("\n")).as_bytes())?;
    }

    /// Real offers with bytes changed, and lines lost, doubled and swapped.
    #[test]
    fn mutated_offers(
        offer in any::<Index>(),
        bytes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..6),
        lines in proptest::collection::vec((any::<Index>(), any::<Index>(), 0..3_u8), 0..4),
    ) {
        let mut text = offer.get(&offers()).clone();
        for (at, byte) in bytes {
            *at.get_mut(&mut text) = byte;
        }
        let mut parts: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        for (from, to, what) in lines {
            let (from, to) = (from.index(parts.len()), to.index(parts.len()));
            match what {
                0 => parts.swap(from, to),
                1 => parts.insert(to, parts[from]),
                _ => parts[from] = b"",
            }
        }
        check(&parts.concat())?;
    }
}

/// Reads `offer`, answers it, and holds the answer against RFC 3264.
fn check(offer: &[u8]) -> Result<(), TestCaseError> {
    let Ok(offer) = SessionDescription::parse(offer) else { return Ok(()) };
    prop_assert_eq!(SessionDescription::parse(offer.to_string().as_bytes()), Ok(offer.clone()));

    let local = LocalMedia {
        address: "203.0.113.5".parse().unwrap(),
        port: 20_000,
        codecs: vec![AudioCodec::Pcmu, AudioCodec::Pcma, AudioCodec::G722, AudioCodec::Opus],
        direction: Direction::SendRecv,
    };
    let mut dialog = OfferAnswer::new(7);
    let Ok((answer, agreed)) = dialog.answer(&offer, &local) else { return Ok(()) };
    let answer = SessionDescription::parse(answer.as_bytes()).unwrap();
    prop_assert_eq!(answer.media.len(), offer.media.len());
    prop_assert_eq!(&answer.times, &offer.times);
    for (ours, theirs) in answer.media.iter().zip(&offer.media) {
        prop_assert_eq!(&ours.proto, &theirs.proto);
        prop_assert!(ours.kind.eq_ignore_ascii_case(&theirs.kind));
        prop_assert!(ours.port == 0 || theirs.port != 0);
    }
    let live: Vec<_> = answer.media.iter().filter(|media| media.port != 0).collect();
    prop_assert_eq!(live.len(), 1);
    prop_assert_eq!(live[0].formats.len(), 1 + usize::from(agreed.telephone_event.is_some()));
    prop_assert!(agreed.ptime_ms.is_multiple_of(10) && (10..=60).contains(&agreed.ptime_ms));
    prop_assert!(!agreed.remote.is_some_and(|remote| remote.port() == 0 || remote.ip().is_multicast()));

    // The same offer again is no news; and our own offer afterwards can be read.
    prop_assert_eq!(dialog.answer(&offer, &local).map(|(again, _)| again), Ok(answer.to_string()));
    prop_assert!(SessionDescription::parse(dialog.offer(&local).as_bytes()).is_ok());
    Ok(())
}

fn offers() -> Vec<Vec<u8>> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/sip/sdp");
    let paths = fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path());
    let mut offers: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "offer")).collect();
    offers.sort(); // a seed names the same offer everywhere
    offers.into_iter().map(|path| fs::read(path).unwrap()).filter(|offer| !offer.is_empty()).collect()
}
