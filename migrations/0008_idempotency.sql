-- Answers to POST requests with an Idempotency-Key, for a day. Only its hash is kept, and the answer
-- is sealed with the caller's own key: it may hold a PAK.

CREATE TABLE idempotency_keys (
    owner uuid NOT NULL,
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key_hash)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
