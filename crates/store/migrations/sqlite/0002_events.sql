-- What legs did, kept with their calls; and what happened in conferences, in the order it happened.
--
-- data and leg_stats are JSON objects, read and written whole: no statement looks inside.

ALTER TABLE calls ADD COLUMN leg_stats TEXT;

CREATE TABLE events (
    seq            BIGINT NOT NULL PRIMARY KEY,
    account_sid    TEXT   NOT NULL,
    type           TEXT   NOT NULL,
    conference_sid TEXT   NOT NULL,
    call_sid       TEXT,
    data           TEXT   NOT NULL,
    leg_stats      TEXT,
    created        BIGINT NOT NULL,
    fleeting       BIGINT NOT NULL
);
CREATE INDEX events_by_account ON events (account_sid, seq);
-- Who speaks is kept for less long than what else happens.
CREATE INDEX events_fleeting ON events (seq) WHERE fleeting = 1;
