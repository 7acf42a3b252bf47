//! Phones that register at a SIP domain, and strangers who should not: sipp and a bare socket against the real binary.

use std::net::{Ipv4Addr, UdpSocket};

use testkit::rest::metric;
use testkit::server::{Server, wait_until};

use crate::party::PATIENCE;
use crate::sipp::run;

const DOMAIN: &str = "acme.sip.partyline.internal";
const PASSWORD: &str = "Sesame123456";

/// A bridge with a domain at which `alice` may register and call.
fn server(settings: &[(&str, &str)]) -> Server {
    let server = Server::start_with(settings);
    let rest = server.rest();
    let made = |resource: &str, form: &[(&str, &str)]| rest.post(resource, form).expect(201).text("sid");
    let domain = made("SIP/Domains.json", &[("DomainName", DOMAIN), ("SipRegistration", "true")]);
    let list = made("SIP/CredentialLists.json", &[("FriendlyName", "phones")]);
    let credentials = format!("SIP/CredentialLists/{list}/Credentials.json");
    made(&credentials, &[("Username", "alice"), ("Password", PASSWORD)]);
    for wanted in ["Calls", "Registrations"] {
        let mappings = format!("SIP/Domains/{domain}/Auth/{wanted}/CredentialListMappings.json");
        made(&mappings, &[("CredentialListSid", &list)]);
    }
    server
}

/// Runs a profile as this user with this password.
#[track_caller]
pub(crate) fn run_as(server: &Server, profile: &str, user: &str, password: &str, calls: u32, options: &[&str]) {
    let login = ["-s", user, "-au", user, "-ap", password, "-key", "domain", DOMAIN];
    run(server, profile, calls, &[&login, options].concat());
}

#[track_caller]
fn counted(server: &Server, name: &str) -> f64 {
    metric(&server.metrics(), name).unwrap_or_else(|| panic!("no metric {name}"))
}

/// The run loop's numbers are those of its last round.
#[track_caller]
pub(crate) fn counts(server: &Server, name: &str, want: f64) {
    let reached = wait_until(PATIENCE, || counted(server, name) == want);
    assert!(reached, "{name} is {}, not {want}", counted(server, name));
}

const REGISTERED: &str = "partyline_sip_admissions_total{outcome=\"registered\"}";
pub(crate) const WRONG: &str = "partyline_sip_admissions_total{outcome=\"wrong\"}";

#[test]
fn a_phone_registers_and_leaves() {
    let server = server(&[]);
    for transport in ["u1", "t1"] {
        run_as(&server, "uac-registers-expect-200", "alice", PASSWORD, 1, &["-t", transport]);
    }
    counts(&server, REGISTERED, 4.0);
    counts(&server, "partyline_registrations", 0.0);
}

#[test]
fn a_phone_is_still_registered_after_a_crash() {
    let mut server = server(&[]);
    run_as(&server, "uac-storms-with-registers-expect-200", "alice", PASSWORD, 1, &[]);
    counts(&server, "partyline_registrations", 1.0);
    // What is written is written in order: this is answered when the phone is saved.
    server.rest().post("SIP/CredentialLists.json", &[("FriendlyName", "others")]).expect(201);
    server.kill();
    server.restart();
    counts(&server, "partyline_registrations", 1.0);
    counts(&server, REGISTERED, 0.0);
}

#[test]
fn a_domain_takes_sha_256_beside_md5_for_phones_that_read_the_first_challenge_only() {
    let server = server(&[]);
    let domain = server.rest().get("SIP/Domains.json").expect(200).json()["domains"][0]["sid"].clone();
    let digest = format!("SIP/Domains/{}/Digest.json", domain.as_str().expect("a SID"));
    server.rest().post(&digest, &[("PartylineSipDigest", "md5, sha-256")]).expect(200);
    run_as(&server, "uac-registers-expect-200", "alice", PASSWORD, 1, &[]);
    server.rest().post(&digest, &[("PartylineSipDigest", "sha-256")]).expect(200);
    assert_eq!(server.rest().get(&digest).expect(200).text("partyline_sip_digest"), "sha-256");
    run_as(&server, "uac-asks-to-register-expect-sha-256-challenge", "alice", PASSWORD, 1, &[]);
    counts(&server, REGISTERED, 2.0);
}

#[test]
fn a_wrong_password_and_a_user_who_is_none_get_the_same() {
    let server = server(&[]);
    let profile = "uac-registers-with-wrong-password-expect-403";
    run_as(&server, profile, "alice", "Sesame654321", 1, &[]);
    run_as(&server, profile, "nobody", PASSWORD, 1, &[]);
    counts(&server, WRONG, 2.0);
    counts(&server, "partyline_registrations", 0.0);
}

#[test]
fn a_storm_of_registers_leaves_one_phone() {
    let server = server(&[]);
    let storm = ["-r", "200", "-l", "400"];
    run_as(&server, "uac-storms-with-registers-expect-200", "alice", PASSWORD, 400, &storm);
    counts(&server, REGISTERED, 1_600.0);
    counts(&server, "partyline_registrations", 1.0);
}

#[test]
fn a_call_with_a_wrong_password_is_refused() {
    let server = server(&[]);
    run_as(&server, "uac-calls-domain-with-wrong-password-expect-403", "alice", "Sesame654321", 1, &[]);
    counts(&server, WRONG, 1.0);
    counts(&server, "partyline_calls_total", 0.0);
}

#[test]
fn a_scanner_meets_silence() {
    let server = Server::start();
    run(&server, "uac-scans-expect-silence", 1, &[]);
    counts(&server, "partyline_sip_held_back_total{why=\"scanner\"}", 1.0);
}

#[test]
fn who_guesses_is_not_answered_any_more() {
    // Nobody is trusted: not even loopback, where all of this happens.
    let server = server(&[("PARTYLINE_SIP_TRUSTED", ""), ("PARTYLINE_SIP_BAN_AFTER", "3")]);
    run_as(&server, "uac-registers-with-wrong-password-expect-403", "alice", "Sesame654321", 3, &["-l", "1"]);
    counts(&server, "partyline_sip_bans_total", 1.0);

    let guesser = server.callers();
    let [first, second, third, fourth] = guesser.octets();
    let [guesser, other] = [guesser, Ipv4Addr::new(first, second ^ 0x40, third, fourth)].map(|address| {
        let socket = UdpSocket::bind((address, 0)).expect("an address of our own");
        socket.set_read_timeout(Some(PATIENCE)).expect("a bound");
        let own = socket.local_addr().expect("it is bound");
        let options = format!(
            "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK1\r\nFrom: <sip:a@{own}>;tag=1\r\n\
             To: <sip:{0}>\r\nCall-ID: {own}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            server.sip()
        );
        socket.send_to(options.as_bytes(), server.sip()).expect("it is sent");
        socket
    });
    // Both asked, the guesser first; requests are answered in their order.
    let mut answer = [0; 2_048];
    let len = other.recv(&mut answer).expect("the other is answered");
    assert!(answer[..len].starts_with(b"SIP/2.0 200"));
    guesser.set_nonblocking(true).expect("a socket like any other");
    assert!(guesser.recv(&mut answer).is_err(), "the guesser is not");
    counts(&server, "partyline_sip_held_back_total{why=\"banned\"}", 1.0);
}
