//! Whatever comes to calls that we make, transfer, and answer reliably, in whatever order: no panic, no table that does
//! not drain, each call's end told once.

use std::collections::HashMap;

use proptest::prelude::*;
use sip::{Credentials, DialogId, Event, Headers, Message, Method, Outgoing, ReferId, Request, Transport};

use crate::callee::{Callee, outgoing};
use crate::phone::{ANSWER, OFFER, Phone, World, flow, ms, secs};

/// One thing that happens next.
#[derive(Debug, Clone)]
enum Step {
    /// We call, with these habits.
    Call {
        offers: bool,
        credentials: bool,
        redirects: bool,
        tcp: bool,
        silence_s: u64,
    },
    /// Who was called last but so many, speaking with this tag: status, headers, body.
    Respond(usize, usize, u16, &'static str, &'static str),
    /// The same asks something within the call.
    Ask(usize, usize, &'static str, &'static str, &'static str),
    /// Somebody answers the latest request of ours that is no INVITE.
    Answer(u16, &'static str),
    /// Any latest message, with one byte changed, comes back.
    Garble(usize, u8),
    /// A caller who knows PRACK: method, headers, body; `again` is a copy.
    Dial(&'static str, &'static str, &'static str, bool),
    /// It acknowledges the latest reliable 1xx.
    Prack(&'static str),
    Wait(u64),
    /// What our application does with the call it knows longest but so many.
    Do(usize, Deed),
    Lose(u64),
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Hangup,
    Reanswer,
    Rereject,
    Ring,
    Describe,
    Accept,
    Follow,
    Refer,
    AcceptRefer,
    RefuseRefer,
    Progress(u16),
    Info,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status = prop::sample::select(vec![
        100u16, 180, 183, 183, 199, 200, 200, 200, 202, 299, 300, 302, 401, 407, 408, 422, 481, 486, 487, 491, 500,
        503, 603, 699,
    ]);
    let headers = prop::sample::select(vec![
        "",
        "",
        "Require: 100rel\nRSeq: 1",
        "Require: 100rel\nRSeq: 2",
        "Require: 100rel\nRSeq: 4294967295",
        "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\", qop=\"auth\"",
        "WWW-Authenticate: Digest realm=\"x\", nonce=\"b\", stale=true\nProxy-Authenticate: Digest realm=\"y\", nonce=\"b\"",
        "Proxy-Authenticate: Digest realm=\"x\", nonce=\"\", algorithm=SHA-256-sess, qop=\"auth\"",
        "Contact: <sip:a@192.0.2.30>;q=0.5, <sip:b@192.0.2.31>;q=18446744073709551616.9",
        "Contact: <tel:+1>\nContact: *",
        "Min-SE: 4294967296\nSession-Expires: 18446744073709551615;refresher=uac\nRetry-After: 99999999999",
        "Session-Expires: 90;refresher=uac\nAllow: UPDATE",
        "Record-Route: <sip:192.0.2.20>, <tel:+1>, <sip:192.0.2.21;lr>",
        "Refer-Sub: false",
    ]);
    let asked = prop::sample::select(vec![
        "",
        "",
        "Refer-To: <sip:cho@example.com>\r\n",
        "Refer-To: <sip:cho@example.com?Replaces=1%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\nRefer-Sub: false\r\n",
        "Event: refer\r\nContent-Type: message/sipfrag\r\nSubscription-State: active\r\n",
        "Event: refer;id=4294967296\r\nContent-Type: message/sipfrag\r\n",
        "RAck: 1 1 INVITE\r\n",
        "Require: 100rel, timer\r\n",
        "Supported: 100rel, timer\r\nSession-Expires: 90\r\n",
        "Replaces: 1;to-tag=a;from-tag=b\r\n",
    ]);
    let body =
        prop::sample::select(vec!["", OFFER, ANSWER, "SIP/2.0 180 Ringing", "SIP/2.0 200 OK", "v=0\r\nnonsense"]);
    let method = prop::sample::select(vec![
        "BYE", "INVITE", "UPDATE", "REFER", "NOTIFY", "PRACK", "ACK", "INFO", "OPTIONS", "CANCEL",
    ]);
    let deed = prop_oneof![
        3 => Just(Deed::Hangup),
        3 => Just(Deed::Reanswer),
        1 => Just(Deed::Rereject),
        1 => Just(Deed::Ring),
        2 => Just(Deed::Describe),
        3 => Just(Deed::Accept),
        3 => Just(Deed::Follow),
        2 => Just(Deed::Refer),
        2 => Just(Deed::AcceptRefer),
        1 => Just(Deed::RefuseRefer),
        2 => prop::sample::select(vec![0u16, 100, 180, 200, 999]).prop_map(Deed::Progress),
        1 => Just(Deed::Info),
    ];
    let call = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0..40u64).prop_map(
        |(offers, credentials, redirects, tcp, silence_s)| Step::Call {
            offers,
            credentials,
            redirects,
            tcp,
            silence_s,
        },
    );
    let dialed =
        prop::sample::select(vec!["INVITE", "INVITE", "ACK", "ACK", "BYE", "CANCEL", "UPDATE", "REFER", "PRACK"]);
    let step = prop_oneof![
        3 => call,
        10 => (0..4usize, 0..4usize, status.clone(), headers.clone(), body.clone())
            .prop_map(|(call, tag, status, headers, body)| Step::Respond(call, tag, status, headers, body)),
        4 => (0..4usize, 0..4usize, method, asked.clone(), body.clone())
            .prop_map(|(call, tag, method, headers, body)| Step::Ask(call, tag, method, headers, body)),
        4 => (status, headers).prop_map(|(status, headers)| Step::Answer(status, headers)),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Step::Garble(at, byte)),
        5 => (dialed, asked, body.clone(), any::<bool>())
            .prop_map(|(method, headers, body, again)| Step::Dial(method, headers, body, again)),
        3 => body.prop_map(Step::Prack),
        3 => (0..40_000u64).prop_map(Step::Wait),
        1 => (0..4_000_000u64).prop_map(Step::Wait),
        8 => (0..4usize, deed).prop_map(|(call, deed)| Step::Do(call, deed)),
        1 => (0..4u64).prop_map(Step::Lose),
    ];
    prop::collection::vec(step, 1..60)
}

/// What the world knows.
#[derive(Default)]
struct Known {
    /// Every call, and whether it is over.
    over: HashMap<DialogId, bool>,
    called: Vec<Callee>,
    /// Our latest request that is no INVITE and no ACK.
    asked: Option<Request>,
    latest: Vec<u8>,
    refer: Option<ReferId>,
    redirected: Option<(DialogId, sip::Uri)>,
    rseq: u32,
}

impl Known {
    /// What the application is told of a call comes after its beginning and before its end.
    fn take(&mut self, world: &mut World, ana: &mut Phone) {
        for event in world.events.drain(..) {
            let (dialog, first, last) = match event {
                Event::Invite { dialog, .. } => (dialog, true, false),
                Event::Canceled { dialog, .. } | Event::Ended { dialog, .. } | Event::Failed { dialog, .. } => {
                    (dialog, false, true)
                }
                Event::Redirected { dialog, target, .. } => {
                    self.redirected = Some((dialog, target));
                    (dialog, false, false)
                }
                Event::Refer { refer, .. } => {
                    self.refer = Some(refer);
                    (refer.dialog, false, false)
                }
                Event::Acked { dialog, .. }
                | Event::Offered { dialog, .. }
                | Event::Answered { dialog, .. }
                | Event::Info { dialog, .. }
                | Event::Progress { dialog, .. }
                | Event::Accepted { dialog, .. }
                | Event::ReferAnswered { dialog, .. }
                | Event::ReferProgress { dialog, .. } => (dialog, false, false),
                _ => continue,
            };
            assert_eq!(self.over.get(&dialog), if first { None } else { Some(&false) }, "{dialog:?}");
            self.over.insert(dialog, last);
        }
        for sent in world.messages() {
            self.latest = sent.message.to_bytes().to_vec();
            match sent.message {
                Message::Request(invite) if invite.method == Method::Invite && invite.headers.to_tag().is_none() => {
                    let contact = format!("<sip:ben@{}>", sent.flow.remote);
                    self.called.insert(0, Callee { flow: sent.flow, invite, tag: String::new(), contact, cseq: 100 });
                }
                Message::Request(request) if request.method != Method::Ack => self.asked = Some(request),
                Message::Request(_) => {}
                Message::Response(response) => {
                    self.rseq = response.headers.rseq().unwrap_or(self.rseq);
                    if response.headers.call_id() == Ok(&ana.call_id) && response.headers.to_tag().is_some() {
                        ana.to_tag = response.headers.to_tag();
                    }
                }
            }
        }
    }

    fn open(&self, at: usize) -> DialogId {
        let mut open: Vec<_> = self.over.iter().filter(|(_, over)| !**over).map(|(id, _)| *id).collect();
        open.sort();
        open.get(at).copied().unwrap_or(DialogId(0))
    }
}

fn make_call(world: &mut World, known: &mut Known, step: &Step) {
    let Step::Call { offers, credentials, redirects, tcp, silence_s } = *step else { return };
    let to = if tcp { flow(Transport::Tcp, "192.0.2.10:5060", Some(1)) } else { outgoing().flow };
    let realm = redirects.then(|| "x".to_owned());
    let credentials = credentials.then(|| Credentials { username: "a\"".to_owned(), password: "b".to_owned(), realm });
    let offer = offers.then(|| OFFER.to_owned());
    let dialog = world.endpoint.invite(
        world.now,
        Outgoing { flow: to, offer, credentials, redirects, silence_timeout: secs(silence_s), ..outgoing() },
    );
    known.over.insert(dialog, false);
}

fn act(world: &mut World, known: &mut Known, at: usize, deed: Deed) {
    let (dialog, now) = (known.open(at), world.now);
    let endpoint = &mut world.endpoint;
    let refer = known.refer.unwrap_or(ReferId { dialog, number: 0 });
    match deed {
        Deed::Hangup => {
            endpoint.hangup(now, dialog, None);
            known.over.entry(dialog).and_modify(|over| *over = true);
        }
        Deed::Reanswer => endpoint.reanswer(now, dialog, ANSWER.to_owned()),
        // It may end the call, of which then nothing more is told.
        Deed::Rereject => {
            endpoint.rereject(now, dialog, 488, None);
            endpoint.hangup(now, dialog, None);
            known.over.entry(dialog).and_modify(|over| *over = true);
        }
        Deed::Ring => endpoint.progress(now, dialog, 180, None),
        Deed::Describe => endpoint.progress(now, dialog, 183, Some(ANSWER.to_owned())),
        Deed::Accept => endpoint.accept(now, dialog, ANSWER.to_owned()),
        Deed::Follow => {
            if let Some((dialog, target)) = known.redirected.clone() {
                endpoint.follow(now, dialog, outgoing().flow, target, ANSWER.to_owned());
            }
        }
        Deed::Refer => {
            let target = "<sip:cho@example.com>".parse().expect("an address");
            endpoint.refer(now, dialog, &target, &Headers::new());
        }
        Deed::AcceptRefer => endpoint.accept_refer(now, refer),
        Deed::RefuseRefer => endpoint.refuse_refer(now, refer, 603),
        Deed::Progress(status) => endpoint.refer_progress(now, refer, status),
        Deed::Info => endpoint.info(now, dialog, "application/dtmf-relay", "Signal=1".into()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_leaves_the_tables_empty_in_the_end(steps in steps()) {
        let mut world = World::new();
        prop_assert!(world.endpoint.opened(1));
        let mut known = Known::default();
        let mut ana = Phone::udp();
        for step in steps {
            match step {
                Step::Call { .. } => make_call(&mut world, &mut known, &step),
                Step::Respond(at, tag, status, headers, body) => {
                    if let Some(called) = known.called.get(at) {
                        called.fork(["a", "b", "c", "d"][tag]).says(&mut world, status, headers, body);
                    }
                }
                Step::Ask(at, tag, method, headers, body) => {
                    if let Some(called) = known.called.get_mut(at) {
                        called.tag = ["a", "b", "c", "d"][tag].to_owned();
                        let request = called.request(method, headers, body);
                        let from = called.flow;
                        world.hear(from, request);
                    }
                }
                Step::Answer(status, headers) => {
                    if let Some(request) = &known.asked {
                        let bytes = ana.answer(request, status, headers, "");
                        world.hear(ana.flow, bytes);
                    }
                }
                Step::Garble(at, byte) => {
                    let mut bytes = known.latest.clone();
                    if let Some(at) = at.checked_rem(bytes.len()) {
                        bytes[at] = byte;
                        world.hear(ana.flow, bytes);
                    }
                }
                Step::Dial(method, headers, body, again) => {
                    if method == "INVITE" && !again {
                        ana = Phone { call_id: format!("call{}", ana.branches), cseq: 1, to_tag: None, ..ana };
                    }
                    let text = if again || matches!(method, "ACK" | "CANCEL" | "INVITE") {
                        ana.again(method, headers, body)
                    } else {
                        ana.request(method, headers, body)
                    };
                    world.hear(ana.flow, text);
                }
                Step::Prack(body) => {
                    let rack = format!("RAck: {} 1 INVITE\r\n", known.rseq);
                    world.hear(ana.flow, ana.request("PRACK", &rack, body));
                }
                Step::Wait(span) => world.run_for(ms(span)),
                Step::Do(at, deed) => act(&mut world, &mut known, at, deed),
                Step::Lose(connection) => world.endpoint.closed(world.now, connection),
            }
            world.drain();
            known.take(&mut world, &mut ana);
        }
        // Everybody falls silent, and our side hangs up.
        for (id, over) in &mut known.over {
            if !*over {
                world.endpoint.hangup(world.now, *id, None);
                *over = true;
            }
        }
        world.drain();
        world.events.clear();
        world.run_for(secs(800));
        world.assert_empty();
        prop_assert!(world.events.is_empty(), "{:?}", world.events);
    }
}
