-- Keys with which programs act for an account. Of a secret its SHA-256 is kept, as 64 hex digits.

CREATE TABLE api_keys (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account_sid   TEXT   NOT NULL,
    friendly_name TEXT   NOT NULL,
    secret_sha256 TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    updated       BIGINT NOT NULL,
    seq           BIGINT NOT NULL
);
CREATE INDEX api_keys_by_seq ON api_keys (account_sid, seq);
