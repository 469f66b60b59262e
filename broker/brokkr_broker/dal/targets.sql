-- serving --
-- The agents that serve any of these stacks.
SELECT DISTINCT agent_id FROM agent_stacks WHERE stack_id = ANY ($1::uuid[]);

-- list_ --
SELECT t.id, t.agent_id, t.stack_id
  FROM agent_targets t
  JOIN stacks s ON s.id = t.stack_id AND s.deleted_at IS NULL
 WHERE t.agent_id = $1 AND t.stack_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
 ORDER BY t.stack_id
 LIMIT $3;

-- create --
INSERT INTO agent_targets (agent_id, stack_id)
SELECT a.id, s.id
  FROM agents a, stacks s
 WHERE a.id = $1 AND a.deleted_at IS NULL AND s.id = $2 AND s.deleted_at IS NULL
RETURNING id, agent_id, stack_id;

-- delete --
DELETE FROM agent_targets WHERE agent_id = $1 AND stack_id = $2 RETURNING id;
