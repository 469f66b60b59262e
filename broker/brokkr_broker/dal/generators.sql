-- list_ --
SELECT id, created_at, updated_at, deleted_at, name, description, last_active_at, is_active
  FROM generators
 WHERE deleted_at IS NULL
   AND (created_at, id) > (coalesce($1::timestamptz, '-infinity'),
                           coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $3;

-- get --
SELECT id, created_at, updated_at, deleted_at, name, description, last_active_at, is_active
  FROM generators
 WHERE id = $1 AND deleted_at IS NULL;

-- create --
INSERT INTO generators (name, description, pak_hash, pak_short)
VALUES ($1, $2, $3, $4)
RETURNING id, created_at, updated_at, deleted_at, name, description, last_active_at, is_active;

-- update --
-- $4 says whether the description is given; null clears it. $6: only if that was the last change.
UPDATE generators
   SET name = coalesce($2, name),
       description = CASE WHEN $4 THEN $3 ELSE description END,
       is_active = coalesce($5, is_active)
 WHERE id = $1 AND deleted_at IS NULL AND ($6::timestamptz IS NULL OR updated_at = $6)
RETURNING id, created_at, updated_at, deleted_at, name, description, last_active_at, is_active;

-- rotate --
UPDATE generators
   SET pak_hash = $2, pak_short = $3
 WHERE id = $1 AND deleted_at IS NULL
RETURNING id, created_at, updated_at, deleted_at, name, description, last_active_at, is_active;

-- delete --
-- Its stacks, their objects and their agents follow by triggers.
UPDATE generators SET deleted_at = now()
 WHERE id = $1 AND deleted_at IS NULL AND ($2::timestamptz IS NULL OR updated_at = $2)
RETURNING id;
