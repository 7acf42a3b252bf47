//! Whatever comes, in whatever order: no panic, no table that does not drain, each call's end told once.

use std::collections::HashMap;

use proptest::prelude::*;
use sip::{DialogId, Event, InquiryId, Method, Reject};

use crate::phone::{ANSWER, OFFER, Phone, World, ms, secs};

/// One thing a hostile or confused world does next.
#[derive(Debug, Clone)]
enum Step {
    /// Phone number, method, whether the request is a copy of its last, what it carries.
    Say(usize, &'static str, bool, &'static str, bool),
    /// The same, with one byte changed.
    Garble(usize, &'static str, usize, u8),
    Wait(u64),
    /// The phone's next CSeq.
    Count(usize, u32),
    /// What our application does with the call it knows longest.
    Ring(usize),
    Accept(usize),
    Reject(usize),
    Hangup(usize),
    Reanswer(usize),
    Rereject(usize),
    Options(u16),
    /// Answers our latest request, with these headers.
    Answer(u16, String),
    Lose(u64),
    Drain(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let method = prop::sample::select(vec![
        "INVITE", "INVITE", "INVITE", "ACK", "ACK", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "OPTIONS", "PRACK",
        "JUMP",
    ]);
    let headers = prop::sample::select(vec![
        "",
        "",
        "Supported: timer\r\nSession-Expires: 90\r\n",
        "Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 120;refresher=uas\r\n",
        "Require: nothing\r\n",
        "Expires: 1\r\n",
        "Content-Type: application/dtmf-relay\r\n",
        "Record-Route: <sip:192.0.2.77>\r\n",
        HUGE,
    ]);
    let step = prop_oneof![
        8 => (0..4usize, method.clone(), any::<bool>(), headers, any::<bool>())
            .prop_map(|(phone, method, again, headers, body)| Step::Say(phone, method, again, headers, body)),
        1 => (0..4usize, method, any::<usize>(), any::<u8>()).prop_map(|(p, m, at, byte)| Step::Garble(p, m, at, byte)),
        3 => (0..40_000u64).prop_map(Step::Wait),
        1 => (0..4_000_000u64).prop_map(Step::Wait),
        1 => (0..4usize, prop::sample::select(vec![0u32, 1 << 30, (1 << 31) - 2, (1 << 31) - 1, u32::MAX - 100]))
            .prop_map(|(phone, cseq)| Step::Count(phone, cseq)),
        1 => (0..4usize).prop_map(Step::Ring),
        3 => (0..4usize).prop_map(Step::Accept),
        1 => (0..4usize).prop_map(Step::Reject),
        1 => (0..4usize).prop_map(Step::Hangup),
        2 => (0..4usize).prop_map(Step::Reanswer),
        1 => (0..4usize).prop_map(Step::Rereject),
        1 => prop::sample::select(vec![0u16, 200, 404, 999]).prop_map(Step::Options),
        2 => (
            prop::sample::select(vec![100u16, 200, 200, 200, 404, 405, 408, 422, 481, 491, 500, 503]),
            prop::sample::select(vec!["", "1", "100", "200", "2147483648", "4294967296", "18446744073709551615"]),
        )
            .prop_map(|(status, number)| Step::Answer(status, numbers(number))),
        1 => (0..4u64).prop_map(Step::Lose),
        1 => any::<bool>().prop_map(Step::Drain),
    ];
    prop::collection::vec(step, 1..60)
}

/// Every number that we read beside CSeq, larger than anything should be.
const HUGE: &str = "Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 18446744073709551615\r\n\
    Min-SE: 18446744073709551615\r\nExpires: 18446744073709551616\r\nRetry-After: 18446744073709551615\r\n\
    Timestamp: 18446744073709551615.9\r\nReason: SIP;cause=18446744073709551615\r\n";

/// Every number that we read in a response.
fn numbers(number: &str) -> String {
    ["Session-Expires", "Min-SE", "Retry-After", "Expires", "RSeq"].map(|name| format!("{name}: {number}\n")).concat()
}

/// What the application may have been told about a dialog: each but the first at most once, and nothing after the
/// last.
#[derive(Debug)]
struct Told {
    over: HashMap<DialogId, bool>,
    /// The latest OPTIONS.
    options: InquiryId,
}

impl Told {
    fn take(&mut self, world: &mut World) {
        for event in world.events.drain(..) {
            let (dialog, first, last) = match event {
                Event::Invite { dialog, .. } => (dialog, true, false),
                Event::Canceled { dialog, .. } | Event::Ended { dialog, .. } => (dialog, false, true),
                Event::Acked { dialog, .. }
                | Event::Offered { dialog, .. }
                | Event::Answered { dialog, .. }
                | Event::Info { dialog, .. } => (dialog, false, false),
                Event::Progress { .. }
                | Event::Accepted { .. }
                | Event::Failed { .. }
                | Event::Redirected { .. }
                | Event::Refer { .. }
                | Event::ReferAnswered { .. }
                | Event::ReferProgress { .. }
                | Event::Pinged { .. } => continue,
                Event::Options { id, .. } | Event::Register { id, .. } => {
                    self.options = id;
                    continue;
                }
            };
            assert_eq!(self.over.get(&dialog), if first { None } else { Some(&false) }, "{dialog:?}");
            self.over.insert(dialog, last);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_leaves_the_tables_empty_in_the_end(steps in steps()) {
        let mut world = World::new();
        let mut phones: Vec<Phone> = (0..4)
            .map(|number| Phone {
                call_id: format!("call{number}"),
                ..if number % 2 == 0 { Phone::udp() } else { Phone::tcp(number) }
            })
            .collect();
        let mut told = Told { over: HashMap::new(), options: InquiryId(0) };
        world.options = None;
        let mut ours = None;
        for step in steps {
            let dialog = |at: usize| {
                let mut open: Vec<_> = told.over.iter().filter(|(_, over)| !**over).map(|(id, _)| *id).collect();
                open.sort();
                open.get(at).copied().unwrap_or(DialogId(0))
            };
            let (now, endpoint) = (world.now, &mut world.endpoint);
            match step {
                Step::Say(at, method, again, headers, body) => {
                    let phone = &mut phones[at];
                    let body = if body { OFFER } else { "" };
                    let text = if again || matches!(method, "ACK" | "CANCEL") {
                        phone.again(method, headers, body)
                    } else {
                        phone.request(method, headers, body)
                    };
                    world.hear(phone.flow, text);
                }
                Step::Garble(at, method, position, byte) => {
                    let mut text = phones[at].again(method, "", OFFER).into_bytes();
                    let position = position % text.len();
                    text[position] = byte;
                    world.hear(phones[0].flow, text);
                }
                Step::Wait(span) => world.run_for(ms(span)),
                Step::Ring(at) => endpoint.progress(now, dialog(at), 180, None),
                Step::Accept(at) => endpoint.accept(now, dialog(at), ANSWER.to_owned()),
                Step::Reject(at) => endpoint.reject(now, dialog(at), 486, Reject::default()),
                Step::Hangup(at) => {
                    let id = dialog(at);
                    endpoint.hangup(now, id, None);
                    if let Some(over) = told.over.get_mut(&id) {
                        *over = true;
                    }
                }
                Step::Reanswer(at) => endpoint.reanswer(now, dialog(at), ANSWER.to_owned()),
                Step::Rereject(at) => endpoint.rereject(now, dialog(at), 488, None),
                Step::Options(status) => endpoint.answer_options(now, told.options, status),
                Step::Count(at, cseq) => phones[at].cseq = cseq,
                Step::Answer(status, headers) => {
                    if let Some(request) = &ours {
                        let bytes = phones[0].answer(request, status, &headers, "");
                        world.hear(phones[0].flow, bytes);
                    }
                }
                Step::Lose(connection) => endpoint.closed(now, connection),
                Step::Drain(draining) => endpoint.set_draining(draining),
            }
            world.drain();
            told.take(&mut world);
            for sent in world.messages() {
                match sent.message {
                    sip::Message::Request(request) if request.method != Method::Ack => ours = Some(request),
                    sip::Message::Request(_) => {}
                    sip::Message::Response(response) => {
                        let phone = phones.iter_mut().find(|phone| response.headers.call_id() == Ok(&phone.call_id));
                        if let (Some(phone), Some(tag)) = (phone, response.headers.to_tag()) {
                            phone.to_tag = Some(tag);
                        }
                    }
                }
            }
        }
        // Everybody falls silent. A call without a session timer would go on for ever, so our side hangs up.
        for (id, over) in &mut told.over {
            if !*over {
                world.endpoint.hangup(world.now, *id, None);
                *over = true;
            }
        }
        world.drain();
        world.events.retain(|event| !matches!(event, Event::Acked { .. }));
        world.run_for(secs(300));
        world.assert_empty();
        prop_assert_eq!(world.events.len(), 0);
    }

    #[test]
    fn any_bytes_are_survived(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let mut world = World::new();
        for piece in pieces {
            world.hear(Phone::udp().flow, &piece);
            world.hear(Phone::tcp(1).flow, &piece);
        }
        world.run_for(secs(300));
        world.assert_empty();
    }
}
