-- What is known of a call besides: the account's number in it, who diverted it, who answered.

ALTER TABLE calls ADD COLUMN phone_number_sid TEXT;
ALTER TABLE calls ADD COLUMN forwarded_from TEXT;
ALTER TABLE calls ADD COLUMN answered_by TEXT;
