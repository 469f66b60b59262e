-- create --
INSERT INTO work_orders (work_type, yaml_content, max_retries, backoff_seconds, claim_timeout_seconds)
VALUES ($1, $2, $3, $4, $5)
RETURNING id, created_at, updated_at, work_type, yaml_content, status, claimed_by, claimed_at,
          claim_timeout_seconds, max_retries, retry_count, backoff_seconds, next_retry_after,
          last_error, last_error_at, attempt;

-- address --
-- To whom. An agent that is not live makes it fail, by the reference that it does not find.
WITH targets AS (
    INSERT INTO work_order_targets (work_order_id, agent_id)
    SELECT $1, coalesce(a.id, '00000000-0000-0000-0000-000000000000')
      FROM (SELECT DISTINCT unnest($2::uuid[]) AS id) asked
      LEFT JOIN agents a ON a.id = asked.id AND a.deleted_at IS NULL
), labels AS (
    INSERT INTO work_order_labels (work_order_id, label)
    SELECT DISTINCT $1, label FROM unnest($3::text[]) AS asked (label)
)
INSERT INTO work_order_annotations (work_order_id, key, value)
SELECT $1, key, value FROM unnest($4::text[], $5::text[]) AS asked (key, value);

-- get --
SELECT id, created_at, updated_at, work_type, yaml_content, status, claimed_by, claimed_at,
       claim_timeout_seconds, max_retries, retry_count, backoff_seconds, next_retry_after,
       last_error, last_error_at, attempt
  FROM work_orders
 WHERE id = $1;

-- list_ --
-- Newest first. A null filter fits everything.
SELECT id, created_at, updated_at, work_type, yaml_content, status, claimed_by, claimed_at,
       claim_timeout_seconds, max_retries, retry_count, backoff_seconds, next_retry_after,
       last_error, last_error_at, attempt
  FROM work_orders
 WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR work_type = $2)
   AND (created_at, id) < (coalesce($3::timestamptz, 'infinity'),
                           coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at DESC, id DESC
 LIMIT $5;

-- pending --
-- What an agent may take, oldest first. $4: also what it has taken and not ended.
SELECT w.id, w.created_at, w.updated_at, w.work_type, w.yaml_content, w.status, w.claimed_by,
       w.claimed_at, w.claim_timeout_seconds, w.max_retries, w.retry_count, w.backoff_seconds,
       w.next_retry_after, w.last_error, w.last_error_at, w.attempt
  FROM work_orders w
 WHERE w.id IN (SELECT work_order_id FROM agent_work_orders WHERE agent_id = $1)
   AND (w.status = 'PENDING' OR ($3 AND w.status = 'CLAIMED' AND w.claimed_by = $1))
   AND ($2::text IS NULL OR w.work_type = $2)
   AND (w.created_at, w.id) > (coalesce($4::timestamptz, '-infinity'),
                               coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY w.created_at, w.id
 LIMIT $6;

-- claim --
-- One winner: the others find the row no longer pending. Deleted agents take nothing.
UPDATE work_orders w
   SET status = 'CLAIMED', claimed_by = $2, claimed_at = now(), attempt = attempt + 1,
       next_retry_after = NULL
 WHERE w.id = $1 AND w.status = 'PENDING'
   AND EXISTS (SELECT FROM agent_work_orders a JOIN agents g ON g.id = a.agent_id
                WHERE a.work_order_id = w.id AND a.agent_id = $2 AND g.deleted_at IS NULL)
RETURNING id, created_at, updated_at, work_type, yaml_content, status, claimed_by, claimed_at,
          claim_timeout_seconds, max_retries, retry_count, backoff_seconds, next_retry_after,
          last_error, last_error_at, attempt;

-- renew --
UPDATE work_orders SET claimed_at = now()
 WHERE id = $1 AND status = 'CLAIMED' AND claimed_by = $2 AND attempt = $3
RETURNING id, created_at, updated_at, work_type, yaml_content, status, claimed_by, claimed_at,
          claim_timeout_seconds, max_retries, retry_count, backoff_seconds, next_retry_after,
          last_error, last_error_at, attempt;

-- lock --
-- The order, so that nobody else ends it meanwhile, and who reported its last failure.
SELECT id, created_at, updated_at, work_type, yaml_content, status, claimed_by, claimed_at,
       claim_timeout_seconds, max_retries, retry_count, backoff_seconds, next_retry_after,
       last_error, last_error_at, attempt, failed_by, failed_attempt
  FROM work_orders
 WHERE id = $1
   FOR UPDATE;

-- end --
-- Out of the queue, into the log.
WITH gone AS (
    DELETE FROM work_orders WHERE id = $1
    RETURNING id, work_type, created_at, claimed_at, claimed_by, retry_count, yaml_content, attempt
)
INSERT INTO work_order_log (id, work_type, created_at, claimed_at, claimed_by, success,
                            retries_attempted, result_message, yaml_content, attempt)
SELECT id, work_type, created_at, claimed_at, coalesce(claimed_by, $4), $2, retry_count, $3,
       yaml_content, attempt
  FROM gone
RETURNING id, work_type, created_at, claimed_at, completed_at, claimed_by, success,
          retries_attempted, result_message, yaml_content, attempt;

-- retry --
-- Back to the queue, after `backoff_seconds` times two to the power of the retries so far.
UPDATE work_orders
   SET status = 'RETRY_PENDING', retry_count = retry_count + 1, claimed_by = NULL,
       claimed_at = NULL, failed_by = claimed_by, failed_attempt = attempt, last_error = $2,
       last_error_at = now(),
       next_retry_after = now() + make_interval(
           secs => least(backoff_seconds * 2.0 ^ least(retry_count + 1, 30), 31536000))
 WHERE id = $1
RETURNING id;

-- delete --
DELETE FROM work_orders WHERE id = $1 RETURNING id;

-- get_log --
SELECT id, work_type, created_at, claimed_at, completed_at, claimed_by, success,
       retries_attempted, result_message, yaml_content, attempt
  FROM work_order_log
 WHERE id = $1;

-- delete_log --
DELETE FROM work_order_log WHERE id = $1 RETURNING id;

-- list_log --
-- Newest first. A null filter fits everything.
SELECT id, work_type, created_at, claimed_at, completed_at, claimed_by, success,
       retries_attempted, result_message, yaml_content, attempt
  FROM work_order_log
 WHERE ($1::text IS NULL OR work_type = $1) AND ($2::boolean IS NULL OR success = $2)
   AND ($3::uuid IS NULL OR claimed_by = $3)
   AND (completed_at, id) < (coalesce($4::timestamptz, 'infinity'),
                             coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY completed_at DESC, id DESC
 LIMIT $6;

-- release_due --
-- Retries whose time has come.
UPDATE work_orders SET status = 'PENDING', next_retry_after = NULL
 WHERE id IN (SELECT id FROM work_orders
               WHERE status = 'RETRY_PENDING' AND next_retry_after <= now()
               LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id;

-- release_stale --
-- Claims that have run out, and may be tried again: the failed attempt counts.
UPDATE work_orders
   SET status = 'PENDING', retry_count = retry_count + 1, claimed_by = NULL, claimed_at = NULL,
       failed_by = claimed_by, failed_attempt = attempt,
       last_error = 'the claim timed out', last_error_at = now()
 WHERE id IN (SELECT id FROM work_orders
               WHERE status = 'CLAIMED' AND retry_count < max_retries
                 AND claimed_at < now() - make_interval(secs => claim_timeout_seconds)
               LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id;

-- end_stale --
-- Claims that have run out for the last time.
WITH gone AS (
    DELETE FROM work_orders
     WHERE id IN (SELECT id FROM work_orders
                   WHERE status = 'CLAIMED' AND retry_count >= max_retries
                     AND claimed_at < now() - make_interval(secs => claim_timeout_seconds)
                   LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING id, work_type, created_at, claimed_at, claimed_by, retry_count, yaml_content, attempt
)
INSERT INTO work_order_log (id, work_type, created_at, claimed_at, claimed_by, success,
                            retries_attempted, result_message, yaml_content, attempt)
SELECT id, work_type, created_at, claimed_at, claimed_by, false, retry_count,
       'the claim timed out', yaml_content, attempt
  FROM gone
RETURNING id;
