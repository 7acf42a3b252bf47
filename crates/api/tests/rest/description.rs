//! The description of what is ours: its examples are what it says, and so are our answers.

use axum::body::Body;
use axum::http::{Request, header};
use model::LegStats;
use serde_json::Value;
use store::Row;
use switch::{Answer, Measurement};

use crate::bridge::{ACCOUNT, Bridge, TOKEN, at, basic, call, conference, participant};

/// What of a value is not as the schema says. As much of JSON Schema as the description uses.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.trim_start_matches('#'));
        return faults(document, found.unwrap_or_else(|| panic!("{reference} is not there")), value, at);
    }
    if value.is_null() && schema["nullable"] == true {
        return Vec::new();
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        other => panic!("{at}: type {other:?}"),
    };
    if !fits {
        return vec![format!("{at} is {value}, not {}", schema["type"])];
    }
    let mut found = Vec::new();
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at} is {value}, none of {}", schema["enum"]));
    }
    let outside = |bound: &str, ordering| {
        let number = |value: &Value| value.as_f64();
        number(value)
            .zip(number(&schema[bound]))
            .is_some_and(|(value, bound)| value.partial_cmp(&bound) == Some(ordering))
    };
    if outside("minimum", std::cmp::Ordering::Less) || outside("maximum", std::cmp::Ordering::Greater) {
        found.push(format!("{at} is {value}, out of bounds"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}.{name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let below = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => found.extend(faults(document, schema, member, &below)),
            (None, Value::Bool(false)) => found.push(format!("{below} is not described")),
            (None, Value::Object(_)) => {
                found.extend(faults(document, &schema["additionalProperties"], member, &below));
            }
            (None, _) => {}
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{at}[{n}]")));
    }
    found
}

/// The description, as it is served.
async fn description(bridge: &Bridge) -> Value {
    let request = Request::get("/partyline/openapi.json").header(header::HOST, "bridge.test");
    bridge.send(request.body(Body::empty()).expect("is a request")).await.json()
}

#[tokio::test]
async fn every_example_is_as_its_schema_says() {
    fn walk(document: &Value, value: &Value, at: &str, seen: &mut usize) {
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            assert_eq!(faults(document, schema, example, at), Vec::<String>::new());
            *seen += 1;
        }
        for (name, below) in value.as_object().into_iter().flatten() {
            walk(document, below, &format!("{at}/{name}"), seen);
        }
    }
    let bridge = Bridge::start().await;
    let document = description(&bridge).await;
    assert_eq!(document["servers"][0]["url"], "http://bridge.test");
    let mut seen = 0;
    walk(&document, &document, "", &mut seen);
    assert!(seen >= 10, "{seen} examples");
}

#[tokio::test]
async fn answers_are_as_described_and_no_other_verbs_are_taken() {
    let bridge = Bridge::start().await;
    let (conference, participant, call) = (conference(0), participant(0), call(0));
    bridge
        .save(&[Row::Call(call.clone()), Row::Conference(conference.clone()), Row::Participant(participant.clone())])
        .await;
    let domain = bridge.post("/SIP/Domains.json", "DomainName=acme.sip.twilio.com").await.json();
    let domain = domain["sid"].as_str().expect("a SID");
    let document = description(&bridge).await;
    for (path, item) in document["paths"].as_object().expect("has paths") {
        let uri = path
            .replace("{AccountSid}", &ACCOUNT.to_string())
            .replace("{DomainSid}", domain)
            .replace("{CallSid}", &call.sid.to_string())
            .replace("{ConferenceSid}", &conference.sid.to_string())
            .replace("{ParticipantSid}", &participant.call_sid.to_string());
        let ask = async |verb: &str| {
            let request = Request::builder().method(verb).uri(&uri);
            let request = request.header(header::AUTHORIZATION, basic(&ACCOUNT.to_string(), TOKEN));
            bridge.send(request.body(Body::empty()).expect("is a request")).await
        };
        let mut verbs: Vec<_> = item.as_object().expect("an object").keys().map(|verb| verb.to_uppercase()).collect();
        verbs.retain(|verb| verb != "PARAMETERS");
        for verb in &verbs {
            if path.contains("MediaStatistics") {
                let stats = LegStats { packets_in: 9, mos_thousandths: 4_000, ..LegStats::default() };
                bridge.will_answer(Ok(Answer::Measured(Some(Measurement { stats, at: at(7) }))));
            } else if verb == "POST" && path.contains("Tuning") {
                bridge.will_answer(Ok(Answer::Participant(participant.clone())));
            }
            let reply = ask(verb).await;
            let responses = &item[verb.to_lowercase()]["responses"];
            let described = &responses[reply.status.as_str()]["content"];
            assert!(described.is_object(), "{verb} {path}: {} is not described: {}", reply.status, reply.body);
            if let Some(media) = described.get("application/json") {
                let found = faults(&document, &media["schema"], &reply.json(), path);
                assert_eq!(found, Vec::<String>::new(), "{verb} {path}");
            }
        }
        let refused = ask("PATCH").await;
        let allowed = refused.headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
        let mut allowed: Vec<_> = allowed.split(',').filter(|verb| !["HEAD", "PUT"].contains(verb)).collect();
        allowed.sort_unstable();
        assert_eq!((refused.status.as_u16(), allowed), (405, verbs.iter().map(String::as_str).collect()), "{path}");
    }
}
