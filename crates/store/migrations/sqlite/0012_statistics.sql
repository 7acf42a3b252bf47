-- The figures of minutes, and of hours of long ago. scope_sid: the workspace itself, a queue, a workflow or a worker;
-- task_channel_sid: empty for what has none; is_hour: 0 or 1.
CREATE TABLE statistics_buckets (
    scope_sid        TEXT   NOT NULL,
    task_channel_sid TEXT   NOT NULL,
    begins           BIGINT NOT NULL,
    workspace_sid    TEXT   NOT NULL,
    is_hour          BIGINT NOT NULL,
    figures          TEXT   NOT NULL,
    PRIMARY KEY (scope_sid, task_channel_sid, begins)
);
CREATE INDEX statistics_buckets_by_workspace ON statistics_buckets (workspace_sid);
