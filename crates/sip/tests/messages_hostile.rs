//! Bytes that nobody would send, by the thousand: nothing panics, and what is accepted survives being written.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use sip::{BODY_BYTES_MAX, Framed, Framer, HEAD_BYTES_MAX, Headers, Message, Name, ParseError, Uri, parse};

/// Asks for everything a header may mean; none of it may panic, whatever the bytes.
fn ask_everything(headers: &Headers) {
    let _ = (headers.via_top(), headers.vias(), headers.from(), headers.to(), headers.from_tag(), headers.to_tag());
    let _ = (headers.call_id(), headers.cseq(), headers.contacts(), headers.routes(), headers.record_routes());
    let _ = (headers.max_forwards(), headers.content_length(), headers.content_type(), headers.expires());
    let _ = (headers.session_expires(), headers.min_se(), headers.reason());
    let _ = (headers.require().count(), headers.supported().count(), headers.allow().count());
    let _ = headers.addresses(Name::PAssertedIdentity);
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    match parse(bytes) {
        Ok(message) => {
            ask_everything(message.headers());
            let written = message.to_bytes();
            let again = parse(&written);
            prop_assert!(again.is_ok(), "{:?} was read, and written as {:?} is not: {again:?}", message, written);
            // What is written once is written the same for ever.
            prop_assert_eq!(again.map(|message| message.to_bytes()), Ok(written));
        }
        Err(ParseError::Refused(refused)) => {
            ask_everything(&refused.headers);
            let mut response = refused.response();
            response.headers.set_to_tag("t");
            let written = response.to_bytes();
            let lines = written.windows(2).filter(|pair| *pair == b"\r\n").count();
            // The status line, the headers, Content-Length and the empty line: no more lines than that.
            prop_assert_eq!(lines, response.headers.len() + 3, "{:?}", written);
        }
        Err(ParseError::Dropped(_) | ParseError::NotSip) => {}
    }
    Ok(())
}

/// The pieces messages are made of, whole and broken.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: &[&[u8]] = &[
        b"INVITE sip:a@b SIP/2.0\r\n",
        b"ACK sip:a@b SIP/2.0\r\n",
        b"SIP/2.0 200 OK\r\n",
        b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport\r\n",
        b"v: SIP / 2.0 / TCP [2001:db8::1]:5060\r\n",
        b"From: \"A\" <sip:a@b>;tag=1\r\n",
        b"t: sip:c@d\r\n",
        b"Call-ID: 1@b\r\n",
        b"CSeq: 1 INVITE\r\n",
        b"CSeq: 99999999999 INVITE\r\n",
        b"Contact: <sip:a@[::1]:5060;lr>, *\r\n",
        b"Record-Route: <sip:p;lr>\r\n",
        b"Max-Forwards: 70\r\n",
        b"Content-Length: 4\r\n",
        b"l: -1\r\n",
        b"Session-Expires: 90;refresher=uas\r\n",
        b"Reason: SIP;cause=200;text=\"x\\\"\"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\"",
        b"<",
        b">",
        b";",
        b",",
        b":",
        b"%",
        b"\\",
        b"[",
        b"@",
        b"\xff",
        b"\x00",
    ];
    prop_oneof![
        8 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

/// A message in order, with a few bytes of it changed, taken out or put in.
fn spoiled() -> impl Strategy<Value = Vec<u8>> {
    let sound: &[u8] = b"INVITE sip:a@b;x=y SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP c\r\n\
        From: \"A, \\\"B\\\"\" <sip:a@b>;tag=1\r\nt: sip:c@d ;\r\n x=1\r\nCall-ID: 1@b\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\
        m: <sip:a@[2001:db8::1]:5060;lr>;q=0.5\r\nX-Odd:\r\nk: timer, 100rel\r\nContent-Length: 4\r\n\r\nv=0\n";
    let change = (any::<prop::sample::Index>(), 0..4_usize, any::<u8>());
    prop::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut bytes = sound.to_vec();
        for (at, how, byte) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes.insert(at, b"\r\n \";,<>:@%"[usize::from(byte) % 11]),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes)?;
    }

    #[test]
    fn pieces_in_any_order_never_panic(pieces in prop::collection::vec(piece(), 0..24)) {
        check(&pieces.concat())?;
    }

    #[test]
    fn a_spoiled_message_is_answerable_or_survives(bytes in spoiled()) {
        check(&bytes)?;
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut(
        pieces in prop::collection::vec(prop_oneof![spoiled(), piece()], 0..5),
        cuts in prop::collection::vec(1..200_usize, 1..20),
    ) {
        let stream = pieces.concat();
        let whole = framed(&[&stream]);
        let mut rest = stream.as_slice();
        let mut parts = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, next) = rest.split_at((*cut).min(rest.len()));
            parts.push(part);
            rest = next;
        }
        prop_assert_eq!(framed(&parts), whole);
        prop_assert!(stream.len() < HEAD_BYTES_MAX.min(BODY_BYTES_MAX));
    }

    #[test]
    fn a_uri_that_reads_is_written_as_it_means(text in "(sip|sips|tel):[a-z%0-9@:;?&=.\\[\\]]{0,24}") {
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse::<Uri>(), Ok(uri.clone()));
            prop_assert!(uri.equivalent(&uri));
        }
    }
}

fn framed(parts: &[&[u8]]) -> Vec<Framed> {
    let mut framer = Framer::new();
    let mut seen = Vec::new();
    for part in parts {
        framer.push(part);
        seen.extend(std::iter::from_fn(|| framer.poll()));
    }
    seen
}

#[test]
fn the_messages_of_this_file_are_not_all_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..200).filter(|_| {
        let spoiled = spoiled().new_tree(&mut runner).expect("a value").current();
        matches!(parse(&spoiled), Ok(Message::Request(_)))
    });
    assert!(accepted.count() > 20, "the round trip is hardly tried");
}
