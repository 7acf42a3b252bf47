//! What one whole call costs the SIP front: INVITE, 100, 180, 200, ACK, BYE, 200, from bytes to bytes, with the
//! timers of all earlier calls running out beside it. The yardstick is 60 µs of CPU.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sip::{Config, Endpoint, Event, Flow, Output, Transport};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0 8 101\r\n\
                   a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
                   a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn message(method: &str, call: u64, cseq: u32, to_tag: &str, body: &str) -> Bytes {
    Bytes::from(format!(
        "{method} sip:standup@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;rport;branch=z9hG4bK{call}-{method}\r\n\
         Max-Forwards: 70\r\nFrom: \"Ana\" <sip:ana@example.com>;tag=a{call}\r\nTo: <sip:standup@192.0.2.1>{to_tag}\r\n\
         Call-ID: {call}@192.0.2.10\r\nCSeq: {cseq} {method}\r\nContact: <sip:ana@192.0.2.10:5060>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\nSupported: timer\r\nUser-Agent: bench\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// One call, its messages made beforehand but for the To-tag, which the 200 brings.
fn call(endpoint: &mut Endpoint, now: Instant, flow: Flow, number: u64) {
    endpoint.receive(now, flow, message("INVITE", number, 1, "", SDP));
    let mut dialog = None;
    while let Some(output) = endpoint.poll() {
        if let Output::Event(Event::Invite { dialog: id, .. }) = output {
            dialog = Some(id);
        }
    }
    let dialog = dialog.expect("a call");
    endpoint.progress(now, dialog, 180, None);
    endpoint.accept(now, dialog, SDP.to_owned());
    while let Some(output) = endpoint.poll() {
        black_box(&output);
    }
    let to_tag = format!(";tag={:016x}", dialog.0);
    endpoint.receive(now, flow, message("ACK", number, 1, &to_tag, ""));
    endpoint.receive(now, flow, message("BYE", number, 2, &to_tag, ""));
    while let Some(output) = endpoint.poll() {
        black_box(&output);
    }
}

fn call_setup(c: &mut Criterion) {
    let flow = Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "192.0.2.10:5060".parse().expect("an address"),
        connection: None,
    };
    let mut endpoint = Endpoint::new(Config::default(), 1);
    let mut now = Instant::now();
    let mut number = 0;
    let begun = on_cpu();
    let mut group = c.benchmark_group("call_setup_sip");
    group.throughput(Throughput::Elements(1));
    group.bench_function("invite_180_200_ack_bye_200", |b| {
        b.iter(|| {
            // 1,000 calls a second: 32,000 transactions of earlier calls wait for their timers.
            now += Duration::from_millis(1);
            number += 1;
            endpoint.handle_timeout(now);
            call(&mut endpoint, now, flow, number);
        });
    });
    group.finish();
    // What the clock says on a busy machine is not what the call costs.
    if let (Some(begun), Some(ended)) = (begun, on_cpu()) {
        println!(
            "{:.1} µs of CPU a call, over {number} calls",
            (ended - begun).as_secs_f64() * 1e6 / number.max(1) as f64
        );
    }
    assert_eq!(endpoint.stats().refused_overload, 0);
}

/// How long this thread has run, where Linux says so.
fn on_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

criterion_group!(benches, call_setup);
criterion_main!(benches);
