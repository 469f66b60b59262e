-- find --
-- Whose key has this hash? One indexed look-up per kind.
SELECT kind, id, pak_short
  FROM (SELECT 'admin' AS kind, NULL::uuid AS id, pak_short FROM admin_role WHERE pak_hash = $1
        UNION ALL
        SELECT 'agent', id, pak_short FROM agents WHERE pak_hash = $1 AND deleted_at IS NULL
        UNION ALL
        SELECT 'generator', id, pak_short FROM generators
         WHERE pak_hash = $1 AND deleted_at IS NULL AND is_active) found
 LIMIT 1;

-- initialize --
-- The first start, once: returns a row only to the caller that made it.
INSERT INTO app_initialization DEFAULT VALUES ON CONFLICT (id) DO NOTHING RETURNING initialized_at;

-- set_admin --
INSERT INTO admin_role (pak_hash, pak_short) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET pak_hash = excluded.pak_hash, pak_short = excluded.pak_short;

-- ping --
SELECT 1;
