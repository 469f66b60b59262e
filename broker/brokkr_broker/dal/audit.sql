-- record --
-- Many entries in one statement. One that is stored already (its first try was answered by
-- nothing) is not stored again.
INSERT INTO audit_logs (id, timestamp, actor_type, actor_id, action, resource_type, resource_id,
                        details, ip_address, user_agent)
SELECT id, timestamp, actor_type, actor_id, action, resource_type, resource_id, details::jsonb,
       ip_address, user_agent
  FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::text[],
              $7::uuid[], $8::text[], $9::text[], $10::text[])
       AS t (id, timestamp, actor_type, actor_id, action, resource_type, resource_id, details,
             ip_address, user_agent)
ON CONFLICT (id) DO NOTHING;

-- search --
-- Newest first. A null filter fits everything; an action that ends in `*` is a prefix ($4).
SELECT id, timestamp, actor_type, actor_id, action, resource_type, resource_id, details,
       ip_address, user_agent, created_at
  FROM audit_logs
 WHERE ($1::text IS NULL OR actor_type = $1) AND ($2::uuid IS NULL OR actor_id = $2)
   AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR starts_with(action, $4))
   AND ($5::text IS NULL OR resource_type = $5) AND ($6::uuid IS NULL OR resource_id = $6)
   AND timestamp >= coalesce($7::timestamptz, '-infinity')
   AND timestamp < coalesce($8::timestamptz, 'infinity')
   AND (timestamp, id) < (coalesce($9::timestamptz, 'infinity'),
                          coalesce($10::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY timestamp DESC, id DESC
 LIMIT $11 OFFSET $12;

-- count --
SELECT count(*)
  FROM audit_logs
 WHERE ($1::text IS NULL OR actor_type = $1) AND ($2::uuid IS NULL OR actor_id = $2)
   AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR starts_with(action, $4))
   AND ($5::text IS NULL OR resource_type = $5) AND ($6::uuid IS NULL OR resource_id = $6)
   AND timestamp >= coalesce($7::timestamptz, '-infinity')
   AND timestamp < coalesce($8::timestamptz, 'infinity');

-- sweep --
-- The database lets go of rows that are older than a day, and of no others.
DELETE FROM audit_logs
 WHERE id IN (SELECT id FROM audit_logs
               WHERE created_at < now() - make_interval(days => greatest($1::integer, 2))
               ORDER BY created_at
               LIMIT 10000)
RETURNING id;
