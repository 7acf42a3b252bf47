//! What the official SDK for Node thinks of our signatures; its helper is `signatures.js`, run by the `node` on the PATH.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::server::AUTH_TOKEN;

/// Checks requests that the application has recorded.
#[track_caller]
pub(crate) fn check(requests: &[Value]) {
    let answer = ask(requests);
    assert_eq!(answer["refused"], json!([]), "the SDK for Node refuses signatures");
    let documents = requests.iter().filter(|seen| seen["file"] == false).count();
    assert_eq!(answer["checked"], documents);
}

fn ask(requests: &[Value]) -> Value {
    let mut node = Command::new("node")
        .args([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/signatures.js"), AUTH_TOKEN])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs: apt-get install npm");
    let text = Value::from(requests).to_string();
    node.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("node reads");
    let output = node.wait_with_output().expect("node ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn a_wrong_signature_is_noticed() {
    let request = |signature: &str| {
        json!({
            "headers": {"x-twilio-signature": signature},
            "url": "http://127.0.0.1/voice?a=1",
            "form": {"CallSid": "CA1"},
            "file": false,
        })
    };
    assert_eq!(ask(&[request("bm90IHNpZ25lZA==")])["refused"].as_array().map(Vec::len), Some(1));
}
