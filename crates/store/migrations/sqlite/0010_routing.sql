-- What TaskRouter keeps: workspaces and what is in them, and what happened there. Spans of time in microseconds.

CREATE TABLE workspaces (
    sid                    TEXT   NOT NULL PRIMARY KEY,
    account_sid            TEXT   NOT NULL,
    friendly_name          TEXT   NOT NULL,
    event_callback_url     TEXT,
    events_filter          TEXT,
    multi_task_enabled     BIGINT NOT NULL,
    prioritize_queue_order TEXT   NOT NULL,
    default_activity_sid   TEXT,
    timeout_activity_sid   TEXT,
    created                BIGINT NOT NULL,
    updated                BIGINT NOT NULL,
    seq                    BIGINT NOT NULL
);
CREATE INDEX workspaces_by_seq ON workspaces (account_sid, seq);

CREATE TABLE activities (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account_sid   TEXT   NOT NULL,
    workspace_sid TEXT   NOT NULL,
    friendly_name TEXT   NOT NULL,
    available     BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    updated       BIGINT NOT NULL,
    seq           BIGINT NOT NULL
);
CREATE INDEX activities_by_seq ON activities (workspace_sid, seq);

CREATE TABLE task_channels (
    sid                       TEXT   NOT NULL PRIMARY KEY,
    account_sid               TEXT   NOT NULL,
    workspace_sid             TEXT   NOT NULL,
    friendly_name             TEXT   NOT NULL,
    unique_name               TEXT   NOT NULL,
    channel_optimized_routing BIGINT NOT NULL,
    created                   BIGINT NOT NULL,
    updated                   BIGINT NOT NULL,
    seq                       BIGINT NOT NULL
);
CREATE INDEX task_channels_by_seq ON task_channels (workspace_sid, seq);

CREATE TABLE workers (
    sid            TEXT   NOT NULL PRIMARY KEY,
    account_sid    TEXT   NOT NULL,
    workspace_sid  TEXT   NOT NULL,
    friendly_name  TEXT   NOT NULL,
    attributes     TEXT   NOT NULL,
    activity_sid   TEXT   NOT NULL,
    status_changed BIGINT NOT NULL,
    idle_since     BIGINT NOT NULL,
    last_reserved  BIGINT,
    version        BIGINT NOT NULL,
    created        BIGINT NOT NULL,
    updated        BIGINT NOT NULL,
    seq            BIGINT NOT NULL
);
CREATE INDEX workers_by_seq ON workers (workspace_sid, seq);
CREATE INDEX workers_by_name ON workers (workspace_sid, friendly_name);
CREATE INDEX workers_by_activity ON workers (activity_sid, seq);
CREATE INDEX workers_by_status_changed ON workers (workspace_sid, status_changed, seq);

CREATE TABLE worker_channels (
    sid                 TEXT   NOT NULL PRIMARY KEY,
    account_sid         TEXT   NOT NULL,
    workspace_sid       TEXT   NOT NULL,
    worker_sid          TEXT   NOT NULL,
    task_channel_sid    TEXT   NOT NULL,
    configured_capacity BIGINT NOT NULL,
    available           BIGINT NOT NULL,
    assigned_tasks      BIGINT NOT NULL,
    idle_since          BIGINT NOT NULL,
    last_reserved       BIGINT,
    created             BIGINT NOT NULL,
    updated             BIGINT NOT NULL,
    seq                 BIGINT NOT NULL
);
CREATE INDEX worker_channels_by_seq ON worker_channels (worker_sid, seq);
CREATE INDEX worker_channels_by_task_channel ON worker_channels (task_channel_sid);

CREATE TABLE task_queues (
    sid                      TEXT   NOT NULL PRIMARY KEY,
    account_sid              TEXT   NOT NULL,
    workspace_sid            TEXT   NOT NULL,
    friendly_name            TEXT   NOT NULL,
    target_workers           TEXT   NOT NULL,
    max_reserved_workers     BIGINT NOT NULL,
    task_order               TEXT   NOT NULL,
    reservation_activity_sid TEXT,
    assignment_activity_sid  TEXT,
    created                  BIGINT NOT NULL,
    updated                  BIGINT NOT NULL,
    seq                      BIGINT NOT NULL
);
CREATE INDEX task_queues_by_seq ON task_queues (workspace_sid, seq);
CREATE INDEX task_queues_by_name ON task_queues (workspace_sid, friendly_name);
CREATE INDEX task_queues_by_updated ON task_queues (workspace_sid, updated, seq);

CREATE TABLE workflows (
    sid                              TEXT   NOT NULL PRIMARY KEY,
    account_sid                      TEXT   NOT NULL,
    workspace_sid                    TEXT   NOT NULL,
    friendly_name                    TEXT   NOT NULL,
    configuration                    TEXT   NOT NULL,
    assignment_callback_url          TEXT,
    fallback_assignment_callback_url TEXT,
    task_reservation_timeout         BIGINT NOT NULL,
    created                          BIGINT NOT NULL,
    updated                          BIGINT NOT NULL,
    seq                              BIGINT NOT NULL
);
CREATE INDEX workflows_by_seq ON workflows (workspace_sid, seq);

-- step_…: how far the workflow has come; there is none where step_target is NULL, and without step_filter it is in the
-- default filter.
CREATE TABLE tasks (
    sid                TEXT   NOT NULL PRIMARY KEY,
    account_sid        TEXT   NOT NULL,
    workspace_sid      TEXT   NOT NULL,
    attributes         TEXT   NOT NULL,
    task_channel_sid   TEXT   NOT NULL,
    workflow_sid       TEXT,
    task_queue_sid     TEXT,
    task_queue_entered BIGINT,
    assignment_status  TEXT   NOT NULL,
    reason             TEXT,
    priority           BIGINT NOT NULL,
    timeout            BIGINT NOT NULL,
    virtual_start      BIGINT NOT NULL,
    routing_target     TEXT,
    ignore_capacity    BIGINT NOT NULL,
    step_filter        BIGINT,
    step_target        BIGINT,
    step_since         BIGINT,
    step_allowed       BIGINT,
    step_expires       BIGINT,
    step_timed_out     BIGINT,
    step_stays         BIGINT,
    re_evaluate        BIGINT NOT NULL,
    call_sid           TEXT,
    assigned           BIGINT,
    ended              BIGINT,
    version            BIGINT NOT NULL,
    created            BIGINT NOT NULL,
    updated            BIGINT NOT NULL,
    seq                BIGINT NOT NULL
);
CREATE INDEX tasks_by_seq ON tasks (workspace_sid, seq);
CREATE INDEX tasks_by_status ON tasks (workspace_sid, assignment_status, seq);
CREATE INDEX tasks_by_priority ON tasks (workspace_sid, priority, seq);
CREATE INDEX tasks_by_virtual_start ON tasks (workspace_sid, virtual_start, seq);
CREATE INDEX tasks_by_queue ON tasks (task_queue_sid, seq);
CREATE INDEX tasks_by_workflow ON tasks (workflow_sid, seq);
CREATE INDEX tasks_by_routing_target ON tasks (routing_target, seq) WHERE routing_target IS NOT NULL;

CREATE TABLE reservations (
    sid                    TEXT   NOT NULL PRIMARY KEY,
    account_sid            TEXT   NOT NULL,
    workspace_sid          TEXT   NOT NULL,
    task_sid               TEXT   NOT NULL,
    worker_sid             TEXT   NOT NULL,
    task_channel_sid       TEXT   NOT NULL,
    reservation_status     TEXT   NOT NULL,
    canceled_reason_code   BIGINT,
    times_out              BIGINT NOT NULL,
    transfer_sid           TEXT,
    worker_call_sid        TEXT,
    post_work_activity_sid TEXT,
    version                BIGINT NOT NULL,
    created                BIGINT NOT NULL,
    updated                BIGINT NOT NULL,
    seq                    BIGINT NOT NULL
);
CREATE INDEX reservations_by_task ON reservations (task_sid, seq);
CREATE INDEX reservations_by_worker ON reservations (worker_sid, seq);

CREATE TABLE transfers (
    sid                        TEXT   NOT NULL PRIMARY KEY,
    account_sid                TEXT   NOT NULL,
    workspace_sid              TEXT   NOT NULL,
    task_sid                   TEXT   NOT NULL,
    transfer_mode              TEXT   NOT NULL,
    transfer_to                TEXT   NOT NULL,
    transfer_status            TEXT   NOT NULL,
    transfer_failed_reason     TEXT,
    initiating_reservation_sid TEXT   NOT NULL,
    initiating_worker_sid      TEXT   NOT NULL,
    initiating_queue_sid       TEXT,
    initiating_workflow_sid    TEXT,
    created                    BIGINT NOT NULL,
    updated                    BIGINT NOT NULL,
    seq                        BIGINT NOT NULL
);
CREATE INDEX transfers_by_task ON transfers (task_sid, seq);

-- Where rows stood that are gone, for whoever goes on from the last one seen: those of the last deletions only, which
-- `deletion` counts, since tasks come and go.
CREATE TABLE routing_places (
    sid      TEXT   NOT NULL PRIMARY KEY,
    seq      BIGINT NOT NULL,
    deletion BIGINT NOT NULL
);
CREATE INDEX routing_places_by_deletion ON routing_places (deletion);

-- data: members and values, in their order, as one JSON array of pairs.
CREATE TABLE task_router_events (
    sid              TEXT   NOT NULL PRIMARY KEY,
    account_sid      TEXT   NOT NULL,
    workspace_sid    TEXT   NOT NULL,
    type             TEXT   NOT NULL,
    description      TEXT   NOT NULL,
    resource_sid     TEXT   NOT NULL,
    actor_sid        TEXT   NOT NULL,
    task_sid         TEXT,
    worker_sid       TEXT,
    task_queue_sid   TEXT,
    workflow_sid     TEXT,
    reservation_sid  TEXT,
    task_channel_sid TEXT,
    data             TEXT   NOT NULL,
    created          BIGINT NOT NULL,
    seq              BIGINT NOT NULL
);
CREATE UNIQUE INDEX task_router_events_by_seq ON task_router_events (seq);
CREATE INDEX task_router_events_by_workspace ON task_router_events (workspace_sid, seq, created);
CREATE INDEX task_router_events_by_type ON task_router_events (workspace_sid, type, seq, created);
CREATE INDEX task_router_events_by_task ON task_router_events (task_sid, seq) WHERE task_sid IS NOT NULL;
CREATE INDEX task_router_events_by_worker ON task_router_events (worker_sid, seq) WHERE worker_sid IS NOT NULL;
CREATE INDEX task_router_events_by_queue ON task_router_events (task_queue_sid, seq) WHERE task_queue_sid IS NOT NULL;
CREATE INDEX task_router_events_by_workflow ON task_router_events (workflow_sid, seq) WHERE workflow_sid IS NOT NULL;
CREATE INDEX task_router_events_by_reservation ON task_router_events (reservation_sid, seq)
    WHERE reservation_sid IS NOT NULL;
