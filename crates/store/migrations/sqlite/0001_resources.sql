-- Accounts, calls, conferences and participants.
--
-- The dialect both databases accept: TEXT and BIGINT only, booleans are 0 or 1, times are microseconds since 1970,
-- words and SIDs are spelled as the API spells them. Rows are ordered and paged by seq, which the switch hands out.

CREATE TABLE accounts (
    sid               TEXT   NOT NULL PRIMARY KEY,
    owner_account_sid TEXT   NOT NULL,
    friendly_name     TEXT   NOT NULL,
    auth_token        TEXT   NOT NULL,
    status            TEXT   NOT NULL,
    created           BIGINT NOT NULL,
    updated           BIGINT NOT NULL,
    seq               BIGINT NOT NULL
);
CREATE INDEX accounts_by_owner ON accounts (owner_account_sid, seq);

CREATE TABLE calls (
    sid             TEXT   NOT NULL PRIMARY KEY,
    account_sid     TEXT   NOT NULL,
    parent_call_sid TEXT,
    to_address      TEXT   NOT NULL,
    from_address    TEXT   NOT NULL,
    caller_name     TEXT,
    status          TEXT   NOT NULL,
    direction       TEXT   NOT NULL,
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL,
    started         BIGINT,
    answered        BIGINT,
    ended           BIGINT,
    seq             BIGINT NOT NULL,
    deleted         BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX calls_by_seq ON calls (account_sid, seq);
CREATE INDEX calls_by_to ON calls (account_sid, to_address, seq);
CREATE INDEX calls_by_from ON calls (account_sid, from_address, seq);
CREATE INDEX calls_by_parent ON calls (account_sid, parent_call_sid, seq);
CREATE INDEX calls_by_status ON calls (account_sid, status, seq);
CREATE INDEX calls_by_start ON calls (account_sid, started);
CREATE INDEX calls_by_end ON calls (account_sid, ended);

CREATE TABLE conferences (
    sid             TEXT   NOT NULL PRIMARY KEY,
    account_sid     TEXT   NOT NULL,
    friendly_name   TEXT   NOT NULL,
    status          TEXT   NOT NULL,
    region          TEXT   NOT NULL,
    reason_ended    TEXT,
    call_sid_ending TEXT,
    created         BIGINT NOT NULL,
    updated         BIGINT NOT NULL,
    seq             BIGINT NOT NULL
);
CREATE INDEX conferences_by_seq ON conferences (account_sid, seq);
CREATE INDEX conferences_by_name ON conferences (account_sid, friendly_name, seq);
CREATE INDEX conferences_by_status ON conferences (account_sid, status, seq);
CREATE INDEX conferences_by_creation ON conferences (account_sid, created);
CREATE INDEX conferences_by_update ON conferences (account_sid, updated);

CREATE TABLE participants (
    conference_sid            TEXT   NOT NULL,
    call_sid                  TEXT   NOT NULL,
    account_sid               TEXT   NOT NULL,
    label                     TEXT,
    muted                     BIGINT NOT NULL,
    hold                      BIGINT NOT NULL,
    coaching                  BIGINT NOT NULL,
    call_sid_to_coach         TEXT,
    start_conference_on_enter BIGINT NOT NULL,
    end_conference_on_exit    BIGINT NOT NULL,
    beep_on_exit              BIGINT NOT NULL,
    status                    TEXT   NOT NULL,
    created                   BIGINT NOT NULL,
    updated                   BIGINT NOT NULL,
    seq                       BIGINT NOT NULL,
    PRIMARY KEY (conference_sid, call_sid)
);
-- A room holds at most a few hundred at once: its other filters (muted, hold, coaching, label) scan this one.
CREATE INDEX participants_by_seq ON participants (conference_sid, seq);
CREATE INDEX participants_by_status ON participants (status);
