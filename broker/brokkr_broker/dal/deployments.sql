-- create --
-- The row lock makes a simultaneous deletion of the stack wait, or be seen.
INSERT INTO deployment_objects (stack_id, yaml_content, yaml_checksum, is_deletion_marker)
SELECT s.id, $2, $3, $4
  FROM (SELECT id FROM stacks WHERE id = $1 AND deleted_at IS NULL FOR SHARE) s
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
 ORDER BY sequence_id DESC
 LIMIT $3;

-- wanted --
-- The ids of an agent's target state, in ascending sequence; never the YAML. The newest object of
-- each stack it serves and the markers of deleted stacks, less the markers that it reported as
-- done; $2: less everything that it reported as applied.
SELECT d.id
  FROM (SELECT newest.id, newest.sequence_id, newest.is_deletion_marker
          FROM agent_stacks served
          JOIN stacks s ON s.id = served.stack_id AND s.deleted_at IS NULL
         CROSS JOIN LATERAL (SELECT o.id, o.sequence_id, o.is_deletion_marker
                               FROM deployment_objects o
                              WHERE o.stack_id = s.id AND o.deleted_at IS NULL
                              ORDER BY o.sequence_id DESC
                              LIMIT 1) newest
         WHERE served.agent_id = $1
         UNION ALL
        SELECT m.id, m.sequence_id, true
          FROM stack_removals r
          JOIN deployment_objects m ON m.id = r.deployment_object_id
         WHERE r.agent_id = $1) d
  LEFT JOIN agent_objects reported
         ON reported.agent_id = $1 AND reported.deployment_object_id = d.id
        AND reported.status = 'SUCCESS'
 WHERE reported.agent_id IS NULL OR NOT (d.is_deletion_marker OR $2)
 ORDER BY d.sequence_id;

-- targets --
-- The objects behind `wanted`, with the names of their stacks.
SELECT d.id, d.created_at, d.updated_at, d.deleted_at, d.sequence_id, d.stack_id, d.yaml_content,
       d.yaml_checksum, d.submitted_at, d.is_deletion_marker, s.name AS stack_name
  FROM deployment_objects d
  JOIN stacks s ON s.id = d.stack_id
 WHERE d.id = ANY ($1::uuid[])
 ORDER BY d.sequence_id;

-- count --
SELECT count(*) FROM deployment_objects WHERE deleted_at IS NULL;
