-- What the end of the worker's leg makes of a reservation: wrap, complete or nothing.
ALTER TABLE reservations ADD COLUMN work_end TEXT NOT NULL DEFAULT 'wrap';
