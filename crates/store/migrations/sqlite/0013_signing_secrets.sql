-- What keys sign access tokens with (HS256): who checks a signature needs the secret itself, its hash will not do. The
-- tokens of accounts are kept in the clear for the same reason. Keys from before have none, and sign nothing.

CREATE TABLE signing_secrets (
    sid    TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL
);
