-- list_ --
-- Of one subscription, newest first.
SELECT id, subscription_id, event_type, event_id, payload, target_labels, status, acquired_by,
       acquired_until, attempts, last_attempt_at, next_retry_at, last_error, created_at, completed_at
  FROM webhook_deliveries
 WHERE subscription_id = $1 AND ($2::text IS NULL OR status = $2)
   AND (created_at, id) < (coalesce($3::timestamptz, 'infinity'),
                           coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at DESC, id DESC
 LIMIT $5 OFFSET $6;

-- get --
SELECT id, subscription_id, event_type, event_id, payload, target_labels, status, acquired_by,
       acquired_until, attempts, last_attempt_at, next_retry_at, last_error, created_at, completed_at
  FROM webhook_deliveries
 WHERE id = $1;

-- claim --
-- What is due and the broker's to send: some of each subscription, so that none keeps the others
-- waiting. $3 are those of which enough is under way.
WITH due AS (
    SELECT d.id
      FROM webhook_subscriptions s
     CROSS JOIN LATERAL (
            SELECT id FROM webhook_deliveries
             WHERE subscription_id = s.id AND status IN ('pending', 'failed')
               AND coalesce(next_retry_at, created_at) <= now()
               AND coalesce(cardinality(target_labels), 0) = 0
             ORDER BY coalesce(next_retry_at, created_at)
             LIMIT $2
               FOR UPDATE SKIP LOCKED) d
     WHERE NOT s.id = ANY ($3::uuid[])
     LIMIT $1
)
UPDATE webhook_deliveries d
   SET status = 'acquired', acquired_by = NULL,
       acquired_until = now() + make_interval(secs => s.timeout_seconds + 30)
  FROM due, webhook_subscriptions s
 WHERE d.id = due.id AND s.id = d.subscription_id
RETURNING d.id, d.subscription_id, d.event_type, d.payload, d.acquired_until, d.attempts,
          s.max_retries, s.timeout_seconds, s.url_encrypted, s.auth_header_encrypted,
          s.signing_secret_encrypted;

-- claim_for_agent --
-- Up to ten that are due, for an agent that carries all their labels; for 60 seconds.
WITH due AS (
    SELECT d.id
      FROM webhook_deliveries d
     WHERE d.status IN ('pending', 'failed') AND coalesce(d.next_retry_at, d.created_at) <= now()
       AND cardinality(d.target_labels) > 0
       AND NOT EXISTS (SELECT unnest(d.target_labels)
                       EXCEPT
                       SELECT label FROM agent_labels WHERE agent_id = $1)
     ORDER BY d.created_at
     LIMIT 10
       FOR UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries d
   SET status = 'acquired', acquired_by = $1, acquired_until = now() + interval '60 s'
  FROM due, webhook_subscriptions s
 WHERE d.id = due.id AND s.id = d.subscription_id
RETURNING d.id, d.subscription_id, d.event_type, d.payload, d.acquired_until, d.attempts,
          s.max_retries, s.timeout_seconds, s.url_encrypted, s.auth_header_encrypted,
          s.signing_secret_encrypted;

-- settle --
-- The end of an attempt, by whoever holds it still ($2). $5: seconds until the next one.
UPDATE webhook_deliveries
   SET status = $3::text, attempts = attempts + 1, last_attempt_at = now(), last_error = $4,
       next_retry_at = now() + make_interval(secs => $5::float8), acquired_by = NULL,
       acquired_until = NULL,
       completed_at = CASE WHEN $3::text IN ('success', 'dead') THEN now() END
 WHERE id = $1 AND status = 'acquired' AND acquired_until = $2
RETURNING attempts, next_retry_at;

-- held --
-- What an agent's report is about.
SELECT d.acquired_by, d.acquired_until, d.attempts, s.max_retries
  FROM webhook_deliveries d JOIN webhook_subscriptions s ON s.id = d.subscription_id
 WHERE d.id = $1;

-- revive --
-- A dead one gets all its tries again.
UPDATE webhook_deliveries
   SET status = 'pending', attempts = 0, next_retry_at = now(), completed_at = NULL
 WHERE id = $1 AND status = 'dead'
RETURNING id, subscription_id, event_type, event_id, payload, target_labels, status, acquired_by,
       acquired_until, attempts, last_attempt_at, next_retry_at, last_error, created_at, completed_at;

-- release --
-- Whoever had it has not said what became of it.
UPDATE webhook_deliveries
   SET status = 'pending', acquired_by = NULL, acquired_until = NULL
 WHERE id IN (SELECT id FROM webhook_deliveries
               WHERE status = 'acquired' AND acquired_until < now()
               LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id;

-- sweep --
DELETE FROM webhook_deliveries
 WHERE id IN (SELECT id FROM webhook_deliveries
               WHERE created_at < now() - make_interval(days => $1)
               ORDER BY created_at
               LIMIT 10000)
RETURNING id;
