-- unknown --
-- Which of these objects do not exist?
SELECT asked.id
  FROM unnest($1::uuid[]) AS asked (id)
 WHERE NOT EXISTS (SELECT FROM deployment_objects d WHERE d.id = asked.id)
 LIMIT 1;

-- record --
-- Many records of one agent. An older check never replaces a newer one.
INSERT INTO deployment_health (agent_id, deployment_object_id, status, summary, checked_at)
SELECT $1, r.id, r.status, r.summary, r.checked_at
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
       AS r (id, status, summary, checked_at)
 ORDER BY r.id
ON CONFLICT (agent_id, deployment_object_id)
DO UPDATE SET status = excluded.status, summary = excluded.summary, checked_at = excluded.checked_at
        WHERE deployment_health.checked_at <= excluded.checked_at;

-- forget_older --
-- Who reports on a version has left the versions before it, unless it reports on them as well.
DELETE FROM deployment_health h
 USING deployment_objects old, deployment_objects new
 WHERE h.agent_id = $1 AND old.id = h.deployment_object_id AND NOT old.id = ANY ($2::uuid[])
   AND new.id = ANY ($2::uuid[]) AND new.stack_id = old.stack_id
   AND old.sequence_id < new.sequence_id;

-- of_object --
SELECT h.id, h.agent_id, h.deployment_object_id, h.status, h.summary, h.checked_at, h.created_at,
       h.updated_at
  FROM deployment_health h
  JOIN agents a ON a.id = h.agent_id AND a.deleted_at IS NULL
 WHERE h.deployment_object_id = $1
 ORDER BY h.created_at, h.id
 LIMIT $2;

-- of_stack --
-- Per object of a stack, newest first: how many agents say what.
SELECT d.id,
       count(*) FILTER (WHERE h.status = 'healthy') AS healthy_agents,
       count(*) FILTER (WHERE h.status = 'degraded') AS degraded_agents,
       count(*) FILTER (WHERE h.status = 'failing') AS failing_agents
  FROM deployment_objects d
  JOIN deployment_health h ON h.deployment_object_id = d.id
  JOIN agents a ON a.id = h.agent_id AND a.deleted_at IS NULL
 WHERE d.stack_id = $1
 GROUP BY d.id, d.sequence_id
 ORDER BY d.sequence_id DESC
 LIMIT $2;
