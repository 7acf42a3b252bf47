//! What accounts set up, by the official SDKs: every resource's whole life, and that each acts on calls, not only in answers.

use std::process::Command;

use serde_json::Value;
use testkit::phone::Phone;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, Server};
use testkit::tone::Tone;

use crate::centre::{Centre, check_hearing};
use crate::rows::{self, Ringing};

const NUMBER: &str = "+15005550001";
const OTHER: &str = "+15005550002";
const ANA: Tone = Tone { hz: 409 };
const BEN: Tone = Tone { hz: 857 };

/// Runs a script of the SDK; what it printed, as JSON.
#[track_caller]
fn run(server: &Server, program: &str, script: &str, arguments: &[&str]) -> Value {
    let output = Command::new(program)
        .arg(format!("{}/tests/live/{script}", env!("CARGO_MANIFEST_DIR")))
        .args([&server.rest().base_url(), ACCOUNT_SID, AUTH_TOKEN])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{script}: {error}\n{said}"))
}

#[test]
fn every_resource_lives_its_life_by_the_official_sdks() {
    let numbers = rows::declared_numbers();
    let server = Server::start_with(&[("PARTYLINE_NUMBERS", &numbers), ("PARTYLINE_ROOM_LEGS_MAX", "2000")]);
    let ringing = Ringing::start(&server);
    let host = rows::fill(&server, &ringing);
    let call = rows::eventful_call(&server, &ringing);
    let phones = ringing.address.to_string();
    // Of addresses and of mappings there are never more than a page.
    let few = [("addresses", 4), ("mappings", 1), ("registration mappings", 1), ("address mappings", 1)];
    let some = [
        ("credentials", rows::CREDENTIALS),
        ("domains", rows::LISTS),
        ("credential lists", rows::LISTS),
        ("address lists", rows::LISTS),
    ];
    for (program, script) in [("python3", "resources.py"), ("node", "resources.js")] {
        let listed = run(&server, program, script, &[&phones, &call, "4"]);
        let listed = listed.as_object().expect("an object");
        assert_eq!(listed.len(), 21, "{script}: {listed:?}");
        for (resource, seen) in listed {
            let bounded = few.iter().chain(&some).find(|(bounded, _)| bounded == resource);
            let at_least = bounded.map_or(rows::ROWS, |(_, rows)| *rows) as u64;
            assert!(seen.as_u64().is_some_and(|seen| seen >= at_least), "{script}: {resource} of {listed:?}");
        }
    }
    drop(host);
}

/// Somebody dials a number, and is through.
fn ana_dials(centre: &Centre, number: &str) -> Phone {
    centre.dial(number).as_user("ana").humming(ANA).connect()
}

#[test]
fn a_number_an_application_and_their_updates_decide_who_is_asked_and_told() {
    // Else what is nobody's number is a room.
    let centre = Centre::start_with(&[("PARTYLINE_OPEN_ROOMS", "off")]);
    let application =
        centre.makes("client.applications.create(friendly_name='a', voice_url=here('/say'), voice_method='GET')");
    let number = centre.makes(&format!(
        "client.incoming_phone_numbers.create(phone_number='{NUMBER}', voice_application_sid='{application}')"
    ));
    let asked = |path: &str, times: usize| centre.wait_asked(path, times)[times - 1].clone();

    ana_dials(&centre, NUMBER).hang_up();
    assert_eq!(asked("/say", 1)["method"], "GET", "the application's URL, its way");
    centre.does(&format!(
        "client.applications('{application}').update(voice_url=here('/wait'), voice_method='POST',
         status_callback=here('/number-events'))"
    ));
    ana_dials(&centre, NUMBER).hang_up();
    assert_eq!(asked("/wait", 1)["method"], "POST", "its new one");
    assert_eq!(asked("/number-events", 1)["parameters"]["CallStatus"], "completed");

    // The number's own URL counts once it has no application.
    centre.does(&format!(
        "client.incoming_phone_numbers('{number}').update(voice_application_sid='', voice_url=here('/fails'),
         voice_fallback_url=here('/sorry'), status_callback=here('/call-events'), voice_caller_id_lookup=True)"
    ));
    let ana = ana_dials(&centre, NUMBER);
    check_hearing(&[("ana", &ana, ANA)], "ana sorry\n ana - x");
    assert_eq!(asked("/sorry", 1)["parameters"]["ErrorCode"], "11200", "its primary handler fails");
    ana.hang_up();
    assert_eq!(asked("/call-events", 1)["parameters"]["CallStatus"], "completed", "its status changes");

    assert_eq!(centre.does(&format!("client.incoming_phone_numbers('{number}').delete()")), true);
    assert_eq!(centre.dial(NUMBER).try_connect().expect_err("nobody's number"), 404);
    centre.check_requests();
}

#[test]
fn a_queue_holds_as_many_as_it_may_and_its_members_go_where_they_are_sent() {
    let centre = Centre::start();
    let queue = centre.makes("client.queues.create(friendly_name='sales', max_size=1)");
    centre.number(NUMBER, "/incoming", "");
    let members = || centre.does(&format!("client.queues('{queue}').members.list()"));
    let waits = |n: usize| {
        let come =
            testkit::server::wait_until(crate::party::PATIENCE, || members().as_array().map(Vec::len) == Some(n));
        assert!(come, "{n} wait: {}", members());
    };
    let ana = ana_dials(&centre, NUMBER);
    ana.press("1");
    waits(1);
    let ben = centre.dial(NUMBER).as_user("ben").humming(BEN).connect();
    ben.press("1");
    let turned_away = &centre.wait_asked("/after-queue", 1)[0]["parameters"];
    assert_eq!(turned_away["QueueResult"], "queue-full", "{turned_away:#}");
    centre.does(&format!("client.queues('{queue}').update(max_size=2)"));
    let cho = centre.dial(NUMBER).as_user("cho").humming(BEN).connect();
    cho.press("1");
    waits(2);
    let positions: Vec<_> = members().as_array().expect("a list").iter().map(|row| row["position"].clone()).collect();
    assert_eq!(positions, [1, 2]);
    let refused = centre.says(&format!("client.queues('{queue}').delete()"));
    assert_eq!(refused["error"]["code"], 20409, "somebody waits: {refused}");

    let sent = format!("client.queues('{queue}').members('Front').update(url=here('/sorry'))");
    assert_eq!(centre.does(&sent)["call_sid"], centre.call_of("sip:ana@").as_str());
    check_hearing(&[("ana", &ana, ANA)], "ana sorry\n ana - x");
    assert_eq!(centre.wait_asked("/after-queue", 2)[1]["parameters"]["QueueResult"], "redirected");
    let targets: Vec<_> = centre.requests("").iter().map(|seen| seen["target"].clone()).collect();
    let place = |path: &str| targets.iter().rposition(|target| target == path).expect("it was asked");
    assert!(place("/after-queue") < place("/sorry"), "what became of the queue is told first: {targets:?}");
    cho.hang_up();
    waits(0);
    assert_eq!(centre.does(&format!("client.queues('{queue}').delete()")), true);
    drop((ana, ben));
    centre.check_requests();
}

#[test]
fn a_caller_id_and_a_key_let_one_call_and_are_taken_back() {
    let centre = Centre::start();
    let callee = centre.callee("ben");
    centre.number(NUMBER, "/say", "");
    let key = centre.does("(lambda key: [key.sid, key.secret])(client.new_keys.create(friendly_name='desk'))");
    let (key, secret) = (key[0].as_str().expect("a SID"), key[1].as_str().expect("a secret"));
    let by_key = centre.rest.with_credentials(key, secret);
    let calls = format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json");
    let form = [("To", &*callee.uri()), ("From", NUMBER), ("Twiml", "<Response><Pause length=\"30\"/></Response>")];
    by_key.request("POST", &calls, &form).expect(201);
    let ben = callee.ring().take(BEN);
    ben.hang_up();
    assert_eq!(by_key.request("GET", &calls.replace("Calls", "Keys"), &[]).expect(403).json()["code"], 20003);
    assert_eq!(centre.does(&format!("client.keys('{key}').delete()")), true);
    assert_eq!(by_key.request("POST", &calls, &form).expect(401).json()["code"], 20003);

    // To a number, only who owns the number or its word may be shown.
    let call = format!("client.calls.create(to='{OTHER}', from_='+15005557777', url=here('/say'))");
    assert_eq!(centre.says(&call)["error"]["code"], 21210, "not ours");
    centre.does("client.validation_requests.create(phone_number='+15005557777')");
    let owned = centre.says(&call);
    assert_ne!(owned["error"]["code"], 21210, "ours by our word: {owned}");
    let sid = centre.does("client.outgoing_caller_ids.list()[0].sid");
    centre.does(&format!("client.outgoing_caller_ids({sid}).delete()"));
    assert_eq!(centre.says(&call)["error"]["code"], 21210, "and not any more");
}

#[test]
fn an_account_that_is_suspended_is_not_called_and_does_not_call() {
    let centre = Centre::start();
    let sub = centre
        .does("(lambda sub: [sub.sid, sub.auth_token])(client.api.v2010.accounts.create(friendly_name='branch'))");
    let (sub, token) = (sub[0].as_str().expect("a SID").to_owned(), sub[1].as_str().expect("a token").to_owned());
    let by_sub = centre.rest.with_credentials(&sub, &token);
    let of_sub = |resource: &str| format!("/2010-04-01/Accounts/{sub}/{resource}.json");
    let form = [("PhoneNumber", NUMBER), ("VoiceUrl", "http://127.0.0.1:1/voice")];
    by_sub.request("POST", &of_sub("IncomingPhoneNumbers"), &form).expect(201);
    let status = |status: &str| centre.does(&format!("client.api.v2010.accounts('{sub}').update(status='{status}')"));
    assert_eq!(status("suspended")["status"], "suspended");
    assert_eq!(by_sub.request("GET", &of_sub("Calls"), &[]).expect(401).json()["code"], 20005);
    assert_eq!(centre.dial(NUMBER).try_connect().expect_err("nobody is there"), 404);
    assert_eq!(status("active")["status"], "active");
    by_sub.request("GET", &of_sub("Calls"), &[]).expect(200);
    assert_eq!(status("closed")["status"], "closed");
    assert_eq!(by_sub.request("GET", &of_sub("Calls"), &[]).expect(401).json()["code"], 20005);
    let reopened = centre.says(&format!("client.api.v2010.accounts('{sub}').update(status='active')"));
    assert_eq!(reopened["error"]["status"], 400, "{reopened}");
}

#[test]
fn lists_that_are_mapped_to_a_domain_decide_who_may_call_it() {
    let centre = Centre::start();
    const DOMAIN: &str = "acme.sip.partyline.internal";
    let domain = centre.makes(&format!("client.sip.domains.create(domain_name='{DOMAIN}', voice_url=here('/sorry'))"));
    let desk = format!("desk@{DOMAIN}");
    let dial = || Phone::dial(centre.server.sip(), &desk).as_user("ana").humming(ANA).try_connect();
    assert_eq!(dial().err(), Some(403), "a domain that maps nobody lets nobody in");

    let list = centre.makes("client.sip.ip_access_control_lists.create(friendly_name='office')");
    let addresses = format!("client.sip.ip_access_control_lists('{list}').ip_addresses");
    let address = centre.makes(&format!("{addresses}.create(friendly_name='elsewhere', ip_address='192.0.2.1')"));
    let mappings = format!("client.sip.domains('{domain}').auth.calls.ip_access_control_list_mappings");
    centre.makes(&format!("{mappings}.create(ip_access_control_list_sid='{list}')"));
    assert_eq!(dial().err(), Some(403), "not from here");
    centre.does(&format!("{addresses}('{address}').update(ip_address='127.0.0.0', cidr_prefix_length=8)"));
    let ana = dial().expect("from here");
    check_hearing(&[("ana", &ana, ANA)], "ana sorry\n ana - x");
    ana.hang_up();
    centre.does(&format!("client.sip.domains('{domain}').update(voice_url=here('/wait'))"));
    let ana = dial().expect("from here, still");
    check_hearing(&[("ana", &ana, ANA)], "ana wait\n ana - x");
    ana.hang_up();

    // Once passwords are mapped, too, an address alone does not do.
    let passwords = centre.makes("client.sip.credential_lists.create(friendly_name='phones')");
    centre.makes(&format!(
        "client.sip.credential_lists('{passwords}').credentials.create(username='ana', password='Sesame123456')"
    ));
    let also = format!("client.sip.domains('{domain}').auth.calls.credential_list_mappings");
    centre.makes(&format!("{also}.create(credential_list_sid='{passwords}')"));
    assert!(matches!(dial().err(), Some(401 | 407)), "a password is asked for");
    assert_eq!(centre.does(&format!("{also}('{passwords}').delete()")), true);
    dial().expect("as before").hang_up();
    assert_eq!(centre.does(&format!("{mappings}('{list}').delete()")), true);
    assert_eq!(dial().err(), Some(403), "nobody is mapped any more");
    centre.check_requests();
}
