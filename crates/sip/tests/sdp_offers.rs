//! Every offer in `fixtures/sip/sdp` gets the answer, or the refusal, that stands beside it.
//!
//! `case.offer` is the body as it came off the wire. `case.expected` is our answer with what was agreed below it,
//! or one line: the status and the reason. We answer from one address of the peer's own IP family.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use sip::{Agreed, AudioCodec, Direction, LocalMedia, OfferAnswer, Rejection, SessionDescription};

#[test]
fn offers_are_answered_as_expected() {
    let mut offers: Vec<PathBuf> = fs::read_dir(FIXTURES)
        .expect("the fixtures are part of the repository")
        .map(|entry| entry.expect("a directory can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "offer"))
        .collect();
    offers.sort();
    for path in &offers {
        let offer = fs::read(path).expect("an offer can be read");
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        assert_eq!(outcome(&offer), expected, "{}", path.display());
    }
    assert_eq!(offers.len(), CASES, "offers in {FIXTURES}");
}

fn outcome(offer: &[u8]) -> String {
    let offer = match SessionDescription::parse(offer) {
        Ok(offer) => offer,
        Err(error) => return format!("400 {error}\n"),
    };
    let local = LocalMedia {
        address: match offer.audio_address() {
            Some(IpAddr::V6(_)) => "2001:db8:5::1".parse().unwrap(),
            _ => "203.0.113.5".parse().unwrap(),
        },
        port: 20_000,
        codecs: vec![
            AudioCodec::Opus,
            AudioCodec::G722,
            AudioCodec::Pcmu,
            AudioCodec::Pcma,
            AudioCodec::L16 { clock_hz: 16_000 },
            AudioCodec::L16 { clock_hz: 8000 },
        ],
        direction: Direction::SendRecv,
    };
    match OfferAnswer::new(7).answer(&offer, &local) {
        Ok((answer, agreed)) => format!("{}\n{}", answer.replace("\r\n", "\n"), told(&agreed)),
        Err(rejection) => format!("{} Warning {} {rejection}\n", Rejection::STATUS, rejection.warning_code()),
    }
}

/// What was agreed, a line each.
fn told(agreed: &Agreed) -> String {
    let Agreed { codec, payload_type_out, payload_type_in, ptime_ms, direction, .. } = agreed;
    let at =
        |address: Option<std::net::SocketAddr>| address.map_or("unknown".to_owned(), |address| address.to_string());
    let mut told = format!("codec {codec:?}, out as {payload_type_out}, in as {payload_type_in}\n");
    if let Some(event) = agreed.telephone_event {
        told += &format!("digits at {}, ", event.clock_hz);
        told += &format!("out as {}, in as {}\n", event.payload_type_out, event.payload_type_in);
    }
    if let Some(number) = agreed.comfort_noise {
        told += &format!("comfort noise {number}\n");
    }
    let muxed = if agreed.rtcp_mux { " muxed" } else { "" };
    told += &format!("remote {}, rtcp {}{muxed}\n", at(agreed.remote), at(agreed.rtcp));
    let held = if agreed.peer_holds { ", held by the peer" } else { "" };
    told + &format!("{ptime_ms} ms, {direction}{held}\n")
}

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/sip/sdp");
const CASES: usize = 87;
