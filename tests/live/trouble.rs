//! Applications that fail, hang, babble or are gone: their callers are told so, their developers are shown the code, and nobody
//! else notices (twiml §13).

use std::net::TcpListener;

use testkit::tone::{HUM_DBFS, Tone};
use testkit::wire::Moment;

use crate::centre::{Centre, check_hearing};
use crate::party::ROOM;

const ANA: Tone = Tone { hz: 409 };
const BEN: Tone = Tone { hz: 857 };
const CHO: Tone = Tone { hz: 1259 };

#[test]
fn who_calls_an_application_in_trouble_gets_the_fallback_and_nobody_else_notices() {
    let centre = Centre::start();
    let ana = centre.dial(ROOM).humming(ANA).connect();
    let ben = centre.dial(ROOM).humming(BEN).connect();
    let talk = [("ana", &ana, ANA), ("ben", &ben, BEN)];
    let picture = "    ana ben
                   ana  -   x
                   ben  x   -  ";
    check_hearing(&talk, picture);
    let from = Moment::now();
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).expect("a port");
    let troubles = [
        ("here('/fails')", "11200"),
        ("here('/no-such-page')", "11200"),
        ("here('/slow#rt=500')", "11200"),
        ("here('/slow#tt=500')", "11200"),
        ("here('/huge')", "11750"),
        ("here('/endless')", "11750"),
        ("here('/wrong-type')", "12300"),
        ("here('/not-xml')", "12100"),
        (&format!("'http://{nobody}/voice'"), "11205"),
        ("'http://no-such-host.invalid/voice'", "11210"),
    ];
    let mut callers = Vec::new();
    for (n, (url, _)) in troubles.iter().enumerate() {
        let (number, caller) = (format!("+1500555{n:04}"), format!("+1500556{n:04}"));
        centre.makes(&format!(
            "client.incoming_phone_numbers.create(phone_number='{number}', voice_url={url}, voice_fallback_url=here('/sorry'))"
        ));
        callers.push((centre.dial(&number).as_user(&caller).connect(), caller));
    }
    for ((url, code), (phone, caller)) in troubles.iter().zip(&callers) {
        let call = centre.call_of(caller);
        check_hearing(&[("caller", phone, CHO)], "caller sorry\n caller - x");
        centre.wait_notified(&call, &[code]);
        let asked = centre.requests("/sorry");
        let fallback = asked.iter().map(|seen| &seen["parameters"]).find(|told| told["CallSid"] == call.as_str());
        let fallback = fallback.unwrap_or_else(|| panic!("{url}: no fallback in {asked:#?}"));
        assert_eq!(fallback["ErrorCode"], *code, "{url}");
        assert!(fallback["ErrorUrl"].as_str().is_some_and(|url| url.starts_with("http://")), "{fallback:#}");
    }
    let heard = ben.heard_since(from);
    let broken = heard.iter().filter(|packet| (packet.level_dbfs(ANA) - HUM_DBFS).abs() > 1.0).count();
    assert!(broken <= 3 * ana.stalls_since(from), "{broken} of {} packets are broken", heard.len());
    assert!(heard.windows(2).all(|two| two[1].header.sequence == two[0].header.sequence.wrapping_add(1)));
    check_hearing(&talk, picture);
    centre.check_requests();
}
