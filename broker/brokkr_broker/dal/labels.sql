-- list_agent_labels --
SELECT id, agent_id, label FROM agent_labels
 WHERE agent_id = $1 AND label > coalesce($2::text, '')
 ORDER BY label
 LIMIT $3;

-- create_agent_label --
INSERT INTO agent_labels (agent_id, label)
SELECT id, $2 FROM agents WHERE id = $1 AND deleted_at IS NULL
RETURNING id, agent_id, label;

-- delete_agent_label --
DELETE FROM agent_labels WHERE agent_id = $1 AND label = $2 RETURNING id;

-- list_agent_annotations --
SELECT id, agent_id, key, value FROM agent_annotations
 WHERE agent_id = $1 AND key > coalesce($2::text, '')
 ORDER BY key
 LIMIT $3;

-- create_agent_annotation --
INSERT INTO agent_annotations (agent_id, key, value)
SELECT id, $2, $3 FROM agents WHERE id = $1 AND deleted_at IS NULL
RETURNING id, agent_id, key, value;

-- delete_agent_annotation --
DELETE FROM agent_annotations WHERE agent_id = $1 AND key = $2 RETURNING id;

-- list_stack_labels --
SELECT id, stack_id, label FROM stack_labels
 WHERE stack_id = $1 AND label > coalesce($2::text, '')
 ORDER BY label
 LIMIT $3;

-- create_stack_label --
INSERT INTO stack_labels (stack_id, label)
SELECT id, $2 FROM stacks WHERE id = $1 AND deleted_at IS NULL
RETURNING id, stack_id, label;

-- delete_stack_label --
DELETE FROM stack_labels WHERE stack_id = $1 AND label = $2 RETURNING id;

-- list_stack_annotations --
SELECT id, stack_id, key, value FROM stack_annotations
 WHERE stack_id = $1 AND key > coalesce($2::text, '')
 ORDER BY key
 LIMIT $3;

-- create_stack_annotation --
INSERT INTO stack_annotations (stack_id, key, value)
SELECT id, $2, $3 FROM stacks WHERE id = $1 AND deleted_at IS NULL
RETURNING id, stack_id, key, value;

-- delete_stack_annotation --
DELETE FROM stack_annotations WHERE stack_id = $1 AND key = $2 RETURNING id;

-- list_template_labels --
SELECT id, template_id, label FROM template_labels
 WHERE template_id = $1 AND label > coalesce($2::text, '')
 ORDER BY label
 LIMIT $3;

-- create_template_label --
INSERT INTO template_labels (template_id, label)
SELECT id, $2 FROM stack_templates WHERE id = $1 AND deleted_at IS NULL
RETURNING id, template_id, label;

-- delete_template_label --
DELETE FROM template_labels WHERE template_id = $1 AND label = $2 RETURNING id;

-- list_template_annotations --
SELECT id, template_id, key, value FROM template_annotations
 WHERE template_id = $1 AND key > coalesce($2::text, '')
 ORDER BY key
 LIMIT $3;

-- create_template_annotation --
INSERT INTO template_annotations (template_id, key, value)
SELECT id, $2, $3 FROM stack_templates WHERE id = $1 AND deleted_at IS NULL
RETURNING id, template_id, key, value;

-- delete_template_annotation --
DELETE FROM template_annotations WHERE template_id = $1 AND key = $2 RETURNING id;
