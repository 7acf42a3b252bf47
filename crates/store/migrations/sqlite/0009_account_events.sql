-- The log tells of calls and queues, too; how far it has been pruned; and which of its entries a callback tells of.

ALTER TABLE events RENAME TO conference_events;
DROP INDEX events_by_account;
DROP INDEX events_fleeting;

CREATE TABLE events (
    seq            BIGINT NOT NULL PRIMARY KEY,
    account_sid    TEXT   NOT NULL,
    type           TEXT   NOT NULL,
    conference_sid TEXT,
    call_sid       TEXT,
    queue_sid      TEXT,
    data           TEXT   NOT NULL,
    leg_stats      TEXT,
    created        BIGINT NOT NULL,
    fleeting       BIGINT NOT NULL
);
INSERT INTO events (seq, account_sid, type, conference_sid, call_sid, data, leg_stats, created, fleeting)
    SELECT seq, account_sid, type, conference_sid, call_sid, data, leg_stats, created, fleeting FROM conference_events;
DROP TABLE conference_events;
CREATE INDEX events_by_account ON events (account_sid, seq);
-- Who speaks is kept for less long than what else happens.
CREATE INDEX events_fleeting ON events (seq) WHERE fleeting = 1;

-- The last entry removed of each account's log, but for those that tell who speaks.
CREATE TABLE events_pruned (
    account_sid TEXT   NOT NULL PRIMARY KEY,
    seq         BIGINT NOT NULL
);

-- NULL where it tells of none.
ALTER TABLE outbox ADD COLUMN event BIGINT;
