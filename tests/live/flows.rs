//! The contract's flows without TaskRouter (flows.md F1 to F3, F6, F7), as a caller, agents and a supervisor hear them.

use testkit::phone::Phone;
use testkit::server::wait_until;
use testkit::tone::Tone;

use crate::centre::{Centre, check_hearing};
use crate::party::PATIENCE;

const NUMBER: &str = "+15005550001";
const ANA: Tone = Tone { hz: 409 };
const BEN: Tone = Tone { hz: 857 };
const CHO: Tone = Tone { hz: 1259 };
const SUE: Tone = Tone { hz: 1709 };

/// Who makes which sound.
type Guests<'a> = Vec<(&'static str, &'a Phone, Tone)>;

#[test]
fn a_caller_chooses_waits_in_a_queue_and_talks_with_an_agent() {
    let centre = Centre::start();
    centre.number(NUMBER, "/incoming", "status_callback=here('/number-events')");
    let ana = centre.dial(NUMBER).as_user("+15005550100").humming(ANA).connect();
    let call = centre.call_of("+15005550100");
    let first = &centre.wait_asked("/incoming", 1)[0]["parameters"];
    for (name, value) in [
        ("CallSid", call.as_str()),
        ("From", "+15005550100"),
        ("Caller", "+15005550100"),
        ("To", NUMBER),
        ("Called", NUMBER),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
        ("FromCountry", "US"),
        ("ToCity", ""),
    ] {
        assert_eq!(first[name], value, "{name} in {first:#}");
    }
    check_hearing(&[("ana", &ana, ANA)], "ana sound\n ana - x");
    ana.press("1");
    assert_eq!(centre.wait_asked("/menu", 1)[0]["parameters"]["Digits"], "1");
    check_hearing(&[("ana", &ana, ANA)], "ana wait\n ana - x");
    let wait = &centre.wait_asked("/wait", 1)[0];
    assert_eq!(wait["method"], "GET");
    assert_eq!(wait["parameters"]["QueuePosition"], "1", "{wait:#}");
    assert_eq!(centre.does("client.queues.list()")[0]["current_size"], 1);

    let ben = centre.callee("ben");
    let agent = centre.makes(&format!(
        "client.calls.create(to='{}', from_='{NUMBER}', url=here('/agent'), status_callback=here('/call-events'),
         status_callback_event=['initiated', 'ringing', 'answered', 'completed'])",
        ben.uri()
    ));
    let ben = ben.ring().take(BEN);
    check_hearing(
        &[("ana", &ana, ANA), ("ben", &ben, BEN)],
        "    ana ben wait sound
         ana  -   x   .    .
         ben  x   -   .    .  ",
    );
    let whisper = &centre.wait_asked("/about-to-connect", 1)[0]["parameters"];
    assert_eq!((&whisper["CallSid"], &whisper["DequeingCallSid"]), (&call.as_str().into(), &agent.as_str().into()));
    ben.hang_up();
    let left = &centre.wait_asked("/after-queue", 1)[0]["parameters"];
    assert_eq!((&left["QueueResult"], &left["CallSid"]), (&"bridged".into(), &call.as_str().into()), "{left:#}");
    assert!(ana.wait_ended(), "her document is at its end");
    centre.wait_statuses(&agent, &["initiated", "ringing", "in-progress", "completed"]);
    let told = centre.wait_told("/number-events", "CallStatus", &["completed"]);
    assert_eq!(told[0]["parameters"]["CallSid"], call.as_str());
    assert_eq!(centre.wait_status(&agent, "completed")["direction"], "outbound-api");
    centre.wait_notified(&call, &[]);
    centre.check_requests();
}

#[test]
fn who_hangs_up_in_the_queue_has_left_it() {
    let centre = Centre::start();
    centre.number(NUMBER, "/incoming", "");
    let ana = centre.dial(NUMBER).humming(ANA).connect();
    ana.press("1");
    centre.wait_asked("/wait", 1);
    ana.hang_up();
    let left = &centre.wait_asked("/after-queue", 1)[0]["parameters"];
    assert_eq!((&left["QueueResult"], &left["CallStatus"]), (&"hangup".into(), &"completed".into()), "{left:#}");
    assert_eq!(centre.does("client.queues.list()")[0]["current_size"], 0);
    centre.check_requests();
}

/// Ana has called, and ben, an agent, has been called into her conference.
fn two_in_conference(centre: &Centre) -> (Phone, Phone, String) {
    centre.number(NUMBER, "/incoming", "");
    let ana = centre.dial(NUMBER).as_user("+15005550100").humming(ANA).connect();
    ana.press("2");
    check_hearing(&[("ana", &ana, ANA)], "ana wait\n ana - x");
    let conference = centre.conference("service");
    let ben = add(centre, "ben", "label='agent', end_conference_on_exit=False", BEN);
    check_hearing(
        &[("ana", &ana, ANA), ("ben", &ben, BEN)],
        "    ana ben wait
         ana  -   x   .
         ben  x   -   .  ",
    );
    (ana, ben, conference)
}

/// Somebody is called into the conference, and answers.
fn add(centre: &Centre, name: &'static str, more: &str, tone: Tone) -> Phone {
    let callee = centre.callee(name);
    let participant = centre.does(&format!(
        "client.conferences('service').participants.create(from_='{NUMBER}', to='{}', {more})",
        callee.uri()
    ));
    assert_eq!(participant["status"], "queued", "{participant}");
    callee.ring().take(tone)
}

fn update(centre: &Centre, conference: &str, who: &str, changes: &str) {
    centre.does(&format!("client.conferences('{conference}').participants('{who}').update({changes})"));
}

#[test]
fn a_customer_is_held_and_transferred_to_another_agent() {
    let centre = Centre::start();
    let (ana, ben, conference) = two_in_conference(&centre);
    let customer = centre.call_of("+15005550100");
    let agent = centre.call_of("sip:ben@");

    update(&centre, &conference, &customer, "hold=True, hold_url=here('/hold'), hold_method='POST'");
    let both: Guests = vec![("ana", &ana, ANA), ("ben", &ben, BEN)];
    check_hearing(&both, "ana ben hold\n ana - . x\n ben . - .");
    let hold = &centre.wait_asked("/hold", 1)[0];
    assert_eq!((&hold["method"], &hold["parameters"]["CallSid"]), (&"POST".into(), &customer.as_str().into()));
    update(&centre, &conference, &customer, "hold=False");
    check_hearing(&both, "ana ben hold\n ana - x .\n ben x - .");

    // Cold transfer (F3): the first agent is gone before the second has answered.
    update(&centre, &conference, "customer", "hold=True, hold_url=here('/hold')");
    let cho = centre.callee("cho");
    let second = centre.makes(&format!(
        "client.conferences('{conference}').participants.create(from_='{NUMBER}', to='{}', label='second')",
        cho.uri()
    ));
    let cho = cho.ring();
    centre.does(&format!("client.conferences('{conference}').participants('{agent}').delete()"));
    assert!(ben.wait_ended());
    check_hearing(&[("ana", &ana, ANA)], "ana hold\n ana - x");
    assert_eq!(centre.does(&format!("client.conferences('{conference}').fetch()"))["status"], "in-progress");
    let cho = cho.take(CHO);
    centre.wait_status(&second, "in-progress");
    update(&centre, &conference, &customer, "hold=False");
    check_hearing(&[("ana", &ana, ANA), ("cho", &cho, CHO)], "ana cho hold\n ana - x .\n cho x - .");
    centre.wait_status(&agent, "completed");
    cho.hang_up();
    ana.hang_up();
    let events = [
        ("participant-join", customer.as_str()),
        ("participant-join", &agent),
        ("conference-start", ""),
        ("participant-hold", &customer),
        ("participant-unhold", &customer),
        ("participant-hold", &customer),
        ("participant-leave", &agent),
        ("participant-join", &second),
        ("participant-unhold", &customer),
        ("participant-leave", &second),
        ("participant-leave", &customer),
        ("conference-end", ""),
    ];
    check_events(&centre, &conference, &events);
    let left = &centre.wait_asked("/after-conference", 1)[0]["parameters"];
    assert_eq!((&left["DialCallStatus"], &left["CallStatus"]), (&"answered".into(), &"completed".into()), "{left:#}");
    centre.wait_notified(&customer, &[]);
    centre.check_requests();
}

/// The conference's callbacks were these, in this order and numbered so; each with its participant, if it has one.
#[track_caller]
fn check_events(centre: &Centre, conference: &str, events: &[(&str, &str)]) {
    let names: Vec<_> = events.iter().map(|(name, _)| *name).collect();
    let told = centre.wait_told("/conference-events", "StatusCallbackEvent", &names);
    for (n, (told, (_, call))) in told.iter().zip(events).enumerate() {
        let said = &told["parameters"];
        assert_eq!(said["ConferenceSid"], conference, "{said:#}");
        assert_eq!(said["FriendlyName"], "service", "{said:#}");
        assert_eq!(said["SequenceNumber"], (n + 1).to_string(), "{said:#}");
        assert_eq!(said["CallSid"].as_str().unwrap_or_default(), *call, "{said:#}");
    }
}

#[test]
fn an_agent_who_cannot_be_reached_leaves_the_customer_on_hold() {
    let centre = Centre::start();
    let (ana, ben, conference) = two_in_conference(&centre);
    update(&centre, &conference, "customer", "hold=True, hold_url=here('/hold')");
    let cho = centre.callee("cho");
    let second = centre.makes(&format!(
        "client.conferences('{conference}').participants.create(from_='{NUMBER}', to='{}')",
        cho.uri()
    ));
    cho.ring().refuse("486 Busy Here");
    centre.wait_status(&second, "busy");
    ben.hang_up();
    check_hearing(&[("ana", &ana, ANA)], "ana hold\n ana - x");
    let told = centre.wait_asked("/conference-events", 6);
    let failed = told.iter().map(|told| &told["parameters"]).find(|said| said["CallSid"] == second.as_str());
    let failed = failed.expect("the room is told");
    assert_eq!(failed["StatusCallbackEvent"], "participant-leave", "{failed:#}");
    assert_eq!(failed["ReasonParticipantLeft"], "participant_add_failed", "{failed:#}");
    assert_eq!(failed["ParticipantCallStatus"], "busy", "{failed:#}");
    centre.wait_notified(&second, &["16030"]);
    centre.check_requests();
}

#[test]
fn a_supervisor_monitors_whispers_barges_in_and_goes_unnoticed() {
    let centre = Centre::start();
    let (ana, ben, conference) = two_in_conference(&centre);
    // By a document of its own: the supervisor dials in.
    centre.number("+15005550002", "/join?room=service&muted=true&beep=false", "");
    let sue = centre.dial("+15005550002").as_user("+15005550300").humming(SUE).connect();
    let (agent, supervisor) = (centre.call_of("sip:ben@"), centre.call_of("+15005550300"));
    let all: Guests = vec![("ana", &ana, ANA), ("ben", &ben, BEN), ("sue", &sue, SUE)];
    let monitors = "    ana ben sue
                    ana  -   x   .
                    ben  x   -   .
                    sue  x   x   -  ";
    check_hearing(&all, monitors);
    let coach = format!("coaching=True, call_sid_to_coach='{agent}', muted=False");
    update(&centre, &conference, &supervisor, &coach);
    check_hearing(
        &all,
        "    ana ben sue
         ana  -   x   .
         ben  x   -   x
         sue  x   x   -  ",
    );
    update(&centre, &conference, &supervisor, "coaching=False");
    check_hearing(
        &all,
        "    ana ben sue
         ana  -   x   x
         ben  x   -   x
         sue  x   x   -  ",
    );
    update(&centre, &conference, &supervisor, "muted=True");
    check_hearing(&all, monitors);
    sue.hang_up();
    let both: Guests = vec![("ana", &ana, ANA), ("ben", &ben, BEN)];
    check_hearing(&both, "ana ben\n ana - x\n ben x -");
    let told = [
        ("participant-join", centre.call_of("+15005550100")),
        ("participant-join", agent),
        ("conference-start", String::new()),
        ("participant-join", supervisor.clone()),
        ("participant-unmute", supervisor.clone()),
        ("participant-modify", supervisor.clone()),
        ("participant-modify", supervisor.clone()),
        ("participant-mute", supervisor.clone()),
        ("participant-leave", supervisor),
    ];
    let told: Vec<_> = told.iter().map(|(name, call)| (*name, call.as_str())).collect();
    check_events(&centre, &conference, &told);
    centre.check_requests();
}

#[test]
fn a_coach_comes_by_document_and_is_heard_by_the_agent_only() {
    let centre = Centre::start();
    let (ana, ben, _) = two_in_conference(&centre);
    let agent = centre.call_of("sip:ben@");
    centre.number("+15005550002", &format!("/join?room=service&coach={agent}"), "");
    let sue = centre.dial("+15005550002").humming(SUE).connect();
    check_hearing(
        &[("ana", &ana, ANA), ("ben", &ben, BEN), ("sue", &sue, SUE)],
        "    ana ben sue
         ana  -   x   .
         ben  x   -   x
         sue  x   x   -  ",
    );
    centre.check_requests();
}

#[test]
fn announcements_are_heard_by_whom_they_are_for() {
    let centre = Centre::start();
    let (ana, ben, conference) = two_in_conference(&centre);
    update(&centre, &conference, "agent", "announce_url=here('/announcement')");
    assert!(wait_until(PATIENCE, || hears(&ben, ANNOUNCEMENT)), "the agent is told about the customer");
    // What is played to who leaves is no longer told of; this one is at its end.
    assert_eq!(centre.wait_asked("/conference-events", 4)[3]["parameters"]["StatusCallbackEvent"], "announcement-end");
    assert!(!hears(&ana, ANNOUNCEMENT), "the customer is not");
    centre.does(&format!("client.conferences('{conference}').update(announce_url=here('/announcement'))"));
    assert!(wait_until(PATIENCE, || hears(&ana, ANNOUNCEMENT)), "all are told");
    assert_eq!(centre.wait_asked("/conference-events", 5)[4]["parameters"]["StatusCallbackEvent"], "announcement-end");
    centre.does(&format!("client.conferences('{conference}').participants('agent').delete()"));
    assert!(ben.wait_ended());
    let told = centre.wait_asked("/conference-events", 6);
    assert_eq!(told[5]["parameters"]["ReasonParticipantLeft"], "participant_updated_via_api", "{told:#?}");
    drop(ana);
    centre.check_requests();
}

#[test]
fn a_callee_is_told_before_it_is_connected() {
    let centre = Centre::start();
    let ben = centre.callee("ben");
    let path = format!("/call?whisper=/whisper&sip={}", ben.uri().replace(':', "%3A").replace('@', "%40"));
    centre.number(NUMBER, &path, "");
    let ana = centre.dial(NUMBER).humming(ANA).connect();
    let ringing = ben.ring();
    check_hearing(&[("ana", &ana, ANA)], "ana sound\n ana - x");
    let ben = ringing.take(BEN);
    check_hearing(&[("ana", &ana, ANA), ("ben", &ben, BEN)], "ana ben whisper\n ana - x .\n ben x - .");
    assert!(hears(&ben, WHISPER) && !hears(&ana, WHISPER), "only the callee is told");
    let whisper = &centre.wait_asked("/whisper", 1)[0]["parameters"];
    assert_eq!(whisper["Direction"], "outbound-dial", "{whisper:#}");
    let child = whisper["CallSid"].as_str().expect("a SID").to_owned();
    ben.hang_up();
    let after = &centre.wait_asked("/after-call", 1)[0]["parameters"];
    for (name, value) in [("DialCallStatus", "completed"), ("DialCallSid", &child), ("DialBridged", "true")] {
        assert_eq!(after[name], value, "{after:#}");
    }
    let told = centre.wait_statuses(&child, &["initiated", "ringing", "in-progress", "completed"]);
    assert!(told.iter().all(|told| told["parameters"]["ParentCallSid"] == after["CallSid"]), "{told:#?}");
    assert!(ana.wait_ended());
    centre.check_requests();
}

#[test]
fn an_agent_hears_the_details_in_its_own_document_and_joins_the_customer() {
    let centre = Centre::start();
    centre.number(NUMBER, "/incoming", "");
    let ana = centre.dial(NUMBER).humming(ANA).connect();
    ana.press("2");
    check_hearing(&[("ana", &ana, ANA)], "ana wait\n ana - x");
    let ben = centre.callee("ben");
    let whisper = centre.does("here('/whisper.wav')");
    let agent = centre.makes(&format!(
        "client.calls.create(to='{}', from_='{NUMBER}', twiml='<Response><Play loop=\"3\">{}</Play><Dial><Conference
         endConferenceOnExit=\"true\">service</Conference></Dial></Response>')",
        ben.uri(),
        whisper.as_str().expect("a URL")
    ));
    let ben = ben.ring().take(BEN);
    let both: Guests = vec![("ana", &ana, ANA), ("ben", &ben, BEN)];
    check_hearing(&both, "ana ben whisper wait\n ana - . . x\n ben . - x .");
    check_hearing(&both, "ana ben whisper wait\n ana - x . .\n ben x - . .");
    ben.hang_up();
    let left = &centre.wait_asked("/after-conference", 1)[0]["parameters"];
    assert_eq!((&left["DialCallStatus"], &left["CallStatus"]), (&"answered".into(), &"in-progress".into()), "{left:#}");
    assert!(ana.wait_ended(), "her document is at its end");
    centre.wait_status(&agent, "completed");
    centre.check_requests();
}

/// Whether a phone has heard this tone for a fifth of a second on end.
fn hears(phone: &Phone, tone: Tone) -> bool {
    let packets = phone.heard();
    let heard: Vec<bool> = packets.iter().map(|packet| packet.level_dbfs(tone) > -23.0).collect();
    heard.windows(10).any(|ten| ten.iter().all(|heard| *heard))
}

const ANNOUNCEMENT: Tone = Tone { hz: 2957 };
const WHISPER: Tone = Tone { hz: 2803 };
