-- What applications are yet to be told; what went wrong, for their developers; and what was asked of whom in calls.

-- A row is there as long as it is open. body is as it is sent: a form, or JSON.
CREATE TABLE outbox (
    seq         BIGINT NOT NULL PRIMARY KEY,
    id          TEXT   NOT NULL UNIQUE,
    lane        TEXT   NOT NULL,
    account_sid TEXT   NOT NULL,
    call_sid    TEXT,
    kind        TEXT   NOT NULL,
    url         TEXT   NOT NULL,
    method      TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    json        BIGINT NOT NULL,
    created     BIGINT NOT NULL
);

-- The columns from request_method on are null where no request was involved.
CREATE TABLE notifications (
    sid              TEXT   NOT NULL PRIMARY KEY,
    account_sid      TEXT   NOT NULL,
    call_sid         TEXT,
    log              TEXT   NOT NULL,
    error_code       BIGINT NOT NULL,
    message          TEXT   NOT NULL,
    created          BIGINT NOT NULL,
    seq              BIGINT NOT NULL,
    request_method   TEXT,
    request_url      TEXT,
    request_form     TEXT,
    response_status  BIGINT,
    response_headers TEXT,
    response_type    TEXT,
    response_body    TEXT,
    duration         BIGINT
);
CREATE INDEX notifications_by_seq ON notifications (account_sid, seq);
CREATE INDEX notifications_by_call ON notifications (call_sid, seq);
CREATE INDEX notifications_oldest ON notifications (seq);

CREATE TABLE call_events (
    seq             BIGINT NOT NULL PRIMARY KEY,
    account_sid     TEXT   NOT NULL,
    call_sid        TEXT   NOT NULL,
    request_method  TEXT   NOT NULL,
    request_url     TEXT   NOT NULL,
    request_form    TEXT   NOT NULL,
    response_status BIGINT,
    response_type   TEXT   NOT NULL,
    response_body   TEXT   NOT NULL,
    created         BIGINT NOT NULL,
    duration        BIGINT NOT NULL
);
CREATE INDEX call_events_by_call ON call_events (call_sid, seq);
