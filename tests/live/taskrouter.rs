//! Every TaskRouter resource with the official SDKs for Python and Node; the helpers are `taskrouter.py` and `taskrouter.js`.

use std::process::Command;

use serde_json::{Value, json};
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, Server};

/// One use of an SDK in a process of its own; what it printed, as JSON.
#[track_caller]
fn sdk(program: &str, script: &str, server: &Server, arguments: &[&str]) -> Value {
    let script = format!("{}/tests/live/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program)
        .args([&script, &server.rest().base_url(), ACCOUNT_SID, AUTH_TOKEN])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} does not run: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error} {said}"))
}

#[track_caller]
fn python(server: &Server, arguments: &[&str]) -> Value {
    sdk("python3", "taskrouter.py", server, arguments)
}

#[test]
fn it_makes_fetches_lists_changes_and_deletes_every_resource() {
    let server = Server::start();
    let seen = python(&server, &["resources"]);
    for (resource, created, updated) in [
        ("workspace", json!("One"), json!("Other")),
        ("activity", json!("Wrap-Up"), json!("Break")),
        ("task_channel", json!("Post"), json!("Letters")),
        ("worker", json!("Ana"), json!("Ben")),
        ("task_queue", json!("Third"), json!("Third")),
        ("workflow", json!(120), json!(30)),
        ("task", json!(["pending", 0]), json!(["pending", 7])),
    ] {
        let want = json!({"created": created, "fetched": true, "listed": true, "updated": updated, "dated": true,
            "deleted": true, "then": [404, 20404]});
        assert_eq!(seen[resource], want, "{resource}");
    }
    assert_eq!(seen["worker_channel"], json!([3, 100, ["chat", "default", "sms", "video", "voice"]]));
    let went = [["accepted", "assigned"], ["wrapping", "wrapping"], ["completed", "completed"]];
    assert_eq!(seen["reservation"], json!(["pending", "Cho", true, went[0], went[1], went[2]]));
    assert_eq!(seen["queues_of_worker"], json!(["hi"]));
    let events = seen["events"].as_array().expect("is a list");
    for event_type in
        ["workflow.entered", "task.created", "reservation.created", "reservation.accepted", "task.completed"]
    {
        assert!(events.iter().any(|told| told == event_type), "{event_type}: {events:?}");
    }
    assert_eq!((&seen["event_data"], &seen["filtered"]), (&json!(true), &json!([[true], [true]])));
}

#[test]
fn it_reads_a_thousand_workers_while_others_arrive() {
    let server = Server::start();
    let seen = python(&server, &["paging", "1000"]);
    // What arrives is at the end, so all of it is seen that came before the last page was read.
    assert_eq!((&seen["in_order"], &seen["each_once"]), (&json!(true), &json!(true)), "{seen}");
    let (read, late) = (seen["seen"].as_u64().expect("a number"), seen["late"].as_u64().expect("a number"));
    assert!((1010..=1000 + late).contains(&read), "{seen}");
}

#[test]
fn of_two_changes_to_one_version_the_second_fails() {
    let server = Server::start();
    let want = json!({"outcomes": [[412, 20412], [412, 20412]], "name": "Ben"});
    assert_eq!(python(&server, &["versions"]), want);
}

#[test]
fn it_reads_statistics() {
    let server = Server::start();
    let want = json!({
        "queue": [2, {"pending": 1, "reserved": 1, "assigned": 0, "wrapping": 0}, 1],
        "entered": [2, 1],
        "both": true,
        "workspace": 1,
        "created": 2,
        "workflow": 2,
        "workers": 1,
        "worker": 1,
        "bulk": 2,
    });
    assert_eq!(python(&server, &["statistics"]), want);
}

#[test]
fn what_it_may_not_do_is_an_exception_with_a_code() {
    let server = Server::start();
    let want = json!({
        "unknown": [404, 20404],
        "taken": [409, 20409],
        "no object": [400, 20001],
        "no expression": [400, 20001],
        "no configuration": [400, 20001],
        "in use": [400, 20001],
        "by number": [400, 40153],
        "too old": [400, 14241],
    });
    assert_eq!(python(&server, &["errors"]), want);
}

#[test]
fn the_sdk_for_node_does_the_same() {
    let server = Server::start();
    let names: Vec<String> = (0..7).map(|number| format!("worker {number}")).collect();
    let want = json!({
        "workers": names,
        "skilled": 2,
        "available": true,
        "dated": true,
        "attributes": "{\"a\": 1.0}",
        "accepted": "accepted",
        "conflict": ["RestException", 412, 20412],
        "taken": [409, 20409],
        "assigned": 1,
        "completed": ["completed", "done"],
        "deleted": true,
    });
    assert_eq!(sdk("node", "taskrouter.js", &server, &[]), want);
}
