-- claim --
-- Waits for another request with this key that is under way; returns a row only to the first.
INSERT INTO idempotency_keys (owner, key_hash, request_hash) VALUES ($1, $2, $3)
ON CONFLICT (owner, key_hash) DO NOTHING
RETURNING owner;

-- find --
SELECT request_hash, status, body FROM idempotency_keys WHERE owner = $1 AND key_hash = $2;

-- keep --
UPDATE idempotency_keys SET status = $3, body = $4 WHERE owner = $1 AND key_hash = $2;

-- sweep --
DELETE FROM idempotency_keys
 WHERE (owner, key_hash) IN (SELECT owner, key_hash FROM idempotency_keys
                              WHERE created_at < now() - interval '1 day'
                              ORDER BY created_at
                              LIMIT 10000)
RETURNING owner;
