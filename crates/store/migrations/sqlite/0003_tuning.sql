-- How a participant's voice is treated.

ALTER TABLE participants ADD COLUMN gain_db BIGINT NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN noise_suppression BIGINT NOT NULL DEFAULT 0;
ALTER TABLE participants ADD COLUMN jitter_buffer_size TEXT NOT NULL DEFAULT 'large';
ALTER TABLE participants ADD COLUMN data_mode BIGINT NOT NULL DEFAULT 0;
