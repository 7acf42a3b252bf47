//! A contact centre over the API, with a real switch and a real store behind: what is set up, and what then happens.

use serde_json::{Value, json};

use crate::bridge::{Bridge, Reply};

/// A workspace with a queue for each of two languages, and a workflow that tells them apart.
pub(crate) struct Centre {
    pub(crate) bridge: Bridge,
    workspace: String,
}

impl Centre {
    pub(crate) async fn set_up() -> Self {
        let bridge = Bridge::start().await;
        let workspace = sid(&bridge.v1("POST", "", "FriendlyName=Sales", &[]).await);
        let centre = Self { bridge, workspace };
        let english = centre.make("TaskQueues", "FriendlyName=English&TargetWorkers=languages+HAS+%22en%22").await;
        let hindi = centre.make("TaskQueues", "FriendlyName=Hindi&TargetWorkers=languages+HAS+%22hi%22").await;
        let filter = |language: &str, queue: &str| json!({"expression": format!("selected_language == \"{language}\""), "targets": [{"queue": queue, "timeout": 1200}]});
        let configuration =
            json!({"task_routing": {"filters": [filter("en", &english), filter("hi", &hindi)]}}).to_string();
        centre.make("Workflows", &format!("FriendlyName=Languages&Configuration={}", encoded(&configuration))).await;
        centre
    }

    pub(crate) async fn ask(&self, verb: &str, path: &str, form: &str) -> Reply {
        self.bridge.v1(verb, &format!("/{}/{path}", self.workspace), form, &[]).await
    }

    /// The one POST whose body is JSON.
    pub(crate) async fn ask_json(&self, path: &str, body: &str) -> Reply {
        let headers = [("Content-Type", "application/json")];
        self.bridge.v1("POST", &format!("/{}/{path}", self.workspace), body, &headers).await
    }

    pub(crate) async fn make(&self, path: &str, form: &str) -> String {
        sid(&self.ask("POST", path, form).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "").await.json()
    }

    /// What the rows of a list have at that name.
    pub(crate) async fn list(&self, path: &str, field: &str) -> Vec<String> {
        let body = self.get(path).await;
        let key = body["meta"]["key"].as_str().unwrap_or_else(|| panic!("{path}: {body}")).to_owned();
        body[&key].as_array().expect("is a list").iter().map(|row| text(&row[field])).collect()
    }

    /// The SID of the activity of that name.
    async fn activity(&self, name: &str) -> String {
        self.list(&format!("Activities?FriendlyName={name}"), "sid").await.remove(0)
    }

    /// Somebody who speaks Hindi and does that.
    pub(crate) async fn worker(&self, name: &str, activity: &str) -> String {
        let attributes = encoded("{\"languages\": [\"hi\"], \"contact_uri\":\"+91 8884796044\"}");
        let activity = self.activity(activity).await;
        self.make("Workers", &format!("FriendlyName={name}&Attributes={attributes}&ActivitySid={activity}")).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn sid(reply: &Reply) -> String {
    assert_eq!(reply.outcome(), (201, 0), "{}", reply.body);
    text(&reply.json()["sid"])
}

pub(crate) const HINDI_TASK: &str = "Attributes=%7B%22selected_language%22%3A%22hi%22%7D";

#[tokio::test]
async fn a_new_workspace_has_activities_and_channels_and_with_a_template_a_queue_and_a_workflow() {
    let bridge = Bridge::start().await;
    let made = bridge.v1("POST", "", "FriendlyName=Flex&Template=FIFO", &[]).await.json();
    let offline = made["default_activity_sid"].clone();
    assert_eq!(
        (&made["default_activity_name"], &made["timeout_activity_name"]),
        (&json!("Offline"), &json!("Offline"))
    );
    assert_eq!(made["timeout_activity_sid"], offline);
    let centre = Centre { bridge, workspace: text(&made["sid"]) };
    assert_eq!(centre.list("Activities", "friendly_name").await, ["Offline", "Available", "Unavailable"]);
    assert_eq!(centre.list("TaskChannels", "unique_name").await, ["default", "voice", "chat", "sms", "video"]);
    assert_eq!(centre.list("TaskQueues", "friendly_name").await, ["Sample Queue"]);
    assert_eq!(centre.list("TaskQueues", "target_workers").await, ["1==1"]);
    assert_eq!(centre.list("Workflows", "friendly_name").await, ["Default Fifo Workflow"]);
}

#[tokio::test]
async fn a_worker_is_listed_with_its_queues_and_channels() {
    let centre = Centre::set_up().await;
    let ana = centre.worker("Ana", "Offline").await;
    let worker = centre.get(&format!("Workers/{ana}")).await;
    assert_eq!((&worker["activity_name"], &worker["available"]), (&json!("Offline"), &json!(false)));
    assert_eq!(centre.list(&format!("TaskQueues?WorkerSid={ana}"), "friendly_name").await, ["Hindi"]);
    assert_eq!(centre.list("Workers?TaskQueueName=Hindi", "sid").await, [ana.as_str()]);
    let channels = centre.list(&format!("Workers/{ana}/Channels"), "task_channel_unique_name").await;
    assert_eq!(channels, ["default", "voice", "chat", "sms", "video"]);
    let changed = centre.ask("POST", &format!("Workers/{ana}/Channels/voice"), "Capacity=4").await.json();
    assert_eq!((&changed["configured_capacity"], &changed["available_capacity_percentage"]), (&json!(4), &json!(100)));
}

#[tokio::test]
async fn a_task_waits_is_offered_taken_wrapped_up_and_done() {
    let centre = Centre::set_up().await;
    let ana = centre.worker("Ana", "Offline").await;
    let made = centre.ask("POST", "Tasks", HINDI_TASK).await.json();
    let task = text(&made["sid"]);
    for (field, want) in [
        ("assignment_status", json!("pending")),
        ("task_queue_friendly_name", json!("Hindi")),
        ("workflow_friendly_name", json!("Languages")),
        ("task_channel_unique_name", json!("default")),
        ("timeout", json!(86_400)),
        ("attributes", json!("{\"selected_language\":\"hi\"}")),
    ] {
        assert_eq!(made[field], want, "{field}");
    }
    let available = format!("ActivitySid={}", centre.activity("Available").await);
    let answer = centre.ask("POST", &format!("Workers/{ana}"), &available).await;
    assert_eq!((&answer.json()["activity_name"], &answer.json()["available"]), (&json!("Available"), &json!(true)));
    assert_eq!(centre.get(&format!("Tasks/{task}")).await["assignment_status"], "reserved");
    let offered = centre.list(&format!("Tasks/{task}/Reservations"), "sid").await.remove(0);
    assert_eq!(
        centre.list(&format!("Workers/{ana}/Reservations?ReservationStatus=pending"), "sid").await,
        [offered.as_str()]
    );
    assert_eq!(centre.get(&format!("Tasks/{task}/Reservations/{offered}")).await["worker_name"], "Ana");

    let reservation = format!("Workers/{ana}/Reservations/{offered}");
    for (status, of_task) in [("accepted", "assigned"), ("wrapping", "wrapping"), ("completed", "completed")] {
        let answer = centre.ask("POST", &reservation, &format!("ReservationStatus={status}")).await;
        assert_eq!((answer.outcome(), &answer.json()["reservation_status"]), ((200, 0), &json!(status)));
        assert_eq!(centre.get(&format!("Tasks/{task}")).await["assignment_status"], of_task);
    }
    let again = centre.ask("POST", &reservation, "ReservationStatus=accepted").await;
    assert_eq!(again.status, 400, "{}", again.body);

    let told = centre.list(&format!("Events?TaskSid={task}"), "event_type").await;
    for event_type in ["task.created", "reservation.created", "reservation.accepted", "task.completed"] {
        assert!(told.iter().any(|told| told == event_type), "{event_type}: {told:?}");
    }
}

#[tokio::test]
async fn of_two_who_change_the_same_version_one_is_told() {
    let centre = Centre::set_up().await;
    let task = centre.make("Tasks", HINDI_TASK).await;
    let path = format!("/{}/Tasks/{task}", centre.workspace);
    let tag = centre.bridge.v1("GET", &path, "", &[]).await.headers["ETag"].to_str().expect("is text").to_owned();
    let if_match = [("If-Match", tag.as_str())];
    let first = centre.bridge.v1("POST", &path, "Priority=5", &if_match).await;
    assert_eq!(first.outcome(), (200, 0), "{}", first.body);
    assert_ne!(first.headers["ETag"], tag.as_str());
    assert_eq!(centre.bridge.v1("POST", &path, "Priority=6", &if_match).await.outcome(), (412, 20412));
    assert_eq!(centre.bridge.v1("DELETE", &path, "", &if_match).await.outcome(), (412, 20412));
    assert_eq!(centre.get(&format!("Tasks/{task}")).await["priority"], 5);
    let now = [("If-Match", first.headers["ETag"].to_str().expect("is text").trim_matches('"'))];
    assert_eq!(centre.bridge.v1("DELETE", &path, "", &now).await.outcome(), (204, 0));
    assert_eq!(centre.bridge.v1("GET", &path, "", &[]).await.outcome(), (404, 20404));
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let centre = Centre::set_up().await;
    let ana = centre.worker("Ana", "Offline").await;
    let offline = centre.activity("Offline").await;
    let hindi = centre.list("TaskQueues?FriendlyName=Hindi", "sid").await.remove(0);
    centre
        .make(
            "Workflows",
            &format!(
                "FriendlyName=Another&Configuration={}",
                encoded(
                    &json!({"task_routing": {
        "filters": [], "default_filter": {"queue": hindi}}})
                    .to_string()
                )
            ),
        )
        .await;
    let nowhere = encoded("{\"task_routing\":{\"default_filter\":{\"queue\":\"WQ00000000000000000000000000000009\"}}}");
    for (verb, path, form, want) in [
        ("POST", "Workers".to_owned(), "FriendlyName=ANA".to_owned(), (409, 20409)),
        ("POST", "Workers".to_owned(), "FriendlyName=Ben&Attributes=%5B%5D".to_owned(), (400, 20001)),
        ("POST", "Activities".to_owned(), "FriendlyName=Offline".to_owned(), (409, 20409)),
        ("DELETE", format!("Activities/{offline}"), String::new(), (400, 20001)),
        ("DELETE", "TaskChannels/voice".to_owned(), String::new(), (400, 20001)),
        ("POST", "TaskQueues".to_owned(), "FriendlyName=Broken&TargetWorkers=languages+HAS".to_owned(), (400, 20001)),
        ("DELETE", format!("TaskQueues/{hindi}"), String::new(), (400, 20001)),
        ("POST", "Workflows".to_owned(), "FriendlyName=W&Configuration=none".to_owned(), (400, 20001)),
        ("POST", "Workflows".to_owned(), format!("FriendlyName=W&Configuration={nowhere}"), (400, 20001)),
        ("POST", "Tasks".to_owned(), HINDI_TASK.to_owned(), (400, 20001)),
        ("POST", "Workers/WK00000000000000000000000000000009".to_owned(), "FriendlyName=x".to_owned(), (404, 20404)),
        ("DELETE", "Tasks/WT00000000000000000000000000000009".to_owned(), String::new(), (404, 20404)),
    ] {
        let reply = centre.ask(verb, &path, &form).await;
        assert_eq!(reply.outcome(), want, "{verb} {path} {form}: {}", reply.body);
    }
    let reply = centre.ask("POST", "Tasks", "Attributes=%7B%7D").await;
    assert_eq!(reply.json()["message"], "Missing required parameter WorkflowSid in the post body");
    assert_eq!(centre.ask("DELETE", &format!("Workers/{ana}"), "").await.outcome(), (204, 0));
    assert_eq!(centre.ask("GET", &format!("Workers/{ana}"), "").await.outcome(), (404, 20404));
    let deleted = centre.bridge.v1("DELETE", &format!("/{}", centre.workspace), "", &[]).await;
    assert_eq!((deleted.outcome(), deleted.body.as_str()), ((204, 0), ""));
    for path in ["Workers", "TaskQueues", "Events"] {
        assert_eq!(centre.ask("GET", path, "").await.outcome(), (404, 20404), "{path}");
    }
}
