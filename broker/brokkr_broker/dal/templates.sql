-- list_ --
-- All versions of all templates.
SELECT id, created_at, updated_at, deleted_at, generator_id, name, description, version,
       template_content, parameters_schema, checksum
  FROM stack_templates
 WHERE deleted_at IS NULL
   AND (created_at, id) > (coalesce($1::timestamptz, '-infinity'),
                           coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $3;

-- list_of_generator --
-- Its own and those of the system.
SELECT id, created_at, updated_at, deleted_at, generator_id, name, description, version,
       template_content, parameters_schema, checksum
  FROM stack_templates
 WHERE deleted_at IS NULL AND (generator_id IS NULL OR generator_id = $1)
   AND (created_at, id) > (coalesce($2::timestamptz, '-infinity'),
                           coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY created_at, id
 LIMIT $4;

-- get --
SELECT id, created_at, updated_at, deleted_at, generator_id, name, description, version,
       template_content, parameters_schema, checksum
  FROM stack_templates
 WHERE id = $1 AND deleted_at IS NULL;

-- version --
-- Of the template that a version's id belongs to: the newest live version, or the one of $2.
SELECT v.id, v.created_at, v.updated_at, v.deleted_at, v.generator_id, v.name, v.description,
       v.version, v.template_content, v.parameters_schema, v.checksum
  FROM stack_templates t
  JOIN stack_templates v
    ON coalesce(v.generator_id, '00000000-0000-0000-0000-000000000000')
       = coalesce(t.generator_id, '00000000-0000-0000-0000-000000000000')
   AND v.name = t.name AND v.deleted_at IS NULL
 WHERE t.id = $1 AND t.deleted_at IS NULL AND ($2::integer IS NULL OR v.version = $2)
 ORDER BY v.version DESC
 LIMIT 1;

-- lock --
-- One new version of a template at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || coalesce($1::uuid::text, '') || $2, 5));

-- create --
-- The next version; its labels and annotations are those of the newest live one before.
WITH versions AS (
    SELECT id, version, deleted_at FROM stack_templates
     WHERE coalesce(generator_id, '00000000-0000-0000-0000-000000000000')
           = coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') AND name = $2
), newest AS (
    SELECT id FROM versions WHERE deleted_at IS NULL ORDER BY version DESC LIMIT 1
), created AS (
    INSERT INTO stack_templates
        (generator_id, name, description, version, template_content, parameters_schema, checksum)
    VALUES ($1, $2, $3, coalesce((SELECT max(version) FROM versions), 0) + 1, $4, $5, $6)
    RETURNING id, created_at, updated_at, deleted_at, generator_id, name, description, version,
              template_content, parameters_schema, checksum
), labelled AS (
    INSERT INTO template_labels (template_id, label)
    SELECT created.id, l.label
      FROM created, newest JOIN template_labels l ON l.template_id = newest.id
), annotated AS (
    INSERT INTO template_annotations (template_id, key, value)
    SELECT created.id, a.key, a.value
      FROM created, newest JOIN template_annotations a ON a.template_id = newest.id
)
SELECT id, created_at, updated_at, deleted_at, generator_id, name, description, version,
       template_content, parameters_schema, checksum
  FROM created;

-- delete --
UPDATE stack_templates SET deleted_at = now()
 WHERE id = $1 AND deleted_at IS NULL AND ($2::timestamptz IS NULL OR updated_at = $2)
RETURNING id;

-- missing_labels --
-- What a template asks for and a stack does not have.
SELECT label FROM template_labels WHERE template_id = $1
EXCEPT
SELECT label FROM stack_labels WHERE stack_id = $2
 ORDER BY label;

-- missing_annotations --
SELECT key, value FROM template_annotations WHERE template_id = $1
EXCEPT
SELECT key, value FROM stack_annotations WHERE stack_id = $2
 ORDER BY key;

-- record --
-- Where a deployment object comes from.
INSERT INTO rendered_deployment_objects
    (deployment_object_id, template_id, template_version, template_parameters)
VALUES ($1, $2, $3, $4);
