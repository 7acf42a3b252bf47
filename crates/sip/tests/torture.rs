//! The torture messages of RFC 4475 and RFC 5118, table-driven: `fixtures/sip/torture/README.md` says how to read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use sip::{Config, Endpoint, Event, Flow, Headers, Message, Name, NameAddr, Output, ParseError, Transport, Uri, parse};

#[test]
fn every_message_of_rfc_4475_is_read_or_refused_as_it_asks() {
    check_folder("rfc4475", 49);
}

#[test]
fn every_message_of_rfc_5118_is_read_or_refused_as_it_asks() {
    check_folder("rfc5118", 12);
}

fn check_folder(folder: &str, count: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sip/torture").join(folder);
    let mut messages: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sip"))
        .collect();
    messages.sort();
    assert_eq!(messages.len(), count, "messages in {}", folder.display());
    for path in messages {
        let message = fs::read(&path).expect("readable");
        let expect = fs::read_to_string(path.with_extension("expect")).expect("each .sip has its .expect");
        check_message(&path.file_stem().expect("named").to_string_lossy(), &message, &expect);
    }
}

/// The statuses that an endpoint without calls answers a datagram with.
fn answers(bytes: &[u8]) -> Vec<String> {
    let mut endpoint = Endpoint::new(Config::default(), 1);
    let local = "192.0.2.9:5060".parse().expect("an address");
    let remote = "192.0.2.1:5060".parse().expect("an address");
    let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
    let now = Instant::now();
    endpoint.receive(now, flow, Bytes::copy_from_slice(bytes));
    let mut statuses = Vec::new();
    while let Some(output) = endpoint.poll() {
        if let Output::Event(Event::Options { id, .. }) = output {
            endpoint.answer_options(now, id, 200); // everybody is known here
        } else if let Output::Send { bytes, .. } = output {
            let Ok(Message::Response(response)) = parse(&bytes) else { panic!("a response, not {bytes:?}") };
            assert!(
                response.status == 100 || response.headers.to_tag().is_some() || !response.headers.contains(Name::To)
            );
            statuses.push(response.status.to_string());
        }
    }
    statuses
}

/// Holds one message against its `.expect` file.
fn check_message(name: &str, bytes: &[u8], expect: &str) {
    let seen = parse(bytes);
    if let Ok(message) = &seen {
        assert_eq!(parse(&message.to_bytes()), Ok(known_length(message)), "{name}: written and read again");
    }
    let lines =
        expect.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once(' ').unwrap_or((line, "")));
    let mut facts: Vec<(&str, Vec<&str>)> = Vec::new();
    for (key, value) in lines {
        match facts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) if !takes_argument(key) => values.push(value),
            _ => facts.push((key, vec![value])),
        }
    }
    assert!(facts.len() > 1 || facts[0].0 == "drop", "{name}: nothing but the verdict is checked");
    for (key, want) in facts {
        assert_eq!(fact(bytes, &seen, key, want[0]), want, "{name}: {key}");
    }
}

/// Keys whose lines stand each for itself, since they say what they ask about.
fn takes_argument(key: &str) -> bool {
    matches!(key, "header" | "header-hex" | "list" | "contact-equals")
}

/// What was written has a Content-Length, also where the original had none.
fn known_length(message: &Message) -> Message {
    let mut message = message.clone();
    let (headers, body) = match &mut message {
        Message::Request(request) => (&mut request.headers, &request.body),
        Message::Response(response) => (&mut response.headers, &response.body),
    };
    headers.set(Name::ContentLength, body.len().to_string());
    message
}

/// What is true of the message under this key; `want` is the line's own text, for keys that take an argument.
fn fact(bytes: &[u8], seen: &Result<Message, ParseError>, key: &str, want: &str) -> Vec<String> {
    let verdict = match seen {
        Ok(Message::Request(request)) => format!("accept {} {}", request.method, request.uri.as_str()),
        Ok(Message::Response(response)) => {
            format!("accept {} {}", response.status, response.reason).trim_end().to_owned()
        }
        Err(ParseError::Refused(refused)) => format!("refuse {}", refused.status),
        Err(ParseError::Dropped(_)) => "drop ".to_owned(),
        Err(ParseError::NotSip) => "not-sip ".to_owned(),
    };
    let (headers, body) = match seen {
        Ok(Message::Request(request)) => (request.headers.clone(), request.body.len()),
        Ok(Message::Response(response)) => (response.headers.clone(), response.body.len()),
        Err(ParseError::Refused(refused)) => (refused.response().headers, 0),
        Err(_) => (Headers::new(), 0),
    };
    let raw = |name: &str| {
        headers.get_all(Name::from(name)).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    };
    let one = |value: Option<String>| vec![value.unwrap_or_else(|| "none".to_owned())];
    let yes = |value: bool| vec![if value { "yes" } else { "no" }.to_owned()];
    let all = |addresses: Result<Vec<NameAddr>, _>| {
        addresses.into_iter().flatten().map(|address| address.to_string()).collect()
    };
    let uri = match seen {
        Ok(Message::Request(request)) => Some(request.uri.uri().clone()),
        _ => None,
    };
    let sip = uri.as_ref().and_then(Uri::sip);
    let via = headers.via_top().ok();
    match key {
        "accept" | "refuse" | "drop" => {
            vec![verdict.strip_prefix(key).map_or(verdict.clone(), |rest| rest.trim_start().to_owned())]
        }
        "answer" => Some(answers(bytes)).filter(|all| !all.is_empty()).unwrap_or_else(|| one(None)),
        "body" => vec![body.to_string()],
        "branch" => one(via.and_then(|via| via.branch().map(str::to_owned))),
        "call-id" => one(headers.call_id().ok().map(str::to_owned)),
        "contact" => all(headers.contacts()),
        "contact-equals" => {
            let (other, _) = want.split_once(' ').expect("a URI, then yes or no");
            let contact = &headers.contacts().expect("contacts")[0].uri;
            vec![format!("{other} {}", yes(contact.equivalent(&other.parse().expect("a URI")))[0])]
        }
        "content-type" => one(headers.content_type().map(|kind| kind.to_string())),
        "cseq" => one(headers.cseq().ok().map(|cseq| cseq.to_string())),
        "cseq-raw" => raw("CSeq"),
        "from" => one(headers.from().ok().map(|from| from.to_string())),
        "from-display" => one(headers.from().ok().and_then(|from| from.display)),
        "from-tag" => one(headers.from_tag()),
        "from-user" => one(headers.from().ok().and_then(|from| from.uri.user().map(|user| user.into_owned()))),
        "header" => {
            let (name, _) = want.split_once(':').expect("a name and a colon");
            raw(name).into_iter().map(|value: String| format!("{name}: {value}").trim_end().to_owned()).collect()
        }
        "header-hex" => {
            let (name, _) = want.split_once(':').expect("a name and a colon");
            let hex = |value: &[u8]| value.iter().map(|byte| format!(" {byte:02x}")).collect::<String>();
            headers.get_all(Name::from(name)).map(|value| format!("{name}:{}", hex(value))).collect()
        }
        "host" => one(sip.and_then(|sip| sip.host.ip()).map(|ip| ip.to_string())),
        "list" => {
            let (name, _) = want.split_once(':').expect("a name and a colon");
            vec![format!("{name}: {}", headers.list(Name::from(name)).collect::<Vec<_>>().join(" | "))]
        }
        "max-forwards" => one(headers.max_forwards().ok().flatten().map(|hops| hops.to_string())),
        "method-known" => match seen {
            Ok(Message::Request(request)) => yes(!matches!(request.method, sip::Method::Other(_))),
            _ => Vec::new(),
        },
        "mirrored" => vec![headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")],
        "port" => one(sip.and_then(|sip| sip.port).map(|port| port.to_string())),
        "received" => one(via.and_then(|via| via.received()).map(|ip| ip.to_string())),
        "record-route" => all(headers.record_routes()),
        "route" => all(headers.routes()),
        "to" => one(headers.to().ok().map(|to| to.to_string())),
        "to-raw" => raw("To"),
        "to-user" => one(headers.to().ok().and_then(|to| to.uri.user().map(|user| user.into_owned()))),
        "unique-branch" => yes(via.is_some_and(|via| via.branch_is_unique())),
        "user" => one(uri.as_ref().and_then(Uri::user).map(|user| user.into_owned())),
        "via" => headers.vias().into_iter().flatten().map(|via| via.to_string()).collect(),
        "via-raw" => raw("Via"),
        "vias" => vec![headers.vias().expect("vias").len().to_string()],
        "wants-rport" => yes(via.is_some_and(|via| via.wants_rport())),
        _ => panic!("no such key: {key}"),
    }
}
