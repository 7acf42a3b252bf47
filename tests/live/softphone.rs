//! baresip as an agent's phone: registered at a SIP domain with digest, and called by the name it registered as.

use std::time::Duration;

use testkit::tone::{HUM_DBFS, Tone};

use crate::baresip::Baresip;
use crate::centre::{Centre, check_hearing};

const DOMAIN: &str = "centre.sip.twilio.com";

/// Sets up a domain at which these users may register, each with the password `secret-` and its name.
fn domain(centre: &Centre, users: &[String]) {
    let domain = centre.makes(&format!(
        "client.sip.domains.create(domain_name='{DOMAIN}', sip_registration=True, voice_url=here('/incoming'))"
    ));
    let list = centre.makes("client.sip.credential_lists.create(friendly_name='agents')");
    for user in users {
        centre.makes(&format!(
            "client.sip.credential_lists('{list}').credentials.create(username='{user}', password='Secret-word-{user}-1')"
        ));
    }
    for mappings in ["registrations.credential_list_mappings", "calls.credential_list_mappings"] {
        centre.makes(&format!("client.sip.domains('{domain}').auth.{mappings}.create(credential_list_sid='{list}')"));
    }
}

fn password(user: &str) -> String {
    format!("Secret-word-{user}-1")
}

#[test]
fn an_agent_at_a_registered_softphone_is_called_by_name_and_calls() {
    let centre = Centre::start();
    domain(&centre, &["alice".to_owned()]);
    let (customer, agent) = (Tone { hz: 409 }, Tone { hz: 857 });
    let mut alice = Baresip::register(&centre.server, agent, DOMAIN, "alice", &password("alice"));
    centre.number("+15005550001", "/call?client=alice", "");
    let ana = centre.dial("+15005550001").humming(customer).connect();
    check_hearing(&[("ana", &ana, customer), ("alice", &ana, agent)], "ana alice\n ana - x");
    let told = centre.wait_told("/call-events", "CallStatus", &["initiated", "ringing", "in-progress"]);
    assert_eq!(told[0]["parameters"]["To"], "client:alice", "{:#}", told[0]);
    ana.listen(Duration::from_secs(3));
    // What it heard last is the conversation.
    let recording = alice.quit();
    let end = &recording[recording.len().saturating_sub(8_000)..recording.len().saturating_sub(4_000)];
    let voice = customer.level_dbfs(end);
    assert!((voice - HUM_DBFS).abs() < 1.5, "baresip hears ana at {voice:.1} dBFS\n{}", alice.log());
    centre.wait_asked("/after-call", 1);
    assert!(ana.wait_ended());
    centre.check_requests();
}
