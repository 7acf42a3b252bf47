//! What accounts set up: every operation once, for the table of answers; and each resource's rules.

use serde_json::json;
use std::time::Duration;

use model::{CallStatus, DirectoryRow, Queue, QueueSid};
use store::Row;
use switch::{Answer, QueueMember};

use crate::bridge::{ACCOUNT, Bridge, Reply, at, call, participant};

/// The SID of what was made.
fn sid(reply: &Reply) -> String {
    reply.json()["sid"].as_str().unwrap_or_else(|| panic!("no SID in {}", reply.body)).to_owned()
}

/// Asks every operation on numbers, applications, SIP, queues, and those that place calls.
pub(crate) async fn answers(bridge: &Bridge) -> Vec<(&'static str, Reply)> {
    let mut answers = Vec::new();
    numbers(bridge, &mut answers).await;
    sip(bridge, &mut answers).await;
    queues(bridge, &mut answers).await;
    let mut note = |operation, reply| answers.push((operation, reply));

    let mut queued = call(7);
    (queued.status, queued.started, queued.answered) = (CallStatus::Queued, None, None);
    bridge.will_answer(Ok(Answer::Call(queued)));
    note("CreateCall", bridge.post("/Calls.json", "To=client:ana&From=ben&Url=http://app.test/").await);
    let mut joining = participant(7);
    joining.status = model::ParticipantStatus::Queued;
    bridge.will_answer(Ok(Answer::Participant(joining)));
    note("CreateParticipant", bridge.post("/Conferences/room/Participants.json", "To=client:ana&From=ben").await);
    answers
}

async fn numbers(bridge: &Bridge, answers: &mut Vec<(&'static str, Reply)>) {
    let mut note = |operation, reply| answers.push((operation, reply));
    let full = "FriendlyName=desk&VoiceUrl=app.test/voice&VoiceMethod=GET&VoiceFallbackUrl=http://app.test/f\
        &StatusCallback=http://app.test/s&SmsUrl=http://app.test/sms&VoiceCallerIdLookup=true";
    let made = bridge.post("/IncomingPhoneNumbers.json", &format!("PhoneNumber=%2B15005550006&{full}")).await;
    let number = format!("/IncomingPhoneNumbers/{}.json", sid(&made));
    note("CreateIncomingPhoneNumber", made);
    for (kind, operations, phone_number) in [
        ("Local", ["CreateIncomingPhoneNumberLocal", "ListIncomingPhoneNumberLocal"], "%2B15105550007"),
        ("TollFree", ["CreateIncomingPhoneNumberTollFree", "ListIncomingPhoneNumberTollFree"], "%2B18005550008"),
        ("Mobile", ["CreateIncomingPhoneNumberMobile", "ListIncomingPhoneNumberMobile"], "%2B447700900123"),
    ] {
        let path = format!("/IncomingPhoneNumbers/{kind}.json");
        note(operations[0], bridge.post(&path, &format!("PhoneNumber={phone_number}")).await);
        note(operations[1], bridge.get(&path).await);
    }
    note("ListIncomingPhoneNumber", bridge.get("/IncomingPhoneNumbers.json?PageSize=2&Page=1").await);
    note("FetchIncomingPhoneNumber", bridge.get(&number).await);
    let sids = "AddressSid=AD0123456789abcdef0123456789abcdef&IdentitySid=RI0123456789abcdef0123456789abcdef\
        &BundleSid=BU0123456789abcdef0123456789abcdef&EmergencyAddressSid=AD0123456789abcdef0123456789abcdef\
        &TrunkSid=TK0123456789abcdef0123456789abcdef&EmergencyStatus=Active&VoiceReceiveMode=fax";
    note("UpdateIncomingPhoneNumber", bridge.post(&number, sids).await);
    note("ListAvailablePhoneNumberLocal", bridge.get("/AvailablePhoneNumbers/GB/Local.json").await);
    note("DeleteIncomingPhoneNumber", bridge.ask("DELETE", &number, None).await);

    let made = bridge.post("/Applications.json", full).await;
    let application = format!("/Applications/{}.json", sid(&made));
    note("CreateApplication", made);
    note("CreateApplication", bridge.post("/Applications.json", "").await);
    note("ListApplication", bridge.get("/Applications.json").await);
    note("FetchApplication", bridge.get(&application).await);
    note("UpdateApplication", bridge.post(&application, "SmsStatusCallback=http://app.test/&FriendlyName=").await);
    note("DeleteApplication", bridge.ask("DELETE", &application, None).await);

    note("CreateValidationRequest", bridge.post("/OutgoingCallerIds.json", "PhoneNumber=%2B442071838750").await);
    let listed = bridge.get("/OutgoingCallerIds.json").await;
    let caller_id = listed.json()["outgoing_caller_ids"][0]["sid"].as_str().expect("a SID").to_owned();
    let caller_id = format!("/OutgoingCallerIds/{caller_id}.json");
    note("ListOutgoingCallerId", listed);
    note("FetchOutgoingCallerId", bridge.get(&caller_id).await);
    note("UpdateOutgoingCallerId", bridge.post(&caller_id, "FriendlyName=office").await);
    note("DeleteOutgoingCallerId", bridge.ask("DELETE", &caller_id, None).await);
}

async fn sip(bridge: &Bridge, answers: &mut Vec<(&'static str, Reply)>) {
    let mut note = |operation, reply| answers.push((operation, reply));
    let made = bridge.post("/SIP/Domains.json", "DomainName=acme.sip.twilio.com&VoiceUrl=http://app.test/").await;
    let domain = format!("/SIP/Domains/{}", sid(&made));
    note("CreateSipDomain", made);
    let full = "FriendlyName=Acme&SipRegistration=true&ByocTrunkSid=BY0123456789abcdef0123456789abcdef\
        &EmergencyCallerSid=PN0123456789abcdef0123456789abcdef&VoiceStatusCallbackUrl=http://app.test/s";
    note("UpdateSipDomain", bridge.post(&format!("{domain}.json"), full).await);

    let made = bridge.post("/SIP/CredentialLists.json", "FriendlyName=agents").await;
    let credentials = sid(&made);
    let credential_list = format!("/SIP/CredentialLists/{credentials}");
    note("CreateSipCredentialList", made);
    let form = "Username=alice&Password=Sesame0penNow";
    let made = bridge.post(&format!("{credential_list}/Credentials.json"), form).await;
    let credential = format!("{credential_list}/Credentials/{}.json", sid(&made));
    note("CreateSipCredential", made);
    note("ListSipCredential", bridge.get(&format!("{credential_list}/Credentials.json")).await);
    note("FetchSipCredential", bridge.get(&credential).await);
    note("UpdateSipCredential", bridge.post(&credential, "Password=Another0neToo").await);
    note("ListSipCredentialList", bridge.get("/SIP/CredentialLists.json").await);
    note("FetchSipCredentialList", bridge.get(&format!("{credential_list}.json")).await);
    note("UpdateSipCredentialList", bridge.post(&format!("{credential_list}.json"), "FriendlyName=people").await);

    let made = bridge.post("/SIP/IpAccessControlLists.json", "FriendlyName=offices").await;
    let addresses = sid(&made);
    let ip_list = format!("/SIP/IpAccessControlLists/{addresses}");
    note("CreateSipIpAccessControlList", made);
    let form = "FriendlyName=Berlin&IpAddress=192.0.2.7&CidrPrefixLength=24";
    let made = bridge.post(&format!("{ip_list}/IpAddresses.json"), form).await;
    let address = format!("{ip_list}/IpAddresses/{}.json", sid(&made));
    note("CreateSipIpAddress", made);
    note("ListSipIpAddress", bridge.get(&format!("{ip_list}/IpAddresses.json")).await);
    note("FetchSipIpAddress", bridge.get(&address).await);
    note("UpdateSipIpAddress", bridge.post(&address, "IpAddress=192.0.2.8").await);
    note("ListSipIpAccessControlList", bridge.get("/SIP/IpAccessControlLists.json").await);
    note("FetchSipIpAccessControlList", bridge.get(&format!("{ip_list}.json")).await);
    note("UpdateSipIpAccessControlList", bridge.post(&format!("{ip_list}.json"), "FriendlyName=sites").await);

    let credential_form = format!("CredentialListSid={credentials}");
    let ip_form = format!("IpAccessControlListSid={addresses}");
    let places = [
        (
            "IpAccessControlListMappings",
            &ip_form,
            &addresses,
            [
                "CreateSipIpAccessControlListMapping",
                "ListSipIpAccessControlListMapping",
                "FetchSipIpAccessControlListMapping",
                "DeleteSipIpAccessControlListMapping",
            ],
        ),
        (
            "CredentialListMappings",
            &credential_form,
            &credentials,
            [
                "CreateSipCredentialListMapping",
                "ListSipCredentialListMapping",
                "FetchSipCredentialListMapping",
                "DeleteSipCredentialListMapping",
            ],
        ),
        (
            "Auth/Calls/IpAccessControlListMappings",
            &ip_form,
            &addresses,
            [
                "CreateSipAuthCallsIpAccessControlListMapping",
                "ListSipAuthCallsIpAccessControlListMapping",
                "FetchSipAuthCallsIpAccessControlListMapping",
                "DeleteSipAuthCallsIpAccessControlListMapping",
            ],
        ),
        (
            "Auth/Calls/CredentialListMappings",
            &credential_form,
            &credentials,
            [
                "CreateSipAuthCallsCredentialListMapping",
                "ListSipAuthCallsCredentialListMapping",
                "FetchSipAuthCallsCredentialListMapping",
                "DeleteSipAuthCallsCredentialListMapping",
            ],
        ),
        (
            "Auth/Registrations/CredentialListMappings",
            &credential_form,
            &credentials,
            [
                "CreateSipAuthRegistrationsCredentialListMapping",
                "ListSipAuthRegistrationsCredentialListMapping",
                "FetchSipAuthRegistrationsCredentialListMapping",
                "DeleteSipAuthRegistrationsCredentialListMapping",
            ],
        ),
    ];
    for (place, form, list, [create, every, one, delete]) in places {
        let path = format!("{domain}/{place}");
        note(create, bridge.post(&format!("{path}.json"), form).await);
        note(every, bridge.get(&format!("{path}.json")).await);
        note(one, bridge.get(&format!("{path}/{list}.json")).await);
        note("FetchSipDomain", bridge.get(&format!("{domain}.json")).await);
        note(delete, bridge.ask("DELETE", &format!("{path}/{list}.json"), None).await);
    }
    note("ListSipDomain", bridge.get("/SIP/Domains.json").await);
    note("DeleteSipDomain", bridge.ask("DELETE", &format!("{domain}.json"), None).await);
    note("DeleteSipCredential", bridge.ask("DELETE", &credential, None).await);
    note("DeleteSipCredentialList", bridge.ask("DELETE", &format!("{credential_list}.json"), None).await);
    note("DeleteSipIpAddress", bridge.ask("DELETE", &address, None).await);
    note("DeleteSipIpAccessControlList", bridge.ask("DELETE", &format!("{ip_list}.json"), None).await);
}

async fn queues(bridge: &Bridge, answers: &mut Vec<(&'static str, Reply)>) {
    let mut note = |operation, reply| answers.push((operation, reply));
    let made = bridge.post("/Queues.json", "FriendlyName=support&MaxSize=10").await;
    let queue = format!("/Queues/{}", sid(&made));
    let member = QueueMember {
        queue: sid(&made).parse().expect("a SID"),
        account: ACCOUNT,
        call: call(0).sid,
        enqueued: at(3),
        position: 1,
        wait: Duration::from_millis(12_900),
    };
    note("CreateQueue", made);
    note("ListQueue", bridge.get("/Queues.json").await);
    note("FetchQueue", bridge.get(&format!("{queue}.json")).await);
    note("UpdateQueue", bridge.post(&format!("{queue}.json"), "MaxSize=5000").await);
    note("ListMember", bridge.get(&format!("{queue}/Members.json")).await);
    bridge.will_answer(Ok(Answer::QueueMembers(vec![member.clone()])));
    note("ListMember", bridge.get(&format!("{queue}/Members.json")).await);
    bridge.will_answer(Ok(Answer::QueueMember(member.clone())));
    note("FetchMember", bridge.get(&format!("{queue}/Members/Front.json")).await);
    bridge.will_answer(Ok(Answer::QueueMember(member)));
    note("UpdateMember", bridge.post(&format!("{queue}/Members/Front.json"), "Url=http://app.test/").await);
    note("DeleteQueue", bridge.ask("DELETE", &format!("{queue}.json"), None).await);
}

#[tokio::test]
async fn a_number_is_owned_changed_and_given_back() {
    let bridge = Bridge::start().await;
    let list = "/IncomingPhoneNumbers.json";
    for (case, form, want) in [
        ("neither number nor area", "FriendlyName=x", (400, 20001)),
        ("no digits", "PhoneNumber=%2B1500CALLME", (400, 21401)),
        ("no plus", "PhoneNumber=15005550006", (400, 21421)),
        ("no such length", "PhoneNumber=%2B12", (400, 21421)),
        ("a URL that is none", "PhoneNumber=%2B15005550006&VoiceUrl=ftp://x", (400, 21402)),
        ("a method that is none", "PhoneNumber=%2B15005550006&SmsMethod=PUT", (400, 21403)),
        ("a fallback alone", "PhoneNumber=%2B15005550006&VoiceFallbackUrl=http://x", (400, 21405)),
        ("a fallback of messages alone", "PhoneNumber=%2B15005550006&SmsFallbackUrl=http://x", (400, 21406)),
        ("a flag that is none", "PhoneNumber=%2B15005550006&VoiceCallerIdLookup=maybe", (400, 20001)),
        ("a SID of another kind", "PhoneNumber=%2B15005550006&TrunkSid=CA1", (400, 20423)),
        (
            "an application of nobody",
            "PhoneNumber=%2B15005550006&VoiceApplicationSid=AP0123456789abcdef0123456789abcdef",
            (400, 21420),
        ),
        ("a long name", &format!("PhoneNumber=%2B15005550006&FriendlyName={}", "x".repeat(65)), (400, 20002)),
        ("punctuated", "PhoneNumber=%2B1%20(500)%20555-0006", (201, 0)),
        ("again", "PhoneNumber=%2B15005550006", (400, 21422)),
        ("an area without numbers", "AreaCode=999", (400, 21452)),
        ("an area that is none", "AreaCode=5x", (400, 21451)),
        ("an area with a number", "AreaCode=510", (201, 0)),
        ("and no more", "AreaCode=510", (400, 21452)),
        ("one that nobody declared", "PhoneNumber=%2B4915112345678", (201, 0)),
    ] {
        let reply = bridge.post(list, form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    let listed = |query: &'static str| {
        let bridge = &bridge;
        async move {
            let reply = bridge.get(&format!("{list}?{query}")).await.json();
            let rows = reply["incoming_phone_numbers"].as_array().expect("a list").clone();
            rows.iter().map(|row| row["phone_number"].as_str().expect("a number").to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed("").await, ["+4915112345678", "+15105550007", "+15005550006"]);
    assert_eq!(listed("PhoneNumber=*555").await, ["+15105550007", "+15005550006"]);
    assert_eq!(listed("PhoneNumber=%2B49").await, ["+4915112345678"]);
    assert_eq!(listed("FriendlyName=(500)%20555-0006").await, ["+15005550006"]);
    assert_eq!(listed("Beta=true").await, [""; 0]);
    assert_eq!(listed("Beta=false&Origin=twilio").await.len(), 3);
    assert_eq!(listed("Origin=hosted").await, [""; 0]);

    let page = bridge.get(&format!("{list}?PhoneNumber=%2B1500")).await.json();
    let number =
        format!("/IncomingPhoneNumbers/{}.json", page["incoming_phone_numbers"][0]["sid"].as_str().expect("one"));
    let application = sid(&bridge.post("/Applications.json", "VoiceUrl=http://app.test/").await);
    let trunk = "TK0123456789abcdef0123456789abcdef";
    for (case, form, application_now, trunk_now) in [
        ("a trunk", format!("TrunkSid={trunk}"), None, Some(trunk)),
        ("an application takes it away", format!("VoiceApplicationSid={application}"), Some(&*application), None),
        ("and the other way round", format!("TrunkSid={trunk}"), None, Some(trunk)),
        ("both", format!("TrunkSid={trunk}&VoiceApplicationSid={application}"), None, Some(trunk)),
        ("an empty one", "TrunkSid=".to_owned(), None, None),
        ("the application again", format!("VoiceApplicationSid={application}"), Some(&*application), None),
    ] {
        let reply = bridge.post(&number, &form).await;
        assert_eq!(reply.outcome(), (200, 0), "{case}: {}", reply.body);
        let json = reply.json();
        let (found_application, found_trunk) = (json["voice_application_sid"].as_str(), json["trunk_sid"].as_str());
        assert_eq!((found_application, found_trunk), (application_now, trunk_now), "{case}");
    }
    let gone = bridge.ask("DELETE", &format!("/Applications/{application}.json"), None).await;
    assert_eq!(gone.outcome(), (204, 0));
    assert!(bridge.get(&number).await.json()["voice_application_sid"].is_null(), "it went with the application");
    assert_eq!(bridge.ask("DELETE", &number, None).await.outcome(), (204, 0));
    assert_eq!(bridge.get(&number).await.outcome(), (404, 20404));
    assert_eq!(bridge.ask("DELETE", &number, None).await.outcome(), (404, 20404));
}

#[tokio::test]
async fn numbers_to_be_had_are_those_declared_and_not_owned() {
    let bridge = Bridge::start().await;
    for (query, want) in [
        ("US/Local.json", vec!["+15005550006", "+15105550007"]),
        ("us/Local.json?AreaCode=510", vec!["+15105550007"]),
        ("US/Local.json?Contains=1500*55", vec!["+15005550006"]),
        ("US/Local.json?PageSize=1", vec!["+15005550006"]),
        ("US/Local.json?PageSize=1&Page=1", vec!["+15105550007"]),
        ("US/Local.json?SmsEnabled=true", vec![]),
        ("US/Local.json?InRegion=CA", vec![]),
        ("US/Local.json?VoiceEnabled=true&SmsEnabled=false", vec!["+15005550006", "+15105550007"]),
        ("GB/Local.json", vec!["+442071838750"]),
        ("FR/Local.json", vec![]),
    ] {
        let page = bridge.get(&format!("/AvailablePhoneNumbers/{query}")).await.json();
        let rows = page["available_phone_numbers"].as_array().expect("a list");
        let found: Vec<_> = rows.iter().map(|row| row["phone_number"].as_str().expect("a number")).collect();
        assert_eq!(found, want, "{query}");
        assert_eq!(page["next_page_uri"].is_null(), !query.ends_with("PageSize=1"), "{query}");
    }
    assert_eq!(bridge.get("/AvailablePhoneNumbers/XX/Local.json").await.outcome(), (404, 20404));
    assert_eq!(bridge.post("/IncomingPhoneNumbers.json", "PhoneNumber=%2B15005550006").await.outcome(), (201, 0));
    let left = bridge.get("/AvailablePhoneNumbers/US/Local.json").await.json();
    assert_eq!(left["available_phone_numbers"][0]["phone_number"], "+15105550007");
}

#[tokio::test]
async fn a_number_moves_within_its_family_and_only_the_parent_moves_it() {
    use crate::bridge::{TOKEN, account, basic};
    use model::AccountSid;
    let bridge = Bridge::start().await;
    let (child, stranger) = (AccountSid::from_bits(0xC1D), AccountSid::from_bits(0x57A));
    bridge.store.save_account(&account(child, ACCOUNT)).await.expect("writes");
    bridge.store.save_account(&account(stranger, stranger)).await.expect("writes");
    let number = sid(&bridge.post("/IncomingPhoneNumbers.json", "PhoneNumber=%2B15005550006").await);
    let ask = async |user: AccountSid, of: AccountSid, form: String| {
        let request =
            axum::http::Request::post(format!("/2010-04-01/Accounts/{of}/IncomingPhoneNumbers/{number}.json"))
                .header("authorization", basic(&user.to_string(), TOKEN));
        bridge.send(request.body(form.into()).expect("is a request")).await
    };
    for (case, user, of, to, want) in [
        ("to a stranger", ACCOUNT, ACCOUNT, stranger.to_string(), (400, 21473)),
        ("to nobody", ACCOUNT, ACCOUNT, AccountSid::from_bits(0xF).to_string(), (400, 21473)),
        ("to no account", ACCOUNT, ACCOUNT, "CA1".to_owned(), (400, 20423)),
        ("to the child", ACCOUNT, ACCOUNT, child.to_string(), (200, 0)),
        ("it is not here any more", ACCOUNT, ACCOUNT, child.to_string(), (404, 20404)),
        ("the child stays as it is", child, child, child.to_string(), (200, 0)),
        ("the child sends it back", child, child, ACCOUNT.to_string(), (400, 21474)),
        ("the parent fetches it back", ACCOUNT, child, ACCOUNT.to_string(), (200, 0)),
    ] {
        let reply = ask(user, of, format!("AccountSid={to}")).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
        if want.0 == 200 {
            assert_eq!(reply.json()["account_sid"], to, "{case}");
        }
    }
}

#[tokio::test]
async fn a_domain_says_beside_twilios_resource_what_passwords_are_proved_with() {
    let bridge = Bridge::start().await;
    let made = bridge.post("/SIP/Domains.json", "DomainName=acme.sip.twilio.com&PartylineSipDigest=md5").await;
    let domain = format!("/SIP/Domains/{}", sid(&made));
    let shown = async || bridge.get(&format!("{domain}/Digest.json")).await.json()["partyline_sip_digest"].clone();
    assert_eq!(shown().await, "md5");
    for (case, form, want, digest) in [
        ("both", "PartylineSipDigest=md5%2Csha-256", (200, 0), json!("md5,sha-256")),
        ("nothing is said", "FriendlyName=desk", (200, 0), json!("md5,sha-256")),
        ("with blanks", "PartylineSipDigest=MD5%2C+SHA-256", (200, 0), json!("md5,sha-256")),
        ("the better one", "PartylineSipDigest=sha-256", (200, 0), json!("sha-256")),
        ("another order", "PartylineSipDigest=sha-256%2Cmd5", (400, 20001), json!("sha-256")),
        ("unknown", "PartylineSipDigest=sha-512", (400, 20001), json!("sha-256")),
        ("as the server is set", "PartylineSipDigest=", (200, 0), json!(null)),
    ] {
        for place in [".json", "/Digest.json"] {
            let reply = bridge.post(&format!("{domain}{place}"), form).await;
            assert_eq!(reply.outcome(), want, "{case} {place}: {}", reply.body);
            assert_eq!(shown().await, digest, "{case} {place}");
            let is_ours = reply.body.contains("partyline");
            assert_eq!(
                is_ours,
                want.0 == 200 && place == "/Digest.json",
                "{case}: the domain is Twilio's to the field"
            );
        }
    }
    let unknown = "/SIP/Domains/SD0123456789abcdef0123456789abcdef/Digest.json";
    assert_eq!(bridge.get(unknown).await.outcome(), (404, 20404));
}

#[tokio::test]
async fn a_domain_is_what_its_mappings_make_it_and_is_deleted_after_them() {
    let bridge = Bridge::start().await;
    for (case, form, want) in [
        ("no name", "", (400, 21231)),
        ("another's suffix", "DomainName=acme.example.test", (400, 21231)),
        ("the suffix alone", "DomainName=sip.twilio.com", (400, 21231)),
        ("no host name", "DomainName=ac_me.sip.twilio.com", (400, 21231)),
        ("a hyphen at the end", "DomainName=acme-.sip.twilio.com", (400, 21231)),
        ("a URL that is none", "DomainName=acme.sip.twilio.com&VoiceUrl=ftp://x", (400, 21231)),
        ("our suffix", "DomainName=acme.sip.partyline.internal", (201, 0)),
        ("Twilio's", "DomainName=Acme.sip.twilio.com", (201, 0)),
        ("taken, whatever its case", "DomainName=acme.SIP.twilio.com", (400, 21231)),
    ] {
        let reply = bridge.post("/SIP/Domains.json", form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    let page = bridge.get("/SIP/Domains.json").await.json();
    assert_eq!(page["domains"][0]["domain_name"], "acme.sip.twilio.com");
    let domain = format!("/SIP/Domains/{}", page["domains"][0]["sid"].as_str().expect("a SID"));
    let credentials = sid(&bridge.post("/SIP/CredentialLists.json", "FriendlyName=agents").await);
    let addresses = sid(&bridge.post("/SIP/IpAccessControlLists.json", "FriendlyName=offices").await);
    let by_name = format!("CredentialListSid={credentials}");
    let by_address = format!("IpAccessControlListSid={addresses}");
    let unknown = "CL0123456789abcdef0123456789abcdef";
    for (case, verb, place, form, want, auth_type) in [
        ("no list", "POST", "/CredentialListMappings.json", "", (400, 20001), ""),
        ("no SID", "POST", "/CredentialListMappings.json", "CredentialListSid=x", (400, 20423), ""),
        ("nobody's", "POST", "/CredentialListMappings.json", &format!("CredentialListSid={unknown}"), (400, 21240), ""),
        ("to register", "POST", "/Auth/Registrations/CredentialListMappings.json", &by_name, (201, 0), ""),
        ("by name", "POST", "/Auth/Calls/CredentialListMappings.json", &by_name, (201, 0), "CREDENTIAL_LIST"),
        ("it is one set", "POST", "/CredentialListMappings.json", &by_name, (409, 20409), "CREDENTIAL_LIST"),
        ("both", "POST", "/IpAccessControlListMappings.json", &by_address, (201, 0), "IP_ACL,CREDENTIAL_LIST"),
        ("in use", "DELETE", ".json", "", (400, 21233), "IP_ACL,CREDENTIAL_LIST"),
        ("by address", "DELETE", &format!("/CredentialListMappings/{credentials}.json"), "", (204, 0), "IP_ACL"),
        ("gone", "DELETE", &format!("/CredentialListMappings/{credentials}.json"), "", (404, 20404), "IP_ACL"),
        (
            "nothing any more",
            "DELETE",
            &format!("/Auth/Calls/IpAccessControlListMappings/{addresses}.json"),
            "",
            (204, 0),
            "",
        ),
    ] {
        let reply = bridge.ask(verb, &format!("{domain}{place}"), Some(form)).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
        assert_eq!(bridge.get(&format!("{domain}.json")).await.json()["auth_type"], auth_type, "{case}");
    }
    let list = format!("/SIP/CredentialLists/{credentials}.json");
    assert_eq!(bridge.ask("DELETE", &list, None).await.outcome(), (400, 21241), "for registrations");
    let mapping = format!("{domain}/Auth/Registrations/CredentialListMappings/{credentials}.json");
    assert_eq!(bridge.ask("DELETE", &mapping, None).await.outcome(), (204, 0));
    assert_eq!(bridge.ask("DELETE", &list, None).await.outcome(), (204, 0));
    assert_eq!(bridge.ask("DELETE", &format!("{domain}.json"), None).await.outcome(), (204, 0));
}

#[tokio::test]
async fn lists_hold_what_is_well_formed_once_and_so_many() {
    let bridge = Bridge::start().await;
    assert_eq!(bridge.post("/SIP/CredentialLists.json", "").await.outcome(), (400, 21240));
    assert_eq!(bridge.post("/SIP/IpAccessControlLists.json", "FriendlyName=").await.outcome(), (400, 21235));
    let credentials = format!(
        "/SIP/CredentialLists/{}/Credentials",
        sid(&bridge.post("/SIP/CredentialLists.json", "FriendlyName=a").await)
    );
    for (case, form, want) in [
        ("no name", "Password=Sesame0penNow", (400, 21243)),
        ("no password", "Username=alice", (400, 21243)),
        ("a weak one", "Username=alice&Password=sesame", (400, 21243)),
        ("a long name", &format!("Username={}&Password=Sesame0penNow", "x".repeat(33)), (400, 21243)),
        ("well", "Username=alice&Password=Sesame0penNow", (201, 0)),
        ("again", "Username=alice&Password=Sesame0penNow", (400, 21243)),
        ("another case is another", "Username=Alice&Password=Sesame0penNow", (201, 0)),
    ] {
        let reply = bridge.post(&format!("{credentials}.json"), form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
        assert!(!reply.body.contains("Sesame"), "{case}: a password is never shown");
    }
    let listed = bridge.get(&format!("{credentials}.json")).await;
    assert!(!listed.body.contains("Sesame"));
    assert_eq!(listed.json()["credentials"].as_array().expect("a list").len(), 2);

    let list = sid(&bridge.post("/SIP/IpAccessControlLists.json", "FriendlyName=a").await);
    let addresses = format!("/SIP/IpAccessControlLists/{list}/IpAddresses");
    for (case, form, want) in [
        ("no name", "IpAddress=192.0.2.1", (400, 21238)),
        ("no address", "FriendlyName=a", (400, 21238)),
        ("a host name", "FriendlyName=a&IpAddress=phone.test", (400, 21238)),
        ("IPv6", "FriendlyName=a&IpAddress=2001:db8::1", (400, 21238)),
        ("too many bits", "FriendlyName=a&IpAddress=192.0.2.1&CidrPrefixLength=33", (400, 21238)),
        ("well", "FriendlyName=a&IpAddress=192.0.2.1", (201, 0)),
        ("again", "FriendlyName=b&IpAddress=192.0.2.1", (400, 21238)),
        ("with its neighbours", "FriendlyName=b&IpAddress=192.0.2.1&CidrPrefixLength=24", (201, 0)),
    ] {
        let reply = bridge.post(&format!("{addresses}.json"), form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    for number in 2..25 {
        let form = format!("FriendlyName=a&IpAddress=198.51.100.{number}");
        assert_eq!(bridge.post(&format!("{addresses}.json"), &form).await.outcome(), (201, 0), "{number}");
    }
    let one_more = bridge.post(&format!("{addresses}.json"), "FriendlyName=a&IpAddress=203.0.113.1").await;
    assert_eq!(one_more.outcome(), (400, 21237));
    let of_nobody = "/SIP/IpAccessControlLists/AL0123456789abcdef0123456789abcdef/IpAddresses.json";
    assert_eq!(bridge.get(of_nobody).await.outcome(), (404, 20404));
}

#[tokio::test]
async fn a_queue_has_a_name_of_its_own_and_a_bound() {
    let bridge = Bridge::start().await;
    for (case, form, want) in [
        ("no name", "", (400, 20002)),
        ("an empty one", "FriendlyName=%20", (400, 20002)),
        ("a long one", &format!("FriendlyName={}", "x".repeat(65)), (400, 20002)),
        ("the longest", &format!("FriendlyName={}", "x".repeat(64)), (201, 0)),
        ("no room", "FriendlyName=support&MaxSize=0", (400, 20001)),
        ("too much", "FriendlyName=support&MaxSize=5001", (400, 20001)),
        ("well", "FriendlyName=support", (201, 0)),
        ("again", "FriendlyName=support", (400, 20002)),
        ("another case is another", "FriendlyName=Support", (201, 0)),
    ] {
        let reply = bridge.post("/Queues.json", form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
    }
    let page = bridge.get("/Queues.json?PageSize=2").await.json();
    assert_eq!(
        (&page["queues"][0]["friendly_name"], &page["queues"][0]["max_size"]),
        (&"Support".into(), &1000.into())
    );
    let queue = format!("/Queues/{}", page["queues"][1]["sid"].as_str().expect("a SID"));
    for (case, form, want) in [
        ("taken", "FriendlyName=Support", (400, 20002)),
        ("its own", "FriendlyName=support&MaxSize=20", (200, 0)),
        ("empty", "FriendlyName=", (400, 20002)),
    ] {
        assert_eq!(bridge.post(&format!("{queue}.json"), form).await.outcome(), want, "{case}");
    }
    for (case, verb, path, form, want) in [
        ("nobody waits", "GET", "/Members/Front.json", "", (404, 20404)),
        ("no such member", "GET", "/Members/nobody.json", "", (404, 20404)),
        ("no document", "POST", "/Members/Front.json", "", (400, 21205)),
        ("no URL", "POST", "/Members/Front.json", "Url=ftp://x", (400, 21205)),
        ("no method", "POST", "/Members/Front.json", "Url=http://x&Method=HEAD", (400, 21209)),
        ("nobody to take out", "POST", "/Members/Front.json", "Url=http://x", (404, 20404)),
    ] {
        assert_eq!(bridge.ask(verb, &format!("{queue}{path}"), Some(form)).await.outcome(), want, "{case}");
    }
    // The next page after a row that has been deleted meanwhile.
    let next = page["next_page_uri"].as_str().expect("there are three").to_owned();
    assert_eq!(bridge.ask("DELETE", &format!("{queue}.json"), None).await.outcome(), (204, 0));
    let next = next.strip_prefix(&format!("/2010-04-01/Accounts/{ACCOUNT}")).expect("is below the account");
    assert_eq!(bridge.get(next).await.json()["queues"].as_array().expect("a list").len(), 1);
    assert_eq!(bridge.get(&format!("{queue}.json")).await.outcome(), (404, 20404));
}

#[tokio::test]
async fn what_is_stored_is_shown_whatever_the_switch_knows() {
    let bridge = Bridge::start().await;
    let queue = Queue {
        sid: QueueSid::from_bits(1),
        account_sid: ACCOUNT,
        friendly_name: "old".to_owned(),
        max_size: 3,
        created: at(0),
        updated: at(0),
        seq: 1,
    };
    bridge.save(&[Row::Directory(Box::new(DirectoryRow::Queue(queue)))]).await;
    let shown = bridge.get("/Queues.json").await.json();
    assert_eq!((&shown["queues"][0]["friendly_name"], &shown["queues"][0]["current_size"]), (&"old".into(), &0.into()));
}
