-- What accounts set up: numbers, applications, SIP domains and who may use them, queues.

CREATE TABLE incoming_phone_numbers (
    sid                    TEXT   NOT NULL PRIMARY KEY,
    account_sid            TEXT   NOT NULL,
    phone_number           TEXT   NOT NULL,
    number_type            TEXT   NOT NULL,
    friendly_name          TEXT   NOT NULL,
    api_version            TEXT   NOT NULL,
    voice_url              TEXT,
    voice_method           TEXT   NOT NULL,
    voice_fallback_url     TEXT,
    voice_fallback_method  TEXT   NOT NULL,
    status_callback        TEXT,
    status_callback_method TEXT   NOT NULL,
    voice_caller_id_lookup BIGINT NOT NULL,
    voice_application_sid  TEXT,
    trunk_sid              TEXT,
    voice_receive_mode     TEXT   NOT NULL,
    sms_url                TEXT,
    sms_method             TEXT   NOT NULL,
    sms_fallback_url       TEXT,
    sms_fallback_method    TEXT   NOT NULL,
    sms_application_sid    TEXT,
    emergency_status       TEXT   NOT NULL,
    emergency_address_sid  TEXT,
    address_sid            TEXT,
    identity_sid           TEXT,
    bundle_sid             TEXT,
    created                BIGINT NOT NULL,
    updated                BIGINT NOT NULL,
    seq                    BIGINT NOT NULL
);
CREATE INDEX incoming_phone_numbers_by_seq ON incoming_phone_numbers (account_sid, seq);
CREATE UNIQUE INDEX incoming_phone_numbers_by_number ON incoming_phone_numbers (phone_number);

CREATE TABLE applications (
    sid                                TEXT   NOT NULL PRIMARY KEY,
    account_sid                        TEXT   NOT NULL,
    friendly_name                      TEXT,
    api_version                        TEXT   NOT NULL,
    voice_url                          TEXT,
    voice_method                       TEXT   NOT NULL,
    voice_fallback_url                 TEXT,
    voice_fallback_method              TEXT   NOT NULL,
    status_callback                    TEXT,
    status_callback_method             TEXT   NOT NULL,
    voice_caller_id_lookup             BIGINT NOT NULL,
    sms_url                            TEXT,
    sms_method                         TEXT   NOT NULL,
    sms_fallback_url                   TEXT,
    sms_fallback_method                TEXT   NOT NULL,
    sms_status_callback                TEXT,
    message_status_callback            TEXT,
    public_application_connect_enabled BIGINT NOT NULL,
    created                            BIGINT NOT NULL,
    updated                            BIGINT NOT NULL,
    seq                                BIGINT NOT NULL
);
CREATE INDEX applications_by_seq ON applications (account_sid, seq);

-- auth_type says what the mappings amount to, as the API spells it.
CREATE TABLE sip_domains (
    sid                       TEXT   NOT NULL PRIMARY KEY,
    account_sid               TEXT   NOT NULL,
    domain_name               TEXT   NOT NULL,
    friendly_name             TEXT,
    api_version               TEXT   NOT NULL,
    voice_url                 TEXT,
    voice_method              TEXT   NOT NULL,
    voice_fallback_url        TEXT,
    voice_fallback_method     TEXT   NOT NULL,
    status_callback           TEXT,
    status_callback_method    TEXT   NOT NULL,
    auth_type                 TEXT   NOT NULL,
    sip_registration          BIGINT NOT NULL,
    secure                    BIGINT NOT NULL,
    emergency_calling_enabled BIGINT NOT NULL,
    byoc_trunk_sid            TEXT,
    emergency_caller_sid      TEXT,
    created                   BIGINT NOT NULL,
    updated                   BIGINT NOT NULL,
    seq                       BIGINT NOT NULL
);
CREATE INDEX sip_domains_by_seq ON sip_domains (account_sid, seq);

CREATE TABLE sip_domain_mappings (
    domain_sid  TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    list_sid    TEXT   NOT NULL,
    account_sid TEXT   NOT NULL,
    created     BIGINT NOT NULL,
    updated     BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    PRIMARY KEY (domain_sid, kind, list_sid)
);

CREATE TABLE credential_lists (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account_sid   TEXT   NOT NULL,
    friendly_name TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    updated       BIGINT NOT NULL,
    seq           BIGINT NOT NULL
);
CREATE INDEX credential_lists_by_seq ON credential_lists (account_sid, seq);

-- Passwords as they are: digest hashes them with a realm that is known only when somebody calls.
CREATE TABLE credentials (
    sid                 TEXT   NOT NULL PRIMARY KEY,
    account_sid         TEXT   NOT NULL,
    credential_list_sid TEXT   NOT NULL,
    username            TEXT   NOT NULL,
    password            TEXT   NOT NULL,
    created             BIGINT NOT NULL,
    updated             BIGINT NOT NULL,
    seq                 BIGINT NOT NULL
);
CREATE INDEX credentials_by_seq ON credentials (credential_list_sid, seq);

CREATE TABLE ip_access_control_lists (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account_sid   TEXT   NOT NULL,
    friendly_name TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    updated       BIGINT NOT NULL,
    seq           BIGINT NOT NULL
);
CREATE INDEX ip_access_control_lists_by_seq ON ip_access_control_lists (account_sid, seq);

CREATE TABLE ip_addresses (
    sid                        TEXT   NOT NULL PRIMARY KEY,
    account_sid                TEXT   NOT NULL,
    ip_access_control_list_sid TEXT   NOT NULL,
    friendly_name              TEXT   NOT NULL,
    ip_address                 TEXT   NOT NULL,
    cidr_prefix_length         BIGINT NOT NULL,
    created                    BIGINT NOT NULL,
    updated                    BIGINT NOT NULL,
    seq                        BIGINT NOT NULL
);
CREATE INDEX ip_addresses_by_seq ON ip_addresses (ip_access_control_list_sid, seq);

CREATE TABLE outgoing_caller_ids (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account_sid   TEXT   NOT NULL,
    friendly_name TEXT   NOT NULL,
    phone_number  TEXT   NOT NULL,
    created       BIGINT NOT NULL,
    updated       BIGINT NOT NULL,
    seq           BIGINT NOT NULL
);
CREATE INDEX outgoing_caller_ids_by_seq ON outgoing_caller_ids (account_sid, seq);

CREATE TABLE queues (
    sid           TEXT   NOT NULL PRIMARY KEY,
    account_sid   TEXT   NOT NULL,
    friendly_name TEXT   NOT NULL,
    max_size      BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    updated       BIGINT NOT NULL,
    seq           BIGINT NOT NULL
);
CREATE INDEX queues_by_seq ON queues (account_sid, seq);

-- Where deleted rows stood in their lists: whoever deletes while listing goes on from the last one seen.
CREATE TABLE deleted_places (
    name TEXT   NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL
);
