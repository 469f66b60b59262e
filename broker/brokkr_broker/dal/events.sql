-- record --
-- Many reports in one statement. An id that is stored already is not stored again. Returns the
-- stored rows, new and old; a report whose object or agent does not exist returns nothing.
WITH incoming AS (
    SELECT id, agent_id, deployment_object_id, event_type, status, message, position
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[])
           WITH ORDINALITY AS t (id, agent_id, deployment_object_id, event_type, status, message, position)
), known AS (
    SELECT i.id, i.agent_id, i.deployment_object_id, i.event_type, i.status, i.message, i.position,
           d.stack_id, d.is_deletion_marker
      FROM incoming i
      JOIN deployment_objects d ON d.id = i.deployment_object_id
      JOIN agents a ON a.id = i.agent_id
), stored AS (
    INSERT INTO agent_events (id, agent_id, deployment_object_id, event_type, status, message)
    SELECT id, agent_id, deployment_object_id, event_type, status, message FROM known ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, created_at, updated_at, deleted_at, agent_id, deployment_object_id, event_type,
              status, message
), newest AS (
    INSERT INTO agent_objects (agent_id, deployment_object_id, stack_id, status)
    SELECT DISTINCT ON (k.agent_id, k.deployment_object_id)
           k.agent_id, k.deployment_object_id, k.stack_id, k.status
      FROM known k JOIN stored s ON s.id = k.id
     ORDER BY k.agent_id, k.deployment_object_id, k.position DESC
    ON CONFLICT (agent_id, deployment_object_id)
    DO UPDATE SET status = excluded.status, reported_at = now()
), late AS (
    -- An agent that reports a stack only after the stack's deletion has to remove it, too.
    INSERT INTO stack_removals (agent_id, stack_id, deployment_object_id)
    SELECT DISTINCT k.agent_id, k.stack_id, m.id
      FROM known k
      JOIN stacks gone ON gone.id = k.stack_id AND gone.deleted_at IS NOT NULL
      JOIN deployment_objects m
        ON m.stack_id = k.stack_id AND m.is_deletion_marker AND m.deleted_at IS NULL
     WHERE NOT k.is_deletion_marker
    ON CONFLICT (agent_id, stack_id) DO NOTHING
)
SELECT id, created_at, updated_at, deleted_at, agent_id, deployment_object_id, event_type, status,
       message
  FROM stored
 UNION ALL
SELECT e.id, e.created_at, e.updated_at, e.deleted_at, e.agent_id, e.deployment_object_id,
       e.event_type, e.status, e.message
  FROM agent_events e
 WHERE e.id = ANY ($1::uuid[]);

-- told --
SELECT e.id, e.created_at, e.updated_at, e.deleted_at, e.agent_id, e.deployment_object_id,
       e.event_type, e.status, e.message, d.stack_id, s.generator_id
  FROM agent_events e
  JOIN deployment_objects d ON d.id = e.deployment_object_id
  JOIN stacks s ON s.id = d.stack_id
 WHERE e.id = ANY ($1::uuid[])
 ORDER BY e.created_at, e.id;

-- told_since --
-- The moment of a row is that of its transaction's begin: a second of overlap, so that none is left
-- out that was stored a little later than its neighbours.
SELECT e.id, e.created_at, e.updated_at, e.deleted_at, e.agent_id, e.deployment_object_id,
       e.event_type, e.status, e.message, d.stack_id, s.generator_id
  FROM agent_events e
  JOIN deployment_objects d ON d.id = e.deployment_object_id
  JOIN stacks s ON s.id = d.stack_id
 WHERE e.id <> $1
   AND (e.created_at, e.id) > (coalesce($2::timestamptz,
                                        (SELECT created_at FROM agent_events WHERE id = $1) - interval '1 s'),
                               coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY e.created_at, e.id
 LIMIT $4;

-- get --
SELECT id, created_at, updated_at, deleted_at, agent_id, deployment_object_id, event_type, status,
       message
  FROM agent_events
 WHERE id = $1 AND deleted_at IS NULL;

-- list_ --
-- Newest first.
SELECT id, created_at, updated_at, deleted_at, agent_id, deployment_object_id, event_type, status,
       message
  FROM agent_events
 WHERE deleted_at IS NULL
   AND (created_at, id) < (coalesce($1::timestamptz, 'infinity'),
                           coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at DESC, id DESC
 LIMIT $3;

-- list_of_agent --
-- Newest first.
SELECT id, created_at, updated_at, deleted_at, agent_id, deployment_object_id, event_type, status,
       message
  FROM agent_events
 WHERE deleted_at IS NULL AND agent_id = $1
   AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'),
                           coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at DESC, id DESC
 LIMIT $4;

-- sweep --
-- Target state does not read the history: it has the newest word of each agent elsewhere.
DELETE FROM agent_events
 WHERE id IN ((SELECT id FROM agent_events
                WHERE deleted_at IS NULL AND created_at < now() - make_interval(days => $1)
                ORDER BY created_at
                LIMIT 10000)
              UNION ALL
              (SELECT id FROM agent_events
                WHERE deleted_at IS NOT NULL AND created_at < now() - make_interval(days => $1)
                ORDER BY created_at
                LIMIT 10000))
RETURNING id;
