//! How calls are doing and what happened to them, as seen from outside while real phones call.

use serde_json::Value;
use testkit::rest::{Answer, metric};
use testkit::server::wait_until;

use crate::party::{PATIENCE, Party};

/// The numbers of a guest's call, once `is_so` holds of the answer.
fn statistics(party: &Party, call_sid: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let path = format!("Calls/{call_sid}/MediaStatistics.json");
    let mut answer = Value::Null;
    let came = wait_until(PATIENCE, || {
        answer = party.rest.get(&path).expect(200).json();
        is_so(&answer)
    });
    assert!(came, "it never came: {answer}");
    answer
}

/// All events from `after` on, read in pages of three.
fn events(party: &Party, after: i64) -> Vec<Value> {
    let (mut after, mut events) = (after, Vec::new());
    loop {
        let page: Answer = party.rest.request("GET", &format!("/partyline/v1/events?After={after}&Limit=3"), &[]);
        let page = page.expect(200).json();
        events.extend(page["events"].as_array().cloned().unwrap_or_default());
        after = page["after"].as_i64().expect("a number");
        if page["more"] != true {
            return events;
        }
    }
}

/// What happened but for who spoke, by type and call.
fn story(events: &[Value]) -> Vec<(String, String)> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let told = events.iter().map(|event| (text(event, "type"), text(event, "call_sid")));
    told.filter(|(kind, _)| !kind.contains("speech") && kind != "active-speaker").collect()
}

#[test]
fn a_call_shows_its_numbers_while_it_lives_and_for_good() {
    let mut party = Party::of(["ana", "ben"]);
    let ana = party.guest("ana").call_sid.clone();
    let live = statistics(&party, &ana, |answer| answer["media_statistics"]["mos"].is_number());
    assert_eq!((&live["final"], &live["status"]), (&false.into(), &"in-progress".into()), "{live}");
    let numbers = &live["media_statistics"];
    let number = |name: &str| numbers[name].as_f64().unwrap_or_else(|| panic!("{name} is a number in {numbers}"));
    assert!(number("packets_in") >= 40.0 && number("packets_out") > 0.0, "{numbers}");
    assert!((1.0..=4.5).contains(&number("mos")), "{numbers}");
    assert!((0.0..400_000.0).contains(&number("added_delay_us")), "{numbers}");
    assert!((-60.0..0.0).contains(&number("level_in_db")), "{numbers}");

    party.leaves("ana");
    let kept = statistics(&party, &ana, |answer| answer["final"] == true);
    assert_eq!(kept["status"], "completed", "{kept}");
    assert!(kept["media_statistics"]["packets_in"].as_f64() >= numbers["packets_in"].as_f64(), "{kept}");
    party.server.restart();
    let again = party.rest.get(&format!("Calls/{ana}/MediaStatistics.json")).expect(200).json();
    assert_eq!(again["media_statistics"], kept["media_statistics"]);
    let shown = party.rest.get(&format!("Calls/{ana}.json")).expect(200).json();
    assert!(shown.get("media_statistics").is_none(), "a Call is what Twilio's is: {shown}");
    party.rest.get("Calls/CA00000000000000000000000000000000/MediaStatistics.json").expect(404);
}

#[test]
fn the_log_tells_a_conference_from_the_first_to_come_to_its_end() {
    let mut party = Party::of(["ana", "ben"]);
    let [ana, ben] = ["ana", "ben"].map(|name| party.guest(name).call_sid.clone());
    let conference = party.conference_sid();
    for (parameter, value) in
        [("Muted", "true"), ("Muted", "true"), ("Muted", "false"), ("Hold", "true"), ("BeepOnExit", "true")]
    {
        party.post("ben", &[(parameter, value)]);
    }
    party.leaves("ana");
    let has_left = |count| {
        move |party: &Party| {
            events(party, 0).iter().filter(|event| event["type"] == "participant-leave").count() == count
        }
    };
    assert!(wait_until(PATIENCE, || has_left(1)(&party)));
    party.leaves("ben");
    let ended = |party: &Party| events(party, 0).iter().any(|event| event["type"] == "conference-end");
    assert!(wait_until(PATIENCE, || ended(&party)));

    let told = in_conferences(&party, 0);
    let expected = [
        ("participant-join", &ana),
        ("participant-join", &ben),
        ("conference-start", &String::new()),
        ("participant-mute", &ben),
        ("participant-unmute", &ben),
        ("participant-hold", &ben),
        ("participant-modify", &ben),
        ("participant-leave", &ana),
        ("participant-leave", &ben),
        ("conference-end", &String::new()),
    ];
    let expected = expected.map(|(kind, call)| (kind.to_owned(), call.clone()));
    assert_eq!(story(&told), expected);
    let numbers: Vec<_> = told.iter().map(|event| event["parameters"]["SequenceNumber"].as_str()).collect();
    let counted: Vec<_> = (1..=told.len()).map(|number| number.to_string()).collect();
    assert_eq!(numbers, counted.iter().map(|number| Some(number.as_str())).collect::<Vec<_>>());
    assert!(told.iter().all(|event| event["conference_sid"] == conference.as_str()), "{told:?}");
    let left = told.iter().find(|event| event["type"] == "participant-leave").expect("ana left");
    assert_eq!(left["parameters"]["ReasonParticipantLeft"], "participant_hung_up");
    let of_call = statistics(&party, &ana, |answer| answer["final"] == true);
    assert_eq!(left["media_statistics"], of_call["media_statistics"], "the event has the call's own numbers");

    party.server.restart();
    assert_eq!(in_conferences(&party, 0), told, "it survives a restart");
    let last = told.last().and_then(|event| event["seq"].as_i64()).expect("a number");
    party.join("cho");
    assert_eq!(
        story(&in_conferences(&party, last)),
        [("participant-join".to_owned(), party.guest("cho").call_sid.clone())]
    );
}

/// What happened in conferences, without what happened to the calls themselves.
fn in_conferences(party: &Party, after: i64) -> Vec<Value> {
    let is_of_call = |event: &Value| event["type"].as_str().is_some_and(|name| name.starts_with("call-"));
    events(party, after).into_iter().filter(|event| !is_of_call(event)).collect()
}

#[test]
fn metrics_show_threads_and_legs_as_histograms() {
    let party = Party::of(["ana", "ben"]);
    let sampled = || metric(&party.server.metrics(), "partyline_leg_mos_count").unwrap_or_default() >= 2.0;
    assert!(wait_until(PATIENCE, sampled), "two legs are measured");
    let text = party.server.metrics();
    for name in ["partyline_media_tick_lateness_seconds", "partyline_leg_mos", "partyline_leg_jitter_seconds"] {
        assert!(text.contains(&format!("# TYPE {name} histogram\n")), "{name} in\n{text}");
        let count = metric(&text, &format!("{name}_count")).expect("a count");
        assert!(count > 0.0 && metric(&text, &format!("{name}_sum")).is_some(), "{name}: {count}");
        let buckets: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}_bucket")) && !line.contains("thread=\"1\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        assert!(buckets.len() > 5 && buckets.is_sorted(), "{name}: {buckets:?}");
    }
    for name in [
        "partyline_media_overruns_total",
        "partyline_media_skipped_ticks_total",
        "partyline_leg_voice_milliseconds_total",
    ] {
        assert!(metric(&text, name).is_some(), "{name} in\n{text}");
    }
    // However many calls there are, there are no more lines.
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("partyline_leg_")).count();
    let before = lines(&text);
    let mut party = party;
    party.join("cho");
    assert_eq!(lines(&party.server.metrics()), before);
}
