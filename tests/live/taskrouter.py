"""Does with every TaskRouter resource what the official SDK can do with it, and prints what it understood as JSON.

    taskrouter.py BASE_URL ACCOUNT_SID AUTH_TOKEN resources | paging N | versions | statistics | errors
"""

import json
import sys
from types import SimpleNamespace

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

FILTERS = [
    {"expression": f'selected_language == "{language}"', "targets": [{"queue": queue, "timeout": 1200}]}
    for language, queue in [("en", "%s"), ("hi", "%s")]
]


def set_up(router, name):
    """A workspace with a queue for each of two languages, and the workflow that tells them apart."""
    workspace = router.workspaces.create(friendly_name=name)
    here = router.workspaces(workspace.sid)
    queues = [
        here.task_queues.create(friendly_name=language, target_workers=f'languages HAS "{language}"')
        for language in ("en", "hi")
    ]
    configuration = json.dumps({"task_routing": {"filters": FILTERS}}) % tuple(queue.sid for queue in queues)
    workflow = here.workflows.create(friendly_name="Languages", configuration=configuration)
    return here, queues, workflow, configuration


def activity(here, name):
    return here.activities.list(friendly_name=name)[0].sid


def speaker(here, name, language, doing):
    attributes = json.dumps({"languages": [language]})
    return here.workers.create(friendly_name=name, attributes=attributes, activity_sid=activity(here, doing))


def life(collection, one, changes, shown, **new):
    """Makes, fetches, lists, changes and deletes one; what each step showed."""
    made = collection.create(**new)
    context = one(made.sid)
    seen = {
        "created": shown(made),
        "fetched": shown(context.fetch()) == shown(made),
        "listed": made.sid in [found.sid for found in collection.list()],
        "updated": shown(context.update(**changes)),
        "dated": made.date_created.tzinfo is not None,
        "deleted": context.delete(),
    }
    try:
        context.fetch()
    except TwilioRestException as error:
        seen["then"] = [error.status, error.code]
    return seen


def resources(router):
    here, queues, workflow, configuration = set_up(router, "Resources")
    name = lambda found: found.friendly_name  # noqa: E731
    seen = {
        "workspace": life(
            router.workspaces, router.workspaces, {"friendly_name": "Other"}, name, friendly_name="One", template="FIFO"
        ),
        "activity": life(
            here.activities, here.activities, {"friendly_name": "Break"}, name, friendly_name="Wrap-Up", available=False
        ),
        "task_channel": life(
            here.task_channels,
            here.task_channels,
            {"friendly_name": "Letters"},
            name,
            friendly_name="Post",
            unique_name="post",
        ),
        "worker": life(
            here.workers, here.workers, {"friendly_name": "Ben"}, name, friendly_name="Ana", attributes='{"a": 1.0}'
        ),
        "task_queue": life(
            here.task_queues, here.task_queues, {"max_reserved_workers": 5}, name, friendly_name="Third"
        ),
        "workflow": life(
            here.workflows,
            here.workflows,
            {"task_reservation_timeout": 30},
            lambda found: found.task_reservation_timeout,
            friendly_name="Second",
            configuration=configuration,
        ),
        "task": life(
            here.tasks,
            here.tasks,
            {"priority": 7},
            lambda found: [found.assignment_status, found.priority],
            attributes='{"selected_language":"en"}',
            workflow_sid=workflow.sid,
        ),
    }

    worker = speaker(here, "Cho", "hi", "Available")
    channel = here.workers(worker.sid).worker_channels("voice").update(capacity=3)
    seen["worker_channel"] = [
        channel.configured_capacity,
        here.workers(worker.sid).worker_channels(channel.sid).fetch().available_capacity_percentage,
        sorted(found.task_channel_unique_name for found in here.workers(worker.sid).worker_channels.list()),
    ]
    task = here.tasks.create(attributes='{"selected_language":"hi"}', workflow_sid=workflow.sid)
    offered = here.tasks(task.sid).reservations.list()[0]
    of_worker = here.workers(worker.sid).reservations(offered.sid)
    seen["reservation"] = [offered.reservation_status, offered.worker_name, of_worker.fetch().sid == offered.sid]
    for status in ("accepted", "wrapping", "completed"):
        changed = of_worker.update(reservation_status=status)
        seen["reservation"].append([changed.reservation_status, here.tasks(task.sid).fetch().assignment_status])
    seen["queues_of_worker"] = [found.friendly_name for found in here.task_queues.list(worker_sid=worker.sid)]
    events = here.events.list(task_sid=task.sid)
    seen["events"] = sorted({found.event_type for found in events})
    seen["event_data"] = here.events(events[0].sid).fetch().event_data["task_sid"] == task.sid
    seen["filtered"] = [
        [found.sid == worker.sid for found in here.workers.list(target_workers_expression='languages HAS "hi"')],
        [found.sid == task.sid for found in here.tasks.list(evaluate_task_attributes='selected_language == "hi"')],
    ]
    return seen


def paging(router, count):
    here, *_ = set_up(router, "Paging")
    count = int(count)
    for number in range(count):
        here.workers.create(friendly_name=f"worker {number}")
    seen, late = [], 0
    for found in here.workers.stream(page_size=100):
        seen.append(found.friendly_name)
        if len(seen) % 100 == 50:  # some arrive while the list is read
            here.workers.create(friendly_name=f"late {late}")
            late += 1
    return {"seen": len(seen), "late": late, "in_order": seen[:count] == [f"worker {n}" for n in range(count)],
            "each_once": len(set(seen)) == len(seen)}


def versions(router, client):
    here, *_ = set_up(router, "Versions")
    worker = speaker(here, "Ana", "en", "Offline")
    answer = client.request("GET", worker.url)
    tag = {name.lower(): value for name, value in answer.headers.items()}["etag"]
    here.workers(worker.sid).update(friendly_name="Ben", if_match=tag)
    outcomes = []
    try:
        here.workers(worker.sid).update(friendly_name="Cho", if_match=tag)
    except TwilioRestException as error:
        outcomes.append([error.status, error.code])
    # Not by `delete(if_match=…)`: this SDK takes the version and does not send it.
    answer = client.request("DELETE", worker.url, headers={"If-Match": tag})
    outcomes.append([answer.status_code, json.loads(answer.text)["code"]])
    return {"outcomes": outcomes, "name": here.workers(worker.sid).fetch().friendly_name}


def statistics(router):
    here, queues, workflow, _ = set_up(router, "Statistics")
    worker = speaker(here, "Ana", "hi", "Available")
    for _ in range(2):
        here.tasks.create(attributes='{"selected_language":"hi"}', workflow_sid=workflow.sid)
    queue = here.task_queues(queues[1].sid)
    # The SDK has no type for this body; any object that has this method will do.
    bulk = SimpleNamespace(to_dict=lambda: {"TaskQueueSids": [queue.sid for queue in queues]})
    real_time, cumulative = queue.real_time_statistics().fetch(), queue.cumulative_statistics().fetch()
    return {
        "queue": [real_time.total_tasks, real_time.tasks_by_status, real_time.total_available_workers],
        "entered": [cumulative.tasks_entered, cumulative.reservations_created],
        "both": sorted(queue.statistics().fetch().realtime) == sorted(
            name for name in here.task_queues.statistics.list()[0].realtime
        ),
        "workspace": here.real_time_statistics().fetch().total_workers,
        "created": here.cumulative_statistics().fetch().tasks_created,
        "workflow": here.workflows(workflow.sid).real_time_statistics().fetch().total_tasks,
        "workers": here.workers.real_time_statistics().fetch().total_workers,
        "worker": here.workers(worker.sid).statistics().fetch().cumulative["reservations_created"],
        "bulk": here.task_queues.bulk_real_time_statistics.create(body=bulk).task_queue_response_count,
    }


def errors(router):
    here, *_ = set_up(router, "Errors")
    here.workers.create(friendly_name="Ana")
    seen = {}
    for name, ask in {
        "unknown": lambda: here.workers("WK00000000000000000000000000000009").fetch(),
        "taken": lambda: here.workers.create(friendly_name="ana"),
        "no object": lambda: here.workers.create(friendly_name="Ben", attributes="[]"),
        "no expression": lambda: here.task_queues.create(friendly_name="Q", target_workers="languages HAS"),
        "no configuration": lambda: here.workflows.create(friendly_name="W", configuration="none"),
        "in use": lambda: here.activities(activity(here, "Offline")).delete(),
        "by number": lambda: here.workers.page(page_number=3),
        "too old": lambda: here.events.list(start_date="2020-01-01T00:00:00Z"),
    }.items():
        try:
            ask()
            seen[name] = "done"
        except TwilioRestException as error:
            seen[name] = [error.status, error.code]
        except TwilioException as error:  # what this SDK makes of a list that is refused
            answer = error.args[1]
            seen[name] = [answer.status_code, json.loads(answer.text)["code"]]
    return seen


def main(base_url, account_sid, auth_token, action, *arguments):
    client = Client(account_sid, auth_token)
    client.taskrouter.base_url = base_url
    router = client.taskrouter.v1
    if action == "versions":
        arguments = (client,)
    run = {"resources": resources, "paging": paging, "versions": versions, "statistics": statistics, "errors": errors}
    print(json.dumps(run[action](router, *arguments), default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
