//! Bad input of every kind, while two people talk: each is answered or dropped, and the two never notice.

use std::net::UdpSocket;

use testkit::application::Application;
use testkit::rest::Rest;
use testkit::rtp::{self, HEADER_LEN, Header};
use testkit::server::Server;
use testkit::tone::{HUM_DBFS, snr_db};
use testkit::wire::Moment;

use crate::party::Party;

/// Runs `misbehave` beside a conversation and checks that what ben heard meanwhile has no broken frame.
#[track_caller]
fn undisturbed(party: &Party, misbehave: impl FnOnce()) {
    party.check_hearing("ana ben music\n ana - x .\n ben x - .");
    let (ana_hums, ben) = (party.guest("ana").tone, &party.guest("ben").phone);
    let from = Moment::now();
    misbehave();
    ben.hear_after(Moment::now(), 25);
    let heard = ben.heard_since(from);
    let level_and_snr = heard.iter().map(|packet| (packet.level_dbfs(ana_hums), snr_db(&packet.pcm(), &[ana_hums])));
    let broken: Vec<_> = level_and_snr.filter(|&(level, snr)| (level - HUM_DBFS).abs() > 1.0 || snr < 25.0).collect();
    assert!(broken.len() <= party.forgiven(&["ana"], from), "broken of {} frames: {broken:.1?}", heard.len());
    for two in heard.windows(2) {
        assert_eq!(two[1].header.sequence, two[0].header.sequence.wrapping_add(1));
    }
    party.rest.request("GET", "/healthz", &[]).expect(200);
    party.check_hearing("ana ben music\n ana - x .\n ben x - .");
}

#[test]
fn malformed_sip_disturbs_nobody() {
    let party = Party::of(["ana", "ben"]);
    undisturbed(&party, || {
        let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
        stranger.connect(party.server.sip()).expect("a way to the server");
        for garbage in sip_garbage(&party.server) {
            // The bridge may have closed the port by a fault of its own; the phones would tell.
            drop(stranger.send(&garbage));
        }
    });
}

fn sip_garbage(server: &Server) -> Vec<Vec<u8>> {
    let to = server.sip();
    let head =
        |method: &str| format!("{method} sip:standup@{to} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n");
    let rest =
        "From: <sip:x@y>;tag=1\r\nTo: <sip:standup@z>\r\nCall-ID: faults\r\nCSeq: 1 INVITE\r\nContact: <sip:x@y>\r\n";
    let texts = [
        "\r\n\r\n".to_owned(),
        "hello".to_owned(),
        "INVITE\r\n\r\n".to_owned(),
        head("INVITE"),
        format!("{}\r\n", head("INVITE")),
        format!("{}{rest}Content-Length: 99999\r\n\r\nv=0", head("INVITE")),
        format!("{}{rest}Content-Length: -1\r\n\r\n", head("INVITE")),
        format!("{}{rest}Content-Type: application/sdp\r\nContent-Length: 6\r\n\r\nm=\u{0}\u{1}\r\n", head("INVITE")),
        format!("{}{}\r\n", head("INVITE"), rest.replace("1 INVITE", "99999999999999999999 INVITE")),
        format!("{}{}\r\n", head("INVITE"), rest.replace("Call-ID: faults\r\n", "")),
        format!("{}{rest}{}\r\n", head("OPTIONS"), "X-Long: y\r\n".repeat(3_000)),
        format!("{}{rest}\r\n", head("BYE").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")),
        "SIP/2.0 200 OK\r\n\r\n".to_owned(),
        "SIP/2.0 999999 OK\r\nCSeq: x\r\n\r\n".to_owned(),
    ];
    let mut all: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
    all.push(vec![0xFF; 1_400]);
    all.push((0..=u8::MAX).cycle().take(60_000).collect());
    all
}

#[test]
fn a_stream_of_garbage_over_tcp_is_closed_and_disturbs_nobody() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let party = Party::of(["ana", "ben"]);
    undisturbed(&party, || {
        for garbage in sip_garbage(&party.server) {
            let mut stream = TcpStream::connect(party.server.sip()).expect("a connection");
            stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).expect("a time that is not zero");
            // Either side may have given up; what counts is the conversation beside it.
            drop(stream.write_all(&garbage).and_then(|()| stream.read(&mut [0; 4096])));
        }
    });
}

#[test]
fn strangers_can_neither_speak_into_a_call_nor_break_it() {
    let party = Party::of(["ana", "ben"]);
    let audio = party.guest("ana").phone.remote();
    undisturbed(&party, || {
        let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let noise: Vec<u8> = (0..160u32).map(|n| (n * 37 % 256) as u8).collect();
        for sequence in 0..500 {
            let header = Header {
                payload_type: rtp::PCMU,
                marker: false,
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: 666,
            };
            // A connected socket refuses a stranger, which may come back to us as an error.
            drop(stranger.send_to(&[&header.write()[..], &noise].concat(), audio));
        }
    });
}

#[test]
fn malformed_rtp_and_rtcp_from_a_caller_disturb_nobody_else() {
    let party = Party::of(["ana", "ben", "cho"]);
    party.guest("cho").phone.hum(None);
    undisturbed(&party, || {
        let header = Header { payload_type: rtp::PCMU, marker: false, sequence: 7, timestamp: 7, ssrc: 7 }.write();
        let cases: [Vec<u8>; 12] = [
            vec![],
            vec![0x80],
            header.to_vec(),
            header[..HEADER_LEN - 1].to_vec(),
            [&[0x8F][..], &header[1..]].concat(), // 15 contributing sources that are not there
            [&[0x90][..], &header[1..], &[0xBE, 0xDE, 0xFF, 0xFF]].concat(), // an extension of 256 KiB
            [&[0xA0][..], &header[1..], &[0xFF]].concat(), // more padding than packet
            [&[0x00][..], &header[1..], &[0; 160]].concat(), // version 0
            [&header[..], &[0; 1_388]].concat(),
            [&[0x80, 77][..], &header[2..], &[0; 160]].concat(), // a payload type nobody agreed on
            vec![0x81, 200, 0xFF, 0xFF, 0, 0, 0, 1],             // a sender report longer than itself
            vec![0x80, 203, 0, 1, 0, 0, 0, 7],                   // an RTCP BYE
        ];
        for _ in 0..5 {
            cases.iter().for_each(|case| party.guest("cho").phone.inject(case));
            [header.to_vec(), vec![rtp::EVENT]].iter().for_each(|case| party.guest("cho").phone.inject(case));
        }
    });
    assert!(!party.guest("cho").phone.is_ended());
}

#[test]
fn malformed_http_is_answered_and_disturbs_nobody() {
    let party = Party::of(["ana", "ben"]);
    let rest: &Rest = &party.rest;
    undisturbed(&party, || {
        for (case, request) in [
            ("no HTTP", "hello\r\n\r\n".to_owned()),
            ("no host", "GET /healthz HTTP/1.1\r\n\r\n".to_owned()),
            ("endless header", format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(300_000))),
            ("endless path", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(100_000))),
            (
                "broken credentials",
                "GET /2010-04-01/Accounts.json HTTP/1.1\r\nHost: x\r\nAuthorization: Basic !!!\r\n\r\n".to_owned(),
            ),
        ] {
            // Some of these are so broken that closing without a word is an answer, too.
            if let Ok(answer) = rest.send_raw(request.as_bytes()) {
                assert!((200..500).contains(&answer.status), "{case} was answered {}", answer.status);
            }
        }
        let path = party.participant("ana");
        for (case, value) in
            [("not UTF-8", "%FF%FE"), ("NUL", "%00"), ("half an escape", "%2"), ("a lot", &"x".repeat(200_000))]
        {
            let body = format!("Label={value}&HoldUrl={value}");
            let answer = post_raw(&party, &path, &body);
            assert!((200..500).contains(&answer), "{case} was answered {answer}");
        }
    });
}

/// POSTs a body as it is, however broken.
fn post_raw(party: &Party, resource: &str, body: &str) -> u16 {
    let authorized = party.rest.authorization();
    let request = format!(
        "POST /2010-04-01/Accounts/{}/{resource} HTTP/1.1\r\nHost: x\r\n{authorized}Connection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        testkit::server::ACCOUNT_SID,
        body.len(),
    );
    party.rest.send_raw(request.as_bytes()).expect("an answer").status
}

#[test]
fn urls_that_serve_no_sound_leave_the_held_in_peace_and_disturb_nobody() {
    let mut party = Party::of(["ana", "ben"]);
    party.join("cho");
    party.guest("cho").phone.hum(None);
    let application = Application::start();
    let urls = [
        application.file("/text.wav", "audio/wav", b"this is no sound"),
        application.file("/empty.wav", "audio/wav", b""),
        application.file("/cut.wav", "audio/wav", &testkit::wav::write(&[0; 8_000])[..30]),
        application.file("/noise.mp3", "audio/mpeg", &[0xFF; 10_000]),
        application.redirect("/circle", "/circle"),
        application.status("/broken", 500),
        application.silent("/silent.wav"),
        "http://127.0.0.1:1/nobody-listens.wav".to_owned(),
        "http://10.255.255.1/not-allowed.wav".to_owned(),
        "gopher://old.example.test/".to_owned(),
    ];
    undisturbed(&party, || {
        for url in &urls {
            let answer = party.rest.post(&party.participant("cho"), &[("Hold", "true"), ("HoldUrl", url)]);
            assert!([200, 400].contains(&answer.status), "{url}: {}", answer.body);
        }
    });
    party.post("cho", &[("Hold", "false")]);
    party.check_hearing(
        "     ana ben music
         ana   -   x   .
         ben   x   -   .
         cho   x   x   .  ",
    );
}

#[test]
fn a_caller_who_vanishes_leaves_the_others_talking() {
    let mut party = Party::of(["ana", "ben", "cho"]);
    party.vanishes("cho");
    party.check_hearing(
        "     ana ben music
         ana   -   x   .
         ben   x   -   .  ",
    );
}

#[test]
fn calls_that_are_never_acknowledged_do_not_pile_up() {
    let party = Party::of(["ana", "ben"]);
    let caller = UdpSocket::bind("127.0.0.1:0").expect("a port");
    caller.connect(party.server.sip()).expect("a way to the server");
    let local = caller.local_addr().expect("a bound socket has an address");
    let before = testkit::process::resident_bytes(party.server.pid()).expect("the bridge runs");
    undisturbed(&party, || {
        for nth in 0..20_000 {
            let offer = testkit::sdp::describe(local, 1, testkit::sdp::Flow::SendRecv, false);
            let room = format!("flood-{}", nth % 100);
            let mut dialog =
                testkit::sip::Dialog::new(testkit::sip::Transport::Udp, local, "flood", &room, party.server.sip());
            // The bridge's socket buffer may be full, which is one way of surviving a flood.
            drop(caller.send(dialog.invite(Some(&offer)).as_bytes()));
        }
    });
    let grown = testkit::process::resident_bytes(party.server.pid()).expect("the bridge runs").saturating_sub(before);
    assert!(grown < 512 << 20, "grown by {} MiB", grown >> 20);
}
