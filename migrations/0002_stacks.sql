-- Stacks, and what connects them with agents: targets, labels, annotations.

CREATE TABLE stacks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    name varchar(255) NOT NULL CHECK (name <> ''),
    description text,
    generator_id uuid CONSTRAINT stacks_generator_id_fkey REFERENCES generators (id)
);

CREATE UNIQUE INDEX stacks_name ON stacks (name) WHERE deleted_at IS NULL;
CREATE INDEX stacks_generator_id ON stacks (generator_id) WHERE deleted_at IS NULL;
CREATE TRIGGER stacks_touch BEFORE UPDATE ON stacks
    FOR EACH ROW EXECUTE FUNCTION brokkr_touch();

CREATE FUNCTION brokkr_delete_stacks_of_generator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE stacks SET deleted_at = NEW.deleted_at
     WHERE generator_id = NEW.id AND deleted_at IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER generators_delete_stacks AFTER UPDATE OF deleted_at ON generators
    FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)
    EXECUTE FUNCTION brokkr_delete_stacks_of_generator();

CREATE TABLE agent_targets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_id uuid NOT NULL CONSTRAINT agent_targets_agent_id_fkey REFERENCES agents (id) ON DELETE CASCADE,
    stack_id uuid NOT NULL CONSTRAINT agent_targets_stack_id_fkey REFERENCES stacks (id) ON DELETE CASCADE,
    CONSTRAINT agent_targets_agent_id_stack_id UNIQUE (agent_id, stack_id)
);
CREATE INDEX agent_targets_stack_id ON agent_targets (stack_id);

CREATE TABLE agent_labels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_id uuid NOT NULL CONSTRAINT agent_labels_agent_id_fkey REFERENCES agents (id) ON DELETE CASCADE,
    label varchar(64) NOT NULL,
    CONSTRAINT agent_labels_agent_id_label UNIQUE (agent_id, label)
);
CREATE INDEX agent_labels_label ON agent_labels (label);

CREATE TABLE agent_annotations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    agent_id uuid NOT NULL CONSTRAINT agent_annotations_agent_id_fkey REFERENCES agents (id) ON DELETE CASCADE,
    key varchar(64) NOT NULL,
    value varchar(64) NOT NULL,
    CONSTRAINT agent_annotations_agent_id_key UNIQUE (agent_id, key)
);
CREATE INDEX agent_annotations_key_value ON agent_annotations (key, value);

CREATE TABLE stack_labels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    stack_id uuid NOT NULL CONSTRAINT stack_labels_stack_id_fkey REFERENCES stacks (id) ON DELETE CASCADE,
    label varchar(64) NOT NULL,
    CONSTRAINT stack_labels_stack_id_label UNIQUE (stack_id, label)
);
CREATE INDEX stack_labels_label ON stack_labels (label);

CREATE TABLE stack_annotations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    stack_id uuid NOT NULL CONSTRAINT stack_annotations_stack_id_fkey REFERENCES stacks (id) ON DELETE CASCADE,
    key varchar(64) NOT NULL,
    value varchar(64) NOT NULL,
    CONSTRAINT stack_annotations_stack_id_key UNIQUE (stack_id, key)
);
CREATE INDEX stack_annotations_key_value ON stack_annotations (key, value);

-- The one definition of "this agent serves this stack".
CREATE VIEW agent_stacks AS
    SELECT t.agent_id, t.stack_id FROM agent_targets t
    UNION
    SELECT al.agent_id, sl.stack_id FROM agent_labels al JOIN stack_labels sl ON sl.label = al.label
    UNION
    SELECT aa.agent_id, sa.stack_id
      FROM agent_annotations aa JOIN stack_annotations sa ON sa.key = aa.key AND sa.value = aa.value;
