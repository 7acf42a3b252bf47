//! Documents that are asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use api::webhook::WebhookConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::CallSid;
use model::HttpMethod::{Get, Post};
use sha1::Sha1;
use store::{Page, Position};
use switch::webhook::Answered;
use testkit::application::Seen;
use web::{Web, form_urlencoded};

use crate::desk::{ACCOUNT, Desk, TOKEN, Table, answer, ask, call, loopback, xml};

/// What the request should be signed with, computed as the contract writes it.
fn signature(url: &str, form: &str) -> String {
    let pairs: BTreeSet<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).expect("any length");
    mac.update(url.as_bytes());
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn assert_signed(seen: &Seen) {
    let url = format!("http://{}{}", seen.header("host").expect("a host"), seen.target);
    let want = signature(&url, &seen.body);
    assert_eq!(seen.header("x-twilio-signature"), Some(want.as_str()), "{seen:?}");
}

#[tokio::test]
async fn a_post_says_who_calls_and_is_signed() {
    let desk = Desk::new().await;
    let url = desk.application.raw("/voice", &[&xml("<Response/>")]);
    let asked = desk.ask(Post, &format!("{url}?tenant=7&x=a%20b#rc=0")).await;
    assert_eq!(asked.text().as_deref(), Ok("<Response/>"));
    let seen = &desk.application.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/voice?tenant=7&x=a%20b"));
    let length = seen.body.len().to_string();
    for (name, want) in [
        ("user-agent", "TwilioProxy/1.1"),
        ("accept", "*/*"),
        ("content-type", "application/x-www-form-urlencoded; charset=UTF-8"),
        ("content-length", &length),
    ] {
        assert_eq!(seen.header(name), Some(want), "{name}");
    }
    assert_signed(seen);
    let form: Vec<_> = form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
    for (name, want) in [("From", "+442079460000"), ("CallerCountry", "GB"), ("ToZip", ""), ("CallStatus", "ringing")] {
        assert!(form.iter().any(|(n, v)| (n.as_str(), v.as_str()) == (name, want)), "{name}={want} in {form:?}");
    }
    let token = seen.header("i-twilio-idempotency-token").expect("a token");
    assert_eq!((token.len(), token.as_bytes()[14]), (36, b'4'), "{token} is a UUID of version 4");
}

#[tokio::test]
async fn a_get_says_the_same_in_its_query() {
    let desk = Desk::new().await;
    let url = desk.application.raw("/voice", &[&xml("<Response/>")]);
    let asked = desk.ask(Get, &format!("{url}?tenant=7")).await;
    assert_eq!(asked.text().as_deref(), Ok("<Response/>"));
    let seen = &desk.application.seen()[0];
    assert!(seen.target.starts_with("/voice?tenant=7&CallSid=CA0000"), "{seen:?}");
    assert!(seen.target.contains("&From=%2B442079460000&"), "{seen:?}");
    assert_eq!((seen.method.as_str(), seen.body.as_str()), ("GET", ""));
    assert_eq!(seen.header("content-length"), Some("0"));
    assert_signed(seen);
    assert_eq!(asked.exchange.url, format!("{url}?tenant=7"), "shown without our parameters");
    for (case, given, want) in [
        ("as it was asked", "?tenant=7#rc=0", "?tenant=7"),
        ("without a query", "", ""),
        ("with its password", "?u", "?u"),
    ] {
        let given =
            format!("{url}{given}").replace("127", if case == "with its password" { "u:p%20q@127" } else { "127" });
        let want =
            format!("{url}{want}").replace("127", if case == "with its password" { "u:p%20q@127" } else { "127" });
        match desk.ask(Get, &given).await.outcome {
            Ok(Answered::Document { url, .. }) => assert_eq!(url, want, "{case}: relative URLs start here"),
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn answers_are_taken_for_what_they_are() {
    let desk = Desk::new().await;
    let typed = |content_type: &str, body: &str| answer("200 OK", &format!("Content-Type: {content_type}\r\n"), body);
    let redirect = |to: &str| answer("302 Found", &format!("Location: {to}\r\n"), "");
    let huge = "x".repeat(64 * 1024 + 1);
    desk.application.silent("/silent");
    desk.application.endless("/endless", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n", &"x".repeat(4_096));
    desk.application.endless("/headers", "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n");
    for (path, raw, want) in [
        ("/xml", xml("<Response/>"), Ok("<Response/>")),
        ("/html", typed("text/html; charset=utf-8", "<Response/>"), Ok("<Response/>")),
        ("/untyped", answer("200 OK", "", "<Response/>"), Err(12_300)),
        ("/text", typed("text/plain", "hello"), Ok("text: hello")),
        ("/a.wav", typed("Audio/X-WAV; rate=8000", "RIFF"), Ok("audio: a.wav Some((4, \"audio/x-wav\"))")),
        ("/large.wav", typed("audio/wav", &huge.repeat(16)), Ok("audio: large.wav None")),
        ("/json", typed("application/json", "{}"), Err(12_300)),
        ("/empty", typed("text/xml", ""), Ok("empty")),
        ("/204", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(), Ok("empty")),
        ("/201", answer("201 Created", "Content-Type: text/xml\r\n", "<Response/>"), Ok("<Response/>")),
        ("/404", answer("404 Not Found", "", "nothing here"), Err(11_200)),
        ("/304", answer("304 Not Modified", "", ""), Err(11_200)),
        ("/500", answer("500 Oops", "", ""), Err(11_200)),
        ("/loop", redirect("/loop"), Err(11_215)),
        ("/nowhere", answer("302 Found", "", ""), Err(11_216)),
        ("/elsewhere", redirect("ftp://app.test/"), Err(11_216)),
        ("/inside", redirect("http://10.0.0.1/"), Err(11_200)),
        ("/garbage", "SSH-2.0-OpenSSH_9.2\r\n".to_owned(), Err(11_206)),
        ("/half", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(), Err(11_206)),
        ("/huge", xml(&huge), Err(11_750)),
        ("/largest", xml(&huge[1..]), Ok(&huge[1..])),
    ] {
        let url = desk.application.raw(path, &[&raw]);
        let asked = desk.ask(Get, &url).await;
        assert_eq!(asked.text().as_deref(), want.as_ref().map(|text| *text), "{path}");
        let codes: Vec<_> = asked.remarks.iter().map(|remark| remark.code).collect();
        assert_eq!(codes, if want == Ok("empty") { vec![11_770] } else { vec![] }, "{path}");
    }
    let base = format!("http://{}", desk.application.address());
    for (case, url, code) in [
        ("never an answer", format!("{base}/silent#tt=300"), 11_200),
        ("no answer in time", format!("{base}/silent#rt=300"), 11_200),
        ("an answer without end", format!("{base}/endless"), 11_750),
        ("headers without end", format!("{base}/headers"), 11_206),
        ("no address to go to", "http://10.255.255.1/".to_owned(), 11_200),
        ("no URL", "mailto:a@b.example".to_owned(), 11_100),
        ("nobody there", format!("http://{}/", closed_port()), 11_205),
    ] {
        assert_eq!(desk.ask(Post, &url).await.text(), Err(code), "{case}");
    }
    let failed = desk.ask(Post, &format!("{base}/404")).await;
    assert_eq!((failed.exchange.status, failed.exchange.body.as_str()), (Some(404), "nothing here"));
    assert_eq!(failed.outcome.expect_err("404").status, Some(404));
}

fn closed_port() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port")
}

#[tokio::test]
async fn a_redirect_keeps_or_drops_the_form_and_is_signed_anew() {
    let desk = Desk::new().await;
    desk.application.raw("/second", &[&xml("<Response/>")]);
    for (status, want) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let go = answer(&format!("{status} Go"), "Location: second?x=1\r\n", "");
        let url = desk.application.raw("/first", &[&go]);
        let asked = desk.ask(Post, &url).await;
        assert_eq!(asked.text().as_deref(), Ok("<Response/>"), "{status}");
        let second = desk.application.seen().pop().expect("a second request");
        assert_eq!((second.method.as_str(), second.target.as_str()), (want, "/second?x=1"), "{status}");
        assert_eq!(second.body.is_empty(), want == "GET", "{status}");
        assert_signed(&second);
    }
}

#[tokio::test]
async fn a_url_says_what_is_tried_again_and_every_try_has_the_same_token() {
    let desk = Desk::new().await;
    let (unwell, well) = (answer("503 Unwell", "", ""), xml("<Response/>"));
    for (fragment, answers, want) in [
        ("", vec![&unwell, &well], (Err(11_200), 1)),
        ("#rc=1&rp=5xx", vec![&unwell, &well], (Ok("<Response/>"), 2)),
        ("#rc=3&rp=all", vec![&unwell, &unwell, &unwell, &well], (Ok("<Response/>"), 4)),
        ("#rc=1&rp=5xx", vec![&unwell, &unwell, &well], (Err(11_200), 2)),
        ("#rc=5&rp=4xx,ct", vec![&unwell, &well], (Err(11_200), 1)),
    ] {
        let before = desk.application.seen().len();
        let answers: Vec<&str> = answers.into_iter().map(String::as_str).collect();
        let url = desk.application.raw("/voice", &answers);
        let asked = desk.ask(Post, &format!("{url}{fragment}")).await;
        let seen = &desk.application.seen()[before..];
        assert_eq!((asked.text().as_deref().map_err(|code| *code), seen.len()), want, "{fragment}");
        let tokens: BTreeSet<_> = seen.iter().map(|seen| seen.header("i-twilio-idempotency-token")).collect();
        assert_eq!(tokens.len(), 1, "{fragment}");
    }
    let url = desk.application.raw("/voice", &[&well]);
    let asked = desk.ask(Post, &format!("{url}#e=!&rp=x")).await;
    let codes: Vec<_> = asked.remarks.iter().map(|remark| remark.code).collect();
    assert_eq!((asked.text().as_deref(), codes), (Ok("<Response/>"), vec![11_240, 11_243]));
}

#[tokio::test]
async fn cookies_stay_with_their_call() {
    let desk = Desk::new().await;
    let set =
        answer("200 OK", "Content-Type: text/xml\r\nSet-Cookie: s=1; Path=/\r\nSet-Cookie: t=2\r\n", "<Response/>");
    let url = desk.application.raw("/voice", &[&set, &xml("<Response/>")]);
    let mut other = ask(Post, &url);
    other.call.call = call(2);
    for ask in [ask(Post, &url), other, ask(Get, &url)] {
        desk.ask_for(ask).await.outcome.expect("a document");
    }
    let seen = desk.application.seen();
    let cookies: Vec<_> = seen.iter().map(|seen| seen.header("cookie")).collect();
    assert_eq!(cookies, [None, None, Some("s=1; t=2")]);
}

#[tokio::test]
async fn who_and_with_which_password_is_told_to_those_who_ask_and_to_nobody_else() {
    let desk = Desk::new().await;
    let who = |challenge: &str| answer("401 Who", &format!("WWW-Authenticate: {challenge}\r\n"), "");
    for (case, challenge, want) in [
        ("Basic", "Basic realm=\"x\"", "Basic dTpww6Q="),
        (
            "Digest",
            "Digest realm=\"x\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256",
            "Digest username=\"u\", realm=\"x\"",
        ),
    ] {
        let before = desk.application.seen().len();
        desk.application.raw("/voice", &[&who(challenge), &xml("<Response/>")]);
        let url = format!("http://u:p%C3%A4@{}/voice", desk.application.address());
        let asked = desk.ask(Post, &url).await;
        assert_eq!(asked.text().as_deref(), Ok("<Response/>"), "{case}");
        let seen = &desk.application.seen()[before..];
        assert_eq!(seen[0].header("authorization"), None, "{case}: not before it is asked for");
        assert!(seen[1].header("authorization").is_some_and(|value| value.starts_with(want)), "{case}: {seen:?}");
        assert_signed(&seen[1]);
        assert!(!asked.exchange.url.contains('@'), "{case}");
    }
    desk.application.raw("/voice", &[&who("Basic realm=\"x\"")]);
    let url = format!("http://u:wrong@{}/voice", desk.application.address());
    assert_eq!(desk.ask(Post, &url).await.text(), Err(11_200), "asked twice, and no more");

    let other = testkit::application::Application::start();
    let elsewhere = other.raw("/", &[&who("Basic realm=\"x\""), &xml("<Response/>")]);
    desk.application.raw("/away", &[&answer("307 Go", &format!("Location: {elsewhere}\r\n"), "")]);
    let url = format!("http://u:p@{}/away", desk.application.address());
    assert_eq!(desk.ask(Post, &url).await.text(), Err(11_200));
    assert!(other.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_name_that_leads_inside_a_moment_later_gains_nothing() {
    let names = Table(Mutex::new(vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()]));
    let web = Web::with_names(&loopback(), Arc::new(names)).expect("a way out");
    let desk = Desk::with(WebhookConfig::default(), web).await;
    desk.application.raw("/voice", &[&xml("<Response/>")]);
    let url = format!("http://app.example:{}/voice", desk.application.address().port());
    assert_eq!(desk.ask(Post, &url).await.text().as_deref(), Ok("<Response/>"));
    assert_eq!(desk.ask(Post, &url).await.text(), Err(11_200));
    assert_eq!(desk.application.seen().len(), 1);
}

#[tokio::test]
async fn a_document_that_has_not_changed_is_not_sent_again() {
    let desk = Desk::new().await;
    let first = answer("200 OK", "Content-Type: text/xml\r\nETag: \"1\"\r\n", "<Response/>");
    let unchanged = "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned();
    let url = desk.application.raw("/wait", &[&first, &unchanged]);
    for _ in 0..2 {
        let asked = desk.ask(Get, &url).await;
        assert_eq!((asked.text().as_deref(), asked.exchange.body.as_str()), (Ok("<Response/>"), "<Response/>"));
    }
    let conditions: Vec<_> =
        desk.application.seen().iter().map(|s| s.header("if-none-match").map(str::to_owned)).collect();
    assert_eq!(conditions, [None, Some("\"1\"".to_owned())]);
    desk.application.raw("/wait", &[&first]);
    assert!(desk.ask(Post, &url).await.outcome.is_ok());
    assert_eq!(desk.application.seen()[2].header("if-none-match"), None, "never of a POST");
}

#[tokio::test]
async fn more_than_may_wait_fail_at_once() {
    let config = WebhookConfig { asks_max: 1, asks_waiting_max: 0, ..WebhookConfig::default() };
    let desk = Desk::with(config, Web::new(&loopback()).expect("a way out")).await;
    let hangs = desk.application.silent("/hangs");
    let hangs = format!("{hangs}#tt=1000");
    let (first, second) = tokio::join!(desk.ask(Post, &hangs), desk.ask(Post, &hangs));
    assert_eq!((first.text(), second.text()), (Err(11_200), Err(11_200)));
    assert!(first.outcome.expect_err("no answer").message.contains("no complete answer"));
    assert!(second.outcome.expect_err("no place").message.contains("too many"));
    let metrics = desk.webhooks.metrics();
    let refused = metrics.iter().find(|metric| metric.name == "partyline_asks_refused_total").expect("is there");
    assert_eq!(refused.reading, api::Reading::Counter(1.0));
}

#[tokio::test]
async fn what_was_asked_is_among_the_events_of_its_call() {
    let desk = Desk::new().await;
    let url = desk.application.raw("/voice", &[&xml("<Response/>\0"), &answer("500 Oops", "", "oops")]);
    desk.ask(Post, &url).await.outcome.expect("a document");
    desk.ask(Post, &url).await.outcome.expect_err("500");
    desk.writer.write(Vec::new()).await.expect("all before it is written");
    let page = Page { size: 9, position: Position::Offset(0) };
    let events = desk.store.call_events(ACCOUNT, CallSid::from_bits(1), page).await.expect("reads").rows;
    let told: Vec<_> = events.iter().map(|(_, e)| (e.method.as_str(), e.status, e.body.as_str())).collect();
    assert_eq!(told, [("POST", Some(200), "<Response/>\u{fffd}"), ("POST", Some(500), "oops")]);
    assert!(events[0].1.parameters.contains("CallSid=CA0"));
}
