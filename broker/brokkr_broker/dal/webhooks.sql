-- list_ --
SELECT id, name, true AS has_url, auth_header_encrypted IS NOT NULL AS has_auth_header, event_types,
       filters, target_labels, enabled, max_retries, timeout_seconds, created_at, updated_at, created_by
  FROM webhook_subscriptions
 WHERE (created_at, id) > (coalesce($1::timestamptz, '-infinity'),
                           coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $3;

-- get --
SELECT id, name, true AS has_url, auth_header_encrypted IS NOT NULL AS has_auth_header, event_types,
       filters, target_labels, enabled, max_retries, timeout_seconds, created_at, updated_at, created_by
  FROM webhook_subscriptions
 WHERE id = $1;

-- sealed --
-- What is needed to call it.
SELECT url_encrypted, auth_header_encrypted, signing_secret_encrypted, timeout_seconds
  FROM webhook_subscriptions
 WHERE id = $1;

-- create --
INSERT INTO webhook_subscriptions (name, url_encrypted, auth_header_encrypted, signing_secret_encrypted,
    event_types, filters, target_labels, enabled, max_retries, timeout_seconds, created_by)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11)
RETURNING id, name, true AS has_url, auth_header_encrypted IS NOT NULL AS has_auth_header, event_types,
    filters, target_labels, enabled, max_retries, timeout_seconds, created_at, updated_at, created_by;

-- update --
-- A null argument leaves its column as it is; $11 names those that are cleared.
UPDATE webhook_subscriptions
   SET name = coalesce($2, name),
       url_encrypted = coalesce($3, url_encrypted),
       auth_header_encrypted = CASE WHEN 'auth_header' = ANY ($11::text[]) THEN NULL
                                    ELSE coalesce($4, auth_header_encrypted) END,
       signing_secret_encrypted = coalesce($5, signing_secret_encrypted),
       event_types = coalesce($6, event_types),
       filters = CASE WHEN 'filters' = ANY ($11::text[]) THEN NULL
                      ELSE coalesce($7::jsonb, filters) END,
       target_labels = CASE WHEN 'target_labels' = ANY ($11::text[]) THEN NULL
                            ELSE coalesce($8, target_labels) END,
       enabled = coalesce($9, enabled),
       max_retries = coalesce($10, max_retries),
       timeout_seconds = coalesce($12, timeout_seconds)
 WHERE id = $1 AND ($13::timestamptz IS NULL OR updated_at = $13)
RETURNING id, name, true AS has_url, auth_header_encrypted IS NOT NULL AS has_auth_header, event_types,
    filters, target_labels, enabled, max_retries, timeout_seconds, created_at, updated_at, created_by;

-- delete --
DELETE FROM webhook_subscriptions
 WHERE id = $1 AND ($2::timestamptz IS NULL OR updated_at = $2)
RETURNING id;
