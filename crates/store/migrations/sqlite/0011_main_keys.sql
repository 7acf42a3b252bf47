-- Keys that may do everything their account may, its keys included. Only the operator makes them.

ALTER TABLE api_keys ADD COLUMN is_main BIGINT NOT NULL DEFAULT 0;
