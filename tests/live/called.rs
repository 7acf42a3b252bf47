//! Phones and proxies that the bridge calls, played by sipp: what they answer is what the API and the application are told.

use testkit::rtp;
use testkit::tone::{HUM_DBFS, Tone};

use crate::centre::{Centre, check_hearing};
use crate::sipp::Sipp;

const NUMBER: &str = "+15005550001";
const ANA: Tone = Tone { hz: 409 };
/// What the profiles hum.
const SIPP: Tone = Tone { hz: 1009 };

/// sipp that waits to be called.
fn wait(centre: &Centre, profile: &str) -> Sipp {
    Sipp::start(&centre.server, profile, 1, &["-p", "5080"])
}

/// A number that dials this user of sipp's.
fn number(centre: &Centre, number: &str, user: &str, options: &str) {
    centre.number(number, &format!("/call?sip=sip%3A{user}%40{}%3A5080&{options}", centre.server.callers()), "");
}

/// Has it called by the API; the call's SID.
fn call(centre: &Centre, user: &str, more: &str) -> String {
    centre.makes(&format!(
        "client.calls.create(to='sip:{user}@{}:5080', from_='{NUMBER}', status_callback=here('/call-events'),
         status_callback_event=['initiated', 'ringing', 'answered', 'completed'], {more})",
        centre.server.callers()
    ))
}

#[test]
fn a_phone_that_answers_hears_its_document() {
    let centre = Centre::start();
    let sipp = wait(&centre, "uas-answers-expect-bye");
    let call = call(&centre, "sipp", "twiml='<Response><Say>Good bye.</Say></Response>'");
    sipp.ends();
    let row = centre.wait_status(&call, "completed");
    assert!(row["duration"].as_str().is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{row}");
    let told = centre.wait_statuses(&call, &["initiated", "ringing", "in-progress", "completed"]);
    assert_eq!(told[3]["parameters"]["SipResponseCode"], "200");
    centre.check_requests();
}

#[test]
fn a_refusal_is_told_for_what_it_is() {
    let centre = Centre::start();
    for (refusal, status) in
        [("486", "busy"), ("600", "busy"), ("603", "busy"), ("480", "no-answer"), ("404", "failed"), ("500", "failed")]
    {
        let sipp = wait(&centre, "uas-refuses-as-called-expect-ack");
        let call = call(&centre, refusal, "url=here('/say')");
        sipp.ends();
        centre.wait_status(&call, status);
        let told = centre.wait_statuses(&call, &["initiated", "ringing", status]);
        assert_eq!(told[2]["parameters"]["SipResponseCode"], refusal);
    }
    assert!(centre.requests("/say").is_empty(), "nobody answered, so nothing is asked");
    centre.check_requests();
}

#[test]
fn a_phone_that_rings_for_ever_is_given_up() {
    let centre = Centre::start();
    let sipp = wait(&centre, "uas-rings-for-ever-expect-cancel");
    let call = call(&centre, "sipp", "url=here('/say'), timeout=5");
    sipp.ends();
    centre.wait_status(&call, "no-answer");
    centre.wait_statuses(&call, &["initiated", "ringing", "no-answer"]);
}

#[test]
fn a_call_that_is_canceled_rings_no_more() {
    let centre = Centre::start();
    let sipp = wait(&centre, "uas-rings-for-ever-expect-cancel");
    let call = call(&centre, "sipp", "url=here('/say')");
    centre.wait_status(&call, "ringing");
    assert_eq!(centre.does(&format!("client.calls('{call}').update(status='canceled')"))["status"], "canceled");
    sipp.ends();
    centre.wait_statuses(&call, &["initiated", "ringing", "canceled"]);
}

#[test]
fn a_dial_ends_as_the_called_ends_it() {
    let centre = Centre::start();
    for (n, (profile, user, status, code)) in [
        ("uas-refuses-as-called-expect-ack", "486", "busy", "486"),
        ("uas-refuses-as-called-expect-ack", "404", "failed", "404"),
        ("uas-rings-for-ever-expect-cancel", "ben", "no-answer", "408"),
    ]
    .into_iter()
    .enumerate()
    {
        let dialled = format!("+1500555000{n}");
        number(&centre, &dialled, user, "timeout=5");
        let sipp = wait(&centre, profile);
        let ana = centre.dial(&dialled).humming(ANA).connect();
        sipp.ends();
        let after = &centre.wait_asked("/after-call", n + 1)[n]["parameters"];
        assert_eq!(after["DialCallStatus"], status, "{after:#}");
        assert_eq!(after["DialBridged"], "false", "{after:#}");
        assert_eq!(after["DialSipResponseCode"], code, "{after:#}");
        assert!(ana.wait_ended());
    }
    centre.check_requests();
}

#[test]
fn of_a_fork_that_answers_twice_one_call_is_left() {
    let centre = Centre::start();
    let sipp = wait(&centre, "uas-forks-expect-one-call");
    let call = call(&centre, "sipp", "url=here('/say')");
    centre.wait_asked("/say", 1);
    assert_eq!(centre.does(&format!("client.calls('{call}').update(status='completed')"))["status"], "completed");
    sipp.ends();
    centre.wait_statuses(&call, &["initiated", "ringing", "in-progress", "completed"]);
}

#[test]
fn what_a_phone_says_before_it_answers_is_heard() {
    let centre = Centre::start();
    let sipp = wait(&centre, "uas-sends-early-media-expect-bye");
    number(&centre, NUMBER, "sipp", "");
    // Without answerOnBridge the caller is answered first, and hears the called's early media.
    let ana = centre.dial(NUMBER).humming(ANA).connect();
    check_hearing(&[("ana", &ana, ANA), ("sipp", &ana, SIPP)], "ana sipp\n ana - x");
    let told = centre.wait_asked("/call-events", 2);
    assert!(told.iter().all(|told| told["parameters"]["CallStatus"] != "in-progress"), "it has not answered yet");
    centre.wait_asked("/call-events", 3);
    check_hearing(&[("ana", &ana, ANA), ("sipp", &ana, SIPP)], "ana sipp\n ana - x");
    ana.hang_up();
    sipp.ends();
    centre.check_requests();
}

#[test]
fn with_answer_on_bridge_the_called_is_heard_before_there_is_an_answer() {
    let centre = Centre::start();
    let sipp = wait(&centre, "uas-sends-early-media-expect-bye");
    number(&centre, NUMBER, "sipp", "answer_on_bridge=true");
    let ana = centre.dial(NUMBER).humming(ANA).connect();
    // Its 200 has come this moment: whatever was heard came before it.
    let early = rtp::pcm(&ana.heard());
    let seconds = early.len() / 8_000;
    assert!(seconds >= 4, "sipp speaks for five seconds before it answers, and {seconds} were heard");
    let end = &early[early.len() - 2 * 8_000..];
    let (called, own) = (SIPP.level_dbfs(end), ANA.level_dbfs(end));
    assert!((called - HUM_DBFS).abs() < 1.5, "sipp at {called:.1} dBFS");
    assert!(own < -55.0, "ana hears herself at {own:.1} dBFS");
    check_hearing(&[("ana", &ana, ANA), ("sipp", &ana, SIPP)], "ana sipp\n ana - x");
    ana.hang_up();
    sipp.ends();
    centre.check_requests();
}
