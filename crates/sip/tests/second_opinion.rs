//! The `rsip` crate as a second opinion: where both it and we accept a message, we agree on what it is.
//!
//! It refuses much that we must take (compact names, folding, IPv6), so silence from it proves nothing.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rsip::prelude::*;
use sip::{Message, parse};

/// What a transaction is known by.
#[derive(Debug, PartialEq)]
struct Known {
    method: String,
    call_id: String,
    cseq: String,
    branch: Option<String>,
    to_tag: Option<String>,
}

fn ours(bytes: &[u8]) -> Option<Known> {
    let Ok(Message::Request(request)) = parse(bytes) else { return None };
    Some(Known {
        method: request.method.to_string(),
        call_id: request.headers.call_id().ok()?.to_owned(),
        cseq: request.headers.cseq().ok()?.to_string(),
        branch: request.headers.via_top().ok()?.branch().map(str::to_owned),
        to_tag: request.headers.to_tag(),
    })
}

fn theirs(bytes: &[u8]) -> Option<Known> {
    let request = rsip::Request::try_from(bytes).ok()?;
    let cseq = request.cseq_header().ok()?.typed().ok()?;
    Some(Known {
        method: request.method.to_string(),
        call_id: request.call_id_header().ok()?.value().to_owned(),
        cseq: format!("{} {}", cseq.seq, cseq.method),
        branch: request.via_header().ok()?.typed().ok()?.branch().map(|branch| branch.value().to_owned()),
        to_tag: request.to_header().ok()?.typed().ok()?.tag().map(|tag| tag.value().to_owned()),
    })
}

/// Whether both accept it; if they do, they agree.
fn check(bytes: &[u8]) -> bool {
    match (ours(bytes), theirs(bytes)) {
        (Some(ours), Some(theirs)) => {
            assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(bytes));
            true
        }
        _ => false,
    }
}

#[test]
fn both_read_the_torture_messages_alike() {
    let mut agreed = 0;
    for folder in ["rfc4475", "rfc5118"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sip/torture").join(folder);
        for entry in fs::read_dir(folder).expect("the fixtures are there") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "sip") {
                agreed += usize::from(check(&fs::read(path).expect("readable")));
            }
        }
    }
    assert!(agreed >= 5, "only {agreed} messages were read by both");
}

/// Requests as phones send them, in words that both know.
fn request() -> impl Strategy<Value = String> {
    let method = prop::sample::select(vec!["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE"]);
    let word = "[a-z0-9][a-z0-9.-]{0,11}";
    let tag = prop::option::of("[a-f0-9]{1,16}");
    let display = prop_oneof![Just(String::new()), "[A-Z][a-z]{1,8} ", "\"[A-Z][a-z ,;]{1,8}\" "];
    let rest = (prop::option::of(0..200_u8), "[ -~]{0,40}", any::<bool>());
    (method, word, word, tag, display, any::<u32>(), "[A-Za-z0-9._-]{1,20}", rest).prop_map(
        |(method, user, host, tag, display, number, branch, (hops, body, port))| {
            let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
            let port = if port { ":5062" } else { "" };
            let hops = hops.map(|hops| format!("Max-Forwards: {hops}\r\n")).unwrap_or_default();
            let number = number >> 1;
            format!(
                "{method} sip:{user}@example.com SIP/2.0\r\n\
                 Via: SIP/2.0/UDP 192.0.2.1{port};branch=z9hG4bK{branch};rport\r\n\
                 {hops}From: {display}<sip:{user}@example.com>;tag=f{number}\r\n\
                 To: <sip:{user}@example.com>{tag}\r\n\
                 Call-ID: {host}@192.0.2.1\r\n\
                 CSeq: {number} {method}\r\n\
                 Contact: <sip:{user}@192.0.2.1{port}>\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn both_read_a_phones_requests_alike(request in request()) {
        prop_assert!(check(request.as_bytes()), "one of us refuses {request}");
    }

    /// Spoiled by letters and digits alone: at any other character `rsip` ends a value without a word.
    #[test]
    fn both_read_a_spoiled_request_alike_or_one_refuses(
        request in request(),
        spoil in prop::collection::vec((any::<prop::sample::Index>(), "[A-Za-z0-9]"), 1..4),
    ) {
        let mut request = request.into_bytes();
        for (at, byte) in spoil {
            let at = at.index(request.len());
            request[at] = byte.as_bytes()[0];
        }
        check(&request);
    }
}
