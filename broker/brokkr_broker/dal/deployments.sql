-- create --
-- The row lock makes a simultaneous deletion of the stack wait, or be seen.
INSERT INTO deployment_objects (stack_id, yaml_content, yaml_checksum, is_deletion_marker)
SELECT s.id, $2, $3, $4
  FROM (SELECT id FROM stacks
         WHERE id = $1 AND deleted_at IS NULL AND ($5::uuid IS NULL OR generator_id = $5)
           FOR SHARE) s
RETURNING id, created_at, updated_at, deleted_at, sequence_id, stack_id, yaml_content,
          yaml_checksum, submitted_at, is_deletion_marker;

-- get --
SELECT id, created_at, updated_at, deleted_at, sequence_id, stack_id, yaml_content,
       yaml_checksum, submitted_at, is_deletion_marker
  FROM deployment_objects
 WHERE id = $1 AND deleted_at IS NULL;

-- list_ --
-- Of one stack, newest first. $2: the deleted ones of a deleted stack as well.
SELECT id, created_at, updated_at, deleted_at, sequence_id, stack_id, yaml_content,
       yaml_checksum, submitted_at, is_deletion_marker
  FROM deployment_objects
 WHERE stack_id = $1 AND (deleted_at IS NULL OR $2)
   AND sequence_id < coalesce($3::bigint, 9223372036854775807)
 ORDER BY sequence_id DESC
 LIMIT $4;

-- wanted --
-- What many agents should run, each in ascending sequence; never the YAML. The position says which
-- question a row answers.
SELECT ask.position, w.id, w.stack_name
  FROM unnest($1::uuid[], $2::boolean[])
       WITH ORDINALITY AS ask (agent_id, without_applied, position)
 CROSS JOIN LATERAL agent_wanted(ask.agent_id, ask.without_applied) w
 ORDER BY ask.position, w.sequence_id;

-- targets --
-- The target state itself, with the names of the stacks.
SELECT d.id, d.created_at, d.updated_at, d.deleted_at, d.sequence_id, d.stack_id, d.yaml_content,
       d.yaml_checksum, d.submitted_at, d.is_deletion_marker, w.stack_name
  FROM agent_wanted($1, $2) w
  JOIN deployment_objects d ON d.id = w.id
 ORDER BY d.sequence_id;

-- count --
SELECT count(*) FROM deployment_objects WHERE deleted_at IS NULL;
