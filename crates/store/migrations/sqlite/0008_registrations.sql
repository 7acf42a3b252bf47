-- Phones outlive a restart, and a domain says what passwords are proved with.

ALTER TABLE sip_domains ADD COLUMN digest TEXT;

CREATE TABLE registrations (
    domain_sid TEXT NOT NULL,
    username TEXT NOT NULL,
    place BIGINT NOT NULL, -- among the contacts of this user
    contact TEXT NOT NULL,
    local TEXT, -- both addresses or neither
    remote TEXT,
    path TEXT NOT NULL, -- a hop a line
    q BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    cseq BIGINT NOT NULL,
    user_agent TEXT,
    expires BIGINT NOT NULL,
    PRIMARY KEY (domain_sid, username, place)
);
