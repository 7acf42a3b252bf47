//! Statistics of a workspace over the API, with a real switch behind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bridge::Reply;
use crate::centre::{Centre, HINDI_TASK};

/// Asks every operation, for the table of answers.
pub(crate) async fn answers(centre: &Centre) -> Vec<(&'static str, Reply)> {
    let ana = centre.worker("Ana", "Available").await;
    centre.make("Tasks", HINDI_TASK).await;
    let queue = centre.list("TaskQueues?FriendlyName=Hindi", "sid").await.remove(0);
    let workflow = centre.list("Workflows", "sid").await.remove(0);
    let mut answers = Vec::new();
    for (operation, path) in [
        ("FetchWorkspaceRealTimeStatistics", "RealTimeStatistics".to_owned()),
        ("FetchWorkspaceCumulativeStatistics", "CumulativeStatistics?SplitByWaitTime=5,30".to_owned()),
        ("FetchWorkspaceStatistics", "Statistics?Minutes=60&TaskChannel=voice".to_owned()),
        ("FetchTaskQueueRealTimeStatistics", format!("TaskQueues/{queue}/RealTimeStatistics")),
        ("FetchTaskQueueCumulativeStatistics", format!("TaskQueues/{queue}/CumulativeStatistics")),
        ("FetchTaskQueueStatistics", format!("TaskQueues/{queue}/Statistics")),
        ("ListTaskQueuesStatistics", "TaskQueues/Statistics?PageSize=1".to_owned()),
        ("FetchWorkflowRealTimeStatistics", format!("Workflows/{workflow}/RealTimeStatistics")),
        ("FetchWorkflowCumulativeStatistics", format!("Workflows/{workflow}/CumulativeStatistics")),
        ("FetchWorkflowStatistics", format!("Workflows/{workflow}/Statistics")),
        ("FetchWorkersRealTimeStatistics", "Workers/RealTimeStatistics".to_owned()),
        ("FetchWorkersCumulativeStatistics", "Workers/CumulativeStatistics".to_owned()),
        ("FetchWorkerStatistics", "Workers/Statistics".to_owned()),
        ("FetchWorkerInstanceStatistics", format!("Workers/{ana}/Statistics")),
    ] {
        answers.push((operation, centre.ask("GET", &path, "").await));
    }
    answers.push(("CreateTaskQueueBulkRealTimeStatistics", centre.bulk(&json!({"TaskQueueSids": [queue]})).await));
    answers
}

impl Centre {
    async fn bulk(&self, body: &Value) -> Reply {
        self.ask_json("TaskQueues/RealTimeStatistics", &body.to_string()).await
    }
}

/// The names of an object's members, but for those that every resource has.
fn members(object: &Value) -> BTreeSet<&str> {
    let common = ["account_sid", "workspace_sid", "url", "task_queue_sid", "workflow_sid"];
    let names = object.as_object().unwrap_or_else(|| panic!("{object}")).keys().map(String::as_str);
    names.filter(|name| !common.contains(name)).collect()
}

const TASKS: [&str; 5] =
    ["total_tasks", "tasks_by_status", "tasks_by_priority", "longest_task_waiting_age", "longest_task_waiting_sid"];
const OF_QUEUE: [&str; 5] = [
    "longest_relative_task_age_in_queue",
    "longest_relative_task_sid_in_queue",
    "total_eligible_workers",
    "total_available_workers",
    "activity_statistics",
];
const OF_PEOPLE: [&str; 2] = ["total_workers", "activity_statistics"];

#[tokio::test]
async fn each_kind_has_the_members_that_are_its_own() {
    let centre = Centre::set_up().await;
    let queue = centre.list("TaskQueues", "sid").await.remove(0);
    let workflow = centre.list("Workflows", "sid").await.remove(0);
    for (of, want) in [
        (String::new(), [&TASKS[..], &OF_PEOPLE].concat()),
        (format!("TaskQueues/{queue}/"), [TASKS, OF_QUEUE].concat()),
        (format!("Workflows/{workflow}/"), TASKS.to_vec()),
        ("Workers/".to_owned(), OF_PEOPLE.to_vec()),
    ] {
        let alone = centre.get(&format!("{of}RealTimeStatistics")).await;
        let both = centre.get(&format!("{of}Statistics")).await;
        assert_eq!(members(&alone), want.into_iter().collect(), "{of}");
        assert_eq!(members(&both["realtime"]), members(&alone), "{of}");
        let alone = centre.get(&format!("{of}CumulativeStatistics")).await;
        assert_eq!(members(&both["cumulative"]), members(&alone), "{of}");
        let has = |name: &str| alone.get(name).is_some();
        assert_eq!(has("tasks_created"), of.is_empty(), "{of}");
        assert_eq!(has("tasks_entered"), of.starts_with("TaskQueues") || of.starts_with("Workflows"), "{of}");
        assert_eq!(has("wait_duration_in_queue_until_accepted"), of.starts_with("TaskQueues"), "{of}");
        assert_eq!(has("tasks_timed_out_in_workflow"), of.is_empty() || of.starts_with("Workflows"), "{of}");
        assert_eq!(has("activity_durations"), of.starts_with("Workers"), "{of}");
    }
}

#[tokio::test]
async fn a_task_is_counted_where_it_is_and_in_what_became_of_it() {
    let centre = Centre::set_up().await;
    let ana = centre.worker("Ana", "Available").await;
    centre.worker("Ben", "Offline").await;
    let task = centre.make("Tasks", &format!("{HINDI_TASK}&Priority=3&TaskChannel=voice")).await;
    let waiting = centre.make("Tasks", &format!("{HINDI_TASK}&TaskChannel=voice")).await;
    let queue = centre.list("TaskQueues?FriendlyName=Hindi", "sid").await.remove(0);

    let body = centre.get(&format!("TaskQueues/{queue}/RealTimeStatistics")).await;
    assert_eq!(body["tasks_by_status"], json!({"pending": 1, "reserved": 1, "assigned": 0, "wrapping": 0}));
    assert_eq!(body["tasks_by_priority"], json!({"0": 1, "3": 1}));
    assert_eq!((&body["total_tasks"], &body["longest_task_waiting_age"]), (&json!(2), &json!(0)));
    assert!([&task, &waiting].contains(&&body["longest_task_waiting_sid"].as_str().unwrap_or_default().to_owned()));
    assert_eq!((&body["total_eligible_workers"], &body["total_available_workers"]), (&json!(2), &json!(1)));
    let activities = body["activity_statistics"].as_array().expect("is a list");
    let counted: Vec<_> = activities.iter().map(|of| (of["friendly_name"].as_str(), of["workers"].as_u64())).collect();
    assert_eq!(counted, [(Some("Offline"), Some(1)), (Some("Available"), Some(1)), (Some("Unavailable"), Some(0))]);
    for (channel, total) in [("voice", 2), ("chat", 0)] {
        let body = centre.get(&format!("RealTimeStatistics?TaskChannel={channel}")).await;
        assert_eq!(body["total_tasks"], total, "{channel}");
    }

    let offered = centre.list(&format!("Tasks/{task}/Reservations"), "sid").await.remove(0);
    let path = format!("Workers/{ana}/Reservations/{offered}");
    assert_eq!(centre.ask("POST", &path, "ReservationStatus=accepted").await.outcome(), (200, 0));
    let body = centre.get(&format!("TaskQueues/{queue}/CumulativeStatistics?SplitByWaitTime=5")).await;
    for (name, want) in [
        ("tasks_entered", json!(2)),
        ("reservations_created", json!(1)),
        ("reservations_accepted", json!(1)),
        ("avg_task_acceptance_time", json!(0)),
        ("wait_duration_until_accepted", json!({"avg": 0, "min": 0, "max": 0, "total": 0})),
        (
            "split_by_wait_time",
            json!({"5": {"above": {"tasks_canceled": 0, "reservations_accepted": 0},
                "below": {"tasks_canceled": 0, "reservations_accepted": 1}}}),
        ),
    ] {
        assert_eq!(body[name], want, "{name}");
    }
    assert_eq!(centre.get("CumulativeStatistics").await["tasks_created"], 2);
    let body = centre.get(&format!("Workers/{ana}/Statistics")).await;
    assert_eq!(body["cumulative"]["reservations_accepted"], 1);
    assert_eq!(centre.get("Workers/CumulativeStatistics").await["reservations_accepted"], 1);
    assert_eq!(centre.get("CumulativeStatistics").await["split_by_wait_time"], json!({}));
    let body = centre.get("Workers/Statistics?FriendlyName=Ben").await;
    assert_eq!(
        (&body["realtime"]["total_workers"], &body["cumulative"]["reservations_accepted"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(centre.get("Workers/Statistics?TaskQueueName=English").await["realtime"]["total_workers"], 0);
}

#[tokio::test]
async fn many_queues_are_asked_for_in_one_request_of_json() {
    let centre = Centre::set_up().await;
    let queues = centre.list("TaskQueues", "sid").await;
    let unknown = "WQ00000000000000000000000000000009";
    let body = centre.bulk(&json!({"TaskQueueSids": [queues[0], queues[1], unknown], "TaskChannel": "voice"})).await;
    assert_eq!(body.outcome(), (200, 0), "{}", body.body);
    let body = body.json();
    assert_eq!(body["task_queue_response_count"], 2);
    let named: BTreeSet<_> = body["task_queue_data"]
        .as_array()
        .expect("is a list")
        .iter()
        .map(|of| of["task_queue_sid"].to_string())
        .collect();
    assert_eq!(named, queues.iter().map(|sid| format!("{sid:?}")).collect());
    for (case, body) in [
        ("none", json!({"TaskQueueSids": []})),
        ("too many", json!({"TaskQueueSids": vec![unknown; 51]})),
        ("no SIDs", json!({})),
        ("another kind", json!({"TaskQueueSids": "all"})),
    ] {
        assert_eq!(centre.bulk(&body).await.outcome(), (400, 20001), "{case}");
    }
    assert_eq!(centre.ask_json("TaskQueues/RealTimeStatistics", "{").await.outcome(), (400, 20001), "not JSON");
    let listed = centre.get("TaskQueues/Statistics?FriendlyName=Hindi").await;
    assert_eq!(listed["task_queues_statistics"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn statistics_reach_thirty_days_back() {
    let centre = Centre::set_up().await;
    for (query, want) in [
        ("StartDate=2026-01-15", (200, 0)),
        ("StartDate=2026-01-01", (400, 14241)),
        ("EndDate=2026-01-01", (400, 14241)),
        ("StartDate=2026-02-10T09:00:00Z&EndDate=2026-02-10T08:00:00Z", (400, 20001)),
        ("StartDate=2026-03-01", (400, 20001)),
        ("Minutes=0", (400, 20001)),
        ("Minutes=43201", (400, 20001)),
        ("SplitByWaitTime=soon", (400, 20001)),
        ("TaskChannel=telepathy", (400, 20001)),
    ] {
        assert_eq!(centre.ask("GET", &format!("CumulativeStatistics?{query}"), "").await.outcome(), want, "{query}");
    }
    let body = centre.get("CumulativeStatistics?StartDate=2026-02-10T08:00:00Z&EndDate=2026-02-10T09:00:00Z").await;
    assert_eq!([&body["start_time"], &body["end_time"]], ["2026-02-10T08:00:00Z", "2026-02-10T09:00:00Z"]);
    let body = centre.get("CumulativeStatistics?StartDate=2026-02-09&EndDate=2026-02-09").await;
    assert_eq!([&body["start_time"], &body["end_time"]], ["2026-02-09T00:00:00Z", "2026-02-10T00:00:00Z"]);
    for path in ["TaskQueues/WQ00000000000000000000000000000009/Statistics", "Workers/WK1/Statistics"] {
        assert_eq!(centre.ask("GET", path, "").await.outcome(), (404, 20404), "{path}");
    }
}
