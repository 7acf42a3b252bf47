//! What a call's messages cost to read and to write.
//!
//! `exchange` reads and answers the messages of INVITE, 180, 200, ACK, BYE, 200 as a server sees them; the
//! yardstick for the whole of that work, dialogs and all, is 60 µs. Two baselines of the same run: `copy` moves
//! the bytes without looking at them, `invite_rsip` is the `rsip` crate at the INVITE, which it does not check.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{Message, Name, Request, Response, parse};

fn sip_parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sip_parse");
    let bytes = (INVITE.len() + ACK.len() + BYE.len()) as u64;
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("copy", |bench| {
        bench.iter(|| [INVITE, ACK, BYE].map(|text| black_box(black_box(text).as_bytes().to_vec())));
    });
    group.bench_function("read", |bench| {
        bench.iter(|| [INVITE, ACK, BYE].map(read));
    });
    group.bench_function("exchange", |bench| bench.iter(exchange));
    group.throughput(Throughput::Bytes(INVITE.len() as u64));
    group.bench_function("invite", |bench| bench.iter(|| read(INVITE)));
    group.bench_function("invite_rsip", |bench| {
        bench.iter(|| rsip::Request::try_from(black_box(INVITE.as_bytes())).expect("a request"));
    });
    group.finish();
}

fn exchange() -> usize {
    let invite = read(INVITE);
    let sent: usize = [100, 180, 200].map(|status| answer(&invite, status)).iter().sum();
    black_box(read(ACK));
    sent + answer(&read(BYE), 200)
}

fn read(text: &str) -> Request {
    match parse(black_box(text.as_bytes())) {
        Ok(Message::Request(request)) => request,
        other => panic!("a request, not {other:?}"),
    }
}

/// Writes the response a server would send: stamped Via, To-tag, Contact.
fn answer(request: &Request, status: u16) -> usize {
    let mut response = Response::to(request, status);
    let mut via = request.headers.via_top().expect("parsed");
    via.stamp(([192, 0, 2, 1], 5062).into());
    response.headers.set_via_top(&via);
    response.headers.set_to_tag("4711abcd");
    response.headers.push(Name::Contact, "<sip:192.0.2.9:5060>");
    black_box(response.to_bytes()).len()
}

/// As baresip sends it, less two codecs.
const INVITE: &str = "INVITE sip:standup@192.0.2.9 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1f0d4a6c8e0b2a9d;rport\r\n\
    Contact: <sip:ana-0x55d1c1f3a2b0@192.0.2.1:5062>\r\n\
    Max-Forwards: 70\r\n\
    To: <sip:standup@192.0.2.9>\r\n\
    From: \"Ana\" <sip:ana@192.0.2.9>;tag=5a9b3c7d1e2f4a60\r\n\
    Call-ID: 9c4f6d1e8a7b2c30\r\n\
    CSeq: 20410 INVITE\r\n\
    User-Agent: baresip v1.0.0 (x86_64/linux)\r\n\
    Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,UPDATE,REFER\r\n\
    Supported: gruu,timer,replaces\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 243\r\n\
    \r\n\
    v=0\r\n\
    o=- 3012783210 1203942345 IN IP4 192.0.2.1\r\n\
    s=-\r\n\
    c=IN IP4 192.0.2.1\r\n\
    t=0 0\r\n\
    m=audio 17322 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=sendrecv\r\n\
    a=label:1\r\n\
    a=ptime:20\r\n";

const ACK: &str = "ACK sip:192.0.2.9:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK7a2b4c6d8e0f1a3b;rport\r\n\
    Max-Forwards: 70\r\n\
    To: <sip:standup@192.0.2.9>;tag=4711abcd\r\n\
    From: \"Ana\" <sip:ana@192.0.2.9>;tag=5a9b3c7d1e2f4a60\r\n\
    Call-ID: 9c4f6d1e8a7b2c30\r\n\
    CSeq: 20410 ACK\r\n\
    User-Agent: baresip v1.0.0 (x86_64/linux)\r\n\
    Content-Length: 0\r\n\
    \r\n";

const BYE: &str = "BYE sip:192.0.2.9:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK0e1d2c3b4a596877;rport\r\n\
    Max-Forwards: 70\r\n\
    To: <sip:standup@192.0.2.9>;tag=4711abcd\r\n\
    From: \"Ana\" <sip:ana@192.0.2.9>;tag=5a9b3c7d1e2f4a60\r\n\
    Call-ID: 9c4f6d1e8a7b2c30\r\n\
    CSeq: 20411 BYE\r\n\
    User-Agent: baresip v1.0.0 (x86_64/linux)\r\n\
    Content-Length: 0\r\n\
    \r\n";

criterion_group!(benches, sip_parse);
criterion_main!(benches);
