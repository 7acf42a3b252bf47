//! Media streams: what becomes of them is told, whatever becomes of their call (twiml §9.3).

use std::time::Duration;

use model::StreamSid;
use switch::webhook::{CallbackBody, StreamEvent as Told};
use switch::{Event, StreamEvent, StreamOrder};

use crate::phone::State;
use crate::world::World;

const NUMBER: &str = "+15005550001";
const VOICE: &str = "https://app.test/voice";

/// Ana's document lets one application listen, and another one talk with her. Both are there.
fn ana_is_heard(seed: u64) -> (World, StreamSid, StreamSid) {
    let mut world = World::new(seed);
    world.number(NUMBER, VOICE);
    let stream = |name| format!("<Stream url=\"wss://app.test/{name}\" statusCallback=\"https://app.test/told\"/>");
    let document = format!("<Start>{}</Start><Connect>{}</Connect>", stream("ear"), stream("mouth"));
    world.documents(VOICE, &[&document]);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(500));
    let opened = |order: &StreamOrder| match order {
        StreamOrder::Open(open) => open.stream,
        other => panic!("nothing but two to be opened, not {other:?}"),
    };
    let [ear, mouth] = world.streams.iter().map(opened).collect::<Vec<_>>()[..] else { panic!("two ({world})") };
    for stream in [ear, mouth] {
        world.handle(Event::Stream { stream, event: StreamEvent::Started });
    }
    world.streams.clear();
    (world, ear, mouth)
}

fn told(world: &World) -> Vec<(StreamSid, Told)> {
    let of_stream = |body: &CallbackBody| match body {
        CallbackBody::Stream { stream, event, .. } => Some((*stream, *event)),
        _ => None,
    };
    world.callbacks.iter().filter_map(|callback| of_stream(&callback.body)).skip(2).collect()
}

#[test]
fn the_end_of_a_stream_is_told_after_the_end_of_its_call() {
    let (mut world, ear, mouth) = ana_is_heard(300);
    world.hang_up("ana");
    assert_eq!(world.streams, [ear, mouth].map(|stream| StreamOrder::Close { stream }));
    let lost = StreamEvent::Failed { code: 31_921, reason: "the connection broke".to_owned() };
    world.handle(Event::Stream { stream: ear, event: StreamEvent::Stopped });
    world.handle(Event::Stream { stream: mouth, event: lost });
    assert_eq!(told(&world), [(ear, Told::Stopped), (mouth, Told::Error)]);
    assert_eq!(world.times_notified(31_921), 1);
    world.check_nothing_is_left();
}

#[test]
fn another_document_ends_the_stream_that_the_one_before_was_connected_to() {
    let (mut world, ear, mouth) = ana_is_heard(301);
    world.documents("https://app.test/new", &["<Pause length=\"30\"/>"]);
    world.redirect("ana", "https://app.test/new").expect("she talks");
    assert_eq!(world.streams, [StreamOrder::Close { stream: mouth }], "the one that only listens goes on");
    world.handle(Event::Stream { stream: mouth, event: StreamEvent::Stopped });
    assert_eq!(told(&world), [(mouth, Told::Stopped)]);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.phone("ana").state, State::Talking, "her new document runs");
    world.hang_up("ana");
    assert_eq!(world.streams.last(), Some(&StreamOrder::Close { stream: ear }));
}
