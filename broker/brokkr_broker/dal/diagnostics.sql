-- create --
INSERT INTO diagnostic_requests (agent_id, deployment_object_id, requested_by, expires_at)
VALUES ($1, $2, $3, now() + make_interval(mins => $4))
RETURNING id, agent_id, deployment_object_id, status, requested_by, created_at, claimed_at,
          completed_at, expires_at;

-- get --
SELECT id, agent_id, deployment_object_id, status, requested_by, created_at, claimed_at,
       completed_at, expires_at
  FROM diagnostic_requests
 WHERE id = $1;

-- result --
SELECT id, request_id, pod_statuses, events, log_tails, collected_at, created_at
  FROM diagnostic_results
 WHERE request_id = $1;

-- pending --
-- Of one agent, not expired, oldest first.
SELECT id, agent_id, deployment_object_id, status, requested_by, created_at, claimed_at,
       completed_at, expires_at
  FROM diagnostic_requests
 WHERE agent_id = $1 AND status = 'pending' AND expires_at > now()
   AND (created_at, id) > (coalesce($2::timestamptz, '-infinity'),
                           coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $4;

-- claim --
UPDATE diagnostic_requests SET status = 'claimed', claimed_at = now()
 WHERE id = $1 AND status = 'pending' AND expires_at > now()
RETURNING id, agent_id, deployment_object_id, status, requested_by, created_at, claimed_at,
          completed_at, expires_at;

-- complete --
-- The request and its result, together.
WITH ended AS (
    UPDATE diagnostic_requests
       SET status = CASE WHEN $6 THEN 'failed' ELSE 'completed' END, completed_at = now()
     WHERE id = $1 AND status = 'claimed'
    RETURNING id
)
INSERT INTO diagnostic_results (request_id, pod_statuses, events, log_tails, collected_at)
SELECT id, $2, $3, $4, $5 FROM ended
RETURNING id, request_id, pod_statuses, events, log_tails, collected_at, created_at;

-- expire --
-- Nobody has answered in time: nobody took it, or who took it has died.
UPDATE diagnostic_requests
   SET status = CASE WHEN status = 'claimed' THEN 'failed' ELSE 'expired' END, completed_at = now()
 WHERE status IN ('pending', 'claimed') AND expires_at <= now()
RETURNING id;

-- sweep --
DELETE FROM diagnostic_requests
 WHERE id IN (SELECT id FROM diagnostic_requests
               WHERE status IN ('completed', 'failed', 'expired')
                 AND created_at < now() - make_interval(hours => $1)
               ORDER BY created_at
               LIMIT 10000)
RETURNING id;
