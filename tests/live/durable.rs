//! What an application is to be told it is told, even when both sides have crashed meanwhile (twiml §13).

use crate::centre::Centre;

const NUMBER: &str = "+15005550001";

#[test]
fn a_callback_without_an_answer_comes_again_after_a_crash_as_the_same_one() {
    let mut centre = Centre::start();
    // It takes the request, and crashes before it has answered.
    centre.number(NUMBER, "/say", "status_callback=here('/slow')");
    let ana = centre.dial(NUMBER).connect();
    let call = centre.call_of(NUMBER);
    ana.hang_up();
    let first = centre.wait_asked("/slow", 1).remove(0);
    centre.server.kill();
    centre.application_dies();
    centre.application_comes_back();
    centre.server.restart();
    let again = centre.wait_asked("/slow", 1).remove(0);
    let token = |seen: &serde_json::Value| seen["headers"]["i-twilio-idempotency-token"].clone();
    assert_eq!(token(&again), token(&first));
    assert!(token(&again).is_string(), "{again:#}");
    assert_eq!(again["parameters"], first["parameters"]);
    assert_eq!(again["parameters"]["CallSid"], call.as_str());
    assert_eq!(again["parameters"]["CallStatus"], "completed");
    centre.check_requests();
}

#[test]
fn a_callback_to_an_application_that_hangs_comes_when_both_are_back() {
    let mut centre = Centre::start();
    centre.number(NUMBER, "/say", "status_callback=here('/number-events')");
    let ana = centre.dial(NUMBER).connect();
    let call = centre.call_of(NUMBER);
    centre.application_hangs();
    ana.hang_up();
    // The row of the call and that of its callback are one transaction.
    centre.wait_status(&call, "completed");
    centre.server.kill();
    centre.application_dies();
    centre.application_comes_back();
    centre.server.restart();
    let told = centre.wait_told("/number-events", "CallStatus", &["completed"]);
    assert_eq!(told[0]["parameters"]["CallSid"], call.as_str());
    centre.check_requests();
}
