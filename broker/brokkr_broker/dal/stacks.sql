-- list_ --
-- All live stacks.
SELECT id, created_at, updated_at, deleted_at, name, description,
       coalesce(generator_id, '00000000-0000-0000-0000-000000000000') AS generator_id
  FROM stacks
 WHERE deleted_at IS NULL
   AND (created_at, id) > (coalesce($1::timestamptz, '-infinity'),
                           coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $3;

-- list_of_generator --
SELECT id, created_at, updated_at, deleted_at, name, description,
       coalesce(generator_id, '00000000-0000-0000-0000-000000000000') AS generator_id
  FROM stacks
 WHERE deleted_at IS NULL AND generator_id = $1
   AND (created_at, id) > (coalesce($2::timestamptz, '-infinity'),
                           coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $4;

-- get --
-- A deleted stack is found as well; its deleted_at says so.
SELECT id, created_at, updated_at, deleted_at, name, description,
       coalesce(generator_id, '00000000-0000-0000-0000-000000000000') AS generator_id
  FROM stacks
 WHERE id = $1;

-- create --
INSERT INTO stacks (name, description, generator_id)
VALUES ($1, $2, $3)
RETURNING id, created_at, updated_at, deleted_at, name, description,
          coalesce(generator_id, '00000000-0000-0000-0000-000000000000') AS generator_id;

-- update --
-- $4 says whether the description is given; null clears it. $5: only if that was the last change.
UPDATE stacks
   SET name = coalesce($2, name),
       description = CASE WHEN $4 THEN $3 ELSE description END
 WHERE id = $1 AND deleted_at IS NULL AND ($5::timestamptz IS NULL OR updated_at = $5)
RETURNING id, created_at, updated_at, deleted_at, name, description,
          coalesce(generator_id, '00000000-0000-0000-0000-000000000000') AS generator_id;

-- delete --
-- Its objects, its marker and the agents that have to act follow by triggers.
UPDATE stacks SET deleted_at = now()
 WHERE id = $1 AND deleted_at IS NULL AND ($2::timestamptz IS NULL OR updated_at = $2)
RETURNING id;

-- serves --
-- Whether an agent serves a stack, or has to remove it.
SELECT EXISTS (SELECT FROM agent_stacks WHERE agent_id = $1 AND stack_id = $2)
    OR EXISTS (SELECT FROM stack_removals WHERE agent_id = $1 AND stack_id = $2);

-- count --
SELECT count(*) FROM stacks WHERE deleted_at IS NULL;
