-- list_ --
-- Every live agent, oldest first.
SELECT id, created_at, updated_at, deleted_at, name, cluster_name, last_heartbeat, status
  FROM agents
 WHERE deleted_at IS NULL
   AND (created_at, id) > (coalesce($1::timestamptz, '-infinity'),
                           coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $3;

-- get --
SELECT id, created_at, updated_at, deleted_at, name, cluster_name, last_heartbeat, status
  FROM agents
 WHERE id = $1 AND deleted_at IS NULL;

-- find --
SELECT id, created_at, updated_at, deleted_at, name, cluster_name, last_heartbeat, status
  FROM agents
 WHERE name = $1 AND cluster_name = $2 AND deleted_at IS NULL;

-- create --
INSERT INTO agents (name, cluster_name, pak_hash, pak_short)
VALUES ($1, $2, $3, $4)
RETURNING id, created_at, updated_at, deleted_at, name, cluster_name, last_heartbeat, status;

-- update --
-- A null argument leaves its column as it is. $5: only if that was the last change.
UPDATE agents
   SET name = coalesce($2, name),
       cluster_name = coalesce($3, cluster_name),
       status = coalesce($4, status)
 WHERE id = $1 AND deleted_at IS NULL AND ($5::timestamptz IS NULL OR updated_at = $5)
RETURNING id, created_at, updated_at, deleted_at, name, cluster_name, last_heartbeat, status;

-- rotate --
UPDATE agents
   SET pak_hash = $2, pak_short = $3
 WHERE id = $1 AND deleted_at IS NULL
RETURNING id, created_at, updated_at, deleted_at, name, cluster_name, last_heartbeat, status;

-- delete --
UPDATE agents SET deleted_at = now()
 WHERE id = $1 AND deleted_at IS NULL AND ($2::timestamptz IS NULL OR updated_at = $2)
RETURNING id;

-- heartbeat --
-- Many agents in one statement; ids that are not live are not returned.
UPDATE agents SET last_heartbeat = now()
 WHERE id = ANY ($1::uuid[]) AND deleted_at IS NULL
RETURNING id;

-- stacks --
-- The live stacks that an agent serves, however they were matched.
SELECT s.id, s.created_at, s.updated_at, s.deleted_at, s.name, s.description,
       coalesce(s.generator_id, '00000000-0000-0000-0000-000000000000') AS generator_id
  FROM agent_stacks served
  JOIN stacks s ON s.id = served.stack_id AND s.deleted_at IS NULL
 WHERE served.agent_id = $1
   AND (s.created_at, s.id) > (coalesce($2::timestamptz, '-infinity'),
                               coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY s.created_at, s.id
 LIMIT $4;

-- count_active --
SELECT count(*) FROM agents WHERE status = 'ACTIVE' AND deleted_at IS NULL;

-- heartbeat_ages --
SELECT id, name, extract(epoch FROM now() - last_heartbeat)::float8 AS age
  FROM agents
 WHERE deleted_at IS NULL AND last_heartbeat IS NOT NULL
 LIMIT 10000;
