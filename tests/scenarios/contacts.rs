//! A user with several phones: all ring, one answers, and the most telling of their refusals stands for all (twiml §5.3).

use std::time::Duration;

use model::{
    AccountSid, AccountStatus, AuthType, CallStatus, Credential, CredentialListSid, CredentialSid, DirectoryRow,
    MappedList, Password, SipDomain, SipDomainMapping, SipDomainSid, Timestamp, VoiceHooks,
};
use switch::{CallCallback, Callee, Command, Parameter};

use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

pub(crate) const PASSWORD: &str = "Sesame123456";
const URL: &str = "https://app.test/out";

/// Alice has registered these phones at a domain of this account.
fn alice_of(account: AccountSid, seed: u64, phones: &[&str]) -> World {
    alice_in(World::new(seed), account, phones)
}

pub(crate) fn alice_in(world: World, account: AccountSid, phones: &[&str]) -> World {
    let (at, domain_sid, list) =
        (Timestamp::from_micros(0), SipDomainSid::from_bits(1), CredentialListSid::from_bits(2));
    let domain = DirectoryRow::SipDomain(SipDomain {
        sid: domain_sid,
        account_sid: account,
        domain_name: "phones.sip.test".to_owned(),
        friendly_name: None,
        api_version: "2010-04-01".to_owned(),
        voice: VoiceHooks::default(),
        auth_type: AuthType::default(),
        sip_registration: true,
        secure: false,
        digest: None,
        emergency_calling_enabled: false,
        byoc_trunk_sid: None,
        emergency_caller_sid: None,
        created: at,
        updated: at,
        seq: 1,
    });
    let mapping = DirectoryRow::SipDomainMapping(SipDomainMapping {
        domain_sid,
        account_sid: account,
        list: MappedList::RegistrationsCredentialList(list),
        created: at,
        updated: at,
        seq: 2,
    });
    let credential = DirectoryRow::Credential(Credential {
        sid: CredentialSid::from_bits(3),
        account_sid: account,
        credential_list_sid: list,
        username: "alice".to_owned(),
        password: Password(PASSWORD.to_owned()),
        created: at,
        updated: at,
        seq: 3,
    });
    let mut world = world.set_up([domain, mapping, credential]);
    for name in phones {
        world.register(name, "sip:alice@phones.sip.test", PASSWORD);
    }
    world
}

/// Alice has registered these phones, and is called.
fn alice_is_called(seed: u64, phones: &[&str]) -> World {
    let mut world = alice_of(ACCOUNT, seed, phones);
    let mut new = wanted::call("", URL);
    new.leg.to = Callee::Client { identity: "alice".to_owned(), parameters: Vec::new() };
    new.leg.ring_timeout = Duration::from_secs(10);
    let told = Some(wanted::link("https://app.test/status"));
    new.leg.status = CallCallback { link: told, initiated: true, ringing: true, answered: true, completed: true };
    world.documents(URL, &["<Say loop=\"0\">Hello</Say>"]);
    world.voice("Hello", 1_009);
    world.command(Command::CreateCall(Box::new(new))).expect("her phones are known");
    world.run_for(Duration::from_millis(200));
    world
}

fn status(world: &World) -> CallStatus {
    world.calls.values().next().map(|call| call.status).expect("one call")
}

#[test]
fn all_phones_of_a_user_ring_and_the_first_to_be_taken_up_stops_the_others() {
    let mut world = alice_is_called(190, &["desk", "car", "home"]);
    for name in ["desk", "car", "home"] {
        assert_eq!(world.phone(name).state, State::Ringing, "{name}");
    }
    world.refuse("home", "486 Busy Here");
    world.run_for(Duration::from_millis(100));
    assert_eq!(status(&world), CallStatus::Ringing, "others still ring");
    world.take_up("car");
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.phone("desk").state, State::Over(487));
    world.check_hearing(
        "    desk car home music
                         desk  -   .   .   .
                         car   .   -   .   x
                         home  .   .   -   .  ",
    );
    world.hang_up("car");
    world.run_for(Duration::from_secs(1));
    assert_eq!(status(&world), CallStatus::Completed);
    assert_eq!(world.callbacks.len(), 4, "each step once, however many phones rang: {:?}", world.callbacks);
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn two_phones_that_are_taken_up_at_once_are_one_call() {
    let mut world = alice_is_called(191, &["desk", "car"]);
    let (first, second) = (world.prepare_to_take_up("car"), world.prepare_to_take_up("desk"));
    world.say("car", &first);
    world.say("desk", &second);
    world.run_for(Duration::from_millis(300));
    assert_eq!((&world.phone("car").state, &world.phone("desk").state), (&State::Talking, &State::Over(200)));
    assert_eq!(world.times_asked(URL), 1);
    world.hang_up("car");
    world.run_for(Duration::from_secs(1));
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn the_most_telling_refusal_of_several_phones_stands_for_all() {
    for (case, desk, car, want) in [
        ("busy says more than not found", "486 Busy Here", "404 Not Found", CallStatus::Busy),
        ("whoever speaks last", "404 Not Found", "486 Busy Here", CallStatus::Busy),
        ("declined everywhere", "480 Temporarily Unavailable", "603 Decline", CallStatus::Busy),
        ("not there", "480 Temporarily Unavailable", "500 Server Internal Error", CallStatus::NoAnswer),
    ] {
        let mut world = alice_is_called(192, &["desk", "car"]);
        world.refuse("desk", desk);
        world.refuse("car", car);
        world.run_for(Duration::from_millis(200));
        assert_eq!(status(&world), want, "{case}");
        assert!(world.switch.is_idle(), "{case} ({world})");
    }
}

#[test]
fn one_phone_is_busy_and_the_other_rings_on_until_time_is_up() {
    let mut world = alice_is_called(193, &["desk", "car"]);
    world.refuse("desk", "486 Busy Here");
    world.run_for(Duration::from_secs(11));
    assert_eq!(world.phone("car").state, State::Over(487));
    assert_eq!(status(&world), CallStatus::NoAnswer, "somebody could have answered");
    assert_eq!(world.times_asked(URL), 0);
}

#[test]
fn a_user_without_phones_does_not_answer() {
    let mut world = alice_is_called(194, &[]);
    world.run_for(Duration::from_millis(200));
    assert_eq!(status(&world), CallStatus::NoAnswer);
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn who_is_registered_with_another_account_is_a_client_of_that_one_only() {
    for (account, from) in [(ACCOUNT, "client:alice"), (AccountSid::from_bits(0xbad), "sip:alice@phones.sip.test")] {
        let mut world = alice_of(account, 410, &["desk"]);
        world.number("+15005550001", URL);
        world.documents(URL, &["<Reject/>"]);
        let address = world.phone("desk").address;
        world.say(
            "desk",
            &format!(
                "INVITE sip:+15005550001@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKcalls\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:alice@phones.sip.test>;tag=calls\r\nTo: <sip:+15005550001@10.0.0.1>\r\n\
                 Contact: <sip:desk@{address}>\r\nCall-ID: calls\r\nCSeq: 1 INVITE\r\nX-Tier: gold\r\n\
                 Content-Length: 0\r\n\r\n"
            ),
        );
        let told = world.asks.first().map(|ask| &*ask.call).expect("the number's application is asked");
        assert_eq!(told.call.from, from, "{account}");
        // What its phone says is told of every caller, and is what the application's own client has to say.
        let sip = told.sip.as_ref().expect("it came by SIP");
        assert_eq!((sip.call_id.as_str(), sip.source_ip), ("calls", Some(address.ip())), "{account}");
        assert_eq!(sip.headers, [("X-Tier".to_owned(), "gold".to_owned())], "{account}");
        let said = told.custom.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
        assert_eq!(said, if account == ACCOUNT { vec![("Tier", "gold")] } else { vec![] }, "{account}");
    }
}

#[test]
fn a_phone_that_registered_before_a_restart_rings_after_it() {
    let mut world = alice_of(ACCOUNT, 411, &["desk"]);
    assert_eq!(world.registrations_saved, 1);
    world.run_for(Duration::from_secs(600));
    world.restart();
    world.documents(URL, &["<Say loop=\"0\">Hello</Say>"]);
    world.voice("Hello", 1_009);
    let mut new = wanted::call("", URL);
    new.leg.to = Callee::Client { identity: "alice".to_owned(), parameters: Vec::new() };
    world.command(Command::CreateCall(Box::new(new))).expect("her phone is known");
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.phone("desk").state, State::Ringing);
    world.take_up("desk");
    world.run_for(Duration::from_millis(300));
    world.hang_up("desk");
    world.run_for(Duration::from_secs(1));
    assert_eq!(status(&world), CallStatus::Completed);
    assert_eq!(world.registrations_saved, 1, "nothing of it has changed");
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn a_phone_that_does_not_answer_a_question_is_not_rung_until_it_does() {
    let world = World::with(412, |config, _| config.qualify = Some(Duration::from_secs(60)));
    let mut world = alice_in(world, ACCOUNT, &["desk", "car"]);
    world.documents(URL, &["<Hangup/>"]);
    let silent = |world: &World| (world.switch.stats().registrations, world.switch.stats().registrations_silent);
    world.run_for(Duration::from_secs(61));
    assert_eq!(silent(&world), (2, 0), "both have answered");
    world.vanish("car");
    // It is asked within a minute, and given up 64·T1 later.
    world.run_for(Duration::from_secs(60 + 33));
    assert_eq!(silent(&world), (2, 1));
    let rings = |world: &mut World| {
        let mut new = wanted::call("", URL);
        new.leg.to = Callee::Client { identity: "alice".to_owned(), parameters: Vec::new() };
        world.command(Command::CreateCall(Box::new(new))).expect("her phones are known");
        world.run_for(Duration::from_millis(200));
        let ringing = ["desk", "car"].map(|name| world.phone(name).state == State::Ringing);
        world.take_up("desk");
        world.run_for(Duration::from_secs(1));
        ringing
    };
    world.come_back("car");
    assert_eq!(rings(&mut world), [true, false]);
    world.run_for(Duration::from_secs(60));
    assert_eq!(silent(&world), (2, 0), "it has answered again");
    assert_eq!(rings(&mut world), [true, true]);
    world.vanish("car");
    world.run_for(Duration::from_secs(60 + 33));
    world.come_back("car");
    assert_eq!(silent(&world), (2, 1));
    world.register_again("car", "sip:alice@phones.sip.test", PASSWORD);
    assert_eq!(silent(&world), (2, 0), "so has who registers again");
}

#[test]
fn only_a_phone_of_the_same_account_takes_the_place_of_another() {
    for (account, status) in [(ACCOUNT, 200), (AccountSid::from_bits(0xbad), 481)] {
        let mut world = alice_of(account, 413, &["desk"]);
        world.documents(URL, &["<Pause length=\"60\"/>"]);
        let ben = world.phone_waits("ben");
        world.command(Command::CreateCall(Box::new(wanted::call(&ben, URL)))).expect("a way leads there");
        world.run_for(Duration::from_millis(200));
        world.take_up("ben");
        world.run_for(Duration::from_millis(200));
        let header = |name| world.phone("ben").called_with(name).expect("a header").to_owned();
        let (call_id, from) = (header("call-id"), header("from"));
        let ours = from.split(";tag=").nth(1).expect("our tag").to_owned();
        let address = world.phone("desk").address;
        // Whoever is asked knows all about the call; it is theirs who may.
        let invite = format!(
            "INVITE sip:phones@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKtakes\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@phones.sip.test>;tag=takes\r\nTo: <sip:phones@10.0.0.1>\r\n\
             Contact: <sip:desk@{address}>\r\nCall-ID: takes\r\nCSeq: 1 INVITE\r\n\
             Replaces: {call_id};to-tag={ours};from-tag=ben\r\nContent-Length: 0\r\n\r\n"
        );
        let said = world.asked_by("desk", &invite);
        assert_eq!(said.first().copied(), Some(100), "{account}");
        assert_eq!(said.last().copied(), Some(status), "{account}");
        let over = world.phone("ben").state == State::Over(200);
        assert_eq!(over, status == 200, "{account}: ben is let go only for his own account's phone");
    }
}

#[test]
fn nobody_reaches_an_account_that_may_not_act_until_it_may_again() {
    const AOR: &str = "sip:alice@phones.sip.test";
    let number = "+15005550001";
    let mut world = alice_of(ACCOUNT, 198, &["desk"]);
    world.number(number, URL);
    world.documents(URL, &["<Dial><Client>alice</Client></Dial>"]);
    for status in [AccountStatus::Suspended, AccountStatus::Closed] {
        let set = |status| Command::SetAccountStatus { account: ACCOUNT, status };
        world.command(set(status)).expect("there is one");
        assert_eq!(world.switch.stats().registrations, 0, "{status:?}: her phone is registered no more");
        let register = world.register_request("desk", AOR);
        assert_eq!(world.asked_by("desk", &register), [403], "{status:?}: nor can it be");
        for (caller, called) in [("ana", number), ("cho", "standup")] {
            let caller = format!("{caller}-{status:?}");
            world.try_dial(&caller, called);
            world.run_for(Duration::from_millis(200));
            assert_eq!(world.phone(&caller).state, State::Over(404), "{status:?}: {called}");
        }
        world.command(set(AccountStatus::Active)).expect("there is one");
        world.register_again("desk", AOR, PASSWORD);
    }
    world.try_dial("dan", number);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("desk").state, State::Ringing, "({world})");
}

#[test]
fn a_phone_that_gives_our_own_address_for_its_own_is_not_called() {
    const AOR: &str = "sip:alice@phones.sip.test";
    let mut world = alice_of(ACCOUNT, 199, &[]);
    world.number("+15005550001", URL);
    world.documents(URL, &["<Dial><Client>alice</Client></Dial><Hangup/>"]);
    // It runs on the bridge's machine, and by its own word it is where our number is: calls to it would come round.
    world.phone_waits_at("desk", "10.0.0.1:5070", "10.0.0.1:5060");
    world.contact_is("desk", "sip:+15005550001@10.0.0.1");
    world.register_again("desk", AOR, PASSWORD);
    world.try_dial("ana", "+15005550001");
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.calls.len(), world.times_notified(13_224)), (1, 1), "({world})");
    assert_eq!(world.phone("ana").state, State::Over(200));
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn what_a_client_is_told_is_told_of_it_and_what_no_header_can_carry_is_told_to_nobody() {
    let mut world = alice_of(ACCOUNT, 412, &["desk"]);
    let parameter = |name: &str, value: &str| Parameter { name: name.to_owned(), value: value.to_owned() };
    let parameters = vec![parameter("tier", "gold"), parameter("bad name", "1"), parameter("note", "a\nb")];
    let mut new = wanted::call("", URL);
    new.leg.to = Callee::Client { identity: "alice".to_owned(), parameters };
    new.leg.from = "client:sys?shift=late+one&desk=%237".to_owned();
    world.documents(URL, &["<Pause length=\"9\"/>"]);
    world.command(Command::CreateCall(Box::new(new))).expect("her phone is known");
    world.run_for(Duration::from_millis(200));
    let phone = world.phone("desk");
    assert_eq!((phone.called_with("x-tier"), phone.called_with("x-note")), (Some("gold"), None));
    assert_eq!(world.times_notified(13_252), 2);
    world.take_up("desk");
    world.run_for(Duration::from_millis(200));
    let told = &world.asks.first().expect("its document is asked for").call;
    assert_eq!(told.call.from, "client:sys");
    let said = told.custom.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
    assert_eq!(said, [("shift", "late one"), ("desk", "#7"), ("tier", "gold")], "the caller's own, then the called's");
}
