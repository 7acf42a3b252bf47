-- Tasks go by what their workflow did when they came: former is that, as a JSON array of [revision, configuration].
ALTER TABLE workflows ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN anew_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflows ADD COLUMN former TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tasks ADD COLUMN step_revision BIGINT NOT NULL DEFAULT 0;
