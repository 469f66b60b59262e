-- find --
-- Whose keys have these hashes? One indexed look-up per kind and hash.
SELECT asked.hash, owner.kind, owner.id, owner.pak_short
  FROM unnest($1::text[]) AS asked (hash)
 CROSS JOIN LATERAL (
        SELECT 'admin' AS kind, NULL::uuid AS id, pak_short FROM admin_role
         WHERE pak_hash = asked.hash
        UNION ALL
        SELECT 'agent', id, pak_short FROM agents
         WHERE pak_hash = asked.hash AND pak_hash <> '' AND deleted_at IS NULL
        UNION ALL
        SELECT 'generator', id, pak_short FROM generators
         WHERE pak_hash = asked.hash AND pak_hash <> '' AND deleted_at IS NULL AND is_active
         LIMIT 1) owner;

-- initialize --
-- The first start, once: returns a row only to the caller that made it.
INSERT INTO app_initialization DEFAULT VALUES ON CONFLICT (id) DO NOTHING RETURNING initialized_at;

-- set_admin --
INSERT INTO admin_role (pak_hash, pak_short) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET pak_hash = excluded.pak_hash, pak_short = excluded.pak_short;

-- ping --
-- Whether the database takes writes: a replica does not.
SELECT current_setting('transaction_read_only') = 'off';
